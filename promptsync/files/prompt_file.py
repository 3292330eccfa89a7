"""Prompt files: read strictly, written in the house style, and edited so that nothing else changes."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from promptsync.errors import Refused
from promptsync.files import schema
from promptsync.files.yaml import layout, load
from promptsync.files.yaml.edit import Change, edited
from promptsync.files.yaml.load import InvalidFile
from promptsync.prompt.canonical import canonical, same, to_document, to_prompt
from promptsync.prompt.prompt import KeyPath, Local, Prompt, tag_set

_KEY: Final = r"[1-9][0-9]{0,9}-[0-9a-f]{7}"
_SYNCED: Final = rf"synced: (?:{_KEY}|\[{_KEY}(?:, {_KEY})*\])\r?\n"
_CONFLICT: Final = re.compile(
    rf"<{{7}}.*\n({_SYNCED})(?:\|{{7}}.*\n(?:{_SYNCED})?)?={{7}}\r?\n({_SYNCED})>{{7}}.*(?:\n|\Z)"
)
"""The two sides of a merge, and perhaps what they come from, where git could not merge ``synced:``."""
_MARKER: Final = re.compile(r"(?m)^([<>])\1{6}(?: |\r?$)")
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
        if file is None:
            raise
        if merge_keys:
            return file
        message = "Git conflict markers: both sides of a merge changed synced:."
        hint = f"promptsync pull --merge {shlex.quote(file.prompt.name)}"
        raise InvalidFile([replace(error.problems[0], message=message, hint=hint)]) from None
    if loaded.value is None and not problems:
        message = "The file is empty: a prompt has messages: or content:."
        raise InvalidFile.at(path, "missing-key", message)
    # A value that could not be read is reported once.
    lines = {problem.line for problem in problems if problem.rule != "yaml-duplicate-key"}
    problems += [problem for problem in schema.check(loaded, path, "prompt") if problem.line not in lines]
    load.check_valid(problems)
    prompt, local = to_prompt(loaded.value, default_name)
    return PromptFile(path, loaded.text, prompt, local, loaded.value.get("name") or "")


def name_in(data: bytes) -> str:
    """Return the name that a prompt file states, ``""`` if none can be read.

    This is for files that are not read as a whole: the rest may be broken.
    """
    is_block = not data.lstrip().startswith((b"{", b"?", b"---"))
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
    return replace(file, conflicted=text) if file is not None else None


def render_new(prompt: Prompt, local: Local) -> str:
    """Return the text of a new file in the house style.

    Raises Refused when the prompt contains something that no prompt file can hold.
    """
    document = to_document(prompt, local, explicit=True)
    text = "\n".join(layout.mapping(document, 0)) + "\n"
    _check_reads_back(text, document, prompt.name, explicit=True)
    return text


def render_edit(file: PromptFile, prompt: Prompt, local: Local, *, named: bool = False) -> str:
    """Return the text of a file after an edit that makes it hold ``prompt`` and ``local``.

    Only what changed is replaced, inserted or removed; comments, order, blank lines and quoting of the rest
    stay byte for byte, and a file that holds the same already is returned as it is. ``named`` adds ``name:``
    to a file that changes and has none, so that moving it later does not rename the prompt.
    Raises Refused when the prompt contains something that no prompt file can hold, or a comment would go.
    """
    if tag_set(file.prompt) == tag_set(prompt):
        prompt = replace(prompt, tags=file.prompt.tags)
    if same(canonical(file.prompt), canonical(prompt)):
        prompt = replace(file.prompt, name=prompt.name, tags=prompt.tags)
    full = to_document(prompt, local, explicit=True)
    document, before = to_document(prompt, local), to_document(file.prompt, file.local)
    if same(before, document):
        return file.text
    source = file.text.replace("\r\n", "\n")
    if not source.endswith("\n"):
        source += "\n"
        before = to_document(*to_prompt(load.load(source.encode(), file.path).value, file.prompt.name))
    raw = load.load(source.encode(), file.path).value
    if named and "name" not in raw:
        before = {key: value for key, value in before.items() if key != "name"}
    # First what keeps the file's own way to state things, then what writes them out.
    for change in (Change(raw, before, document, full), Change(raw, raw, full, full)):
        text = edited(source, change)
        # An edit is only a proposal, so it is read back before it counts.
        with contextlib.suppress(Refused):
            if text is not None:
                _check_reads_back(text, document, prompt.name)
                break
    else:
        # In the house style, below the comments that the file starts with.
        start = re.match(r"(?:[ \t]*(?:#[^\n]*)?\n)*", source)[0]  # type: ignore[index]
        text = start + "\n".join([*layout.mapping(full, 0), ""])
        _check_reads_back(text, document, prompt.name)
        if "#" in source[len(start) :]:
            message = f"{file.path} cannot be edited without losing its comments"
            hint = f"delete the comments in {file.path}, or write it without brackets and anchors"
            raise Refused(message, hint=hint, code="unwritable")
    return text.replace("\n", "\r\n") if "\r\n" in file.text else text


def _check_reads_back(text: str, document: Mapping[str, Any], name: str, *, explicit: bool = False) -> None:
    """Raise ``Refused`` if a text is no valid prompt file, or says something else than ``document``."""
    reason = "it does not read back as it was written"
    try:
        file = parse(text.encode(), "", name)
        if same(to_document(file.prompt, file.local, explicit=explicit), document):
            return
    except InvalidFile as error:
        reason = error.problems[0].message
    raise Refused(f"{name!r} cannot be written to a prompt file: {reason}", code="unwritable")
