"""Writes values as YAML: in the house style, and changed texts in the style that their scalar has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from os.path import commonprefix
from typing import Any, Final

from promptsync.files.yaml.load import STR, InvalidFile, kind_of, load

INDENT: Final = 2

WIDTH: Final = 88
"""Column up to which a list or mapping is written on one line."""

OPEN: Final = frozenset(
    ["model", "messages", "content", "tools", "functions", "function", "extra", "template", "version"]
)
"""Keys whose values are never written on one line."""

_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What a block scalar alters or cannot hold: other line breaks, control characters, byte order marks."""

_NOT_PLAIN: Final = re.compile(r"[-?:,\[\]{}#&*!|>'\"%@`\s]|\.\.\.|.*(:\s|\s#|\t|[:\s]$)")
_MODERN: Final = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+|[yYnN]|=|[-+]\.(inf|Inf|INF)"
)

_HEADER: Final = re.compile(r"[|>][-+]?([1-9]?)")
_MARGINS: Final = (0, 1, 5, 25)
"""How many characters around a change are looked for in the file, so that they are found once."""


def mapping(value: Mapping[str, Any], column: int) -> list[str]:
    """Return the lines of a mapping's entries, indented by ``column`` blanks."""
    return [line for key, part in value.items() for line in entry(key, part, column, key in OPEN)]


def entry(key: str | None, value: Any, column: int, is_open: bool) -> list[str]:
    """Return the lines of one entry of a mapping, or of an item of a list, which has no key."""
    start = " " * column + (f"{inline(key)}:" if key is not None else "-")
    head, body = after(value, column, len(start), is_open, is_item=key is None)
    return [start + head, *body]


def after(
    value: Any, column: int, used: int, is_open: bool, *, is_item: bool = False
) -> tuple[str, list[str]]:
    """Return what follows the colon or dash of a value: the rest of that line, and further lines.

    ``column`` is the indentation of the key or dash, ``used`` the length of the line so far. ``is_open``
    keeps a collection off that line.
    """
    if isinstance(value, str) and "\n" in value and not value.isspace() and is_block_safe(value):
        header, body = block(value, column)
        return f" {header}", body
    if not isinstance(value, dict | list) or not value:
        return f" {flow(value)}", []
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    is_flat = all(not part if isinstance(part, dict | list) else "\n" not in str(part) for part in parts)
    if is_flat and not is_open and used + 1 + len(short := flow(value)) <= WIDTH:
        return f" {short}", []
    inner = column + INDENT
    if isinstance(value, dict):
        body = mapping(value, inner)
    else:
        body = [line for part in value for line in entry(None, part, inner, is_open)]
    # A mapping or list in a list starts on the line of the dash.
    return (" " + body[0][inner:], body[1:]) if is_item else ("", body)


def flow(value: Any) -> str:
    """Return any value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(flow_entry(key, part) for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return inline(value, in_flow=True)
    # YAML 1.1 reads an exponent without a decimal point as text.
    return re.sub(r"^(-?\d+)e", r"\1.0e", json.dumps(value))


def flow_entry(key: str | None, value: Any) -> str:
    """Return one entry of a mapping, or an item of a list, on one line."""
    return f"{inline(key, in_flow=True)}: {flow(value)}" if key is not None else flow(value)


def is_ambiguous(plain: str) -> bool:
    """Whether a reader of YAML 1.1 or 1.2 may take an unquoted value for something other than text."""
    return kind_of(plain) != STR or _MODERN.fullmatch(plain) is not None


def is_block_safe(text: str) -> bool:
    """Whether a block scalar keeps every character of a text."""
    # Nearly every text is printable, which takes far less time to find out.
    is_printable = text.replace("\n", "").replace("\t", "").isprintable()
    return is_printable or not _UNSAFE.search(text)


def block(text: str, column: int, step: int = INDENT) -> tuple[str, list[str]]:
    """Return the header and the lines of a literal block below a key or dash at ``column``.

    ``step`` is how much deeper the content is indented, 1 to 9 blanks. ``text`` must fit a block.
    """
    lines = text.split("\n")
    first = next(line for line in lines if line)
    # Without an indicator a leading blank would count as indentation.
    indicator = str(step) if first[0] in " \t" else ""
    # "-" drops the line break at the end, no sign keeps one, "+" keeps all of them.
    chomping = "-"
    if lines[-1] == "":
        chomping = "+" if lines[-2] == "" else ""
        lines.pop()
    pad = " " * (column + step)
    return f"|{indicator}{chomping}", [pad + line if line else "" for line in lines]


@lru_cache(maxsize=512)
def inline(text: str, in_flow: bool = False) -> str:
    """Return a text on one line: plain where every reader takes that for text, otherwise quoted."""
    is_printable = text.isprintable()
    is_taken = in_flow and any(char in text for char in ",[]{}")
    if text and is_printable and not (is_taken or _NOT_PLAIN.match(text) or is_ambiguous(text)):
        return text
    if is_printable and ('"' in text or "\\" in text):
        return "'" + text.replace("'", "''") + "'"
    return quoted(text)


def quoted(text: str) -> str:
    """Return a text in double quotes, with the escapes that it needs; those of JSON are some of YAML's."""
    return _UNSAFE.sub(lambda char: f"\\u{ord(char[0]):04X}", json.dumps(text, ensure_ascii=False))


