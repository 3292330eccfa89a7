"""The checks that ``eval run`` and ``agent run`` run: those named, or those of the prompts that changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.assignment import Check, Selection, joined, limits_in, select_checks
from promptsync.checks.catalog import Kind
from promptsync.checks.run_checks import WantedVersions
from promptsync.compare.conflict import check_resolved
from promptsync.compare.difference import ChangedPrompts, changed_evaluations, changed_since
from promptsync.compare.gather import gather
from promptsync.compare.snapshot import Snapshot, State
from promptsync.files.evaluation import FOLDER
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import scan
from promptsync.files.yaml.load import InvalidFile
from promptsync.project.project import Project
from promptsync.project.target import resolve, unknown
from promptsync.prompt.snippets import rendered_in

_NOT_LATEST = "file is not the registry's latest version"


class Choice(Struct, frozen=True):
    """What to run.

    ``changed`` are the prompts that differ from ``since``, and ``without`` those of them that have no check
    of this kind. ``edited`` are the paths of evaluation files that differ, whose prompts are all checked.
    ``wanted`` are the versions to check: the latest ones whose files match them.
    """

    selection: Selection
    changed: tuple[str, ...] = ()
    since: str = ""
    without: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    wanted: WantedVersions = WantedVersions()


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
    if kind == "evaluation":
        names = _without_paths(project, names)
    tables = _named_tables(project, names, only) if kind == "evaluation" else []
    others = (name for name in names if not any(check.name == name for check in tables))
    checks = (Check(kind, name, input_variables=variables or {}) for name in others)
    limits = limits_in(project.config, project.evaluations if kind == "evaluation" else ())
    return Choice(Selection(joined([*tables, *checks]), limits=limits))


def _without_paths(project: Project, names: Iterable[str]) -> list[str]:
    known = {check.name for check in limits_in(project.config, project.evaluations)}
    by_path = {file.path: file.name for file in project.evaluations}
    by_path |= {path.removeprefix(f"{FOLDER}/").removesuffix(".yaml"): by_path[path] for path in by_path}
    return [name if name in known else by_path.get(name, name) for name in names]


def _named_tables(project: Project, names: Collection[str], only: Collection[str]) -> list[Check]:
    limits = [check for check in limits_in(project.config, project.evaluations) if check.kind == "table"]
    if not only and not any(check.name in names for check in limits):
        return []
    worktree = scan(project.root, project.config.prompts)
    if worktree.problems:
        raise InvalidFile(worktree.problems)
    files = {name: file for name, file in worktree.files.items() if project.config.in_scope(name)}
    missing = partial(unknown, prompts=worktree.prompts, where="your files")
    only = [target.name for target in resolve(project, only, files, with_versions=False, missing=missing)]
    assigned = select_checks(only or files, files, project.config, project.evaluations).tables
    checks = []
    for name in names:
        own = [check for check in assigned if check.name == name]
        others = {*only}.difference(*(check.prompts for check in own))
        if others:
            # A table of the dashboard can run without being named in checks:.
            limit = next((check for check in limits if check.name == name), Check("table", name))
            own.append(replace(limit, prompts=tuple(sorted(others))))
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
    without = tuple(name for name in changed.names if not any(name in check.prompts for check in checks))
    differing = changed_evaluations(project, changed) if kind == "evaluation" else ()
    edited = {file.name: file.path for file in differing}
    names = filter(project.config.in_scope, worktree.files)
    everything = select_checks(names, worktree.files, project.config, project.evaluations)
    again = [check for check in everything.tables if check.name in edited]
    edited = {check.name: edited[check.name] for check in again}
    selection = Selection(joined([*checks, *again]), places={**everything.places, **selection.places})
    choice = Choice(selection, changed.names, changed.since, without, tuple(edited.values()))
    published = {name for check in checks if check.kind == kind for name in check.prompts}
    if not published:  # tables run files
        return choice
    snapshot = gather(project)
    unpublished = {
        name: reason for name, reason in _unpublished(changed, snapshot).items() if name in published
    }
    for name in unpublished:
        if (file := snapshot.worktree.files.get(name)) is not None:
            check_resolved(file, "nothing was run")
    versions = {
        name: prompt.version
        for name in changed.names
        if name not in unpublished and (prompt := snapshot.listing.get(name)) is not None
    }
    renders = rendered_snippets(snapshot.worktree.files, changed.names)
    return replace(choice, wanted=WantedVersions(versions, unpublished, renders))


def rendered_snippets(
    files: Mapping[str, PromptFile], names: Iterable[str], label: str | None = None
) -> dict[str, Collection[str]]:
    """Return for each prompt the snippets whose latest version it renders: unpinned, or by ``label``."""

    def below(name: str, seen: set[str]) -> set[str]:
        for reference in rendered_in(files[name].prompt.template) if name in files else ():
            is_latest = reference.version is None and reference.label in (None, label)
            if is_latest and reference.name not in seen:
                seen.add(reference.name)
                below(reference.name, seen)
        return seen

    return {name: below(name, set()) for name in names}


def _unpublished(changed: ChangedPrompts, snapshot: Snapshot) -> dict[str, str]:
    """Return the changed prompts that the registry runs differently, each with the reason."""
    reasons = {}
    published = {item.name for item in snapshot.of(State.IN_SYNC)}
    for prompt in changed.prompts:
        if prompt.name in changed.names and prompt.name not in published:
            reasons[prompt.name] = f"its {_NOT_LATEST}"
        # A dependant renders the registry's version of the snippet, so an old one makes its run worthless.
        for snippet in prompt.through:
            if snippet in changed.names and snippet not in published:
                reasons[prompt.name] = f"it contains {snippet}, whose {_NOT_LATEST}"
    return reasons
