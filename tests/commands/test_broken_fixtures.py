"""A fixtures file with mistakes stops every verb that opens the registry, and says where they are."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from evaluation_files import contains, declared, evaluation, put
from worlds import World

CONFIG = 'remotes: {local: {url: "local:", fixtures: registry.yaml}}\n'
BROKEN = "agents:\n  - {name: writer, nodes: [{name: a, promt: ask}]}\n"
FIXED = BROKEN.replace("promt", "prompt")
COLUMN = """rows: [{a: 1}]
scorecard: {steps: [{title: x, type: REGEX, config: {source: b}}]}
"""


@pytest.fixture
def here(local: World) -> World:
    local.put("promptsync.yaml", CONFIG)
    local.put("prompts/ask.yaml", "content: Hello\n")
    local.put("registry.yaml", BROKEN)
    return local


def test_a_mistake_is_reported_with_its_place_and_a_fixed_file_works_at_once(here: World) -> None:
    lacks = "registry.yaml:2:28: agents[0].nodes[0] lacks the key prompt."
    unknown = "registry.yaml:2:38: Unknown key agents[0].nodes[0].promt. Did you mean prompt?"
    for line in ("agent list", "push", "serve --port 0"):
        error = here.run(*line.split(), "--json").document["error"]
        assert (error["code"], error["details"]) == ("fixtures", [lacks, unknown])
        assert "promptsync schema fixtures" in error["hint"]
    for key in ("datasets", "evaluations"):
        here.put("registry.yaml", f"{key}: []\n")
        advice = "Write each evaluation as a file with its rows: promptsync schema evaluation."
        detail = f"registry.yaml:1:1: Unknown key {key}. {advice}"
        assert here.run("push", "--json").document["error"]["details"] == [detail]
    here.put("registry.yaml", FIXED)
    assert "writer" in here.ok("agent", "list").out
    here.put("evaluations/x.yaml", COLUMN)
    missing = "evaluations/x.yaml:2:54: x: no column above has the title 'b'."
    for line in ("eval list", "push"):
        error = here.run(*line.split(), "--json").document["error"]
        assert (error["code"], error["details"]) == ("fixtures", [missing])
        assert error["message"].endswith("/copy/evaluations has a file that is not valid.")
        assert "promptsync schema evaluation" in error["hint"]
    here.put("evaluations/x.yaml", COLUMN.replace("source: b", "source: a"))
    assert "x" in here.ok("dataset", "list").out


# -- The model behind evaluations and agents of an embedded registry: which one, and whose key it gets ----


QUALITY = evaluation("quality", "ask", [{"question": "one"}], contains("sunny"))


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
    put(local.root, declared("", QUALITY))
    local.put("promptsync.yaml", CONFIG)
    local.ok("push")
    variables = {"URL": url, "KEY": "sk-secret", "NAME": "tiny"}
    environ = {f"PROMPTSYNC_MODEL_{name}": value for name, value in variables.items()}
    done = local.run("eval", "run", "quality", "--min-score", "100", "--json", **environ)
    assert (done.code, done.document["runs"][0]["model"]) == (0, "tiny")
    assert [(one["key"], one["model"]) for one in seen] == [("Bearer sk-secret", "tiny")]
    assert seen[0]["messages"][0]["content"] == [{"type": "text", "text": "one"}]
    assert "sk-secret" not in done.out
    variables = {"PROMPTSYNC_MODEL_URL": "http://192.0.2.1/v1", "PROMPTSYNC_MODEL_KEY": "sk-secret"}
    refused = local.run("eval", "run", "quality", **variables)
    assert (refused.code, "refusing plain http" in refused.err) == (2, True)


def test_a_fixtures_file_names_the_key_of_a_model_but_never_that_of_the_registry(
    model: tuple[str, list[dict[str, Any]]], local: World
) -> None:
    url, seen = model
    keys = {"a": "A_KEY", "b": "PROMPTLAYER_API_KEY"}
    models = [f"{{name: {name}, url: '{url}', key: {key}}}" for name, key in keys.items()]
    put(local.root, declared(f"models: [{', '.join(models)}]", QUALITY))
    local.put("promptsync.yaml", CONFIG)
    for name in keys:
        local.write("ask", "{question}", model={"provider": "openai", "name": name})
        local.ok("push", "--yes")
        local.run("eval", "run", "quality", "--json", A_KEY="sk-a", PROMPTLAYER_API_KEY="pl-secret")
    assert [(one["key"], one["model"]) for one in seen] == [("Bearer sk-a", "a")]
