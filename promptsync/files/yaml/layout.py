"""Lays a document out as YAML in the house style: literal blocks, short collections on one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from yaml.emitter import Emitter

from promptsync.files.yaml.syntax import STR, kind_of

INDENT: Final = 2

WIDTH: Final = 88
"""Column up to which a list or mapping is written on one line."""

OPEN: Final = frozenset(
    ["model", "messages", "content", "tools", "functions", "function", "extra", "template", "version"]
)
"""Keys whose values are never written on one line."""

_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What a block scalar alters or cannot hold: other line breaks, control characters, byte order marks."""

_INDICATORS: Final = frozenset("-?:,[]{}#&*!|>'\"%@`")
_NOT_PLAIN: Final = re.compile(r":\s|\s#|\t")
_FLOW: Final = re.compile(r"[,\[\]{}]")
_ESCAPED: Final = re.compile(f'["\\\\\t\n]|{_UNSAFE.pattern}')
_MODERN: Final = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+|[yYnN]|=|[-+]\.(inf|Inf|INF)"
)


def mapping(value: Mapping[str, Any], column: int) -> list[str]:
    """Return the lines of a mapping's entries, indented by ``column`` blanks."""
    return [line for key, part in value.items() for line in entry(key, part, column)]


def entry(key: str, value: Any, column: int) -> list[str]:
    """Return the lines of one entry of a mapping."""
    pad = " " * column
    written = _key(key)
    head, body = after(value, column, len(pad) + len(written) + 1, key in OPEN)
    return [f"{pad}{written}:{head}", *body]


def item(value: Any, column: int, is_open: bool = False) -> list[str]:
    """Return the lines of one item of a list."""
    pad = " " * column
    head, body = after(value, column, column + 1, is_open)
    if head or not body:
        return [f"{pad}-{head}", *body]
    # A mapping or list starts on the line of the dash.
    inner = " " * (column + INDENT)
    return [f"{pad}- {body[0].removeprefix(inner)}", *body[1:]]


def after(value: Any, column: int, used: int, is_open: bool, step: int = INDENT) -> tuple[str, list[str]]:
    """Return what follows the colon or dash of a value: the rest of that line, and further lines.

    ``column`` is the indentation of the key or dash, ``used`` the length of the line so far, ``step`` how
    much deeper the content of a literal block is indented. ``is_open`` keeps a collection off that line.
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
        return "", [line for part in value for line in item(part, column + INDENT, is_open)]
    return f" {flow(value)}", []


def flow(value: Any) -> str:
    """Return any value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(flow_entry(key, part) for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def flow_entry(key: str, value: Any) -> str:
    """Return one entry of a mapping on one line."""
    return f"{inline(key, in_flow=True)}: {flow(value)}"


def flow_line(value: Any) -> str | None:
    """Return a flat list or mapping on one line, ``None`` where it nests or holds a text of several lines."""
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    fits = all(not part if isinstance(part, dict | list) else "\n" not in str(part) for part in parts)
    return flow(value) if fits else None


# -- scalars ----------------------------------------------------------------------------------------------


def is_ambiguous(plain: str) -> bool:
    """Whether a reader of YAML 1.1 or 1.2 may take an unquoted value for something other than text."""
    return kind_of(plain) != STR or _MODERN.fullmatch(plain) is not None


def fits_block(text: str) -> bool:
    """Whether a text has several lines and keeps every character in a literal block."""
    return "\n" in text and not text.isspace() and is_block_safe(text)


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


def inline(text: str, in_flow: bool = False) -> str:
    """Return a text on one line: plain where every reader takes that for text, otherwise quoted."""
    if text.isprintable() and _is_plain(text, in_flow):
        return text
    if ('"' in text or "\\" in text) and not _ESCAPED.search(text.replace('"', "").replace("\\", "")):
        return "'" + text.replace("'", "''") + "'"
    return f'"{escaped(text)}"'


def escaped(text: str) -> str:
    """Return a text with the escapes that it needs in double quotes."""
    return _ESCAPED.sub(lambda match: _escape(match[0]), text)


def scalar(value: Any) -> str:
    """Return null, a boolean, a finite number or a text on one line."""
    if isinstance(value, str):
        return inline(value, in_flow=True)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        mantissa, sign, exponent = repr(value).partition("e")
        # YAML 1.1 reads an exponent without a decimal point as text.
        return f"{mantissa}{'' if '.' in mantissa or not sign else '.0'}{sign}{exponent}"
    return str(value)


def _is_plain(text: str, in_flow: bool) -> bool:
    return (
        bool(text)
        and text[0] not in _INDICATORS
        and text == text.strip()
        and not text.endswith(":")
        and not _NOT_PLAIN.search(text)
        and not text.startswith("...")
        and not (in_flow and _FLOW.search(text))
        and not is_ambiguous(text)
    )


@lru_cache(maxsize=512)
def _key(text: str) -> str:
    """Return a key on one line: a file has few different ones, each many times."""
    return inline(text)


def _escape(char: str) -> str:
    known = Emitter.ESCAPE_REPLACEMENTS.get(char)
    if known:
        return f"\\{known}"
    code = ord(char)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
