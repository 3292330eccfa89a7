"""A document as YAML in the house style: fixed order, literal blocks, short collections on one line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from promptsync.errors import Refused
from promptsync.files.errors import InvalidFile
from promptsync.files.prompt_file import parse
from promptsync.files.schema import shown
from promptsync.files.yaml.load import MAX_DEPTH
from promptsync.files.yaml.reconcile import same
from promptsync.files.yaml.scalars import INDENT, block, fits_block, inline, scalar
from promptsync.prompt.document import to_document
from promptsync.prompt.prompt import Local, Prompt

SCHEMA_URL: Final = "https://promptsync.github.io/schemas/prompt.schema.json"
"""Where editors find the schema of prompt files; ``promptsync schema`` prints the same."""

WIDTH: Final = 88
"""Column up to which a list or mapping is written on one line."""

_MAX_KEY: Final = 1000
"""A key of more than 1024 characters, quotes and escapes included, needs the explicit form."""

OPEN: Final = frozenset(
    ["model", "messages", "content", "tools", "functions", "function", "extra", "template", "version"]
)
"""Keys whose values are written out, one line for each of their entries."""


def lay_out(value: Mapping[str, Any], schema_url: str = SCHEMA_URL) -> str:
    """Return the text of a new prompt file, with the line by which editors find the schema."""
    lines = [f"# yaml-language-server: $schema={schema_url}", *mapping(value, 0)]
    return "\n".join(lines) + "\n"


def mapping(value: Mapping[str, Any], column: int) -> list[str]:
    """Return the lines of a mapping's entries, indented by ``column`` blanks."""
    return [line for key, item in value.items() for line in entry(key, item, column)]


def entry(key: str, value: Any, column: int) -> list[str]:
    """Return the lines of one entry of a mapping."""
    pad = " " * column
    written = inline(key)
    if len(written) > _MAX_KEY:
        head, body = after(value, column, len(pad) + 1, key in OPEN)
        return [f"{pad}? {written}", f"{pad}:{head}", *body]
    head, body = after(value, column, len(pad) + len(written) + 1, key in OPEN)
    return [f"{pad}{written}:{head}", *body]


def items(value: list[Any], column: int, is_open: bool = False) -> list[str]:
    """Return the lines of a list's items, the dashes indented by ``column`` blanks."""
    return [line for item_value in value for line in item(item_value, column, is_open)]


def item(value: Any, column: int, is_open: bool = False) -> list[str]:
    """Return the lines of one item of a list."""
    pad = " " * column
    head, body = after(value, column, column + 1, is_open)
    if head or not body:
        return [f"{pad}-{head}", *body]
    # A mapping or list starts on the line of the dash.
    inner = " " * (column + INDENT)
    return [f"{pad}- {body[0].removeprefix(inner)}", *body[1:]]


def after(
    value: Any, column: int, used: int, is_open: bool = False, step: int = INDENT
) -> tuple[str, list[str]]:
    """Return what follows the colon or dash of a value: the rest of that line, and further lines.

    ``column`` is the indentation of the key or dash, ``used`` the length of the line so far, ``step`` how
    much deeper the content of a literal block is indented.
    """
    if isinstance(value, str) and fits_block(value):
        header, lines = block(value, column, step)
        return f" {header}", lines
    if isinstance(value, dict | list) and value:
        short = None if is_open else flow_line(value)
        if short is not None and used + 1 + len(short) <= WIDTH:
            return f" {short}", []
        if isinstance(value, dict):
            return "", mapping(value, column + INDENT)
        return "", items(value, column + INDENT, is_open)
    return f" {flow(value)}", []


def flow(value: Any) -> str:
    """Return any value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(flow_entry(key, item_value) for key, item_value in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item_value) for item_value in value) + "]"
    return scalar(value, in_flow=True)


def flow_entry(key: str, value: Any) -> str:
    """Return one entry of a mapping on one line."""
    written = inline(key, in_flow=True)
    return f"{'? ' if len(written) > _MAX_KEY else ''}{written}: {flow(value)}"


def flow_line(value: Any) -> str | None:
    """Return a flat list or mapping without line breaks in its texts on one line, else ``None``."""
    scalars = list(value.values()) if isinstance(value, dict) else value
    flat = all(not inner for inner in scalars if isinstance(inner, dict | list))
    return flow(value) if flat and not any("\n" in text for text in strings(value)) else None


def strings(value: Any) -> Iterator[str]:
    """Yield every text in a value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class RoundTripError(RuntimeError):
    """A rendered file does not say what it should: a bug, found before anything was written."""


def render_new(prompt: Prompt, local: Local, schema_url: str = SCHEMA_URL) -> str:
    """Return the text of a new file in the house style.

    Raises Refused when the prompt holds something that no prompt file can.
    """
    document = writable_document(prompt, local)
    text = lay_out(document, schema_url)
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
