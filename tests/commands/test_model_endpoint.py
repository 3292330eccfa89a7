"""The model behind evaluations and agents of an embedded registry: which one, and whose key it gets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from worlds import World

from promptsync.cli import run
from promptsync.commands.shared.models import endpoint
from promptsync.commands.shared.session import Environment
from promptsync.errors import UsageError
from promptsync.server.checks.endpoint import Endpoint

FIXTURES = """
datasets: [{name: cases, rows: [{question: one}]}]
evaluations: [{name: quality, dataset: cases, prompt: ask, scores: [contains: sunny]}]
"""


@pytest.fixture
def model() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    seen: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append({"key": self.headers.get("Authorization"), **body})
            content = json.dumps({"choices": [{"message": {"content": "sunny"}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
        server.shutdown()


def test_a_local_remote_uses_the_model_of_the_environment(
    model: tuple[str, list[dict[str, Any]]], local: World
) -> None:
    url, seen = model
    local.write("ask", "{question}")
    local.put("registry.yaml", FIXTURES)
    local.put("promptsync.yaml", 'remotes: {local: {url: "local:", fixtures: registry.yaml}}\n')
    local.ok("push")
    variables = {"URL": url, "KEY": "sk-secret", "NAME": "tiny"}
    environ = {f"PROMPTSYNC_MODEL_{name}": value for name, value in variables.items()}
    done = local.run("eval", "run", "quality", "--min-score", "100", "--json", **environ)
    assert (done.code, done.document["runs"][0]["model"]) == (0, "tiny")
    assert [(one["key"], one["model"]) for one in seen] == [("Bearer sk-secret", "tiny")]
    assert seen[0]["messages"][0]["content"] == [{"type": "text", "text": "one"}]
    assert "sk-secret" not in done.out


def environment(**variables: str) -> Environment:
    return Environment(model_name=variables.pop("model_name", None), secret=variables.get)


KEY = {"PROMPTSYNC_MODEL_KEY": "k"}
LOOPBACK = "http://127.0.0.1:1/v1"
ENDPOINTS = [
    ({}, {}, Endpoint(LOOPBACK)),
    (KEY, {}, Endpoint(LOOPBACK, "k")),
    ({**KEY, "MINE": "m"}, {"key_variable": "MINE"}, Endpoint(LOOPBACK, "m")),
    ({"model_name": "a"}, {}, Endpoint(LOOPBACK, "", "a")),
    ({"model_name": "a"}, {"name": "b"}, Endpoint(LOOPBACK, "", "b")),
    ({}, {"timeout": 3.0}, Endpoint(LOOPBACK, timeout=3.0)),
    ({}, {"url": "http://192.0.2.1:11434/v1"}, Endpoint("http://192.0.2.1:11434/v1")),
]


@pytest.mark.parametrize(("variables", "options", "expected"), ENDPOINTS)
def test_flags_beat_the_environment(
    variables: dict[str, str], options: dict[str, Any], expected: Endpoint
) -> None:
    assert endpoint(environment(**variables), **{"url": LOOPBACK, **options}) == expected


REFUSED = [
    ({}, "llama", {}, "is not the URL of a model"),
    ({}, LOOPBACK, {"key_variable": "MINE"}, "MINE is not set"),
    (KEY, "http://192.0.2.1/v1", {}, "refusing plain http"),
]


@pytest.mark.parametrize(("variables", "url", "options", "said"), REFUSED)
def test_what_cannot_be_right_or_would_show_the_key_is_refused(
    variables: dict[str, str], url: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        endpoint(environment(**variables), url, **options)


def test_serve_takes_the_model_from_its_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[Any] = []

    def stop(*_: Any, model: Any, **__: Any) -> None:
        models.append(model)
        raise KeyboardInterrupt

    monkeypatch.setattr("promptsync.server.app.create_app", stop)
    where = ["-C", str(tmp_path), "serve", "--port", "0"]
    assert run(where, {}) == 130
    assert run([*where, "--model-url", "http://127.0.0.1:1/v1", "--model-name", "tiny"], {}) == 130
    environ = {"PROMPTSYNC_MODEL_URL": "http://127.0.0.1:2/v1", "MINE": "m"}
    assert run([*where, "--model-key-env", "MINE", "--model-timeout", "5"], environ) == 130
    assert models == [
        None,
        Endpoint("http://127.0.0.1:1/v1", "", "tiny"),
        Endpoint("http://127.0.0.1:2/v1", "m", timeout=5.0),
    ]
    assert run([*where, "--model-name", "tiny"], {}) == 2
