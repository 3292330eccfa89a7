"""Names in files that are not read as a whole: old versions and broken files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from promptsync.files.errors import InvalidFile
from promptsync.files.worktree import Worktree
from promptsync.files.yaml.load import load
from promptsync.prompt.names import name_for

_HEAD: Final = 65536
"""How many bytes of a file are searched for its name."""

_PLAIN: Final = re.compile(rb"(?m)^name:[ \t]+([A-Za-z][\w.-]*(?:/[\w.-]+)+)[ \t]*\r?\n(?=\S)")
"""A name that every reader of YAML takes for text and that ends with its line, as most names do."""

_ENTRY: Final = re.compile(rb"(?m)^([\"']?)name\1[ \t]*:.*(?:\r?\n(?: +.*)?)*")
"""The key with its value, which may go on below."""


def name_in(data: bytes) -> str:
    """Return the name that a prompt file states, ``""`` when there is none that can be read.

    The rest of the file may be broken or cut off.
    """
    is_block = not data.lstrip().startswith((b"{", b"?", b"---"))
    if is_block and (plain := _PLAIN.search(data)) is not None:
        return plain[1].decode("ascii")
    entry = _ENTRY.search(data) if is_block else None
    if is_block and entry is None:
        return ""
    try:
        value: Any = load(entry[0] if entry is not None else data, "").value
    except InvalidFile:
        return ""
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""


def name_of(path: Path) -> str:
    """Return the name that a file states, which may be broken; ``""`` if none can be read."""
    try:
        if not path.is_file():  # reading a pipe would wait for a writer
            return ""
        with path.open("rb") as file:
            return name_in(file.read(_HEAD))
    except OSError:
        return ""


def broken_names(worktree: Worktree) -> set[str]:
    """Return the names of the prompts whose files cannot be read, as far as they can be found."""
    readable = {file.path for file in worktree.files.values()}
    return {
        name_of(worktree.root / path) or name_for(path.removeprefix(f"{worktree.prompts}/"))
        for path in worktree.paths
        if path not in readable
    }
