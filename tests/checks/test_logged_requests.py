from __future__ import annotations

import json
from typing import Any

import pytest
from registry_server import Caller, chat, completion

from promptsync.commands.track import read_request
from promptsync.files.yaml.load import InvalidFile
from promptsync.server.app import create_app

REQUEST: dict[str, Any] = {"provider": "openai", "model": "gpt-4o"}
REQUEST |= {"input": chat("Hi"), "output": completion("Hello")}
REQUEST |= dict.fromkeys(("request_start_time", "request_end_time"), "2026-01-01T00:00:00Z")
TOOL_CALLS = {"role": "assistant", "content": [], "tool_calls": [{"id": "1", "function": {"name": "f"}}]}
GOOD: list[dict[str, Any]] = [
    {"request_start_time": 1.5, "request_end_time": 2, "unknown_key": {"is": "sent"}},
    {"output": {"type": "chat", "messages": [TOOL_CALLS]}},
    {"score": 100, "tags": ["a"], "metadata": {"k": "v"}, "price": 0.5, "prompt_name": None},
    {"status": "WARNING", "error_type": "PROVIDER_PARTIAL_RESPONSE", "error_message": "cut"},
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"provider": None}, "provider must be text, but it is empty."),
    ({"input": {"type": "chat"}}, "input lacks the key messages."),
    ({"input": {"type": "chat", "messages": [{"content": []}]}}, "input.messages[0] lacks the key role."),
    ({"output": {"type": "completion", "content": "Hi"}}, 'a list, but it is text. Write text as [{"type"'),
    ({"score": 101}, "score: 101 is greater than the maximum of 100."),
    ({"metadata": {"k": 1}}, "metadata.k must be text"),
    ({"status": "FINE"}, 'status: "FINE" is not one of'),
    ({"error_message": "x" * 1025}, "error_message"),
]


def encoded(value: object) -> bytes:
    return json.dumps(value, indent="\t").encode()


def test_a_valid_request_is_sent_unchanged_and_accepted_by_the_registry(tmp_path: Any) -> None:
    with create_app(tmp_path / "r.db") as app:
        for change in GOOD:
            request = {**REQUEST, **change}
            assert read_request(b"\xef\xbb\xbf" + encoded(request), "r.json") == request
            assert Caller(app)("POST", "/rest/log-request", request).status == 201


def test_a_problem_is_reported_with_its_position() -> None:
    for change, said in BAD:
        data = encoded({**REQUEST, **change})
        with pytest.raises(InvalidFile) as caught:
            read_request(data, "r.json")
        (problem,) = caught.value.problems
        assert said in f"{problem.message} {problem.hint}"
        (key,) = change
        assert f'"{key}"' in data.decode().splitlines()[problem.line - 1] or problem.line > 1


def test_a_file_without_a_json_object_is_refused() -> None:
    for data, said in (
        (b'{"a": 1,\n "b" 2}', "r.json:2:6: This is not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "r.json:1:1: Values nest deeper"),
        (b"[]", "The file must be a mapping, but it is a list."),
    ):
        with pytest.raises(InvalidFile) as caught:
            read_request(data, "r.json")
        assert said in caught.value.message
