"""The checks of prompts, named in files and in ``checks:``, and their items in the registry."""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.catalog import (
    Agent,
    Evaluation,
    Kind,
    NoSuchItem,
    list_checks,
    list_tables,
    named,
    pick,
)
from promptsync.errors import RemoteError, UsageError
from promptsync.files.config import Config
from promptsync.files.prompt_file import PromptFile
from promptsync.files.yaml.load import position
from promptsync.prompt.evaluation import EvaluationFile
from promptsync.registry.address import LOCAL

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry


_ORDER: Final[tuple[Kind, ...]] = ("table", "evaluation", "agent")


class Check(Struct, frozen=True):
    """A table, an evaluation or an agent, by name or id, and the prompts that it checks.

    ``min_score`` is the lowest score that passes. ``max_drop`` is how far a score may be below that of the
    version that is live. An agent is run once with ``input_variables``, or once for each row of the
    evaluation file ``cases``. ``sheet`` is the one of a table that
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
    cases: str | None = None

    def with_limits(self, min_score: float | None, max_drop: float | None) -> Check:
        """Return this check with the stricter of its own limits and these."""
        return replace(
            self, min_score=highest(self.min_score, min_score), max_drop=lowest(self.max_drop, max_drop)
        )

    def joined(self, other: Check) -> Check:
        """Return one check for the prompts of both, with the stricter limits."""
        prompts = tuple(dict.fromkeys([*self.prompts, *other.prompts]))
        limited = self.with_limits(other.min_score, other.max_drop)
        return replace(limited, prompts=prompts, runs=max(self.runs, other.runs))


class Place(NamedTuple):
    """Where a check is named: a key in a file, with its line if the file was read."""

    path: str
    keypath: tuple[str | int, ...]
    file: PromptFile | EvaluationFile | None = None

    def __str__(self) -> str:
        if self.file is not None:
            return f"{self.path}:{position(self.file.text, self.keypath)[0]}"
        return f"{self.path}, {self.keypath[0]}[{self.keypath[1]}]"


class Selection(Struct, frozen=True):
    """The checks to run. ``unchecked`` are the prompts that have none.

    ``limits`` are not run: they set limits for the evaluations and tables that they name, in whichever way
    those are named here. ``places`` are where each check is named.
    """

    checks: tuple[Check, ...] = ()
    unchecked: tuple[str, ...] = ()
    limits: tuple[Check, ...] = ()
    places: Mapping[tuple[Kind, str], Sequence[Place]] = {}

    @property
    def tables(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if check.kind == "table")

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


def select_checks(
    names: Iterable[str],
    files: Mapping[str, PromptFile],
    config: Config,
    evaluations: Sequence[EvaluationFile],
) -> Selection:
    """Return the checks of the named prompts: each evaluation once, each agent once for the same inputs.

    A prompt without a file has only the checks of the configuration and of evaluation files.
    """
    checks: list[Check] = []
    places: dict[tuple[Kind, str], list[Place]] = {}
    unchecked = []
    for name in sorted(set(names)):
        assigned = [
            *_in_file(name, files.get(name), evaluations),
            *(
                (_of(file, name), Place(file.path, ("prompts",), file))
                for file in evaluations
                if file.matches(name)
            ),
            *_in_config(name, config, evaluations),
        ]
        for check, place in assigned:
            checks.append(check)
            places.setdefault((check.kind, check.name), []).append(place)
        if not assigned:
            unchecked.append(name)
    return Selection(joined(checks), tuple(unchecked), places=places)


def joined(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks, those of one name and the same inputs as one: tables, evaluations, agents."""
    by_key: dict[tuple[int, str, str, str | None], Check] = {}
    for check in checks:
        key = (_ORDER.index(check.kind), check.name, _inputs(check), check.sheet)
        by_key[key] = by_key[key].joined(check) if key in by_key else check
    return tuple(by_key[key] for key in sorted(by_key, key=lambda key: key[0]))


def _inputs(check: Check) -> str:
    return json.dumps([check.input_variables, check.cases], sort_keys=True, default=str)


def limits_in(config: Config, evaluations: Sequence[EvaluationFile] = ()) -> tuple[Check, ...]:
    """Return the limits that ``checks:`` and files set for evaluations and tables, for any prompts."""
    checks = (_entry(entry, (), evaluations) for entry in config.checks)
    return (*map(_of, evaluations), *(check for check in checks if check.kind != "agent"))


def highest(*scores: float | None) -> float | None:
    """Return the highest of some minimums, ``None`` without any."""
    return max((score for score in scores if score is not None), default=None)


def lowest(*limits: float | None) -> float | None:
    """Return the lowest of some limits, ``None`` without any."""
    return min((limit for limit in limits if limit is not None), default=None)


