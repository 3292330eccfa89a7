"""The pages about what works and what was verified are true: all that they name is called."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
import recorded
import table
from mcp_tools import CALLS
from operation_tries import ALL, TRIES
from vendor_spec import SPEC, spec

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


@pytest.mark.lane
def test_the_data_say_what_each_method_of_the_installed_sdk_does() -> None:
    pytest.importorskip("promptlayer")
    column, outcomes = table.called(table.python(sys.executable))
    written = WRITTEN.methods.get(column)
    if written is None:
        pytest.skip(f"the page has no column for {column}")
    # It needs a package that is installed only to write the page.
    assert outcomes == {name: outcome for name, outcome in written.items() if name != "instrument_openai"}


def test_every_sdk_has_a_column() -> None:
    assert all(WRITTEN.methods.values())


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


@pytest.mark.skipif(not FOLDER, reason="PROMPTLAYER_RECORDINGS names no folder of recordings")
def test_the_recorded_answers_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    recorded.main(Path(FOLDER or ""))
    (source,) = (source for source in ROWS if source.startswith("Recordings"))
    assert numbers(ROWS[source]) == numbers(capsys.readouterr().out.splitlines()[-1])
