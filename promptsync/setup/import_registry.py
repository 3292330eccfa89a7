"""Adopting a registry that is full already: which names it has, and a file for each that is to be ours."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import takewhile

from promptsync.compare.gather import gather
from promptsync.compare.project import Project
from promptsync.compare.snapshot import Item
from promptsync.compare.state import State
from promptsync.errors import UsageError
from promptsync.files.errors import InvalidFile
from promptsync.files.worktree import paths_for_new
from promptsync.prompt.prompt import Listed
from promptsync.pull.write import Write, read_all, render
from promptsync.registry.address import LOCAL


@dataclass(frozen=True, slots=True)
class Group:
    """Names that begin alike. ``pattern`` matches them for ``include``; ``""`` for those in no directory."""

    pattern: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Adoption:
    """What adopting will write, rendered.

    ``present`` are the prompts that have a file already, which is kept, and ``apart`` those of them whose
    file says something else than the registry. ``newer`` were taken at a label and have a later version,
    ``unlabelled`` do not have the label, ``foreign`` is how many prompts belong to others.
    """

    writes: tuple[Write, ...]
    present: tuple[Item, ...] = ()
    apart: tuple[Item, ...] = ()
    newer: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    foreign: int = 0


def survey(project: Project) -> tuple[str, ...]:
    """Return the names of all prompts of the registry. Raises ``UsageError`` when there are none."""

    def on_page(done: int, pages: int) -> None:
        project.progress("Listing the registry", done, pages)

    is_there = not project.url.startswith(LOCAL) or project.database.exists()
    names = sorted(one.name for one in project.registry.prompts.list(on_page=on_page)) if is_there else []
    if not names:
        raise UsageError(
            f"{project.url} holds no prompts, so there is nothing to adopt; nothing was written",
            hint=f"start with a first prompt: promptsync init --url {project.url}",
            code="empty-registry",
        )
    return tuple(names)


def groups(names: Iterable[str]) -> tuple[Group, ...]:
    """Return names by the first directory in which they differ, the largest group first."""
    ordered = sorted(names)
    parents = [name.split("/")[:-1] for name in ordered]
    depth = min(_common(parents), max(min(map(len, parents), default=0) - 1, 0))
    prefixes = ("/".join(parent[: depth + 1]) if len(parent) > depth else None for parent in parents)
    by_prefix: dict[str | None, list[str]] = {}
    for name, prefix in zip(ordered, prefixes, strict=True):
        by_prefix.setdefault(prefix, []).append(name)
    found = [
        Group("" if prefix is None else f"{glob.escape(prefix)}/*", tuple(members))
        for prefix, members in by_prefix.items()
    ]
    return tuple(sorted(found, key=lambda group: (-len(group.names), group.pattern)))


def _common(parents: Sequence[Sequence[str]]) -> int:
    """Return how many directories all have in common."""
    columns = zip(*parents, strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def idle(patterns: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the patterns that match none of the names."""
    return tuple(one for one in patterns if not any(fnmatchcase(name, one) for name in names))


def plan_adoption(project: Project, *, label: str | None = None) -> Adoption:
    """Return the files that adopt every prompt in scope, at its latest version or the one under ``label``.

    Files that are there are kept, whatever they say. Raises ``InvalidFile`` while one of them cannot be read,
    ``UsageError`` when nothing in scope has the label, ``RemoteError``.
    """
    snapshot = gather(project)
    if snapshot.problems:
        raise InvalidFile(snapshot.problems)
    offered = [item for item in snapshot.items if item.listed is not None]
    present = tuple(item for item in offered if item.file is not None)
    missing = {item.name: item for item in offered if item.file is None}
    taken = _versions(project, [item.listed for item in offered if item.listed is not None], label)
    wanted = [one for name, one in taken.items() if name in missing]
    paths = paths_for_new(snapshot.worktree, [one.name for one in wanted])
    found = read_all(project, wanted)
    writes = []
    for one in wanted:
        writes.append(render(project, missing[one.name], found[one.name], paths[one.name]))
    return Adoption(
        writes=tuple(sorted(writes, key=lambda one: one.path)),
        present=present,
        apart=tuple(item for item in present if item.state is State.DIVERGED),
        newer=tuple(one.name for one in wanted if one.version != missing[one.name].version),
        unlabelled=tuple(name for name in missing if name not in taken),
        foreign=snapshot.foreign(project.config),
    )


def _versions(project: Project, listed: Sequence[Listed], label: str | None) -> dict[str, Listed]:
    """Return by name the prompts at the versions to adopt: the latest, or that under the label."""
    if label is None:
        return {one.name: one for one in listed}
    under = {one.name: one.version for one in project.registry.prompts.list(label=label)}
    taken = {one.name: replace(one, version=under[one.name]) for one in listed if one.name in under}
    if not taken:
        raise UsageError(
            f"no prompt in scope has the label {label!r}; nothing was written",
            hint=f"promptsync label list --remote {project.url} shows the labels that there are",
        )
    return taken
