"""A registry with evaluations and agents, whose model and answers a test controls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import worlds
from evaluation_files import contains, declared, evaluation
from worlds import KEY, SHORT_WAITS, World, asking, failing, fault

from promptsync.checks.assignment import Check, WantedVersions
from promptsync.checks.catalog import find_checks
from promptsync.checks.results import CheckResults, Standard
from promptsync.checks.run_checks import run_checks
from promptsync.project.target import LATEST, At
from promptsync.registry.promptlayer.client import PromptLayer

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


class Commanded:
    """A model that echoes, once it may go on."""

    name, parallel = "commanded", 2

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def answer(self, template: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> str:
        self.go_on.wait(120)
        return str(template["messages"][-1]["content"][0]["text"])


@dataclass
class Bench:
    world: World
    model: Commanded
    registry: PromptLayer

    def publish(self, name: str, text: str = "{question}", *, snippet: bool = False) -> int:
        return self.world.publish(name, **{"content" if snippet else "text": text})

    def fail(self, method: str, part: str, status: int = 500) -> None:
        """Let requests of this kind fail from now on."""
        self.world.faults.insert(0, fault(asking(method, part), failing(status)))

    @property
    def seen(self) -> list[str]:
        return [f"{seen.method} {seen.path}" for seen in self.world.seen]

    def run(
        self,
        *checks: Check,
        standard: Standard | None = None,
        progress: Callable[[str, int, int], object] = lambda *_: None,
        at: At = LATEST,
        **wanted: Any,
    ) -> CheckResults:
        project = self.world.library
        project.progress = progress
        found = find_checks(self.registry, checks)
        return run_checks(project, found, WantedVersions(**wanted), standard or Standard(timeout=20), at)


def evaluation(name: str, *prompts: str, least: float | None = None) -> Check:
    return Check("evaluation", name, prompts or ("ask",), least)


def agent(name: str, *prompts: str, **inputs: Any) -> Check:
    return Check("agent", name, prompts or ("ask",), input_variables=inputs or {"question": "why"})


@contextmanager
def made(directory: Path) -> Iterator[Bench]:
    """``ask`` and ``other`` are at version 1, which echoes the question."""
    model = Commanded()
    model.go_on.set()
    with (
        worlds.made(directory, fixtures=FIXTURES, model=model) as world,
        PromptLayer(world.url, KEY, timeouts=SHORT_WAITS) as registry,
    ):
        bench = Bench(world, model, registry)
        bench.publish("ask")
        bench.publish("other")
        try:
            yield bench
        finally:
            model.go_on.set()
