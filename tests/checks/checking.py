"""A registry with evaluations and agents, whose model and answers a test controls."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from evaluation_files import contains, declared, evaluation, put

from promptsync.checks.assignment import Check, Selection, WantedVersions
from promptsync.checks.catalog import find_checks
from promptsync.checks.results import CheckResults, Standard
from promptsync.checks.run_checks import run_checks
from promptsync.project.target import LATEST, At
from promptsync.prompt.prompt import Prompt
from promptsync.registry.open import LocalTransport
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.protocol import Timeouts
from promptsync.server.app import create_app
from promptsync.server.checks.models import ModelError

CASES = [
    {"question": "one", "expect": "one"},
    {"question": "two", "expect": "never"},
    {"question": "three", "expect": "th"},
]
FIXTURES = declared(
    """
agents:
  - {name: bot, labels: [prod], nodes: [{name: first, prompt: ask}, {name: last, prompt: ask, output: true}]}
  - {name: old bot, nodes: [{name: first, prompt: {name: ask, version: 1}, output: true}]}
  - {name: prod bot, nodes: [{name: first, prompt: {name: ask, label: prod}, output: true}]}
""",
    evaluation("quality", "ask", CASES, contains(column="expect")),
    evaluation("unscored", "ask", CASES),
    evaluation("homeless", "nowhere", CASES),
    evaluation("of ask one", "ask", CASES, contains("o"), version=1),
    evaluation("of ask prod", "ask", CASES, contains("o"), label="prod"),
    evaluation("of other", "other", CASES, contains("e")),
    evaluation("of parent", "parent", CASES, contains("e")),
)

Edit = Callable[[str, Any], None]
"""Gets the path of a request and the JSON of its answer, which it may change."""


@dataclass
class Commanded:
    """A model that echoes, waits, or fails for a text."""

    go_on: threading.Event = field(default_factory=threading.Event)
    fail_at: str = "\0"
    name: str = "commanded"
    parallel: int = 2

    def answer(self, template: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> str:
        self.go_on.wait(120)
        text = str(template["messages"][-1]["content"][0]["text"])
        if self.fail_at in text:
            raise ModelError("the model is out of order")
        return text


@dataclass
class Line(httpx.BaseTransport):
    """The line to a real registry: counts, and lets answers be changed or faults come instead."""

    inner: httpx.BaseTransport
    edits: list[Edit] = field(default_factory=list)
    faults: dict[tuple[str, str], int] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().partition("?")[0]
        self.seen.append(f"{request.method} {path}")
        for (method, part), status in self.faults.items():
            if request.method == method and part in path:
                return httpx.Response(status, stream=httpx.ByteStream(b'{"message": "out of order"}'))
        response = self.inner.handle_request(request)
        if not self.edits or "json" not in response.headers.get("Content-Type", ""):
            return response
        body = json.loads(response.read())
        for edit in self.edits:
            edit(path, body)
        return httpx.Response(response.status_code, stream=httpx.ByteStream(json.dumps(body).encode()))

    def close(self) -> None:
        self.inner.close()


@dataclass
class Bench:
    registry: PromptLayer
    line: Line
    model: Commanded

    def publish(self, name: str, text: str = "{question}", *, snippet: bool = False) -> int:
        block = [{"type": "text", "text": text}]
        template = {"type": "chat", "messages": [{"role": "user", "content": block}]}
        if snippet:
            template = {"type": "completion", "content": block}
        return self.registry.prompts.publish(Prompt(name, template), message="m").version

    def label(self, label: str, version: int) -> None:
        template_id = self.registry.prompts.get(None, "ask").template_id
        self.registry.labels.set(template_id, "ask", label, version, None)

    def run(
        self,
        *checks: Check,
        standard: Standard | None = None,
        timeout: float = 20,
        progress: Callable[[str, int, int], None] = lambda what, done, total: None,
        at: At = LATEST,
        **wanted: Any,
    ) -> CheckResults:
        return run_checks(
            self.registry,
            find_checks(self.registry, Selection(checks)),
            WantedVersions(**wanted),
            standard=standard or Standard(),
            timeout=timeout,
            progress=progress,
            at=at,
        )


def evaluation(name: str, *prompts: str, least: float | None = None) -> Check:
    return Check("evaluation", name, prompts or ("ask",), least)


def agent(name: str, *prompts: str, **inputs: Any) -> Check:
    return Check("agent", name, prompts or ("ask",), input_variables=inputs or {"question": "why"})


@contextmanager
def made(directory: Path) -> Iterator[Bench]:
    """``ask`` and ``other`` are at version 1, which echoes the question."""
    put(directory, FIXTURES)
    model = Commanded()
    model.go_on.set()
    app = create_app(directory / "registry.db", fixtures=directory / "registry.yaml", model=model)
    line = Line(LocalTransport(app))
    with PromptLayer("local:", None, transport=line, timeouts=Timeouts(first_retry=0.001)) as registry:
        bench = Bench(registry, line, model)
        bench.publish("ask")
        bench.publish("other")
        try:
            yield bench
        finally:
            model.go_on.set()
