"""Everything that is printed: colors by meaning, escaped text, tables, one JSON document."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from promptsync.errors import PromptsyncError

SCHEMA = 1
"""Version of the JSON documents. Within one version, keys are only added."""

_COMMAND = re.compile(r"(promptsync|git|export|pip|rm|mkdir) ")
"""The start of a hint that is pasted as it is, so it is left to the terminal."""

_MINUTE = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)")

_COLOURS = {
    "good": {"fg": "green"},
    "bad": {"fg": "red"},
    "warn": {"fg": "yellow"},
    "remote": {"fg": "cyan"},
    "faint": {"dim": True},
    "strong": {"bold": True},
    "removed": {"fg": "red"},
    "added": {"fg": "green"},
    "removed-word": {"fg": "red", "reverse": True},
    "added-word": {"fg": "green", "reverse": True},
}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_JOINERS = {"\u200c", "\u200d", "\ufe0f"}


def safe(text: str, *, newlines: bool = True) -> str:
    """Return text with control and direction characters escaped, so that a terminal does not execute them."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character, newlines=newlines) for character in text)


def _shown(character: str, *, newlines: bool) -> str:
    if character == "\t" or (newlines and character == "\n"):
        return character
    if character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # how Python passes on a byte that it could not decode
        number -= 0xDC00
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def style(text: str, meaning: str) -> str:
    """Return text in the color of a meaning; ``click.echo`` removes it where there are no colors."""
    return click.style(text, **_COLOURS[meaning])  # type: ignore[arg-type]


def name(text: str) -> str:
    """Return text, such as the name of a prompt, as one safe line."""
    return safe(text, newlines=False)


class Line(str):
    """A line that is wrapped between words on a narrow terminal, ``indent`` columns from the left.

    A ``command`` at its end then goes on a line of its own, so that it can be copied. The text from column
    ``cut`` on is cut instead of wrapped. ``-q`` leaves out an ``aside``, such as a total.
    """

    indent: int
    command: str
    cut: int | None
    is_aside: bool
    is_planned = False
    """Whether it only says what a plan said before."""

    def __new__(
        cls, text: str, indent: int = 2, command: str = "", *, cut: int | None = None, aside: bool = False
    ) -> Line:
        line = super().__new__(cls, text)
        line.indent, line.command, line.cut, line.is_aside = indent, command, cut, aside
        return line


def aside(text: str, indent: int = 2) -> Line:
    """Return a line about the result, which ``-q`` leaves out."""
    return Line(text, indent, aside=True)


def without_asides(lines: Iterable[str]) -> list[str]:
    """Return lines without asides, and without the blank lines around them."""
    kept: list[str] = []
    for line in lines:
        is_aside = isinstance(line, Line) and line.is_aside
        if not is_aside and (line or (kept and kept[-1])):
            kept.append(line)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def table(rows: Iterable[tuple[str, ...]], *, free: bool = False, aside: bool = False) -> list[str]:
    """Return rows as lines with aligned columns, without empty columns.

    ``free`` says that the last column may be cut on a narrow terminal; ``aside`` says that ``-q`` leaves the
    rows out.
    """
    rows = list(rows)
    columns = [column for column in zip(*rows, strict=True) if any(column)]
    widths = [max(map(width, column)) for column in columns]
    has_end = free and any(row[-1] for row in rows)
    cut = sum(widths[:-1]) + 2 * len(widths[:-1]) if has_end else None
    lines: list[str] = []
    for row in zip(*columns, strict=True):
        text = "  ".join(map(padded, row, widths)).rstrip()
        lines.append(Line(text, len(text) - len(text.lstrip()) + 4, cut=cut, aside=aside))
    return lines


def padded(text: str, columns: int) -> str:
    """Return text padded with spaces to a number of columns."""
    return text + " " * (columns - width(text))


def width(text: str) -> int:
    """Return how many columns a text takes up on a terminal: wide signs two, accents and joiners none."""
    plain = click.unstyle(text)
    return len(plain) if plain.isascii() else sum(map(_columns, plain))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def count(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 prompt``, ``2 prompts``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def moment(text: str) -> str:
    """Return a point in time to the minute, any other text of a registry unchanged."""
    parts = _MINUTE.match(text)
    if parts is None:
        return text
    return f"{parts[1]} {parts[2]}{' UTC' if text.endswith(('Z', '+00:00')) else ''}"


def document(
    body: Mapping[str, Any], *, remote: str | None, exit_code: int = 0, error: PromptsyncError | None = None
) -> str:
    """Return the one JSON document of a run."""
    import json

    whole: dict[str, Any] = {"schema": SCHEMA, "remote": remote, "exit_code": exit_code, **body}
    if error is not None:
        whole["error"] = {"code": error.code, "message": error.message, "hint": error.hint}
        if error.details:
            whole["error"]["details"] = error.details
    # ASCII only, so that the document contains no control characters for a terminal.
    return json.dumps(whole, ensure_ascii=True, indent=2)


def error_lines(error: PromptsyncError) -> list[str]:
    """Return an error as lines for stderr."""
    lines: list[str] = [Line(f"{style('error:', 'bad')} {safe(error.message)}")]
    lines += [f"  {safe(detail)}" for detail in error.details]
    for line in error.hint.splitlines():
        hint = f"{style('hint:', 'remote')} {safe(line)}"
        lines.append(hint if _COMMAND.match(line) else Line(hint))
    return lines


_LEAST = 16
"""A text that would get fewer columns than this is left to the terminal, or wrapped instead of cut."""

_SIGN = re.compile(r"\x1b\[[0-9;]*m|.", re.DOTALL)
_WORD = re.compile(r"(\s*)(\S+)")
_PLAIN = "\x1b[0m"


def fitted(lines: Iterable[str], room: int) -> list[str]:
    """Return lines for a terminal with ``room`` columns. Plain texts are left to the terminal."""
    shown: list[str] = []
    for line in lines:
        if not isinstance(line, Line) or width(line) <= room:
            shown.append(line)
        elif line.cut is not None and line.cut + _LEAST <= room:
            shown.append(shortened(line, room))
        elif line.indent + _LEAST <= room:
            shown += _wrapped(line, room)
        else:
            shown.append(line)
    return shown


def shortened(text: str, room: int) -> str:
    """Return text cut to ``room`` columns, with its colors; ``…`` marks the cut."""
    if width(text) <= room:
        return text
    used, start = 1, ""
    for sign in _SIGN.finditer(text):
        used += width(sign[0])
        if used > room:
            start = text[: sign.start()]
            break
    return f"{start}…{_PLAIN}" if "\x1b" in start else f"{start}…"


def _wrapped(line: Line, room: int) -> Iterator[str]:
    """Break a line between words; its command, if it ends with one, gets a line of its own.

    A word that is wider than the terminal is left to it, and so are colors, which continue.
    """
    text, _, end = line.rpartition(line.command or "\n")
    has_command = bool(line.command) and not click.unstyle(end)
    indent, shown = " " * line.indent, ""
    for gap, word in _WORD.findall(text.rstrip("; ") if has_command else line):
        if shown.strip() and width(f"{shown}{gap}{word}") > room:
            yield shown
            shown, gap = indent, ""
        shown += gap + word
    yield shown
    if has_command:
        yield indent + line.command
