"""Fits lines to a narrow terminal. Pipes and files get every line at full width."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import click

from promptsync.terminal.output import Hanging, Row, clusters, padded, width

_GAP = 2
_BELOW = 4
"""How much further to indent the rest of a row."""

_LEAST = 16
"""A text that would get fewer columns than this goes on a line of its own."""

_CODE = re.compile(r"(\x1b\[[0-9;]*m)")
_PLAIN = "\x1b[0m"


def fitted(lines: Iterable[str], room: int | None) -> list[str]:
    """Return lines for a terminal with ``room`` columns, ``None`` for no terminal."""
    shown: list[str] = []
    for line in lines:
        if room is None:
            shown.append(line)
        elif isinstance(line, Row) and sum(line.widths) + _GAP * (len(line.widths) - 1) > room:
            shown += _row(line, room)
        elif isinstance(line, Hanging) and width(line) > room and line.indent + _LEAST <= room:
            shown += _hanging(line, room)
        else:
            shown.append(line)
    return shown


def _row(row: Row, room: int) -> Iterable[str]:
    """Cut the last cell if it is free and enough of it remains; otherwise wrap the cells like a text."""
    # What remains for the last column after all others and the gaps.
    left = room - sum(row.widths[:-1]) - _GAP * (len(row.widths) - 1)
    if not row.free or left < min(_LEAST, row.widths[-1]):
        text = (" " * _GAP).join(cell for cell in row.cells if cell)
        return _wrapped(text.rstrip(), len(row) - len(row.lstrip()) + _BELOW, room)
    if len(row.cells) < len(row.widths):
        return [row]
    *cells, last = row.cells
    aligned = [padded(cell, row.widths[column]) for column, cell in enumerate(cells)]
    return [(" " * _GAP).join([*aligned, shortened(last, left)]).rstrip()]


def shortened(text: str, room: int) -> str:
    """Return text cut to ``room`` columns, with its colors; ``…`` marks the cut."""
    if width(text) <= room:
        return text
    kept, used = "", 0
    for code, cluster, columns in _signs(text):
        if cluster and used + columns > room - 1:
            return f"{kept}…{_PLAIN}" if "\x1b" in kept else f"{kept}…"
        kept, used = kept + code + cluster, used + columns
    return kept


def _hanging(line: Hanging, room: int) -> Iterator[str]:
    """Wrap a line; the command at its end gets a line of its own, so that it can be copied."""
    text, command, end = line.rpartition(line.command) if line.command else (line, "", "")
    if not command or click.unstyle(end):
        yield from _wrapped(line, line.indent, room)
        return
    yield from _wrapped(text.rstrip("; "), line.indent, room)
    yield " " * line.indent + command


def _wrapped(line: str, indent: int, room: int) -> Iterator[str]:
    """Break a line between words, or inside a word wider than ``room``; colors continue on the next line."""
    signs = list(_signs(line))
    start, colors = 0, ""
    for end in [*_breaks(signs, indent, room), len(signs)]:
        text = "".join(code or cluster for code, cluster, _ in signs[start:end]).rstrip()
        begin = " " * indent if start else ""
        yield f"{begin}{colors}{text}" + (_PLAIN if colors or _CODE.search(text) else "")
        for code, _, _ in signs[start:end]:
            colors = "" if code == _PLAIN else colors + code
        start = end


def _breaks(signs: Sequence[tuple[str, str, int]], indent: int, room: int) -> Iterator[int]:
    used = begin = after_word = 0
    for index, (_, cluster, columns) in enumerate(signs):
        is_blank = cluster.isspace()
        if used + columns > room and not is_blank:
            begin = after_word if after_word > begin else index
            yield begin
            used = indent + sum(taken for _, _, taken in signs[begin:index])
        used += columns
        if is_blank and used > indent:
            after_word = index + 1


def _signs(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield color codes and signs one by one: a code, or a sign with its columns."""
    for part in _CODE.split(text):
        if _CODE.fullmatch(part):
            yield part, "", 0
        else:
            yield from (("", cluster, columns) for cluster, columns in clusters(click.unstyle(part)))
