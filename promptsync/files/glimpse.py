"""The names that files give to things, without reading the files whole: quick, and good enough to offer them.

What cannot be read is left out. Nothing here checks anything.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from promptsync.core.names import SUFFIXES, name_for
from promptsync.files.quickname import name_in
from promptsync.files.worktree import Worktree, is_skipped

_HEAD: Final = 65536
"""Bytes of a file that are searched for its name."""

_CHECKS: Final = re.compile(rb"^(?:evaluations|agents):.*(?:\n(?:[ \t#-].*)?)*", re.MULTILINE)
_MOST: Final = 1_000_000
"""Bytes of a file up to which the evaluations and agents in it are looked for."""


def prompt_names(root: Path, prompts: str) -> Iterator[str]:
    """Yield the names of the prompt files below a directory, those of broken files too."""
    for path, shown in _files(root / prompts):
        try:
            with path.open("rb") as file:
                yield name_in(file.read(_HEAD)) or name_for(shown)
        except OSError:
            continue


def check_names(root: Path, prompts: str, kind: str) -> Iterator[str]:
    """Yield the evaluations or agents, as ``kind`` says, that prompt files name; some more than once."""
    for path, _ in _files(root / prompts):
        try:
            if path.stat().st_size > _MOST:
                continue
            data = path.read_bytes()
        except OSError:
            continue
        if kind.encode() in data:
            for part in _CHECKS.findall(data):
                yield from names_of(_loaded(part), kind)


def fixture_names(path: Path, kind: str) -> Iterator[str]:
    """Yield the evaluations or agents of a fixtures file."""
    try:
        yield from names_of(_loaded(path.read_bytes()), kind)
    except OSError:
        return


def names_of(value: Any, kind: str) -> Iterator[str]:
    """Yield the names in a list of names, or of things that have one, under a key."""
    listed = value.get(kind) if isinstance(value, Mapping) else None
    for one in listed if isinstance(listed, list) else ():
        named = one.get("name") if isinstance(one, Mapping) else one
        if isinstance(named, str):
            yield named


def _files(top: Path) -> Iterator[tuple[Path, str]]:
    for folder, folders, files in os.walk(top):
        folders[:] = [one for one in folders if not is_skipped(one)]
        for one in files:
            if one.endswith(SUFFIXES) and not is_skipped(one):
                path = Path(folder, one)
                yield path, path.relative_to(top).as_posix()


def _loaded(data: bytes) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(data.decode("utf-8"), loader)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        return None


def broken_names(worktree: Worktree) -> set[str]:
    """Return the names of the prompts whose files cannot be read, as well as they can be told."""
    readable = {file.path for file in worktree.files.values()}
    names: set[str] = set()
    for path in worktree.paths:
        if path in readable:
            continue
        try:
            with (worktree.root / path).open("rb") as file:
                name = name_in(file.read(_HEAD))
        except OSError:
            name = ""
        names.add(name or name_for(path.removeprefix(f"{worktree.prompts}/")))
    return names
