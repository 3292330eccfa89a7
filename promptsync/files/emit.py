"""The text of a new prompt file, read back before anybody gets it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from promptsync.core.document import to_document
from promptsync.core.prompt import Local, Prompt
from promptsync.errors import Refused
from promptsync.files import layout
from promptsync.files.problems import InvalidFile
from promptsync.files.promptfile import parse
from promptsync.files.reconcile import same
from promptsync.files.schema import shown
from promptsync.files.yamlio import MAX_DEPTH

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class RoundTripError(RuntimeError):
    """A rendered file does not say what it should: a bug, found before anything was written."""


def render_new(prompt: Prompt, local: Local, schema_url: str = layout.SCHEMA_URL) -> str:
    """Return the text of a new file in the house style.

    Raises Refused when the prompt holds something that no prompt file can.
    """
    document = writable_document(prompt, local)
    text = layout.document(document, schema_url)
    try:
        file = parse(text.encode(), "", prompt.name)
    except InvalidFile as error:
        reason = f"the prompt {prompt.name!r} cannot be kept in a prompt file: {error.problems[0].message}"
        raise Refused(reason, code="unwritable") from None
    if not same(to_document(file.prompt, file.local), document):
        raise RoundTripError(f"The new file of {prompt.name!r} does not read back as it was written.")
    return text


def writable_document(prompt: Prompt, local: Local) -> dict[str, Any]:
    """Return the document of a prompt. Raises Refused when it holds what no YAML file can."""
    document = to_document(prompt, local)
    reason = _unwritable(document, ())
    if reason:
        raise Refused(
            f"the prompt {prompt.name!r} cannot be kept in a prompt file: {reason}", code="unwritable"
        )
    return document


def says(text: str, document: Mapping[str, Any]) -> bool:
    """Whether a text is a prompt file that reads back as a document of the house style."""
    try:
        file = parse(text.encode(), "", document["name"])
    except InvalidFile:
        return False
    return same(to_document(file.prompt, file.local), document)


def _unwritable(value: Any, where: tuple[str | int, ...]) -> str:
    """Return what a file cannot hold in a value, ``""`` when there is nothing."""
    if isinstance(value, str):
        found = _SURROGATE.search(value)
        if found:
            return f"{shown(where)} holds U+{ord(found[0]):04X}, half of a character (a lone surrogate)."
    elif isinstance(value, float):
        if not math.isfinite(value):
            return f"{shown(where)} is {value}, which is not a number that JSON has."
    elif isinstance(value, dict | list):
        if len(where) >= MAX_DEPTH:
            return f"{shown(where[:3])}… nests deeper than {MAX_DEPTH} levels."
        pairs: Any = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            reason = _unwritable(inner, (*where, key)) or (
                _unwritable(key, where) if isinstance(key, str) else ""
            )
            if reason:
                return reason
    return ""
