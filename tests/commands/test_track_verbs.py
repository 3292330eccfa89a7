"""``track`` as an application's script runs it."""

from __future__ import annotations

import io
import json
import shlex
import sqlite3
import sys
from contextlib import closing
from typing import Any

import pytest
from worlds import World

REQUEST = {
    "provider": "openai",
    "model": "gpt-4o",
    "input": {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
    "output": {"type": "completion", "content": [{"type": "text", "text": "Hello"}]},
    "request_start_time": "2026-01-01T00:00:00Z",
    "request_end_time": "2026-01-01T00:00:01Z",
}


@pytest.fixture
def here(local: World) -> World:
    local.write("ask", "{question}")
    local.put("request.json", json.dumps(REQUEST))
    local.ok("push", "--label", "prod")
    return local


def kept(world: World, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(world.root / ".promptsync/registry.db")) as database:
        return database.execute(query).fetchall()


def test_an_application_needs_a_url_and_no_configuration(here: World) -> None:
    (here.root / "promptsync.yaml").unlink()
    url = f"local:{here.root}/.promptsync/registry.db"
    here.root /= "app"
    here.root.mkdir()
    for line in (
        "track request ../request.json",
        "track group --new",
        "eval list",
        "agent list",
        "dataset list",
    ):
        assert here.run("--remote", url, *line.split()).code == 0
        assert list(here.root.iterdir()) == []
        assert here.run(*line.split()).code == 2


def test_a_request_is_logged_and_its_id_is_all_that_is_printed(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.put("bad.json", json.dumps({**REQUEST, "score": 101, "model": 3}, indent=1))
    invalid = here.run("track", "request", "bad.json")
    assert (invalid.code, invalid.out) == (1, "")
    assert "bad.json:3:2: model must be text" in invalid.err
    assert "score: 101 is greater than the maximum of 100" in invalid.err
    done = here.ok("track", "request", "request.json")
    assert (done.out, done.err) == ("1\n", "")
    assert here.ok("track", "request", "request.json", "--json").document["request_id"] == 2
    columns = "provider_type, engine, request_start_time, latency_ms"
    assert kept(here, f"SELECT {columns} FROM requests WHERE id = 1") == [
        ("openai", "gpt-4o", "2026-01-01T00:00:00.000000Z", 1000)
    ]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(REQUEST).encode())))
    assert here.ok("track", "request", "-").out == "3\n"


def test_everything_can_be_noted_about_a_request(here: World) -> None:
    here.ok("track", "request", "request.json")
    group = here.ok("track", "group", "--new").out.strip()
    for line in (
        "prompt 1 ask --label prod --var question=why --var n:=3",
        "score 1 70",
        "score 1 90 --name tone",
        "score 1 80",
        "metadata 1 user=42 url=a=b empty=",
        f"group 1 {group}",
    ):
        done = here.ok("track", *line.split())
        assert (done.out[:11], done.err) == ("request 1: ", "")
    ((version, *notes, group_id),) = kept(
        here, "SELECT version_id, prompt_input_variables, scores, metadata, group_id FROM requests"
    )
    assert (version, group_id) == (1, int(group))
    assert [json.loads(note) for note in notes] == [
        {"question": "why", "n": 3},
        {"default": 80, "tone": 90},
        {"empty": "", "url": "a=b", "user": "42"},
    ]
    body = here.ok("track", "group", "1", "--new", "--json").document
    assert body["request_id"] == 1
    assert kept(here, "SELECT group_id FROM requests") == [(body["group_id"],)]


WRONG = [
    ("request nowhere.json", 2, "cannot read nowhere.json"),
    ("score 1 101", 2, "101"),
    ("score 1 good", 2, "good"),
    ("score 0 1", 2, "is not a request id"),
    ("score", 2, "Missing argument"),
    ("score -1 1", 2, "-1"),
    ("score 1 1 --name ' '", 2, "--name is empty"),
    ("metadata 1 user", 2, "not of the form KEY=VALUE"),
    ("metadata 1 =x", 2, "not of the form KEY=VALUE"),
    ("metadata 1", 2, "Missing argument"),
    ("prompt 1 ask --label a --version 1", 2, "cannot be combined"),
    ("group", 2, "--new"),
    ("group 1", 2, "--new"),
    ("group 1 2 --new", 2, "--new"),
    ("score 7 1", 4, "no request with the id 7"),
    ("group 7 1", 4, "no request with the id 7"),
    ("prompt 7 ask", 4, "no request with the id 7"),
    ("metadata 7 a=b", 4, "no request with the id 7"),
]


def test_a_usage_error_is_exit_2_and_a_rejection_has_the_message_of_the_registry(here: World) -> None:
    for line, code, said in WRONG:
        done = here.run("track", *shlex.split(line))
        assert (done.code, done.out, said in done.err) == (code, "", True), f"{line}\n{done}"
