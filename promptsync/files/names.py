"""Names in files that are not read as a whole: old versions, broken files, what completion offers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from promptsync.files.errors import InvalidFile
from promptsync.files.worktree import Worktree, is_skipped
from promptsync.files.yaml.load import MAX_BYTES, load
from promptsync.files.yaml.syntax import EVENTS, STR, kind_of
from promptsync.prompt.limits import MAX_DEPTH
from promptsync.prompt.names import SUFFIXES, name_for

_HEAD: Final = 65536
"""How many bytes of a file are searched for its name."""

_MAX_SIZE: Final = 1_000_000
"""How many bytes of a file are searched for evaluations and agents."""

_PLAIN: Final = rb"(?m)^name:[ \t]+(?P<value>[A-Za-z][\w.-]*(?:/[\w.-]+)+)[ \t]*\r?\n(?=\S)"
"""A name that every reader of YAML takes for text and that ends with its line, as most names do."""

_LINE: Final = rb"(?m)^name:[ \t]*(?P<value>[^\r\n]*)"
_MAY_HAVE_NAME: Final = rb"(?m)^(?:\xef\xbb\xbf)?(?:name|[\"'?{&!]|---[ \t]+[^ \t#])"
"""How a line begins that may contain the name, as far as one can tell without a parser."""

_CHECKS: Final = rb"(?m)^(?:evaluations|agents):.*(?:\n(?:[ \t#-].*)?)*"


def name_in(data: bytes) -> str:
    """Return the name that a prompt file states, ``""`` when there is none that can be read.

    The rest of the file may be broken or cut off.
    """
    # In flow style, a line that starts with name: need not belong to the top level.
    found = re.search(_PLAIN, data)
    if found is not None and not data.lstrip().startswith(b"{"):
        return found["value"].decode("ascii")
    if not re.search(_MAY_HAVE_NAME, data):
        return ""
    try:
        return _name(yaml.parse(data, Loader=EVENTS))
    except (yaml.YAMLError, ValueError):
        line = re.search(_LINE, data)  # the file is broken above its name
        value = _loaded(line["value"]) if line is not None else ""
        return value if isinstance(value, str) else ""


def _name(events: Iterator[Any]) -> str:
    """Return the value of the top-level key ``name``; no event after it is read."""
    # In a mapping, keys and values take turns. Only those at depth 1 belong to the file itself.
    depth, is_key, key = 0, True, ""
    for event in events:
        if depth == 0 and isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent):
            return ""
        if depth == 1 and isinstance(event, yaml.ScalarEvent):
            if key == "name" and not is_key:
                is_plain = event.implicit[0]
                is_text = event.tag is None and not (is_plain and kind_of(event.value) != STR)
                return event.value if is_text else ""
            key = event.value if is_key else ""
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth == 1 and isinstance(event, yaml.ScalarEvent | yaml.AliasEvent | yaml.CollectionEndEvent):
            is_key = not is_key
    return ""


def _loaded(data: bytes) -> Any:
    try:
        return load(data, "").value
    except InvalidFile:
        return None


def prompt_names(root: Path, prompts: str) -> Iterator[str]:
    """Yield the names of the prompt files below a directory, those of broken files too."""
    for path, shown in _files(root / prompts):
        yield name_of(path) or name_for(shown)


def broken_names(worktree: Worktree) -> set[str]:
    """Return the names of the prompts whose files cannot be read, as far as they can be found."""
    readable = {file.path for file in worktree.files.values()}
    return {
        name_of(worktree.root / path) or name_for(path.removeprefix(f"{worktree.prompts}/"))
        for path in worktree.paths
        if path not in readable
    }


def name_of(path: Path) -> str:
    """Return the name that a file states, which may be broken; ``""`` if none can be read."""
    return name_in(_contents(path, _HEAD))


def _contents(path: Path, most: int = MAX_BYTES) -> bytes:
    """Return how a file starts, nothing if it cannot be read."""
    try:
        if not path.is_file():  # reading a pipe would wait for a writer
            return b""
        with path.open("rb") as file:
            # Python sets aside as much memory as a read may return.
            return file.read(min(most, os.fstat(file.fileno()).st_size))
    except OSError:
        return b""


def check_names(root: Path, prompts: str, kind: str) -> Iterator[str]:
    """Yield the names in prompt files under a ``kind``, ``evaluations`` or ``agents``; some repeatedly."""
    for path, _ in _files(root / prompts):
        data = _contents(path, _MAX_SIZE)
        if kind.encode() in data:
            for part in re.findall(_CHECKS, data):
                yield from _names_under(_loaded(part), kind)


def fixture_names(path: Path, kind: str) -> Iterator[str]:
    """Yield the names in a fixtures file under a ``kind``, ``evaluations`` or ``agents``."""
    yield from _names_under(_loaded(_contents(path)), kind)


def _names_under(value: Any, kind: str) -> Iterator[str]:
    """Yield the names in a list of names, or of mappings that have one."""
    listed = value.get(kind) if isinstance(value, Mapping) else None
    for one in listed if isinstance(listed, list) else ():
        named = one.get("name") if isinstance(one, Mapping) else one
        if isinstance(named, str):
            yield named


def _files(top: Path) -> Iterator[tuple[Path, str]]:
    """Yield the prompt files below a directory with their paths there."""
    for folder, folders, files in os.walk(top):
        is_deep = len(Path(folder).parts) - len(top.parts) >= MAX_DEPTH
        folders[:] = [one for one in folders if not is_skipped(one) and not is_deep]
        for one in files:
            if one.endswith(SUFFIXES) and not is_skipped(one):
                path = Path(folder, one)
                yield path, path.relative_to(top).as_posix()
