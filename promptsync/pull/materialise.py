"""Writes specified versions of prompts into files: to look at what ``prod`` runs, or for a build."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from promptsync.compare.gather import gather
from promptsync.compare.snapshot import State, matching
from promptsync.errors import Refused, UsageError
from promptsync.files.disk import explained, real_path, write
from promptsync.files.prompt_file import render_new
from promptsync.files.worktree import paths_for_new
from promptsync.files.yaml.load import InvalidFile
from promptsync.project.project import Project
from promptsync.project.target import At, resolve
from promptsync.project.versions import list_all, no_such_version
from promptsync.prompt.additions import without_notes
from promptsync.prompt.names import path_for
from promptsync.prompt.prompt import Local, Version
from promptsync.pull.plan import PullPlan
from promptsync.pull.write import read_all, write_of

_SAFE = (State.IN_SYNC, State.BEHIND, State.REMOTE_ONLY, State.DELETED_LOCALLY, State.ALTERED)


def plan_materialise(project: Project, names: Sequence[str], at: At, *, theirs: bool) -> PullPlan:
    """Return the writes of the versions under a label, or of one prompt's version.

    A file is replaced only if its content is committed or published, so that nothing is lost.
    For any other file this raises ``Refused``, unless ``theirs``: then a backup is made.
    """
    snapshot = gather(project)
    if snapshot.problems:
        raise InvalidFile(snapshot.problems)
    listed = snapshot.listing.values() if at.label is None else list_all(project, label=at.label)
    targets = _versions(project, listed, list(matching(project, snapshot, names)), at)
    items = [item for item in snapshot.only(()) if item.listed is not None and item.name in targets]
    unsafe = [
        item for item in items if item.file is not None and item.state not in _SAFE and item.origin.dirty
    ]
    if unsafe and not theirs:
        some = ", ".join(repr(item.name) for item in unsafe[:3])
        paths = shlex.join(item.path or "" for item in unsafe)
        again = shlex.join(item.name for item in unsafe)
        option = f"--label {shlex.quote(at.label)}" if at.label is not None else f"--version {at.number}"
        raise Refused(
            f"{some}: the changes in the file are neither committed nor published; nothing was written",
            hint=f"git add {paths} && git commit {paths}\npromptsync pull {again} {option} --theirs",
            code="uncommitted",
        )
    paths_of_new = paths_for_new(snapshot.worktree, [item.name for item in items if item.file is None])
    writes = []
    for item in items:
        version = targets[item.name]
        if item.state is State.IN_SYNC and version.version == item.version:
            continue  # the file has this version already, and does not need ``synced:``
        path, heads = paths_of_new.get(item.name), (version.version,)
        write = write_of(project, item, version, path=path, heads=heads, backup=theirs)
        if write.old != write.new:
            writes.append(write)
    return PullPlan(tuple(sorted(writes, key=lambda write: write.path)))


def _versions(
    project: Project, listed: Iterable[Version], names: Sequence[str], at: At
) -> dict[str, Version]:
    """Read the listed prompts in scope, or those of ``names``, at their version or at ``at.number``, by name.

    Raises ``UsageError`` if a name is not listed, if there are none, or if a version does not exist.
    """
    in_scope = {version.name: version for version in listed if project.config.in_scope(version.name)}
    under = f" under the label {at.label!r}" if at.label is not None else ""

    def missing(name: str, known: Collection[str] = ()) -> UsageError:
        return UsageError(f"the registry has no prompt {name}{under}", hint="promptsync ls-remote")

    if not in_scope:
        raise missing("in scope")
    targets = resolve(project, names or ["*"], in_scope, with_versions=False, missing=missing)
    chosen = [in_scope[target.name] for target in targets]
    if at.number is not None:
        for latest in chosen:
            if at.number > latest.version:
                raise no_such_version(latest, at)
        chosen = [replace(latest, version=at.number) for latest in chosen]
    return read_all(project, chosen)


def export(
    project: Project, names: Sequence[str], directory: Path, at: At, *, dry_run: bool
) -> list[tuple[str, Version]]:
    """Write prompts to a new or empty directory; nothing is recorded in the working copy.

    Returns the path below ``directory`` and the version of each. Raises ``UsageError`` if a name does not
    exist, if no prompt has the label, or if the files would be among those of the working copy, and
    ``Refused`` if the directory has any files.
    """
    # Files of a build have no ``synced:``; among those of a working copy they would look like edits.
    if real_path(directory).is_relative_to(real_path(project.config.prompts_path)):
        raise UsageError(
            f"--output would write into {directory}, which holds the files of the working copy; "
            "nothing was written",
            hint="pass another directory, or leave out --output to pull into the working copy",
        )
    with explained("read", directory):
        if directory.is_dir() and any(directory.iterdir()):
            raise Refused(
                f"{directory} is not empty; nothing was written",
                hint="pass a new or empty directory to --output",
                code="exists",
            )
    versions = _versions(project, list_all(project, label=at.label), names, at)
    paths: dict[str, str] = {}
    for name in sorted(versions):
        paths[name] = path_for(name, list(paths.values()))
        if not dry_run:
            write(directory, paths[name], render_new(without_notes(versions[name].prompt), Local()))
    return [(path, versions[name]) for name, path in paths.items()]
