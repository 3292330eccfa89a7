"""Which evaluations and agents prove which prompts: those that files name, and those of ``checks:``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from promptsync.files.config import Config
from promptsync.files.prompt_file import PromptFile


@dataclass(frozen=True, slots=True)
class Place:
    """Where a check is named: a key in a file, with its line where the file is at hand."""

    path: str
    keypath: tuple[str | int, ...]
    file: PromptFile | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        if self.file is not None:
            return f"{self.path}:{self.file.position(self.keypath)[0]}"
        return f"{self.path}, {self.keypath[0]}[{self.keypath[1]}]"


@dataclass(frozen=True, slots=True)
class EvaluationCheck:
    """An evaluation, by name or id, and the prompts that it is to prove.

    ``min_score`` is the highest of those that apply to them, ``None`` without any.
    """

    evaluation: str
    prompts: tuple[str, ...]
    min_score: float | None = None
    named_in: tuple[Place, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AgentCheck:
    """One run of an agent, by name or id, and the prompts that it is to prove."""

    agent: str
    prompts: tuple[str, ...]
    input_variables: Mapping[str, Any] = field(default_factory=dict)
    named_in: tuple[Place, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Selection:
    """What has to run. ``unproven`` are the prompts that neither an evaluation nor an agent is named for."""

    evaluations: tuple[EvaluationCheck, ...] = ()
    agents: tuple[AgentCheck, ...] = ()
    unproven: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Named:
    prompt: str
    place: Place
    min_score: float | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)


def select_checks(names: Iterable[str], files: Mapping[str, PromptFile], config: Config) -> Selection:
    """Return the checks of the named prompts: each evaluation once, each agent once for the same inputs.

    A prompt without a file has the checks of the configuration alone.
    """
    evaluations: dict[str, list[_Named]] = {}
    agents: dict[tuple[str, str], list[_Named]] = {}
    unproven = []
    for name in sorted(set(names)):
        checks = [*_of_file(name, files.get(name)), *_of_config(name, config)]
        for kind, check, named in checks:
            if kind == "evaluation":
                evaluations.setdefault(check, []).append(named)
            else:
                agents.setdefault((check, _key(named.inputs)), []).append(named)
        if not checks:
            unproven.append(name)
    return Selection(
        tuple(
            EvaluationCheck(one, _prompts(by), _strictest(by), _places(by)) for one, by in evaluations.items()
        ),
        tuple(AgentCheck(one, _prompts(by), by[0].inputs, _places(by)) for (one, _), by in agents.items()),
        tuple(unproven),
    )


def with_variables(agents: Iterable[AgentCheck], values: Mapping[str, Any]) -> tuple[AgentCheck, ...]:
    """The checks with some input variables replaced; those that become the same one are one."""
    merged: dict[tuple[str, str], AgentCheck] = {}
    for one in agents:
        inputs = {**one.input_variables, **values}
        key = (one.agent, _key(inputs))
        before = merged.get(key, AgentCheck(one.agent, ()))
        prompts = tuple(dict.fromkeys([*before.prompts, *one.prompts]))
        merged[key] = AgentCheck(one.agent, prompts, inputs, before.named_in + one.named_in)
    return tuple(merged.values())


def _of_file(name: str, file: PromptFile | None) -> Iterator[tuple[str, str, _Named]]:
    if file is None:
        return
    for index, evaluation in enumerate(file.local.evaluations):
        yield "evaluation", evaluation, _Named(name, Place(file.path, ("evaluations", index), file))
    for index, agent in enumerate(file.local.agents):
        inputs = agent.get("input_variables") or {}
        yield "agent", agent["name"], _Named(name, Place(file.path, ("agents", index), file), inputs=inputs)


def _of_config(name: str, config: Config) -> Iterator[tuple[str, str, _Named]]:
    for index, check in enumerate(config.checks):
        if not fnmatchcase(name, check["match"]):
            continue
        place = Place(config.path.name, ("checks", index))
        if "evaluation" in check:
            yield "evaluation", check["evaluation"], _Named(name, place, check.get("min_score"))
        else:
            yield "agent", check["agent"], _Named(name, place, inputs=check.get("input_variables") or {})


def minimum_of(evaluation: str, config: Config) -> float | None:
    """Return the highest minimum that ``checks:`` give an evaluation, whatever prompts it is for."""
    given = (check.get("min_score") for check in config.checks if check.get("evaluation") == evaluation)
    return max((one for one in given if one is not None), default=None)


def _key(inputs: Mapping[str, Any]) -> str:
    return json.dumps(inputs, sort_keys=True, default=str)


def _prompts(named: Iterable[_Named]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.prompt for one in named))


def _places(named: Iterable[_Named]) -> tuple[Place, ...]:
    return tuple(dict.fromkeys(one.place for one in named))


def _strictest(named: Iterable[_Named]) -> float | None:
    return max((one.min_score for one in named if one.min_score is not None), default=None)
