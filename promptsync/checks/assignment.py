"""The checks of prompts, named in files and in ``checks:``: which of them a command runs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain
from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from promptsync.compare.conflict import check_resolved
from promptsync.compare.difference import ChangedPrompts, changed_evaluations, changed_since
from promptsync.compare.gather import gather
from promptsync.compare.snapshot import State
from promptsync.errors import UsageError
from promptsync.files.config import Config
from promptsync.files.evaluation import FOLDER
from promptsync.files.prompt_file import PromptFile, scan
from promptsync.files.yaml.load import InvalidFile, position
from promptsync.project.project import Project
from promptsync.project.target import resolve, unknown
from promptsync.prompt.evaluation import EvaluationFile
from promptsync.prompt.snippets import rendered_in

Kind = Literal["evaluation", "agent", "table"]
"""What checks a prompt."""

KINDS: Final[tuple[Kind, ...]] = ("table", "evaluation", "agent")
"""All kinds, in the order in which they run."""

_DETAILS: Final = ("min_score", "max_drop", "input_variables", "sheet", "runs")
"""The keys of an entry of ``checks:`` beside its pattern and its name."""


class Place(NamedTuple):
    """Where a check is named: a key in a file, with its line if the file was read."""

    path: str
    keypath: tuple[str | int, ...]
    file: PromptFile | EvaluationFile | None = None

    def __str__(self) -> str:
        if self.file is not None:
            return f"{self.path}:{position(self.file.text, self.keypath)[0]}"
        return f"{self.path}, {self.keypath[0]}[{self.keypath[1]}]"


class Check(Struct, frozen=True):
    """A table, an evaluation or an agent, by name or id, and the prompts that it checks.

    ``min_score`` is the lowest score that passes. ``max_drop`` is how far a score may be below that of the
    version that is live. An agent is run with ``input_variables``. ``sheet`` is the one of a table that has
    the rows (by default its first), and each row runs ``runs`` times. ``item_id`` is the id of an evaluation
    or agent that was found in the registry; the name is that of the registry then. ``places`` are where it is
    named.
    """

    kind: Kind
    name: str
    prompts: tuple[str, ...] = ()
    min_score: float | None = None
    max_drop: float | None = None
    input_variables: Mapping[str, Any] = {}
    sheet: str | None = None
    runs: int = 1
    item_id: int | None = None
    places: tuple[Place, ...] = ()

    @property
    def inputs(self) -> str:
        """What an agent runs with, as a text to compare."""
        return json.dumps(self.input_variables, sort_keys=True, default=str)

    def with_limits(self, min_score: float | None, max_drop: float | None) -> Check:
        """Return this check with the stricter of its own limits and these."""
        least = [score for score in (self.min_score, min_score) if score is not None]
        most = [limit for limit in (self.max_drop, max_drop) if limit is not None]
        return replace(self, min_score=max(least, default=None), max_drop=min(most, default=None))

    def joined(self, other: Check) -> Check:
        """Return one check for the prompts of both, with the stricter limits."""
        prompts = tuple(dict.fromkeys([*self.prompts, *other.prompts]))
        limited = self.with_limits(other.min_score, other.max_drop)
        places = (*self.places, *other.places)
        return replace(limited, prompts=prompts, runs=max(self.runs, other.runs), places=places)


class Selection(Struct, frozen=True):
    """The checks to run. ``unchecked`` are the prompts that have none."""

    checks: tuple[Check, ...] = ()
    unchecked: tuple[str, ...] = ()

    def of(self, *kinds: Kind) -> tuple[Check, ...]:
        """Return the checks of some kinds."""
        return tuple(check for check in self.checks if check.kind in kinds)

    @property
    def prompts(self) -> frozenset[str]:
        """The prompts that have checks."""
        return frozenset(prompt for check in self.checks for prompt in check.prompts)


class WantedVersions(Struct, frozen=True):
    """The versions that checks must check, by prompt; for prompts without one, any version will do.

    ``unpublished`` are prompts whose files differ from the registry, and why: no run can check them.
    ``renders`` are the snippets whose new versions a prompt renders: a run of the prompt checks them.
    """

    versions: Mapping[str, int] = {}
    unpublished: Mapping[str, str] = {}
    renders: Mapping[str, Collection[str]] = {}


class Choice(Selection, frozen=True):
    """The checks that a command line means.

    ``limits`` are not run: they set limits for the evaluations and tables that they name, in whichever way
    those are named here. ``changed`` are the prompts that differ from ``since``. ``edited`` are the paths of
    evaluation files that differ, whose prompts are all checked. ``wanted`` are the versions to check: the
    latest ones whose files match them.
    """

    limits: tuple[Check, ...] = ()
    changed: tuple[str, ...] = ()
    since: str = ""
    edited: tuple[str, ...] = ()
    wanted: WantedVersions = WantedVersions()


def select_checks(
    names: Iterable[str],
    files: Mapping[str, PromptFile],
    config: Config,
    evaluations: Sequence[EvaluationFile],
) -> Selection:
    """Return the checks of the named prompts: each evaluation once, each agent once for the same inputs.

    A prompt without a file has only the checks of the configuration and of evaluation files.
    """
    assigned = {name: [*_assigned(name, files.get(name), config, evaluations)] for name in sorted({*names})}
    unchecked = tuple(name for name, checks in assigned.items() if not checks)
    return Selection(joined(chain(*assigned.values())), unchecked)


def joined(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks, those of one name and the same inputs as one: tables, evaluations, agents."""
    by_key: dict[tuple[int, str, str, str | None], Check] = {}
    for check in checks:
        key = (KINDS.index(check.kind), check.name, check.inputs, check.sheet)
        by_key[key] = by_key[key].joined(check) if key in by_key else check
    return tuple(by_key[key] for key in sorted(by_key, key=lambda key: key[0]))


