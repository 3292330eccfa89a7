"""YAML to paste into the fixtures file of the embedded registry: an evaluation or agent that it lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from promptsync.files.yaml.layout import inline

if TYPE_CHECKING:
    from promptsync.checks.assignment import AgentCheck, Check, EvaluationCheck


def declaration(evaluations: Sequence[EvaluationCheck], agents: Sequence[AgentCheck]) -> list[str]:
    """Return the lines that declare checks, each for the first prompt that names it."""
    return [
        "The embedded registry takes these from its fixtures file. Add them to registry.yaml:",
        *(f"  {line}" for line in _fixtures(evaluations, agents)),
        "If promptsync.yaml does not name that file yet, add it to the remote, under remotes:",
        '  local: {url: "local:", fixtures: registry.yaml}',
    ]


def _fixtures(evaluations: Sequence[EvaluationCheck], agents: Sequence[AgentCheck]) -> Iterator[str]:
    if evaluations:
        yield "datasets:"
        for check in evaluations:
            row = json.dumps(_example(check), ensure_ascii=False, default=str)
            yield f"  - {{name: {inline(check.name, True)}, rows: [{row}]}}"
        yield "evaluations:"
    for check in evaluations:
        name = inline(check.name, True)
        yield f"  - {{name: {name}, dataset: {name}, {_prompt(check)}, scores: [{{max_length: 2000}}]}}"
    if agents:
        yield "agents:"
    for agent in dict.fromkeys((check.name, _prompt(check)) for check in agents):
        name, prompt = inline(agent[0], True), agent[1]
        yield f"  - {{name: {name}, nodes: [{{name: answer, {prompt}, output: true}}]}}"


def _prompt(check: Check) -> str:
    return f"prompt: {{name: {inline(check.prompts[0], True)}}}"


def _example(check: Check) -> Mapping[str, Any]:
    """Return the first example of the files that name the check, which has the variables of its prompt."""
    files = (place.file for place in check.named_in if place.file is not None)
    examples = (example for file in files for example in file.local.examples)
    return next(iter(examples), {"question": "Hello"})
