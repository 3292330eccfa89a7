"""The checks of prompts, named in files and in ``checks:``, and what the registry has by those names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

from promptsync.checks.catalogue import (
    Agent,
    Evaluation,
    ItemT,
    NoSuchItem,
    list_agents,
    list_evaluations,
    pick,
)
from promptsync.errors import PromptsyncError, UsageError
from promptsync.files.config import Config
from promptsync.files.prompt_file import PromptFile
from promptsync.registry.address import LOCAL

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry


@dataclass(frozen=True, slots=True)
class Place:
    """Where a check is named: a key in a file, with its line if the file was read."""

    path: str
    keypath: tuple[str | int, ...]
    file: PromptFile | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        if self.file is not None:
            return f"{self.path}:{self.file.position(self.keypath)[0]}"
        return f"{self.path}, {self.keypath[0]}[{self.keypath[1]}]"


@dataclass(frozen=True, slots=True)
class Check:
    """An evaluation or an agent, by name or id, and the prompts that it checks."""

    name: str
    prompts: tuple[str, ...]
    named_in: tuple[Place, ...] = field(default=(), compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class EvaluationCheck(Check):
    """``min_score`` is the highest minimum that applies to the prompts, ``None`` without any.

    ``max_drop`` is the lowest limit for how far a score may be below that of the version that is live.
    """

    min_score: float | None = None
    max_drop: float | None = None


@dataclass(frozen=True, slots=True)
class AgentCheck(Check):
    """One run of an agent."""

    input_variables: Mapping[str, Any] = field(default_factory=dict)


CheckT = TypeVar("CheckT", EvaluationCheck, AgentCheck)


@dataclass(frozen=True, slots=True)
class Selection:
    """The checks to run. ``unchecked`` are the prompts that have none."""

    evaluations: tuple[EvaluationCheck, ...] = ()
    agents: tuple[AgentCheck, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def prompts(self) -> frozenset[str]:
        """The prompts that have checks."""
        checks: tuple[Check, ...] = (*self.evaluations, *self.agents)
        return frozenset(prompt for check in checks for prompt in check.prompts)


@dataclass(frozen=True, slots=True)
class Found:
    """Checks, each with the evaluation or agent that it names."""

    evaluations: tuple[tuple[EvaluationCheck, Evaluation], ...] = ()
    agents: tuple[tuple[AgentCheck, Agent], ...] = ()


@dataclass(frozen=True, slots=True)
class _Named:
    prompt: str
    place: Place
    min_score: float | None = None
    max_drop: float | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)


def select_checks(names: Iterable[str], files: Mapping[str, PromptFile], config: Config) -> Selection:
    """Return the checks of the named prompts: each evaluation once, each agent once for the same inputs.

    A prompt without a file has only the checks of the configuration.
    """
    evaluations: dict[str, list[_Named]] = {}
    agents: dict[tuple[str, str], list[_Named]] = {}
    unchecked = []
    for name in sorted(set(names)):
        checks = [*_of_file(name, files.get(name)), *_of_config(name, config)]
        for kind, check, named in checks:
            if kind == "evaluation":
                evaluations.setdefault(check, []).append(named)
            else:
                agents.setdefault((check, _key(named.inputs)), []).append(named)
        if not checks:
            unchecked.append(name)
    return Selection(
        tuple(
            EvaluationCheck(
                one,
                _prompts(by),
                highest(each.min_score for each in by),
                lowest(each.max_drop for each in by),
                named_in=_places(by),
            )
            for one, by in evaluations.items()
        ),
        tuple(
            AgentCheck(one, _prompts(by), by[0].inputs, named_in=_places(by))
            for (one, _), by in agents.items()
        ),
        tuple(unchecked),
    )


def with_variables(agents: Iterable[AgentCheck], values: Mapping[str, Any]) -> tuple[AgentCheck, ...]:
    """Return the checks with some input variables replaced; those that become equal are merged."""
    merged: dict[tuple[str, str], AgentCheck] = {}
    for one in agents:
        inputs = {**one.input_variables, **values}
        key = (one.name, _key(inputs))
        before = merged.get(key, AgentCheck(one.name, ()))
        prompts = tuple(dict.fromkeys([*before.prompts, *one.prompts]))
        merged[key] = AgentCheck(one.name, prompts, inputs, named_in=before.named_in + one.named_in)
    return tuple(merged.values())


def minimum_of(evaluation: str, config: Config) -> float | None:
    """Return the highest minimum that ``checks:`` sets for an evaluation, for any prompts."""
    return highest(check.get("min_score") for check in config.checks if check.get("evaluation") == evaluation)


def highest(scores: Iterable[float | None]) -> float | None:
    """Return the highest of some minimums, ``None`` without any."""
    return max((one for one in scores if one is not None), default=None)


def lowest(limits: Iterable[float | None]) -> float | None:
    """Return the lowest of some limits, ``None`` without any."""
    return min((one for one in limits if one is not None), default=None)


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
            limits = (check.get("min_score"), check.get("max_drop"))
            yield "evaluation", check["evaluation"], _Named(name, place, *limits)
        else:
            yield "agent", check["agent"], _Named(name, place, inputs=check.get("input_variables") or {})


def _key(inputs: Mapping[str, Any]) -> str:
    return json.dumps(inputs, sort_keys=True, default=str)


def _prompts(named: Iterable[_Named]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.prompt for one in named))


def _places(named: Iterable[_Named]) -> tuple[Place, ...]:
    return tuple(dict.fromkeys(one.place for one in named))


def find_checks(registry: Registry, selection: Selection) -> Found:
    """Return the evaluations and agents that the checks of a selection name. Starts nothing.

    Two checks that mean one evaluation, by its name and by its id, are merged. Raises ``NoSuchItem``, with
    the places in the files, for what the registry does not have, and ``UsageError`` for an ambiguous name.
    """
    problems: list[PromptsyncError] = []
    missing: list[Check] = []
    evaluations: list[tuple[EvaluationCheck, Evaluation]] = []
    agents: list[tuple[AgentCheck, Agent]] = []
    if selection.evaluations:
        known = list_evaluations(registry, runs=True)
        evaluations = _find_each(selection.evaluations, known, "evaluation", registry.url, problems, missing)
    if selection.agents:
        listed = list_agents(registry)
        agents = _find_each(selection.agents, listed, "agent", registry.url, problems, missing)
    # All missing names are reported at once, so that they can be fixed in one go.
    declare = _declaration(missing) if registry.url.startswith(LOCAL) else []
    if len(problems) > 1:
        raise type(problems[0])(
            f"{registry.url} does not have {len(problems)} evaluations and agents that your files name",
            hint="\n".join(dict.fromkeys(one.hint for one in problems)) if declare else "",
            details=[*(f"{one.message} ({one.hint})" for one in problems), *declare],
            code=problems[0].code,
        )
    if problems:
        raise problems[0].replaced(details=declare)
    return Found(_merged(evaluations), tuple(agents))


def _find_each(
    checks: Sequence[CheckT],
    known: Sequence[ItemT],
    kind: str,
    url: str,
    problems: list[PromptsyncError],
    missing: list[Check],
) -> list[tuple[CheckT, ItemT]]:
    found = []
    for check in checks:
        try:
            (item,) = pick(known, [check.name], kind, url)
        except UsageError as error:
            message, others = error.message, len(check.named_in) - 1
            if check.named_in:
                message = f"{check.named_in[0]}{f' and {others} more' if others else ''}: {message}"
            problems.append(type(error)(message, hint=error.hint, code=error.code))
            # A similar name in the hint means that this one is mistyped, not missing.
            if isinstance(error, NoSuchItem) and check.named_in and error.hint.startswith("promptsync"):
                missing.append(check)
        else:
            found.append((check, item))
    return found


def _declaration(missing: Sequence[Check]) -> list[str]:
    if not missing:
        return []
    from promptsync.checks.declaration import declaration

    return declaration(
        [check for check in missing if isinstance(check, EvaluationCheck)],
        [check for check in missing if isinstance(check, AgentCheck)],
    )


def _merged(
    found: Sequence[tuple[EvaluationCheck, Evaluation]],
) -> tuple[tuple[EvaluationCheck, Evaluation], ...]:
    merged: dict[int, tuple[EvaluationCheck, Evaluation]] = {}
    for check, item in found:
        # One file may name an evaluation and another its id: it still runs only once.
        if item.id in merged:
            before, _ = merged[item.id]
            check = replace(
                before,
                prompts=tuple(dict.fromkeys([*before.prompts, *check.prompts])),
                min_score=highest([before.min_score, check.min_score]),
                max_drop=lowest([before.max_drop, check.max_drop]),
                named_in=before.named_in + check.named_in,
            )
        merged[item.id] = (check, item)
    return tuple(merged.values())
