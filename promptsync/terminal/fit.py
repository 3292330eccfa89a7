"""Fits lines to a narrow terminal. Pipes and files get every line at full width."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import click

from promptsync.terminal.output import Line, width

_LEAST = 16
"""A text that would get fewer columns than this is left to the terminal, or wrapped instead of cut."""

_PART = re.compile(r"(\x1b\[[0-9;]*m)|(\s+)|([^\s\x1b]+|\x1b)")
"""A color code, blanks or a word."""

_SIGN = re.compile(r"\x1b\[[0-9;]*m|.", re.DOTALL)
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
    start = _start(text, room - 1)
    return f"{start}…{_PLAIN}" if "\x1b" in start else f"{start}…"


def _start(text: str, room: int) -> str:
    """Return as much of the start of a text as fits in ``room`` columns."""
    used = 0
    for sign in _SIGN.finditer(text):
        used += width(sign[0])
        if used > room:
            return text[: sign.start()]
    return text


def _wrapped(line: Line, room: int) -> Iterator[str]:
    """Break a line between words; its command, if it ends with one, gets a line of its own."""
    text, _, end = line.rpartition(line.command or "\n")
    if not line.command or click.unstyle(end):
        yield from _broken(line, line.indent, room)
        return
    yield from _broken(text.rstrip("; "), line.indent, room)
    yield " " * line.indent + line.command


def _broken(line: str, indent: int, room: int) -> Iterator[str]:
    """Break a text between words, or inside a word wider than ``room``; colors continue on the next line."""
    shown = colors = gap = ""
    used = 0
    for code, blanks, word in _PART.findall(line):
        gap += code + blanks
        if code:
            colors = "" if code == _PLAIN else colors + code
        while word and used + width(gap) + width(word) > room:
            if used <= indent:
                start = _start(word, room - used - width(gap))
                shown, word = shown + gap + start, word[len(start) :]
            yield shown + (_PLAIN if "\x1b" in shown else "")
            shown, used, gap = " " * indent + colors, indent, ""
        if word:
            shown, used, gap = shown + gap + word, used + width(gap) + width(word), ""
    if shown.strip():
        yield shown + (_PLAIN if "\x1b" in shown else "")
