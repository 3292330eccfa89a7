"""Everything that reaches a terminal or a pipe: colour by meaning, nothing unescaped, one JSON document."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import click

from promptsync.errors import PromptsyncError

SCHEMA = 1
"""Version of the JSON documents; keys are only ever added to one."""

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
_JOINERS = {"\u200c", "\u200d", "\ufe0f"}


def safe(text: str, *, newlines: bool = True) -> str:
    """Return text that a terminal shows and does not obey: control and direction characters are escaped."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character, newlines=newlines) for character in text)


def _shown(character: str, *, newlines: bool) -> str:
    if character in _KEPT and (newlines or character == "\t"):
        return character
    if character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def style(text: str, meaning: str) -> str:
    """Return text in the colour of a meaning; ``click.echo`` takes it out again where there is no colour."""
    return click.style(text, **_COLOURS[meaning])  # type: ignore[arg-type]


def name(text: str) -> str:
    """Return a prompt's name as one safe line."""
    return safe(text, newlines=False)


def table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return rows as lines with aligned columns; wide characters count twice, as terminals show them."""
    rows = list(rows)
    if not rows:
        return []
    widths = [
        max(width(row[column]) for row in rows if column < len(row)) for column in range(_longest(rows))
    ]
    return [
        "  ".join(cell + " " * (widths[column] - width(cell)) for column, cell in enumerate(row)).rstrip()
        for row in rows
    ]


def _longest(rows: list[tuple[str, ...]]) -> int:
    return max(len(row) for row in rows)


def width(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    plain = click.unstyle(text)
    if plain.isascii():
        return len(plain)
    return sum(_columns(character) for character in plain)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def count(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 prompt``, ``2 prompts``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def document(
    body: Mapping[str, Any], *, remote: str | None, exit_code: int, error: Mapping[str, Any] | None
) -> str:
    """Return the one JSON document of a run."""
    import json

    whole: dict[str, Any] = {"schema": SCHEMA, "remote": remote, "exit_code": exit_code, **body}
    if error is not None:
        whole["error"] = dict(error)
    # Escaped: the document is text for programs, and must not carry what a terminal would obey.
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
