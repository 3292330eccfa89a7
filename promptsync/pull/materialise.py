"""Writes specified versions of prompts into files: to look at what ``prod`` runs, or for a build."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from promptsync.compare.gather import gather
from promptsync.compare.snapshot import Item, State, matching
from promptsync.errors import Refused, UsageError
from promptsync.files.config import InvalidConfig, find, load
from promptsync.files.disk import present_text, real_path, write
from promptsync.files.errors import InvalidFile
from promptsync.files.names import name_in
from promptsync.files.prompt_text import render_new
from promptsync.files.worktree import paths_for_new
from promptsync.project.project import Project
from promptsync.project.target import expanded
from promptsync.project.versions import list_all
from promptsync.prompt.additions import without_notes
from promptsync.prompt.names import path_for
from promptsync.prompt.prompt import Local
from promptsync.prompt.version import Version
from promptsync.pull.plan import PullPlan
from promptsync.pull.write import read_all, write_of

_SAFE = (State.IN_SYNC, State.BEHIND, State.REMOTE_ONLY, State.DELETED_LOCALLY, State.ALTERED)


def plan_materialise(
    project: Project,
    names: Sequence[str],
    *,
    label: str | None,
    number: int | None,
    theirs: bool,
) -> PullPlan:
    """Return the writes of the versions under ``label``, or of one prompt's version ``number``.

    A file is replaced only if its text is committed or is a version of the registry, so that nothing is lost.
    For any other file this raises ``Refused``, unless ``theirs``: then a backup is made.
    """
    snapshot = gather(project)
    if snapshot.problems:
        raise InvalidFile(snapshot.problems)
    names = matching(snapshot, names)
    chosen = [item for item in snapshot.only(names) if item.listed is not None]
    _check_listed(names, [item.name for item in chosen])
    targets = _targets(project, chosen, names, label, number)
    items = [item for item in chosen if item.name in targets]
    unsafe = [item for item in items if not _is_safe(item) and not theirs]
    if unsafe:
        listed = ", ".join(repr(item.name) for item in unsafe[:3])
        raise Refused(
            f"{listed}: the text in the file is neither committed nor a version of the registry; "
            "nothing was written",
            hint=_ways_out(unsafe, label, number),
            code="uncommitted",
        )
    paths = paths_for_new(snapshot.worktree, [item.name for item in items if item.file is None])
    writes = []
    for item in items:
        version = targets[item.name]
        if item.state is State.IN_SYNC and version.version == item.version:
            continue  # the file has this version already, and does not need ``synced:``
        prompt, path = item.content_of(version), paths.get(item.name)
        write = write_of(project, item, version, prompt, path=path, heads=(version.version,), backup=theirs)
        if write.old != write.new:
            writes.append(write)
    return PullPlan(tuple(sorted(writes, key=lambda write: write.path)))


def _ways_out(items: Sequence[Item], label: str | None, number: int | None) -> str:
    """Return the commands that commit texts or replace them; the second one makes backups."""
    paths, names = (
        shlex.join(words) for words in zip(*((item.path or "", item.name) for item in items), strict=True)
    )
    at = f"--label {shlex.quote(label)}" if label is not None else f"--version {number}"
    return f"git add {paths} && git commit {paths}\npromptsync pull {names} {at} --theirs"


def _is_safe(item: Item) -> bool:
    return item.file is None or item.state in _SAFE or not item.origin.dirty


def _targets(
    project: Project, items: Sequence[Item], names: Sequence[str], label: str | None, number: int | None
) -> dict[str, Version]:
    listed = [item.listed for item in items if item.listed is not None]
    if label is None:
        return read_all(project, [_at(version, number) for version in listed])
    wanted = {version.name for version in listed}
    under = [version for version in list_all(project, label=label) if version.name in wanted]
    _check_listed(names, [version.name for version in under], label)
    if not under:
        raise UsageError(f"no prompt in scope has the label {label!r}", hint="promptsync label list")
    return read_all(project, under)


def _at(latest: Version, number: int | None) -> Version:
    """Return a prompt at one of its versions. Raises ``UsageError`` for a version after the latest one."""
    if number is None:
        return latest
    if number > latest.version:
        raise UsageError(
            f"{latest.name!r} has no version {number}: the latest is v{latest.version}",
            hint=f"promptsync log {shlex.quote(latest.name)}",
        )
    return replace(latest, version=number)


def _check_listed(names: Sequence[str], present: Sequence[str], label: str | None = None) -> None:
    missing = [name for name in names if name not in present]
    if missing:
        under = f" under the label {label!r}" if label else ""
        raise UsageError(f"the registry has no prompt {missing[0]!r}{under}", hint="promptsync ls-remote")


def export(
    project: Project,
    names: Sequence[str],
    directory: Path,
    *,
    label: str | None,
    number: int | None,
    dry_run: bool,
) -> list[tuple[str, Version]]:
    """Write prompts below another directory; nothing is recorded in the working copy, nothing is deleted.

    Returns the path below ``directory`` and the version of each. Raises ``UsageError`` if a name does not
    exist, if no prompt has the label, or if the files would be among those of a working copy, and ``Refused``
    if they would replace anything but an earlier export.
    """
    listed = [version for version in list_all(project, label=label) if project.config.in_scope(version.name)]
    names = expanded((version.name for version in listed), names)
    _check_listed(names, [version.name for version in listed], label)
    chosen = [version for version in listed if not names or version.name in names]
    if not chosen:
        raise UsageError("there is no prompt to write", hint="promptsync ls-remote")
    versions = dict(sorted(read_all(project, [_at(version, number) for version in chosen]).items()))
    paths: dict[str, str] = {}
    for name in versions:
        paths[name] = path_for(name, list(paths.values()))
    texts = {name: render_new(without_notes(version.prompt), Local()) for name, version in versions.items()}
    _check_targets(project, directory, {paths[name]: (name, text) for name, text in texts.items()})
    if not dry_run:
        for name, text in texts.items():
            write(directory, paths[name], text)
    return [(paths[name], version) for name, version in versions.items()]


def _check_targets(project: Project, directory: Path, texts: Mapping[str, tuple[str, str]]) -> None:
    """Raise an error if an export would write into a working copy or over a file that it did not make.

    ``texts`` has the name and the new text of the prompt for each path below ``directory``.
    """
    folders = {real_path(directory / path).parent for path in texts} | {real_path(directory)}
    paths = {path for folder in folders if (path := find(folder)) is not None}
    configs = [project.config]
    for path in paths - {project.config.path}:
        with suppress(InvalidConfig):  # some other tool's file, or one that works for nobody
            configs.append(load(path))
    # Files of a build have no ``synced:``; among those of a working copy they would look like edits.
    prompts = [real_path(config.prompts_path) for config in configs]
    for folder in sorted(folders):
        if ".git" in folder.parts or any(map(folder.is_relative_to, prompts)):
            raise UsageError(
                f"--output would write into {folder}, which holds the files of git or of a working copy; "
                "nothing was written",
                hint="pass another directory, or leave out --output to pull into the working copy",
            )
    for target, (name, text) in sorted(texts.items()):
        old = present_text(directory, target)
        if old is not None and old != text and name_in(old.encode()) != name:
            raise Refused(
                f"{directory / target} is not an earlier export of {name!r}; nothing was written",
                hint="pass an empty directory to --output, or move the file away",
                code="exists",
            )
