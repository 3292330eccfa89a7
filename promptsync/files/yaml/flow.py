"""Adds and removes entries of collections in brackets, with their lines where each has lines of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from promptsync.files.yaml.parts import PartEntry, line_start

Edit = tuple[int, int, str]
"""Where a replaced stretch of a text starts and ends, and what replaces it."""

_REST: Final = re.compile(r"[ \t]*(,)?[ \t]*(#[^\n]*)?\n")
_COMMA: Final = re.compile(r"\s*,")


def insertion(
    text: str, entries: Sequence[PartEntry], first: int, previous: int | None, written: str, *, is_last: bool
) -> Edit:
    """Return the edit that adds an entry after the ``previous`` one, or before the first that stays.

    ``is_last`` says that no entry after it stays.
    """
    if previous is None or previous < first:
        start = entries[first].start
        indent = _indent(text, entries[first])
        return start, start, f"{written}, " if indent is None else f"{written},\n{indent}"
    entry = entries[previous]
    end, rest, indent = entry.value.end, _REST.match(text, entry.value.end), _indent(text, entry)
    if indent is not None and is_last and previous < len(entries) - 1:
        return end, end, f",\n{indent}{written}"  # in front of what is removed
    if indent is not None and rest is not None and rest[1]:
        return rest.end(), rest.end(), f"{indent}{written},\n"
    if indent is not None and rest is not None and not rest[2]:
        return end, end, f",\n{indent}{written}"
    return end, end, f", {written}"


def removals(
    text: str, entries: Sequence[PartEntry], first: int, gone: Sequence[int], *, is_extended: bool
) -> list[Edit]:
    """Return the edits that remove entries. ``is_extended`` says that others are added."""
    rests = {index: _REST.match(text, entries[index].value.end) for index in gone}
    have_lines = all(rests[index] and _indent(text, entries[index]) is not None for index in gone)
    rest = rests.get(len(entries) - 1)
    loses_comma = rest is not None and not rest[1]
    # JSON has no comma after the last entry.
    if have_lines and not (loses_comma and is_extended):
        starts = {index: line_start(text, entries[index].start) for index in gone}
        edits = [(starts[index], rest.end(), "") for index, rest in rests.items() if rest]
        kept = max(index for index in range(len(entries)) if index not in gone)
        comma = _COMMA.match(text, entries[kept].value.end) if loses_comma else None
        return [*edits, (comma.end() - 1, comma.end(), "")] if comma else edits
    return [
        (entries[index].start, entries[index + 1].start, "")
        if index < first
        else (entries[index - 1].value.end, entries[index].value.end, "")
        for index in gone
    ]


def _indent(text: str, entry: PartEntry) -> str | None:
    """Return the blanks before an entry that starts a line, ``None`` for any other entry."""
    before = text[line_start(text, entry.start) : entry.start]
    return before if not before.strip() else None
