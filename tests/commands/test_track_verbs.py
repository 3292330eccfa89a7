"""``track`` as an application's script runs it."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from promptsync.cli import run

REQUEST = {
    "provider": "openai",
    "model": "gpt-4o",
    "input": {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
    "output": {"type": "completion", "content": [{"type": "text", "text": "Hello"}]},
    "request_start_time": "2026-01-01T00:00:00Z",
    "request_end_time": "2026-01-01T00:00:01Z",
}


class Copy:
    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = root, capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        code = run(["-C", str(self.root), *arguments], {"NO_COLOR": "1"})
        shown = self.capsys.readouterr()
        return code, shown.out, shown.err

    def kept(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.root / ".promptsync/registry.db")) as db:
            return db.execute(query).fetchall()


@pytest.fixture
def here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Copy:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/ask.yaml").write_text("messages: [{role: user, content: '{question}'}]\n")
    (tmp_path / "promptsync.yaml").write_text('remotes: {local: {url: "local:"}}\n')
    (tmp_path / "request.json").write_text(json.dumps(REQUEST))
    copy = Copy(tmp_path, capsys)
    assert copy.run("push", "-y", "--label", "prod")[0] == 0
    return copy


@pytest.mark.parametrize(
    "command",
    [
        ["track", "request", "../request.json"],
        ["track", "group", "--new"],
        ["eval", "list"],
        ["agent", "list"],
        ["dataset", "list"],
    ],
)
def test_an_application_needs_a_url_and_no_configuration(here: Copy, command: list[str]) -> None:
    (here.root / "promptsync.yaml").unlink()
    app = here.root / "app"
    app.mkdir()
    url = f"local:{here.root}/.promptsync/registry.db"
    code, _, err = here.run("-C", str(app), "--remote", url, *command)
    assert code == 0, err
    assert list(app.iterdir()) == []
    assert here.run("-C", str(app), *command)[0] == 2


def test_a_request_is_logged_and_its_id_is_all_that_is_printed(here: Copy) -> None:
    assert here.run("track", "request", "request.json") == (0, "1\n", "")
    code, out, _ = here.run("track", "request", "request.json", "--json")
    assert (code, json.loads(out)["request_id"]) == (0, 2)
    ((body,),) = here.kept("SELECT body FROM requests WHERE id = 1")
    assert json.loads(body) == REQUEST


def test_a_request_comes_from_stdin(here: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(REQUEST).encode())))
    assert here.run("track", "request", "-") == (0, "1\n", "")


def test_an_invalid_request_is_reported_and_never_sent(here: Copy) -> None:
    (here.root / "bad.json").write_text(json.dumps({**REQUEST, "score": 101, "model": 3}, indent=1))
    code, out, err = here.run("track", "request", "bad.json")
    assert (code, out) == (1, "")
    assert "bad.json:3:2: model must be text" in err
    assert "score: 101 is greater than the maximum of 100" in err
    assert here.kept("SELECT count(*) FROM requests") == [(0,)]


def test_everything_can_be_noted_about_a_request(here: Copy) -> None:
    here.run("track", "request", "request.json")
    group = here.run("track", "group", "--new")[1].strip()
    for arguments in (
        ["prompt", "1", "ask", "--label", "prod", "--var", "question=why", "--var", "n:=3"],
        ["score", "1", "70"],
        ["score", "1", "90", "--name", "tone"],
        ["score", "1", "80"],
        ["metadata", "1", "user=42", "url=a=b", "empty="],
        ["group", "1", group],
    ):
        code, out, err = here.run("track", *arguments)
        assert (code, err) == (0, ""), err
        assert out.startswith("request 1: ")
    assert here.kept("SELECT version_id, variables, group_id FROM requests") == [
        (1, '{"question":"why","n":3}', int(group))
    ]
    assert sorted(here.kept("SELECT name, score FROM request_scores")) == [("default", 80), ("tone", 90)]
    assert sorted(here.kept("SELECT key, value FROM request_metadata")) == [
        ("empty", ""),
        ("url", "a=b"),
        ("user", "42"),
    ]


def test_a_request_goes_into_a_group_that_is_made_for_it(here: Copy) -> None:
    here.run("track", "request", "request.json")
    code, out, _ = here.run("track", "group", "1", "--new", "--json")
    body = json.loads(out)
    assert (code, body["request_id"]) == (0, 1)
    assert here.kept("SELECT group_id FROM requests") == [(body["group_id"],)]


WRONG = [
    (["request", "nowhere.json"], "cannot read nowhere.json"),
    (["score", "1", "101"], "101"),
    (["score", "1", "good"], "good"),
    (["score", "0", "1"], "is not a request id"),
    (["score", "0", "1"], "is not a request id"),
    (["score"], "Missing argument"),
    (["score", "-1", "1"], "-1"),
    (["score", "1", "1", "--name", " "], "--name is empty"),
    (["metadata", "1", "user"], "not of the form KEY=VALUE"),
    (["metadata", "1", "=x"], "not of the form KEY=VALUE"),
    (["metadata", "1"], "Missing argument"),
    (["prompt", "1", "ask", "--label", "a", "--version", "1"], "cannot be combined"),
    (["group"], "--new"),
    (["group", "1"], "--new"),
    (["group", "1", "2", "--new"], "--new"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_a_usage_error_is_exit_2(here: Copy, arguments: list[str], said: str) -> None:
    code, out, err = here.run("track", *arguments)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["score", "7", "1"], "no request with the id 7"),
        (["group", "7", "1"], "no request with the id 7"),
        (["prompt", "7", "ask"], "no request with the id 7"),
        (["metadata", "7", "a=b"], "no request with the id 7"),
    ],
)
def test_a_rejection_has_the_message_of_the_registry(here: Copy, arguments: list[str], said: str) -> None:
    code, _, err = here.run("track", *arguments)
    assert (code, said in err) == (4, True)
