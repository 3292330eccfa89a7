"""Writes the content of prompt files: new ones in the house style, and edits that change nothing else."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Container, Iterator, Mapping
from typing import Any, Final

from msgspec.structs import replace

from promptsync.errors import Refused
from promptsync.files import schema
from promptsync.files.errors import InvalidFile
from promptsync.files.prompt_file import PromptFile, parse
from promptsync.files.yaml import layout, load
from promptsync.files.yaml.edit import Change, edits
from promptsync.prompt.canonical import canonical, same
from promptsync.prompt.document import to_document, to_prompt
from promptsync.prompt.limits import MAX_DEPTH
from promptsync.prompt.prompt import Local, Prompt
from promptsync.prompt.snippets import repinned
from promptsync.prompt.tags import tag_set

_LEADING_COMMENTS: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class RoundTripError(RuntimeError):
    """A file does not read back as it was written: a bug, found before anything was saved."""


def render_new(prompt: Prompt, local: Local) -> str:
    """Return the text of a new file in the house style.

    Raises Refused when the prompt contains something that no prompt file can hold.
    """
    document = _writable(prompt, local)
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
    prompt = _as_written(file, prompt)
    full = _writable(prompt, local)
    document, before = to_document(prompt, local), to_document(file.prompt, file.local)
    if same(before, document):
        return file.text
    for text in _edited(file, before, document, full, named):
        # An edit is only a proposal, so it is read back before it counts.
        with contextlib.suppress(InvalidFile):
            if same(_read_back(text, prompt.name), document):
                return text
    # In the house style, below the comments that the file starts with.
    comments = _LEADING_COMMENTS.match(file.text.replace("\r\n", "\n"))
    start = comments[0] if comments else ""
    text = start + "\n".join([*layout.mapping(full, 0), ""])
    text = text.replace("\n", "\r\n") if "\r\n" in file.text else text
    _check_reads_back(text, document, prompt.name)
    if "#" in file.text[len(start) :]:
        message = f"{file.path} cannot be edited without losing its comments"
        hint = f"delete the comments in {file.path}, or write its keys one below the other"
        raise Refused(message, hint=hint, code="unwritable")
    return text


def _edited(
    file: PromptFile, before: dict[str, Any], document: dict[str, Any], full: dict[str, Any], named: bool
) -> Iterator[str]:
    """Yield edits of a file: first those that keep what it states in its own way, then in the house style."""
    source = file.text.replace("\r\n", "\n") if "\r\n" in file.text else file.text
    if not source.endswith("\n"):
        source += "\n"
        before = to_document(*to_prompt(load.load(source.encode(), file.path).value, file.prompt.name))
    raw = load.load(source.encode(), file.path).value
    if named and "name" not in raw:
        before = {key: value for key, value in before.items() if key != "name"}
    for change in (Change(raw, before, document, full), Change(raw, raw, full, full)):
        for text in edits(source, change):
            yield text.replace("\n", "\r\n") if "\r\n" in file.text else text


def render_repinned(file: PromptFile, snippet: str, moved: Container[int], version: int) -> str:
    """Return the text of a file whose texts pin ``version`` of a snippet where they pin one of ``moved``.

    Raises Refused as ``render_edit`` does.
    """
    template = repinned(file.prompt.template, snippet, moved, version)
    return render_edit(file, replace(file.prompt, template=template), file.local)


def _writable(prompt: Prompt, local: Local) -> dict[str, Any]:
    """Return the document of a prompt. Raises Refused when it holds what no YAML file can."""
    document = to_document(prompt, local, explicit=True)
    reason = next(_obstacles(document, ()), "")
    if reason:
        raise _unwritable(prompt.name, reason)
    return document


def _unwritable(name: str, reason: str) -> Refused:
    return Refused(f"{name!r} cannot be written to a prompt file: {reason}", code="unwritable")


def _obstacles(value: Any, where: tuple[str | int, ...]) -> Iterator[str]:
    """Yield what a YAML file cannot hold in a value."""
    if isinstance(value, str):
        if not value.isascii() and (half := _SURROGATE.search(value)):
            yield f"{schema.shown(where)} holds U+{ord(half[0]):04X}, half of a surrogate pair."
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{schema.shown(where)} is {value}, and JSON has no such number."
    elif isinstance(value, dict | list) and len(where) >= MAX_DEPTH:
        yield f"{schema.shown(where[:3])}… nests deeper than {MAX_DEPTH} levels."
    elif isinstance(value, dict | list):
        parts: Any = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in parts:
            yield from _obstacles(part, (*where, key))
            yield from _obstacles(key, where)


def _read_back(text: str, name: str, *, explicit: bool = False) -> dict[str, Any]:
    """Return the document in a text. Raises ``InvalidFile``."""
    file = parse(text.encode(), "", name)
    return to_document(file.prompt, file.local, explicit=explicit)


def _check_reads_back(text: str, document: Mapping[str, Any], name: str, *, explicit: bool = False) -> None:
    """Raise ``Refused`` if a text is no valid prompt file, ``RoundTripError`` if it says something else."""
    try:
        is_same = same(_read_back(text, name, explicit=explicit), document)
    except InvalidFile as error:
        raise _unwritable(name, error.problems[0].message) from None
    if not is_same:
        raise RoundTripError(f"The file of {name!r} does not read back as it was written.")


def _as_written(file: PromptFile, prompt: Prompt) -> Prompt:
    """Return ``prompt`` with everything that means the same in the file taken from the file."""
    if tag_set(file.prompt) == tag_set(prompt):
        prompt = replace(prompt, tags=file.prompt.tags)
    if same(canonical(file.prompt), canonical(prompt)):
        prompt = replace(file.prompt, name=prompt.name, tags=prompt.tags)
    return prompt
