"""``track`` as an application's script runs it."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest

from promptsync.cli import run
from promptsync.registry.promptlayer.request_log import logged_request
from promptsync.show.track import show_request
from promptsync.terminal.fit import fitted

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
    (["show", "0"], "is not a request id"),
    (["show"], "Missing argument"),
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
        (["show", "7"], "no request with the id 7"),
    ],
)
def test_a_rejection_has_the_message_of_the_registry(here: Copy, arguments: list[str], said: str) -> None:
    code, _, err = here.run("track", *arguments)
    assert (code, said in err) == (4, True)


TEXT = """\
request   1
provider  openai
model     gpt-4o
prompt    ask v1
status    SUCCESS
tokens    3 in, 1 out
price     0.25
latency   1 s
started   2026-01-01 00:00 UTC
tags      billing, mail
metadata  user=42
scores    tone 90
group     1
input     user: Hi
output    assistant: Hello again
"""


@pytest.fixture
def noted(here: Copy) -> Copy:
    """Request 1, with everything that can be recorded about it."""
    output = {"messages": [{"role": "assistant", "content": [{"type": "text", "text": "Hello\nagain"}]}]}
    more = {"input_tokens": 3, "output_tokens": 1, "price": 0.25, "tags": ["billing", "mail"]}
    body = {**REQUEST, **more, "output": {"type": "chat", **output}}
    (here.root / "request.json").write_text(json.dumps(body))
    for arguments in (
        ["request", "request.json"],
        ["prompt", "1", "ask"],
        ["score", "1", "90", "--name", "tone"],
        ["metadata", "1", "user=42"],
        ["group", "1", "--new"],
    ):
        assert here.run("track", *arguments)[0] == 0
    return here


def test_a_request_is_shown_with_all_that_was_recorded(noted: Copy) -> None:
    code, out, err = noted.run("track", "show", "1")
    assert (code, out, err) == (0, TEXT, "")
    found = json.loads(noted.run("track", "show", "1", "--json")[1])
    assert {key: value for key, value in found.items() if key not in ("schema", "remote", "exit_code")} == {
        "request_id": 1,
        "provider": "openai",
        "model": "gpt-4o",
        "prompt": "ask",
        "version": 1,
        "status": "SUCCESS",
        "failure": None,
        "input_tokens": 3,
        "output_tokens": 1,
        "price": 0.25,
        "latency_ms": 1000.0,
        "started_at": "2026-01-01T00:00:00.000000Z",
        "tags": ["billing", "mail"],
        "metadata": {"user": "42"},
        "scores": {"tone": 90},
        "group_id": 1,
        "trace_id": None,
        "input": [{"role": "user", "text": "Hi"}],
        "output": [{"role": "assistant", "text": "Hello\nagain"}],
    }


def test_counts_that_a_client_does_not_know_are_not_shown(here: Copy) -> None:
    body = {**REQUEST, "input_tokens": 0, "output_tokens": 0, "price": 0}
    image = {"type": "image_url", "image_url": {"url": "https://example.com/boots.png"}}
    body["input"] = {"type": "chat", "messages": [{"role": "user", "content": [image]}]}
    body["output"] = {"type": "chat", "messages": []}
    (here.root / "request.json").write_text(json.dumps(body))
    assert here.run("track", "request", "request.json")[0] == 0
    shown = here.run("track", "show", "1")[1].splitlines()
    assert not [line for line in shown if line.startswith(("tokens", "price"))]
    assert shown[-1] == "input     user: (no text)"


def test_a_narrow_terminal_wraps_long_texts_beside_their_names() -> None:
    text = "Do you repair boots? " * 5
    message = {"role": "user", "content": [{"type": "text", "text": text}]}
    found = logged_request(1, {"prompt_blueprint": {"prompt_template": {"messages": [message]}}})
    shown = [click.unstyle(line) for line in fitted(show_request(found).lines, 40)]
    assert shown[:3] == [
        "request  1",
        "input    user: Do you repair boots? Do",
        "         you repair boots? Do you repair",
    ]
    assert "".join(shown[1:]).count("repair") == 5


def test_what_the_model_said_earlier_is_not_the_output_of_a_request_that_failed() -> None:
    turns = [{"role": role, "content": role} for role in ("user", "assistant", "user")]
    for messages, said in ((turns, []), ([*turns, {"role": "assistant", "content": "last"}], ["last"])):
        found = logged_request(1, {"prompt_blueprint": {"prompt_template": {"messages": messages}}})
        assert [turn.text for turn in found.input] == ["user", "assistant", "user"]
        assert [turn.text for turn in found.output] == said


def test_the_text_beside_a_generated_image_is_the_input() -> None:
    content = [
        {"type": "text", "text": "Draw"},
        {"type": "output_media", "url": "data:image/png;base64,aGk="},
    ]
    template = {"type": "completion", "content": content}
    found = logged_request(1, {"prompt_blueprint": {"prompt_template": template}})
    assert [(turn.role, turn.text) for turn in found.input] == [("user", "Draw")]
    assert [(turn.role, turn.text) for turn in found.output] == [("assistant", "")]
