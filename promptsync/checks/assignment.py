"""The checks of prompts, named in files and in ``checks:``, and what the registry has by those names."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.catalog import Agent, Evaluation, Kind, list_checks, named, pick
from promptsync.errors import UsageError
from promptsync.files.config import Config
from promptsync.files.prompt_file import PromptFile
from promptsync.registry.address import LOCAL

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry


class Check(Struct, frozen=True):
    """A table, an evaluation or an agent, by name or id, and the prompts that it checks.

    ``min_score`` is the lowest score that passes. ``max_drop`` is how far a score may be below that of the
    version that is live. An agent is run once with ``input_variables``. ``sheet`` is the one of a table that
    has the rows (by default its first), and each row runs ``runs`` times.
    """

    kind: Kind
    name: str
    prompts: tuple[str, ...] = ()
    min_score: float | None = None
    max_drop: float | None = None
    input_variables: Mapping[str, Any] = {}
    sheet: str | None = None
    runs: int = 1

    def with_limits(self, min_score: float | None, max_drop: float | None) -> Check:
        """Return this check with the stricter ones of its own limits and these."""
        return replace(
            self, min_score=highest(self.min_score, min_score), max_drop=lowest(self.max_drop, max_drop)
        )

    def joined(self, other: Check) -> Check:
        """Return one check for the prompts of both, with the stricter limits."""
        prompts = tuple(dict.fromkeys([*self.prompts, *other.prompts]))
        return replace(self.with_limits(other.min_score, other.max_drop), prompts=prompts)


class Place(NamedTuple):
    """Where a check is named: a key in a file, with its line if the file was read."""

    path: str
    keypath: tuple[str | int, ...]
    file: PromptFile | None = None

    def __str__(self) -> str:
        if self.file is not None:
            return f"{self.path}:{self.file.position(self.keypath)[0]}"
        return f"{self.path}, {self.keypath[0]}[{self.keypath[1]}]"


class Selection(Struct, frozen=True):
    """The checks to run. ``unchecked`` are the prompts that have none.

    ``limits`` are not run: they set limits for the evaluations that they name, in whichever way those are
    named here. ``places`` are where each check is named.
    """

    checks: tuple[Check, ...] = ()
    unchecked: tuple[str, ...] = ()
    limits: tuple[Check, ...] = ()
    places: Mapping[tuple[Kind, str], Sequence[Place]] = {}

    @property
    def evaluations(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.kind == "evaluation")

    @property
    def agents(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.kind == "agent")

    @property
    def prompts(self) -> frozenset[str]:
        """The prompts that have checks."""
        return frozenset(prompt for check in self.checks for prompt in check.prompts)


Located = tuple[tuple[Check, Evaluation | Agent], ...]
"""Checks, each with the evaluation or the agent that it names: evaluations first."""


def select_checks(names: Iterable[str], files: Mapping[str, PromptFile], config: Config) -> Selection:
    """Return the checks of the named prompts: each evaluation once, each agent once for the same inputs.

    A prompt without a file has only the checks of the configuration.
    """
    checks: list[Check] = []
    places: dict[tuple[Kind, str], list[Place]] = {}
    unchecked = []
    for name in sorted(set(names)):
        assigned = [*_in_file(name, files.get(name)), *_in_config(name, config)]
        for check, place in assigned:
            checks.append(check)
            places.setdefault((check.kind, check.name), []).append(place)
        if not assigned:
            unchecked.append(name)
    return Selection(joined(checks), tuple(unchecked), places=places)


def joined(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks, those of one name and the same inputs as one; evaluations come first."""
    by_key: dict[tuple[bool, str, str], Check] = {}
    for check in checks:
        key = (check.kind == "agent", check.name, _inputs(check))
        by_key[key] = by_key[key].joined(check) if key in by_key else check
    return tuple(by_key[key] for key in sorted(by_key, key=lambda key: key[0]))


def _inputs(check: Check) -> str:
    return json.dumps(check.input_variables, sort_keys=True, default=str)


def limits_in(config: Config) -> tuple[Check, ...]:
    """Return the limits that ``checks:`` sets for evaluations, for any prompts."""
    return tuple(
        Check("evaluation", check["evaluation"], (), check.get("min_score"), check.get("max_drop"))
        for check in config.checks
        if "evaluation" in check
    )


def highest(*scores: float | None) -> float | None:
    """Return the highest of some minimums, ``None`` without any."""
    return max((score for score in scores if score is not None), default=None)


def lowest(*limits: float | None) -> float | None:
    """Return the lowest of some limits, ``None`` without any."""
    return min((limit for limit in limits if limit is not None), default=None)


def _in_file(name: str, file: PromptFile | None) -> Iterator[tuple[Check, Place]]:
    if file is None:
        return
    for index, evaluation in enumerate(file.local.evaluations):
        yield Check("evaluation", evaluation, (name,)), Place(file.path, ("evaluations", index), file)
    for index, agent in enumerate(file.local.agents):
        inputs = agent.get("input_variables") or {}
        check = Check("agent", agent["name"], (name,), input_variables=inputs)
        yield check, Place(file.path, ("agents", index), file)


def _in_config(name: str, config: Config) -> Iterator[tuple[Check, Place]]:
    for index, entry in enumerate(config.checks):
        if not fnmatchcase(name, entry["match"]):
            continue
        place = Place(config.path.name, ("checks", index))
        if "evaluation" in entry:
            limits = (entry.get("min_score"), entry.get("max_drop"))
            yield Check("evaluation", entry["evaluation"], (name,), *limits), place
        else:
            inputs = entry.get("input_variables") or {}
            yield Check("agent", entry["agent"], (name,), input_variables=inputs), place


def find_checks(registry: Registry, selection: Selection) -> Located:
    """Return the evaluations and agents that the checks of a selection name. Starts nothing.

    Two checks that mean one evaluation, by its name and by its id, are joined. Raises ``NoSuchItem``, with
    the places in the files, for what the registry does not have, and ``UsageError`` for an ambiguous name.
    """
    listed = {
        kind: list_checks(registry, kind) for kind in dict.fromkeys(check.kind for check in selection.checks)
    }
    problems: list[UsageError] = []
    located: dict[tuple[Kind, int, str], tuple[Check, Evaluation | Agent]] = {}
    for check in selection.checks:
        items = listed[check.kind]
        try:
            item = pick(items, check.name, check.kind, registry.url)
        except UsageError as error:
            places = selection.places.get((check.kind, check.name), ())
            more = f" and {len(places) - 1} more" if len(places) > 1 else ""
            message = f"{places[0]}{more}: {error.message}" if places else error.message
            problems.append(type(error)(message, hint=error.hint, code=error.code))
            continue
        check = with_limits(check, item, selection.limits, items)
        key = (check.kind, item.id, _inputs(check))
        located[key] = (located[key][0].joined(check) if key in located else check, item)
    if problems:
        # All missing names, so that they can be fixed in one go.
        details = [f"{problem.message} ({problem.hint})" for problem in problems[1:]]
        if registry.url.startswith(LOCAL):
            details.append("the embedded registry has what its fixtures file declares")
        raise problems[0].replaced(details=details)
    return tuple(located.values())


def with_limits(
    check: Check, item: Evaluation | Agent, limits: Iterable[Check], known: Sequence[Evaluation | Agent]
) -> Check:
    """Return a check with the strictest of the limits that name its evaluation, by name or by id."""
    for limit in limits:
        if item in named(known, limit.name):
            check = check.with_limits(limit.min_score, limit.max_drop)
    return check