def in_style(source: str, style: str, old: str, new: str, column: int, in_flow: bool) -> str | None:
    """Return what replaces a scalar below a key or dash at ``column``.

    ``style`` is ``""`` or the first character of the scalar, ``source`` the whole of it. A folded block in
    which more changed than a stretch of a line becomes a literal one, because nobody can tell its lines.
    """
    is_block = style in ("|", ">")
    # A text that gets its first line break reads better as a literal block.
    if not is_block and "\n" in new and "\n" not in old:
        return None
    whole = _in_block(source, new, column) if is_block else _in_quotes(source, style, new, column)
    for written in (*_spliced(source, style, old, new), whole):
        around = f"{{k: {written}}}" if in_flow else f"k: {written}"
        with suppress(InvalidFile):
            if written is not None and load(f"{' ' * column}{around}\n".encode(), "").value == {"k": new}:
                return written
    return None


def _spliced(source: str, style: str, old: str, new: str) -> Iterator[str]:
    """Yield the scalar with nothing replaced but the stretch that changed, if the file has that literally."""
    head = len(commonprefix([old, new]))  # noqa: RUF071 -- of characters
    tail = len(commonprefix([old[head:][::-1], new[head:][::-1]]))  # noqa: RUF071
    source = source.removesuffix("\n")
    for margin in _MARGINS:
        start, end = max(0, head - margin), max(0, tail - margin)
        before, after = old[start : len(old) - end], new[start : len(new) - end]
        # A line break would need the indentation of its place.
        if before and "\n" not in after and source.count(before) == 1:
            spelled = {"'": after.replace("'", "''"), '"': quoted(after)[1:-1]}.get(style, after)
            yield source.replace(before, spelled)
            return


def _in_block(source: str, new: str, column: int) -> str | None:
    """Return a literal block that is indented like an old block."""
    header = _HEADER.match(source)
    if header is None or not new.strip("\n") or not is_block_safe(new):
        return None
    step = int(header[1] or indentation(source.splitlines()[1:]) - column)
    signs, lines = block(new, column, step if 1 <= step <= 9 else INDENT)
    return "\n".join([signs, *lines])


def _in_quotes(source: str, style: str, new: str, column: int) -> str | None:
    """Return a plain or quoted scalar, with no more lines than it needs."""
    if style == '"':
        return quoted(new)
    if not is_block_safe(new):
        return None
    indent = re.search(r"\n( +)\S", source)
    pad = indent[1] if indent is not None else " " * (column + INDENT)
    # One line break reads as a blank, so the first of several takes one more.
    lines = re.sub("\n+", lambda breaks: f"\n{breaks[0]}{pad}", new.replace("'", "''") if style else new)
    return f"{style}{lines}{style}"


def indentation(lines: list[str]) -> int:
    """Return how far the least indented line that is not blank is indented."""
    return min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
