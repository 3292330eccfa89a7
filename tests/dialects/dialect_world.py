"""A working copy beside a registry of one dialect, both holding the same prompts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from dialect_servers import Dialect
from registry_server import Caller, chat, completion, flat, running
from worlds import Run

from promptsync.cli import run
from promptsync.server.app import create_app

FIXTURES = """
datasets:
  - name: refund cases
    rows: [{question: Where?, expect: Where}, {question: When?, expect: When}]
evaluations:
  - {name: refund quality, dataset: refund cases, prompt: support/refund, scores: [contains: "{{ expect }}"]}
agents:
  - {name: refund-agent, labels: [prod], nodes: [{name: answer, prompt: support/refund, output: true}]}
"""
REQUEST = {
    "provider": "openai",
    "model": "gpt-4o",
    "input": chat("Hi"),
    "output": completion("Hello"),
    "request_start_time": "2026-01-01T00:00:00Z",
    "request_end_time": "2026-01-01T00:00:01Z",
}


@dataclass
class Here:
    """``server`` is the dialect, ``call`` reaches past it into the registry behind."""

    root: Path
    url: str
    server: Dialect
    call: Caller
    capsys: pytest.CaptureFixture[str]
    name: str = ""

    def run(self, *arguments: str) -> Run:
        environ = {"PROMPTLAYER_API_KEY": "pl_test", "NO_COLOR": "1", "CI": "true"}
        self.server.seen.clear()
        code = run(["-C", str(self.root), "--remote", self.url, *arguments], environ)
        shown = self.capsys.readouterr()
        return Run(code, shown.out, shown.err)

    def write(self, name: str, text: str) -> None:
        """Let a file that was pulled say something else."""
        path = self.root / "prompts" / f"{name}.yaml"
        document = yaml.safe_load(path.read_text())
        document["messages"][0]["content"] = text
        path.write_text(yaml.safe_dump(document, sort_keys=False))

    def publish(self, name: str, text: str, **more: Any) -> dict[str, Any]:
        answer = self.call("POST", "/rest/prompt-templates", flat(name, chat(text), **more))
        assert answer.status == 201, answer.body
        body: dict[str, Any] = answer.body
        return body


@contextmanager
def beside(kind: Callable[[Any], Dialect], root: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Here]:
    """Two prompts that are in sync; ``support/refund`` has two versions, with ``prod`` on the second."""
    (root / "registry.yaml").write_text(FIXTURES)
    (root / "request.json").write_text(json.dumps(REQUEST))
    with create_app(root / "registry.db", fixtures=root / "registry.yaml") as app:
        server = kind(app)
        with running(server) as url:
            here = Here(root, url, server, Caller(app), capsys)
            (root / "promptsync.yaml").write_text(f"remote: there\nremotes: {{there: {{url: '{url}'}}}}\n")
            refund = here.publish("support/refund", "Old {question}", commit_message="old (v1)")
            here.publish("support/refund", "Say {question}", release_labels=["prod"])
            here.publish("tone", "Be kind.")
            label = {"name": "prod.previous", "prompt_version_number": 1}
            here.call("POST", f"/prompts/{refund['id']}/label", label)
            here.call("POST", "/rest/log-request", REQUEST)
            assert here.run("pull").code == 0
            yield here
