"""Prompt files, read strictly: a prompt with its local keys, or every problem of the file."""

from __future__ import annotations

import re
import shlex
from typing import Any, Final

from msgspec import Struct, structs

from promptsync.files import schema
from promptsync.files.errors import InvalidFile
from promptsync.files.yaml import layout, load
from promptsync.prompt.document import to_prompt
from promptsync.prompt.prompt import KeyPath, Local, Prompt

_KEY: Final = r"[1-9][0-9]{0,9}-[0-9a-f]{7}"
_SYNCED: Final = rf"synced: (?:{_KEY}|\[{_KEY}(?:, {_KEY})*\])\r?\n"
_CONFLICT: Final = re.compile(
    rf"<{{7}}.*\n({_SYNCED})(?:\|{{7}}.*\n(?:{_SYNCED})?)?={{7}}\r?\n({_SYNCED})>{{7}}.*(?:\n|\Z)"
)
"""The two sides of a merge, and perhaps what they come from, where git could not merge ``synced:``."""
_MARKER: Final = re.compile(r"(?m)^([<>])\1{6}(?: |\r?$)")
_PLAIN_NAME: Final = re.compile(rb"(?m)^name:[ \t]+([A-Za-z][\w.-]*(?:/[\w.-]+)+)[ \t]*\r?\n(?=\S)")
"""A name that every reader of YAML takes for text and that ends with its line, as most names do."""
_NAME: Final = re.compile(rb"(?m)^([\"']?)name\1[ \t]*:.*(?:\r?\n(?: +.*)?)*")
"""The key with its value, which may go on below."""


class PromptFile(Struct, frozen=True):
    """A prompt file that was read; ``path`` is relative to the directory of promptsync.yaml, with ``/``.

    ``own_name`` is the name that it states, ``""`` if its path names the prompt. ``conflicted`` is what is on
    the disk where git could not merge ``synced:``, and ``text`` has both keys.
    """

    path: str
    text: str
    prompt: Prompt
    local: Local
    own_name: str = ""
    conflicted: str | None = None

    def position(self, keypath: KeyPath) -> tuple[int, int]:
        """Return the line and column, from 1, of a key or item such as ``("messages", 0, "content")``.

        When the file has no such place it is the nearest thing around it.
        """
        return load.position(self.text, keypath)


def parse(data: bytes, path: str, default_name: str, *, merge_keys: bool = False) -> PromptFile:
    """Read a prompt file; ``default_name`` is its name when it does not state its own.

    ``merge_keys`` reads a file in which git could not merge ``synced:`` alone with the keys of both sides.
    Raises InvalidFile with everything that is wrong and where.
    """
    try:
        loaded, problems = load.load_all(data, path)
    except InvalidFile as error:
        file = _with_both_keys(error, data, path, default_name)
        if merge_keys and file is not None:
            return file
        raise (_synced_conflict(error, file.prompt.name) if file is not None else error) from None
    if loaded.value is None and not problems:
        message = "The file is empty: a prompt has messages: or content:."
        raise InvalidFile.at(path, "missing-key", message)
    # A value that could not be read is reported once.
    lines = {problem.line for problem in problems if problem.rule != "yaml-duplicate-key"}
    problems += [problem for problem in schema.check(loaded, path, "prompt") if problem.line not in lines]
    if problems:
        raise InvalidFile(problems)
    prompt, local = to_prompt(loaded.value, default_name)
    return PromptFile(path, loaded.text, prompt, local, loaded.value.get("name") or "")


def name_in(data: bytes) -> str:
    """Return the name that a prompt file states, ``""`` if none can be read.

    This is for files that are not read as a whole: the rest may be broken.
    """
    is_block = not data.lstrip().startswith((b"{", b"?", b"---"))
    if is_block and (plain := _PLAIN_NAME.search(data)) is not None:
        return plain[1].decode("ascii")
    entry = _NAME.search(data) if is_block else None
    if is_block and entry is None:
        return ""
    try:
        value: Any = load.load(entry[0] if entry is not None else data, "").value
    except InvalidFile:
        return ""
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""


def with_both_keys(text: str) -> str:
    """Return a text with the keys of both sides if git could not merge ``synced:`` alone."""

    def joined(conflict: re.Match[str]) -> str:
        keys = {*re.findall(_KEY, conflict[1] + conflict[2])}
        newest_first = sorted(keys, key=lambda key: (-int(key.partition("-")[0]), key))
        end = "\r\n" if conflict[1].endswith("\r\n") else "\n"
        return f"synced: {layout.flow(newest_first if len(keys) > 1 else newest_first[0])}{end}"

    merged = _CONFLICT.sub(joined, text)
    return text if _MARKER.search(merged) else merged


def _with_both_keys(error: InvalidFile, data: bytes, path: str, default_name: str) -> PromptFile | None:
    """Return the file with both keys if git's markers are around ``synced:`` alone."""
    if error.problems[0].rule != "conflict-markers":
        return None
    text = data.decode()
    joined = with_both_keys(text)
    try:
        file = parse(joined.encode(), path, default_name) if joined != text else None
    except InvalidFile:
        return None
    return structs.replace(file, conflicted=text) if file is not None else None


def _synced_conflict(error: InvalidFile, name: str) -> InvalidFile:
    message = "Git conflict markers: both sides of a merge changed synced:."
    hint = f"promptsync pull --merge {shlex.quote(name)}"
    return InvalidFile([structs.replace(error.problems[0], message=message, hint=hint)])
