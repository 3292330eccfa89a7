"""The pages about what works and what was verified are true: all that they name is called."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
import recorded
import table
import yaml
from mcp_tools import CALLS
from operation_tries import ALL, TRIES
from registry_server import Caller, chat
from vendor_spec import SPEC, spec

from promptsync.server.app import create_app
from promptsync.server.routes import ROUTES


def pattern(method: str, path: str) -> str:
    return f"{method} {re.sub(r'<[^>]+>|{[^}]+}', '*', path)}"


OPERATIONS = {pattern(*operation.split()) for operation in ALL}


VERIFIED = (table.ROOT / "docs" / "verified.md").read_text("utf-8")
ROWS = dict(re.findall(r"(?m)^\* ([^:\n]+): (.+)$", VERIFIED))
WRITTEN = table.Compatibility.read()


def test_the_data_say_what_each_operation_does() -> None:
    assert table.call_operations() == WRITTEN.operations


def test_the_page_is_made_of_the_data() -> None:
    assert table.PAGE.read_text("utf-8") == WRITTEN.page()
    assert all(WRITTEN.methods.values())


@pytest.mark.lane
def test_the_data_say_what_each_method_of_the_installed_sdk_does() -> None:
    pytest.importorskip("promptlayer")
    column, outcomes = table.called(table.python(sys.executable))
    written = WRITTEN.methods.get(column)
    if written is None:
        pytest.skip(f"the page has no column for {column}")
    # It needs a package that is installed only to write the page.
    assert outcomes == {name: outcome for name, outcome in written.items() if name != "instrument_openai"}


def test_every_route_is_an_operation_that_is_tried() -> None:
    routes = {pattern(route.method, route.path) for route in ROUTES}
    assert routes <= OPERATIONS
    assert routes <= {pattern(*attempt.operation.split()) for attempt in TRIES}


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\b\d+\b", text)]


def test_the_operations_are_those_of_the_specification_and_their_responses_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verified = numbers(ROWS["OpenAPI files, August 2026"])
    assert verified[:3] == WRITTEN.specified()
    if not SPEC.exists():
        pytest.skip("the vendor's specification is not available")
    paths = spec()["paths"].items()
    assert {pattern(method.upper(), path) for path, methods in paths for method in methods} <= OPERATIONS
    fitting, validate = set(), table.validate

    def counted(path: str, method: str, status: int, body: object) -> None:
        validate(path, method, status, body)
        fitting.add((path, method))

    monkeypatch.setattr(table, "validate", counted)
    table.call_operations()
    assert verified[3:] == [len(fitting)]


def test_the_calls_of_the_mcp_server_are_counted() -> None:
    assert numbers(ROWS["MCP server 1.3.0"])[:2] == [len(CALLS), len({tool for tool, _ in CALLS})]


FOLDER = os.environ.get("PROMPTLAYER_RECORDINGS")


# -- recorded answers ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not FOLDER, reason="PROMPTLAYER_RECORDINGS names no folder of recordings")
def test_the_recorded_answers_differ_only_as_known(capsys):
    code, printed = recorded.main(Path(FOLDER or "")), capsys.readouterr().out
    assert code == 0, printed
    (source,) = (source for source in ROWS if source.startswith("Recordings"))
    assert numbers(ROWS[source]) == numbers(printed.splitlines()[-1])


PUBLISH, FOLDERS = "/rest/prompt-templates", "/api/public/v2/folders/entities"
UNRECORDED = [
    ("POST", PUBLISH, {"prompt_name": "first", "prompt_template": chat()}),
    ("DELETE", FOLDERS, {"entities": [{"id": 1, "type": "PROMPT"}]}),
    ("POST", "/track-request", {}),
]
"""They make ids that a new registry does not have."""
SENT = [
    ("POST", PUBLISH, {"prompt_name": "own", "prompt_template": chat()}),
    ("POST", "/prompt-templates/own", {"input_variables": {"name": "Ana"}}),
    ("POST", "/prompt-templates/known%20before", {"api_key": "k"}),
    ("GET", "/prompt-templates?page=1", None),
    ("POST", "/track-request", {"prompt_id": 3, "prompt_version": 1, "return_prompt_blueprint": True}),
    ("POST", "/library-track-score", {"request_id": 2, "score": 10}),
]


def recording(method, target, sent, status, body):
    return {
        "request": {"method": method, "uri": f"http://localhost:8000{target}", "body": json.dumps(sent)},
        "response": {"status": {"code": status}, "body": {"string": body}},
    }


def interactions(directory):
    """Recordings of the embedded registry itself."""
    yield {"request": {"uri": "https://api.openai.com/v1/chat/completions"}, "response": {}}
    with create_app(directory / "registry.db") as app:
        call = Caller(app)
        for unrecorded in UNRECORDED:
            assert call(*unrecorded).status < 300
        for method, target, sent in SENT:
            if "known" in target:
                call("POST", PUBLISH, {"prompt_name": "known before", "prompt_template": chat()})
            answer = call(method, target, sent)
            assert answer.status < 300, answer.body
            yield recording(method, target, sent, answer.status, answer.raw.decode())


MORE, VERSION = (".*", "more: only recorded", "It was removed."), (".*", "version: .*", "It is another one.")
GONE = (".*", "gone: .*", "")


def test_what_differs_from_recordings_is_listed_and_must_be_known(tmp_path, capsys, monkeypatch):
    recordings = list(interactions(tmp_path))
    response = recordings[2]["response"]["body"]
    same, other = response["string"], {**json.loads(response["string"]), "version": 9, "more": 1}
    for body, known, code, words in (
        (same, [], 0, ["6 answers: 6 matches"]),
        (json.dumps(other), [MORE], 1, ["version: 9 recorded, 1 here\n", "recorded (It was removed.)\n"]),
        (json.dumps(other), [MORE, VERSION], 0, ["1 as known"]),
        (json.dumps(other), [MORE, VERSION, GONE], 1, ["remove it from KNOWN: .* gone: .*"]),
    ):
        response["string"] = body
        (tmp_path / "one.yaml").write_text(yaml.safe_dump({"interactions": recordings}))
        monkeypatch.setattr(recorded, "KNOWN", known)
        assert recorded.main(tmp_path) == code
        printed = capsys.readouterr().out
        assert [text for text in words if text not in printed] == []
    assert recorded.main(tmp_path / "empty") == 1