def limits_in(config: Config, evaluations: Sequence[EvaluationFile] = ()) -> tuple[Check, ...]:
    """Return the limits that ``checks:`` and files set for evaluations and tables, for any prompts."""
    checks = (_entry(entry, "", evaluations) for entry in config.checks)
    return (*map(_of, evaluations), *(check for check in checks if check.kind != "agent"))


def choose_named(
    project: Project,
    kind: Kind,
    names: Collection[str],
    variables: Mapping[str, Any] | None = None,
    only: Collection[str] = (),
) -> Choice:
    """Return the checks with these names or ids, each once, with its limits or variables.

    A name that evaluation files or ``checks:`` have for a table is that of a table, and so is every name if
    ``only`` has the prompts to check. The path of an evaluation file is a name of it, too.
    """
    if kind == "agent":
        return Choice(joined(Check(kind, name, input_variables=variables or {}) for name in names))
    limits = limits_in(project.config, project.evaluations)
    names = _without_paths(project, names, {check.name for check in limits})
    tables = _named_tables(project, [check for check in limits if check.kind == "table"], names, only)
    tested = {check.name for check in tables}
    others = (Check(kind, name) for name in names if name not in tested)
    return Choice(joined([*tables, *others]), limits=limits)


def _without_paths(project: Project, names: Iterable[str], known: Collection[str]) -> list[str]:
    by_path = {file.path: file.name for file in project.evaluations}
    by_path |= {path.removeprefix(f"{FOLDER}/").removesuffix(".yaml"): by_path[path] for path in by_path}
    return [name if name in known else by_path.get(name, name) for name in names]


def _named_tables(
    project: Project, limits: Sequence[Check], names: Collection[str], only: Collection[str]
) -> list[Check]:
    if not only and not any(check.name in names for check in limits):
        return []
    worktree = scan(project.root, project.config.prompts)
    if worktree.problems:
        raise InvalidFile(worktree.problems)
    files = {name: file for name, file in worktree.files.items() if project.config.in_scope(name)}
    missing = partial(unknown, prompts=worktree.prompts, where="your files")
    only = [target.name for target in resolve(project, only, files, with_versions=False, missing=missing)]
    assigned = select_checks(only or files, files, project.config, project.evaluations).of("table")
    checks = []
    for name in names:
        own = [check for check in assigned if check.name == name]
        others = {*only}.difference(*(check.prompts for check in own))
        if others:
            # A table of the dashboard can run without being named in checks:.
            limit = next((check for check in limits if check.name == name), Check("table", name))
            own.append(replace(limit, prompts=tuple(sorted(others))))
        named = (file for file in project.evaluations if file.name == name and file.prompts)
        if not own and (file := next(named, None)):
            what = f"{file.path}: its prompts: matches none of your prompts"
            hint = f"promptsync lint\npromptsync eval run {shlex.quote(name)} --prompt NAME"
            raise UsageError(what, hint=hint, code="not-found")
        checks += own
    return checks