def _in_file(
    name: str, file: PromptFile | None, evaluations: Sequence[EvaluationFile]
) -> Iterator[tuple[Check, Place]]:
    if file is None:
        return
    for index, evaluation in enumerate(file.local.evaluations):
        # The name of an evaluation file means its table; evaluation: in checks: never does.
        is_file = any(declared.name == evaluation for declared in evaluations)
        entry = {"table" if is_file else "evaluation": evaluation}
        yield _entry(entry, (name,), evaluations), Place(file.path, ("evaluations", index), file)
    for index, agent in enumerate(file.local.agents):
        inputs = agent.get("input_variables") or {}
        check = Check("agent", agent["name"], (name,), input_variables=inputs)
        yield check, Place(file.path, ("agents", index), file)


def _in_config(
    name: str, config: Config, evaluations: Sequence[EvaluationFile]
) -> Iterator[tuple[Check, Place]]:
    for index, entry in enumerate(config.checks):
        if fnmatchcase(name, entry["match"]):
            yield _entry(entry, (name,), evaluations), Place(config.path.name, ("checks", index))


def _entry(
    entry: Mapping[str, Any], prompts: tuple[str, ...], evaluations: Sequence[EvaluationFile]
) -> Check:
    """Return the check that an entry of ``checks:`` names. A table of a file has its limits, too."""
    limits = (entry.get("min_score"), entry.get("max_drop"))
    if "table" in entry:
        check = Check(
            "table", entry["table"], prompts, *limits, sheet=entry.get("sheet"), runs=entry.get("runs", 1)
        )
        file = next((file for file in evaluations if file.name == check.name), None)
        return check.joined(_of(file)) if file is not None else check
    if "evaluation" in entry:
        return Check("evaluation", entry["evaluation"], prompts, *limits)
    inputs = entry.get("input_variables") or {}
    return Check("agent", entry["agent"], prompts, input_variables=inputs, cases=entry.get("cases"))


def _of(file: EvaluationFile, *prompts: str) -> Check:
    """Return the check of an evaluation file."""
    return Check("table", file.name, prompts, file.min_score, file.max_drop, runs=file.runs)


def find_checks(registry: Registry, selection: Selection) -> Located:
    """Return the evaluations and agents that the checks of a selection name, not its tables. Starts nothing.

    Two checks that mean one evaluation, by its name and by its id, are joined. Raises ``NoSuchItem``, with
    the places in the files, for what the registry does not have, and ``UsageError`` for an ambiguous name.
    """
    checks = (*selection.evaluations, *selection.agents)
    listed = {kind: list_checks(registry, kind) for kind in dict.fromkeys(check.kind for check in checks)}
    problems: list[UsageError] = []
    located: dict[tuple[Kind, int, str], tuple[Check, Evaluation | Agent]] = {}
    for check in checks:
        items = listed[check.kind]
        try:
            item = pick(items, check.name, check.kind, registry.url)
        except UsageError as error:
            places = selection.places.get((check.kind, check.name), ())
            more = f" and {len(places) - 1} more" if len(places) > 1 else ""
            message = f"{places[0]}{more}: {error.message}" if places else error.message
            hint = error.hint
            if isinstance(error, NoSuchItem) and check.kind == "evaluation":
                known = [*(other.name for other in items), *(limit.name for limit in selection.limits)]
                hint = _close(registry, check.name, known) or hint
            problems.append(type(error)(message, hint=hint, code=error.code))
            continue
        check = with_limits(check, item, selection.limits, items)
        key = (check.kind, item.id, _inputs(check))
        located[key] = (located[key][0].joined(check) if key in located else check, item)
    if problems:
        # All missing names, so that they can be fixed in one go.
        details = [f"{problem.message} ({problem.hint})" for problem in problems[1:]]
        if registry.url.startswith(LOCAL):
            details.append("the embedded registry has what its fixtures file and evaluation files declare")
        raise problems[0].replaced(details=details)
    return tuple(located.values())


def _close(registry: Registry, name: str, known: Sequence[str]) -> str:
    """Return a hint at a table with this name, or at the closest name of all that can run."""
    titles: list[str] = []
    with suppress(RemoteError):
        titles = [table["title"] for table in list_tables(registry)]
    if name in titles:
        return f"promptsync eval run {shlex.quote(name)} --prompt NAME"
    close = difflib.get_close_matches(name, [*known, *titles], 1)
    return f"did you mean {close[0]!r}?" if close else ""


def with_limits(
    check: Check, item: Evaluation | Agent, limits: Iterable[Check], known: Sequence[Evaluation | Agent]
) -> Check:
    """Return a check with the strictest of the limits that name its evaluation, by name or by id."""
    for limit in limits:
        if limit.kind == check.kind and item in named(known, limit.name):
            check = check.with_limits(limit.min_score, limit.max_drop)
    return check
