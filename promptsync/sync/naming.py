"""The prompts that somebody means: by name, by a pattern of names, or by the paths of files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from promptsync.core.names import SUFFIXES, name_for
from promptsync.files.worktree import load_paths
from promptsync.sync.lookup import unknown
from promptsync.sync.project import Project
from promptsync.sync.snapshot import Snapshot

_WILD = frozenset("*?[")


def named_by(project: Project, directory: Path, given: Iterable[str]) -> tuple[str, ...]:
    """Return what was given, with the names of prompts in the place of paths of files and directories.

    Paths are relative to ``directory`` and lead into the prompts directory; that of a file which is gone
    stands for the prompt that it held by default.
    """
    names: dict[str, None] = {}
    for one in given:
        names |= dict.fromkeys(_names_at(project, directory / one) or [one])
    return tuple(names)


def _names_at(project: Project, path: Path) -> list[str]:
    prompts = project.config.prompts
    top = Path(os.path.abspath(project.root / prompts))  # noqa: PTH100 -- resolve() would follow links
    place = Path(os.path.abspath(path))  # noqa: PTH100
    if not place.is_relative_to(top):
        return []
    inside = place.relative_to(top).as_posix()
    if place.is_dir() and not any(place.with_name(place.name + suffix).exists() for suffix in SUFFIXES):
        found = load_paths(project.root, prompts, [place])
        return sorted(found.files) or [f"{inside}/*"]
    if not place.name.endswith(SUFFIXES):
        return []
    read = load_paths(project.root, prompts, [place]).files if place.exists() else {}
    return list(read) or [name_for(inside)]


def matching(snapshot: Snapshot, given: Iterable[str]) -> tuple[str, ...]:
    """Return the names that are meant. Raises ``NoSuchPrompt`` for what stands for nothing on either side."""
    names = expanded((item.name for item in snapshot.items), given)
    check_names(snapshot, names)
    return names


def expanded(known: Iterable[str], given: Iterable[str]) -> tuple[str, ...]:
    """Return what was given, with names in the place of patterns: ``*`` is any part of a name, ``/`` too."""
    known = list(known)
    names: dict[str, None] = {}
    for one in given:
        is_pattern = one not in known and bool(_WILD & set(one))
        found = [name for name in known if fnmatchcase(name, one)] if is_pattern else []
        names |= dict.fromkeys(found or [one])
    return tuple(names)


def check_names(snapshot: Snapshot, names: Iterable[str]) -> None:
    """Refuse names that neither side has, with what was probably meant. Raises ``NoSuchPrompt``."""
    known = [item.name for item in snapshot.items]
    for name in names:
        if name not in known:
            raise unknown(name, known)
