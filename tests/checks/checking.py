"""A registry with evaluations and agents, whose model a test controls."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptsync.checks.agents import AgentBatch, AgentOrder, AgentRun
from promptsync.checks.assignment import AgentCheck, EvaluationCheck
from promptsync.checks.batch import Patience, Progress, run_together
from promptsync.checks.catalogue import Evaluation
from promptsync.checks.evaluations import EvaluationBatch, EvaluationRun
from promptsync.checks.receipt import AgentResult, CheckResults, Standard
from promptsync.checks.run import judge
from promptsync.errors import PromptsyncError
from promptsync.prompt.prompt import Prompt
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.promptlayer.http import LocalTransport
from promptsync.registry.timeouts import Timeouts
from promptsync.server.app import create_app
from promptsync.server.checks.model import ModelError

FIXTURES = """
datasets:
  - name: cases
    rows: [{question: one, expect: one}, {question: two, expect: nothing}, {question: three, expect: three}]
  - name: none
evaluations:
  - {name: quality, dataset: cases, prompt: ask, scores: [contains: "{{ expect }}"]}
  - {name: unscored, dataset: cases, prompt: ask}
  - {name: homeless, dataset: cases, prompt: nowhere}
agents:
  - {name: bot, labels: [prod], nodes: [{name: first, prompt: ask}, {name: last, prompt: ask, output: true}]}
"""
SOON = Patience(timeout=20, first=0.01, longest=0.05)


@dataclass
class Commanded:
    """A model that echoes, waits, or fails for a text."""

    go_on: threading.Event = field(default_factory=threading.Event)
    fail_at: str = "\0"
    name: str = "commanded"
    parallel: int = 2
    patience: float = 1.0

    def answer(self, template: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> str:
        self.go_on.wait(120)
        text = str(template["messages"][-1]["content"][0]["text"])
        if self.fail_at in text:
            raise ModelError("the model is out of order")
        return text


@contextmanager
def registry_with(model: Commanded, directory: Path) -> Iterator[PromptLayer]:
    path = directory / "registry.yaml"
    path.write_text(FIXTURES, "utf-8")
    app = create_app(directory / "registry.db", fixtures=path, model=model)
    with PromptLayer(
        "local:", None, transport=LocalTransport(app), timeouts=Timeouts(first_retry=0.001)
    ) as registry:
        message = {"role": "user", "content": [{"type": "text", "text": "{question}"}]}
        registry.prompts.publish(Prompt("ask", {"type": "chat", "messages": [message]}), message="m")
        try:
            yield registry
        finally:
            model.go_on.set()


def run_evaluations(
    registry: PromptLayer,
    evaluations: Sequence[Evaluation],
    *,
    patience: Patience | None,
    progress: Progress = lambda what, done, total: None,
) -> list[EvaluationRun]:
    """Run evaluations that check no prompt."""
    batch = EvaluationBatch(registry, evaluations)
    run_together([batch], patience=patience, progress=progress, what="running")
    return batch.runs


def run_agents(
    registry: PromptLayer,
    orders: Sequence[AgentOrder],
    *,
    patience: Patience | None,
    progress: Progress = lambda what, done, total: None,
) -> list[AgentRun]:
    """Run agents that check no prompt."""
    batch = AgentBatch(registry, orders)
    run_together([batch], patience=patience, progress=progress, what="running")
    return batch.runs


def failure_of(
    runs: Sequence[EvaluationRun | AgentRun], standard: Standard | None = None
) -> PromptsyncError | None:
    """Return the error that runs amount to."""
    standard = standard or Standard()
    evaluations = [one for one in runs if isinstance(one, EvaluationRun)]
    agents = [one for one in runs if isinstance(one, AgentRun)]
    return CheckResults(
        tuple(judge(EvaluationCheck(one.name, ()), one, standard) for one in evaluations),
        tuple(
            AgentResult(AgentCheck(one.name, ()), one, reason=standard.agent_failure(one)) for one in agents
        ),
    ).error


def silent(what: str, done: int, total: int) -> None:
    """Show nothing."""
