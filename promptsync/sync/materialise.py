"""Puts given versions of prompts into files: for looking at what ``prod`` runs, or for a build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from promptsync.core.compare import State
from promptsync.core.names import path_for
from promptsync.core.prompt import Listed, Local, RemoteVersion
from promptsync.errors import Refused, UsageError
from promptsync.files.atomic import write
from promptsync.files.emit import render_new
from promptsync.files.problems import InvalidFile
from promptsync.files.worktree import paths_for_new
from promptsync.sync.gather import gather, list_all
from promptsync.sync.planning import check_names
from promptsync.sync.project import Project
from promptsync.sync.pull import PullPlan, read_all, render
from promptsync.sync.snapshot import Item

_SAFE = (State.IN_SYNC, State.BEHIND, State.REMOTE_ONLY, State.DELETED_LOCALLY, State.ALTERED)


def plan_materialise(
    project: Project,
    names: Sequence[str],
    *,
    label: str | None,
    version: int | None,
    theirs: Sequence[str] = (),
) -> PullPlan:
    """Return the writes that put the versions under ``label``, or ``version`` of one prompt, into the files.

    Only files are written whose present content is committed or is a version of the registry, so that nothing
    can be lost; others are refused unless ``theirs`` names them, which keeps a backup.
    """
    snapshot = gather(project)
    if snapshot.problems:
        raise InvalidFile(snapshot.problems)
    check_names(snapshot, (*names, *theirs))
    chosen = [item for item in snapshot.only((*names, *theirs) if names else ()) if item.listed is not None]
    targets = _targets(project, chosen, label, version)
    items = [item for item in chosen if item.name in targets]
    unsafe = [item for item in items if not _is_safe(item) and item.name not in theirs]
    if unsafe:
        listed = ", ".join(repr(item.name) for item in unsafe[:3])
        raise Refused(
            f"{listed}: the text in the file is neither committed nor a version of the registry; "
            "nothing was written",
            hint=f"commit it, or take the version all the same: --theirs {unsafe[0].name} (keeps a backup)",
            code="uncommitted",
        )
    paths = paths_for_new(snapshot.worktree, [item.name for item in items if item.file is None])
    writes = []
    for item in items:
        found = targets[item.name]
        one = render(project, item, found, paths.get(item.name), keep=item.name in theirs)
        if one.old != one.new and not _says_so_already(item, found):
            writes.append(one)
    return PullPlan(tuple(sorted(writes, key=lambda one: one.path)))


def _is_safe(item: Item) -> bool:
    return item.file is None or item.state in _SAFE or not item.origin.dirty


def _says_so_already(item: Item, found: RemoteVersion) -> bool:
    """Whether the file is the latest version already: then there is nothing to write, ``pulled`` included."""
    return item.state is State.IN_SYNC and found.version == item.version


def _targets(
    project: Project, items: Sequence[Item], label: str | None, version: int | None
) -> dict[str, RemoteVersion]:
    listed = [item.listed for item in items if item.listed is not None]
    if label is not None:
        wanted = {one.name for one in listed}
        under = [one for one in list_all(project, label=label) if one.name in wanted]
        if not under:
            raise UsageError(f"no prompt in scope has the label {label!r}", hint="promptsync label list")
        found = read_all(project, under)
    else:
        found = read_all(project, [replace(one, version=version or one.version) for one in listed])
    # tags belong to the prompt, not to a version: those of today stay
    tags = {one.name: one.prompt.tags for one in listed}
    return {name: replace(one, prompt=replace(one.prompt, tags=tags[name])) for name, one in found.items()}


def export(
    project: Project,
    names: Sequence[str],
    directory: Path,
    *,
    label: str | None,
    version: int | None,
) -> list[tuple[str, RemoteVersion]]:
    """Write prompts below another directory, without any trace in the working copy.

    Returns the path below ``directory`` and the version of each. Raises ``UsageError`` when a name is not
    there or nothing has the label.
    """
    listed = [one for one in list_all(project, label=label) if project.config.in_scope(one.name)]
    known = {one.name for one in listed}
    missing = [name for name in names if name not in known]
    if missing:
        under = f" under {label!r}" if label else ""
        raise UsageError(f"the registry has no prompt {missing[0]!r}{under}", hint="promptsync ls-remote")
    chosen = [one for one in listed if not names or one.name in names]
    if not chosen:
        raise UsageError("there is nothing to write", hint="promptsync ls-remote shows what there is")
    if version is not None:
        chosen = [replace(one, version=version) for one in chosen]
    found = read_all(project, chosen)
    paths = _paths(chosen)
    directory.mkdir(parents=True, exist_ok=True)
    for name, one in sorted(found.items()):
        write(directory, paths[name], render_new(one.prompt, Local()))
    return [(paths[name], one) for name, one in sorted(found.items())]


def _paths(listed: Sequence[Listed]) -> dict[str, str]:
    taken: list[str] = []
    paths: dict[str, str] = {}
    for name in sorted(one.name for one in listed):
        paths[name] = path_for(name, taken)
        taken.append(paths[name])
    return paths
