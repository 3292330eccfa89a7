"""A fixtures file with mistakes stops every verb that opens the registry, and says where they are."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from evaluation_files import contains, declared, evaluation, put
from worlds import World

from promptsync.cli import run
from promptsync.server.checks.models import Endpoint

BROKEN = "agents:\n  - {name: writer, nodes: [{name: a, promt: ask}]}\n"
FIXED = BROKEN.replace("promt", "prompt")
COLUMN = """rows: [{a: 1}]
scorecard: {steps: [{title: x, type: REGEX, config: {source: b}}]}
"""


@pytest.fixture
def here(local: World) -> World:
    local.put("promptsync.yaml", 'remotes: {local: {url: "local:", fixtures: registry.yaml}}\n')
    local.put("prompts/ask.yaml", "content: Hello\n")
    local.put("registry.yaml", BROKEN)
    return local


@pytest.mark.parametrize("line", ["agent list", "push", "serve --port 0"])
def test_a_mistake_is_reported_with_its_place_and_a_fixed_file_works_at_once(here: World, line: str) -> None:
    lacks = "registry.yaml:2:28: agents[0].nodes[0] lacks the key prompt."
    unknown = "registry.yaml:2:38: Unknown key agents[0].nodes[0].promt. Did you mean prompt?"
    done = here.run(*line.split(), "--json")
    error = done.document["error"]
    assert (done.code, error["code"], error["details"]) == (2, "fixtures", [lacks, unknown])
    assert "promptsync schema fixtures" in error["hint"]
    here.put("registry.yaml", FIXED)
    assert "writer" in here.ok("agent", "list").out


@pytest.mark.parametrize("line", ["eval list", "push"])
def test_so_is_one_in_an_evaluation_file(here: World, line: str) -> None:
    here.put("registry.yaml", FIXED)
    here.put("evaluations/x.yaml", COLUMN)
    done = here.run(*line.split(), "--json")
    error = done.document["error"]
    missing = "evaluations/x.yaml:2:54: x: no column above has the title 'b'."
    assert (done.code, error["code"], error["details"]) == (2, "fixtures", [missing])
    assert error["message"].endswith("/copy/evaluations has a file that is not valid.")
    assert "promptsync schema evaluation" in error["hint"]
    here.put("evaluations/x.yaml", COLUMN.replace("source: b", "source: a"))
    assert "x" in here.ok("dataset", "list").out


@pytest.mark.parametrize("key", ["datasets", "evaluations"])
def test_what_has_files_of_its_own_is_refused_with_the_way(here: World, key: str) -> None:
    here.put("registry.yaml", f"{key}: []\n")
    detail = (
        f"registry.yaml:1:1: Unknown key {key}."
        " Write each evaluation as a file with its rows: promptsync schema evaluation."
    )
    assert here.run("push", "--json").document["error"]["details"] == [detail]


ASK = """\
content: "Hello {name}"
evaluations: ["quality: tone"]
agents: [{name: writer}]
examples: [{name: Ana}]
"""


def test_what_a_file_names_and_the_registry_lacks_is_listed(local: World) -> None:
    local.put("promptsync.yaml", "labels: {main: prod}\nremotes: {local: {url: 'local:'}}\n")
    local.put("prompts/ask.yaml", ASK)
    local.commit("Add ask")
    error = local.run("deploy", "--yes", "--json").document["error"]
    assert error["message"].startswith("prompts/ask.yaml:2: ") and error["hint"] == "promptsync eval list"
    other, last = error["details"]
    assert "promptsync agent list" in other and "fixtures file" in last


# -- The model behind evaluations and agents of an embedded registry: which one, and whose key it gets ----


FIXTURES = declared("", evaluation("quality", "ask", [{"question": "one"}], contains("sunny")))


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
    put(local.root, FIXTURES)
    local.put("promptsync.yaml", 'remotes: {local: {url: "local:", fixtures: registry.yaml}}\n')
    local.ok("push")
    variables = {"URL": url, "KEY": "sk-secret", "NAME": "tiny"}
    environ = {f"PROMPTSYNC_MODEL_{name}": value for name, value in variables.items()}
    done = local.run("eval", "run", "quality", "--min-score", "100", "--json", **environ)
    assert (done.code, done.document["runs"][0]["model"]) == (0, "tiny")
    assert [(one["key"], one["model"]) for one in seen] == [("Bearer sk-secret", "tiny")]
    assert seen[0]["messages"][0]["content"] == [{"type": "text", "text": "one"}]
    assert "sk-secret" not in done.out


def test_a_fixtures_file_names_the_key_of_a_model_but_never_that_of_the_registry(
    model: tuple[str, list[dict[str, Any]]], local: World
) -> None:
    url, seen = model
    keys = {"a": "A_KEY", "b": "PROMPTLAYER_API_KEY"}
    models = [f"{{name: {name}, url: '{url}', key: {key}}}" for name, key in keys.items()]
    quality = evaluation("quality", "ask", [{"question": "one"}], contains("sunny"))
    put(local.root, declared(f"models: [{', '.join(models)}]", quality))
    local.put("promptsync.yaml", 'remotes: {local: {url: "local:", fixtures: registry.yaml}}\n')
    for name in keys:
        local.write("ask", "{question}", model={"provider": "openai", "name": name})
        local.ok("push", "--yes")
        local.run("eval", "run", "quality", "--json", A_KEY="sk-a", PROMPTLAYER_API_KEY="pl-secret")
    assert [(one["key"], one["model"]) for one in seen] == [("Bearer sk-a", "a")]


LOOPBACK = "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"URL": LOOPBACK}, Endpoint(LOOPBACK)),
        ({"URL": LOOPBACK, "KEY": "k", "NAME": "tiny"}, Endpoint(LOOPBACK, "k", "tiny")),
        ({"URL": "http://192.0.2.1:11434/v1"}, Endpoint("http://192.0.2.1:11434/v1")),
        ({"URL": "llama"}, "is not the URL of a model"),
        ({"URL": "http://192.0.2.1/v1", "KEY": "k"}, "refusing plain http"),
    ],
)
def test_serve_takes_the_model_from_the_environment_and_shows_no_key_to_a_network(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    expected: Endpoint | str | None,
) -> None:
    models: list[Any] = []

    def stop(*_: Any, model: Any, **__: Any) -> None:
        models.append(model)
        raise KeyboardInterrupt

    monkeypatch.setattr("promptsync.server.app.create_app", stop)
    environ = {f"PROMPTSYNC_MODEL_{name}": value for name, value in variables.items()}
    code = run(["-C", str(tmp_path), "serve", "--port", "0"], environ)
    if isinstance(expected, str):
        assert (code, models) == (2, []) and expected in capsys.readouterr().err
    else:
        assert (code, models) == (130, [expected])
