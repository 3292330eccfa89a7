"""The checks that ``eval run`` and ``agent run`` run: those named, or those of the prompts that changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from promptsync.checks.assignment import (
    AgentCheck,
    EvaluationCheck,
    Selection,
    limits_in,
    select_checks,
    with_variables,
)
from promptsync.compare.changes_since import ChangedPrompts, changed_since
from promptsync.compare.conflict import conflict_of, edit
from promptsync.compare.histories import has_text
from promptsync.compare.list_equality import ListComparison
from promptsync.errors import Refused
from promptsync.files.config import Config
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import scan
from promptsync.parallel import mapped
from promptsync.project.project import Project
from promptsync.project.versions import list_all
from promptsync.prompt.version import Version
from promptsync.registry.errors import NotFound, NotReadableRaw, RenamedRemotely, UnusablePrompt

Kind = Literal["evaluation", "agent"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What to run.

    ``changed`` are the prompts that differ from ``since``, and ``without`` those of them that have no check
    of this kind. ``unpublished`` are those whose file is not the registry's latest version, and why;
    ``versions`` are the latest versions of the others.
    """

    selection: Selection
    changed: tuple[str, ...] = ()
    since: str = ""
    without: tuple[str, ...] = ()
    unpublished: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)


def choose_evaluations(names: Iterable[str], config: Config) -> Choice:
    """Return the evaluations with these names or ids, each once, with the limits in ``checks:``."""
    checks = tuple(EvaluationCheck(name, ()) for name in dict.fromkeys(names))
    return Choice(Selection(checks, limits=limits_in(config)))


def choose_agents(names: Iterable[str], variables: Mapping[str, Any]) -> Choice:
    """Return the agents with these names or ids, each once, all with the same input variables."""
    return Choice(Selection((), tuple(AgentCheck(name, (), variables) for name in dict.fromkeys(names))))


def choose_changed(
    project: Project, kind: Kind, since: str | None, variables: Mapping[str, Any] | None = None
) -> Choice:
    """Return the checks of the prompts that changed since ``since``; see ``changed_since``.

    ``variables`` replace input variables of agents. Contacts the registry only if there are any checks.
    Raises what ``changed_since`` raises, ``Refused`` for a file with conflict markers, and ``RemoteError``.
    """
    worktree = scan(project.root, project.config.prompts)
    changed = changed_since(project, worktree, since)
    found = select_checks(changed.names, worktree.files, project.config)
    if kind == "evaluation":
        selection = Selection(found.evaluations)
    else:
        selection = Selection((), with_variables(found.agents, variables or {}))
    checked = selection.prompts
    without = tuple(name for name in changed.names if name not in checked)
    if not checked:
        return Choice(selection, changed.names, changed.since, without)
    versions = _published_versions(project, worktree.files, changed.names)
    unpublished = _unpublished(changed, versions)
    _refuse_conflicts(worktree.files[name] for name in unpublished if name in worktree.files)
    bound = {name: number for name, number in versions.items() if name not in unpublished}
    return Choice(selection, changed.names, changed.since, without, unpublished, bound)


def _refuse_conflicts(files: Iterable[PromptFile]) -> None:
    for file in files:
        found = conflict_of(file)
        if found is not None:
            place = f"{found.path}:{found.line}"
            message = f"{file.prompt.name!r} has conflict markers at {place}; nothing was run"
            raise Refused(message, hint=edit(place), code="conflict-markers")


def _unpublished(changed: ChangedPrompts, versions: Mapping[str, int]) -> dict[str, str]:
    found = {}
    for one in changed.prompts:
        if one.name in changed.names and one.name not in versions:
            found[one.name] = "its file is not the registry's latest version"
        # A dependant renders the registry's text of the snippet, so an old snippet makes its run worthless.
        for snippet in one.through:
            if snippet in changed.names and snippet not in versions:
                found[one.name] = f"it contains {snippet}, whose file is not the registry's latest version"
    return found


def _published_versions(
    project: Project, files: Mapping[str, PromptFile], names: Iterable[str]
) -> dict[str, int]:
    """Return the latest version of each prompt whose file matches it.

    A prompt that is missing was not published yet, or was edited in the registry.
    """
    listed = list_all(project)
    comparison = ListComparison(project, listed, whole=True)
    listing = {item.name: item for item in listed}
    pairs = [(files[name], listing[name]) for name in names if name in files and name in listing]
    equal = {item.name: item.version for file, item in pairs if comparison.equal(file, item)}
    open_pairs = [pair for pair in pairs if pair[1].name not in equal]
    # The list only shows equality, so what seems to differ is read raw.
    versions = mapped(lambda pair: _read(project, pair[1]), open_pairs)
    for (file, item), one in zip(open_pairs, versions, strict=True):
        if has_text(project, file, item, one):
            equal[item.name] = item.version
    return equal


def _read(project: Project, item: Version) -> Version | None:
    try:
        return project.registry.prompts.get(item.template_id, item.name, version=item.version)
    except (NotFound, NotReadableRaw, RenamedRemotely, UnusablePrompt):
        return None