def choose_changed(
    project: Project,
    kind: Kind,
    since: str | None,
    variables: Mapping[str, Any] | None = None,
    *,
    only_tables: bool = False,
) -> Choice:
    """Return the checks of the prompts that changed since ``since``, see ``changed_since``, and the tables of
    evaluation files that did.

    ``variables`` replace input variables of agents. Contacts the registry only if there are any checks.
    Raises what ``changed_since`` and ``gather`` raise, and ``Refused`` for a file with conflict markers.
    """
    worktree = scan(project.root, project.config.prompts)
    changed = changed_since(project, worktree, since)
    selection = select_checks(changed.names, worktree.files, project.config, project.evaluations)
    checks = [
        replace(check, input_variables={**check.input_variables, **(variables or {})})
        for check in selection.checks
        if (check.kind == kind and not only_tables) or (check.kind == "table" and kind == "evaluation")
    ]
    unchecked = tuple(name for name in changed.names if not any(name in check.prompts for check in checks))
    published = {name for check in checks if check.kind == kind for name in check.prompts}
    differing = changed_evaluations(project, changed) if kind == "evaluation" else ()
    paths = {file.name: file.path for file in differing}
    names = filter(project.config.in_scope, worktree.files) if paths else ()
    tables = select_checks(names, worktree.files, project.config, project.evaluations).of("table")
    again = [check for check in tables if check.name in paths]
    edited = tuple(dict.fromkeys(paths[check.name] for check in again))
    # Tables run files, so they need no version.
    wanted = _wanted_versions(project, changed, published) if published else WantedVersions()
    named = joined([*checks, *again])
    return Choice(named, unchecked, (), changed.names, changed.since, edited, wanted)


def _wanted_versions(project: Project, changed: ChangedPrompts, names: Collection[str]) -> WantedVersions:
    """Return the latest versions of those changed prompts, and which the registry runs differently."""
    snapshot = gather(project)
    files, listing = snapshot.worktree.files, snapshot.listing
    pending = {*changed.names}.difference(item.name for item in snapshot.of(State.IN_SYNC))
    versions, unpublished = {}, {}
    for prompt in changed.prompts:
        # A dependant renders the registry's version of the snippet, so an old one makes its run worthless.
        behind = [name for name in (prompt.name, *prompt.through) if name in pending]
        if prompt.name not in names:
            continue
        if behind:
            if (file := files.get(prompt.name)) is not None:
                check_resolved(file, "nothing was run")
            what = "its file" if behind[-1] == prompt.name else f"it contains {behind[-1]}, whose file"
            unpublished[prompt.name] = f"{what} is not the registry's latest version"
        elif prompt.name in listing:
            versions[prompt.name] = listing[prompt.name].version
    return WantedVersions(versions, unpublished, rendered_snippets(files, changed.names))


def rendered_snippets(
    files: Mapping[str, PromptFile], names: Iterable[str], label: str | None = None
) -> dict[str, dict[str, str]]:
    """Return for each prompt the snippets whose latest version it renders: unpinned, or by ``label``.

    Each has the prompt or the snippet that refers to it.
    """

    def below(name: str, seen: dict[str, str]) -> dict[str, str]:
        for reference in rendered_in(files[name].prompt.template) if name in files else ():
            is_latest = reference.version is None and reference.label in (None, label)
            if is_latest and reference.name not in seen:
                seen[reference.name] = name
                below(reference.name, seen)
        return seen

    return {name: below(name, {}) for name in names}


def _assigned(
    name: str, file: PromptFile | None, config: Config, evaluations: Sequence[EvaluationFile]
) -> Iterator[Check]:
    """Yield the checks of a prompt: those in its file, in evaluation files, and in ``checks:``."""
    declared = {evaluation.name for evaluation in evaluations}
    if file is not None:
        for index, check in enumerate(file.local.evaluations):
            # The name of an evaluation file means its table; evaluation: in checks: never does.
            entry: Mapping[str, Any] = {"table" if check in declared else "evaluation": check}
            yield _entry(entry, name, evaluations, Place(file.path, ("evaluations", index), file))
        for index, agent in enumerate(file.local.agents):
            entry = {**agent, "agent": agent["name"]}
            yield _entry(entry, name, evaluations, Place(file.path, ("agents", index), file))
    for evaluation in evaluations:
        if evaluation.matches(name):
            place = Place(evaluation.path, ("prompts",), evaluation)
            yield replace(_of(evaluation), prompts=(name,), places=(place,))
    for index, entry in enumerate(config.checks):
        if fnmatchcase(name, entry["match"]):
            yield _entry(entry, name, evaluations, Place(config.path.name, ("checks", index)))


def _entry(
    entry: Mapping[str, Any], prompt: str, evaluations: Sequence[EvaluationFile], *places: Place
) -> Check:
    """Return the check that an entry of ``checks:`` names. A table of a file has its limits, too."""
    kind = next(kind for kind in KINDS if kind in entry)
    details = {key: entry[key] for key in _DETAILS if entry.get(key) is not None}
    check = Check(kind, entry[kind], (prompt,) if prompt else (), places=places, **details)
    file = next((file for file in evaluations if kind == "table" and file.name == check.name), None)
    return check.joined(_of(file)) if file is not None else check


def _of(file: EvaluationFile) -> Check:
    """Return the check of an evaluation file, for any prompts."""
    return Check("table", file.name, (), file.min_score, file.max_drop, runs=file.runs)
