"""Recorded answers differ from those of the embedded registry only as known."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import recorded
import yaml
from registry_server import Caller, chat

from promptsync.server.app import create_app

FOLDER = os.environ.get("PROMPTLAYER_RECORDINGS")


@pytest.mark.skipif(not FOLDER, reason="PROMPTLAYER_RECORDINGS names no folder of recordings")
def test_the_recorded_answers_differ_only_as_known(capsys):
    assert recorded.main(Path(FOLDER or "")) == 0, capsys.readouterr().out


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


@pytest.fixture
def interactions(tmp_path):
    """Recordings of the embedded registry itself."""
    exchanges = [{"request": {"uri": "https://api.openai.com/v1/chat/completions"}, "response": {}}]
    with create_app(tmp_path / "registry.db") as app:
        call = Caller(app)
        for unrecorded in UNRECORDED:
            assert call(*unrecorded).status < 300
        for method, target, sent in SENT:
            if "known" in target:
                call("POST", PUBLISH, {"prompt_name": "known before", "prompt_template": chat()})
            answer = call(method, target, sent)
            assert answer.status < 300, answer.body
            exchanges.append(recording(method, target, sent, answer.status, answer.raw.decode()))
    return exchanges


def replay(tmp_path, capsys, interactions):
    (tmp_path / "one.yaml").write_text(yaml.safe_dump({"interactions": interactions}))
    code = recorded.main(tmp_path)
    return code, capsys.readouterr().out


def test_a_registry_answers_as_it_was_recorded(tmp_path, capsys, monkeypatch, interactions):
    monkeypatch.setattr(recorded, "KNOWN", ())
    code, printed = replay(tmp_path, capsys, interactions)
    assert (code, printed.splitlines()[-1]) == (0, "6 answers: 6 matches")
    assert recorded.main(tmp_path / "empty") == 1


MORE, VERSION = (".*", "more: only recorded", "It was removed."), (".*", "version: .*", "It is another one.")
GONE = (".*", "gone: .*", "")


def test_what_differs_is_listed_and_must_be_known(tmp_path, capsys, monkeypatch, interactions):
    response = interactions[2]["response"]["body"]
    response["string"] = json.dumps({**json.loads(response["string"]), "version": 9, "more": 1})
    for known, code, words in (
        ([MORE], 1, ["version: 9 recorded, 1 here\n", "more: only recorded (It was removed.)\n"]),
        ([MORE, VERSION], 0, ["1 as known"]),
        ([MORE, VERSION, GONE], 1, ["remove it from KNOWN: .* gone: .*"]),
    ):
        monkeypatch.setattr(recorded, "KNOWN", known)
        failed, printed = replay(tmp_path, capsys, interactions)
        assert failed == code
        assert [text for text in words if text not in printed] == []
