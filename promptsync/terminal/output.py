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
_KEPT = {"\t", "\n"}
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_JOINER, _EMOJI = "\u200d", "\ufe0f"
_JOINERS = {"\u200c", _JOINER, _EMOJI}


def safe(text: str, *, newlines: bool = True) -> str:
    """Return text with control and direction characters escaped, so that a terminal does not execute them."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character, newlines=newlines) for character in text)


def _shown(character: str, *, newlines: bool) -> str:
    if character in _KEPT and (newlines or character == "\t"):
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
    """Return a prompt's name as one safe line."""
    return safe(text, newlines=False)


class Row(str):
    """A line of a table at full width, which ``terminal.fit`` rearranges for a narrow terminal.

    ``widths`` are those of the table's columns. The last cell may be cut if it is ``free``.
    """

    cells: tuple[str, ...]
    widths: tuple[int, ...]
    free: bool


class Hanging(str):
    """A line of text that is wrapped ``indent`` columns from the left where it is too wide.

    ``command`` is the command in it that the reader may run, if any.
    """

    indent: int
    command: str


class Aside(str):
    """A line about the result, such as a total, which ``-q`` leaves out."""


class AsideRow(Row, Aside):
    """A line of a table that is an aside."""


class HangingAside(Hanging, Aside):
    """An aside that is wrapped like ``Hanging``."""


def without_asides(lines: Iterable[str]) -> list[str]:
    """Return lines without asides, and without the blank lines around them."""
    kept: list[str] = []
    for line in lines:
        if not isinstance(line, Aside) and (line or (kept and kept[-1])):
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
    longest = max(map(len, rows), default=0)
    used = [column for column in range(longest) if any(any(row[column : column + 1]) for row in rows)]
    kept = [tuple(row[column] for column in used if column < len(row)) for row in rows]
    widths = tuple(max(width(row[at]) for row in kept if at < len(row)) for at in range(len(used)))
    lines: list[str] = []
    for cells in kept:
        row = (AsideRow if aside else Row)(
            "  ".join(padded(cell, widths[column]) for column, cell in enumerate(cells)).rstrip()
        )
        row.cells, row.widths, row.free = cells, widths, free and longest - 1 in used
        lines.append(row)
    return lines


def hanging(text: str, indent: int, command: str = "") -> Hanging:
    """Return a line of text that is wrapped and indented on a narrow terminal; see ``Hanging``."""
    line = Hanging(text)
    line.indent, line.command = indent, command
    return line


def hanging_aside(text: str, indent: int) -> HangingAside:
    """Return an aside that is wrapped and indented on a narrow terminal."""
    line = HangingAside(text)
    line.indent, line.command = indent, ""
    return line


def padded(text: str, columns: int) -> str:
    """Return text padded with spaces; wide characters count twice, as terminals show them."""
    return text + " " * (columns - width(text))


def width(text: str) -> int:
    """Return how many columns a text takes up on a terminal."""
    plain = click.unstyle(text)
    return len(plain) if plain.isascii() else sum(columns for _, columns in clusters(plain))


def clusters(plain: str) -> Iterator[tuple[str, int]]:
    """Yield each sign with its columns: a letter with its accents, a whole emoji."""
    cluster, columns = "", 0
    for character in plain:
        is_skin_tone = "\U0001f3fb" <= character <= "\U0001f3ff"
        # Accents, joiners and skin tones belong to the sign before them and take no column of their own.
        if cluster and (_columns(character) == 0 or is_skin_tone or cluster.endswith(_JOINER)):
            cluster += character
            columns = max(columns, 2) if character in (_JOINER, _EMOJI) else columns
            continue
        if cluster:
            yield cluster, columns
        cluster, columns = character, _columns(character)
    if cluster:
        yield cluster, columns


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
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
    body: Mapping[str, Any], *, remote: str | None, exit_code: int, error: Mapping[str, Any] | None
) -> str:
    """Return the one JSON document of a run."""
    import json

    whole: dict[str, Any] = {"schema": SCHEMA, "remote": remote, "exit_code": exit_code, **body}
    if error is not None:
        whole["error"] = dict(error)
    # ASCII only, so that the document contains no control characters for a terminal.
    return json.dumps(whole, ensure_ascii=True, indent=2)


def error_body(error: PromptsyncError) -> dict[str, Any]:
    """Return the ``error`` of a JSON document."""
    body: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
    if error.details:
        body["details"] = list(error.details)
    return body


def error_lines(error: PromptsyncError) -> list[str]:
    """Return an error as lines for stderr."""
    lines = [f"{style('error:', 'bad')} {safe(error.message)}"]
    lines += [f"  {safe(detail)}" for detail in error.details]
    if error.hint:
        lines += [f"{style('hint:', 'remote')} {safe(line)}" for line in error.hint.splitlines()]
    return lines
