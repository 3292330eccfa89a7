"""Finds prompts of the registry by the names that somebody typed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from promptsync.compare.gather import list_all
from promptsync.compare.project import Project
from promptsync.compare.snapshot import Snapshot
from promptsync.errors import UsageError
from promptsync.files.worktree import load_paths
from promptsync.prompt.names import SUFFIXES, name_for
from promptsync.prompt.prompt import Listed


class NoSuchPrompt(UsageError):
    """There is no prompt of a name that somebody typed, in the registry or on either side."""

    code = "not-found"


def find_prompt(project: Project, name: str) -> Listed:
    """Return the active prompt of a name at its latest version. Raises ``NoSuchPrompt``."""
    found = peek_prompt(project, name)
    if found is not None:
        return found
    # some registries match names in ways of their own, and a hint needs the other names anyhow
    return in_listing(project, name, {item.name: item for item in list_all(project)})


def peek_prompt(project: Project, name: str) -> Listed | None:
    """Return the active prompt of a name, ``None`` when a search for it does not find it."""
    registry = project.registry
    found = next((item for item in registry.prompts.list(name=name) if item.name == name), None)
    if found is not None:
        # A prompt that is named like this one's id would be taken for it: the client has to have seen it.
        registry.prompts.list(name=str(found.template_id))
    return found


def in_listing(project: Project, name: str, listing: Mapping[str, Listed]) -> Listed:
    """Return the prompt of a name from the list of all. Raises ``NoSuchPrompt``."""
    found = listing.get(name)
    if found is None:
        raise no_such_prompt(project, name, listing)
    return found


def close_name(name: str, names: Iterable[str]) -> str | None:
    """Return the name that somebody may have meant, ``None`` when nothing comes near."""
    import difflib  # most names are right

    return next(iter(difflib.get_close_matches(name, list(names), 1)), None)


def unknown(name: str, names: Iterable[str]) -> NoSuchPrompt:
    """Return the error for a name that neither side has, with the nearest one that there is."""
    close = close_name(name, names)
    hint = f"did you mean {close!r}? " if close is not None else ""
    return NoSuchPrompt(
        f"there is no prompt {name!r} in scope, here or in the registry",
        hint=f"{hint}promptsync status -v lists the prompts",
    )


def no_such_prompt(project: Project, name: str, names: Iterable[str]) -> NoSuchPrompt:
    """Return the error for a name, with the nearest one that there is, or that it is archived."""
    close = close_name(name, names)
    hint = f"did you mean {close!r}? " if close is not None else ""
    if any(item.name == name for item in project.registry.prompts.list(status="deleted", name=name)):
        hint = f"it is archived: promptsync push --restore {name} publishes the file again; "
    return NoSuchPrompt(
        f"there is no prompt {name!r} in {project.registry.url}",
        hint=f"{hint}promptsync ls-remote lists what the registry holds",
    )


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
