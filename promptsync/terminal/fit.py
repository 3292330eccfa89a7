"""Fits lines to a narrow terminal. Pipes and files get every line at full width."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import click

from promptsync.terminal.output import Line, width

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
