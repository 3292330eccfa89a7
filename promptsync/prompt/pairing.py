"""Which message, block or tool of one list is which of another, and the places of a merged list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from promptsync.prompt.canonical import encode
from promptsync.prompt.prompt import function_name

Pair = tuple[int | None, int | None]


def align(old: Sequence[Any], new: Sequence[Any]) -> list[Pair]:
    """Return pairs of indexes for equal and changed items, with ``None`` for an item without a partner.

    A changed item is one of the same name or role. Where as many items went as came, they take each other's
    place. Both indexes only ever grow, so a moved item counts as removed and added.
    """
    pairs: list[Pair] = []
    for is_equal, rows, columns in _runs([*map(encode, old)], [*map(encode, new)], 0, 0):
        if is_equal:
            pairs += zip(rows, columns, strict=True)
            continue
        kinds = [_kind(old[row]) for row in rows], [_kind(new[column]) for column in columns]
        for is_alike, gone, came in _runs(*kinds, rows.start, columns.start):
            if is_alike or len(gone) == len(came):
                pairs += zip(gone, came, strict=True)
            else:
                pairs += [*((row, None) for row in gone), *((None, column) for column in came)]
    return pairs


def _runs(
    old: Sequence[str], new: Sequence[str], row: int, column: int
) -> Iterable[tuple[bool, range, range]]:
    """Yield runs of equal and of different items as indexes, which start at ``row`` and ``column``."""
    # The last argument turns off autojunk, which ignores items that occur often in a long list.
    for tag, low, high, new_low, new_high in SequenceMatcher(None, old, new, False).get_opcodes():
        yield tag == "equal", range(row + low, row + high), range(column + new_low, column + new_high)


def _kind(item: Any) -> str:
    """Return the name or role of an item, by which a changed one is known."""
    if not isinstance(item, Mapping):
        return ""
    keys = ("role", "type", "id", "tool_registry_id")
    return encode([*(item.get(key) for key in keys), function_name(item)])


Inserted = tuple[list[int], list[int]]
"""The indexes of the items that each of two sides has inserted at one place."""


def places(base: Sequence[Any], ours: Sequence[Any], theirs: Sequence[Any]) -> list[tuple[Inserted, Pair]]:
    """Return what both sides inserted before each item of the base, and the index of that item on each side.

    A side without an index removed the item. After the last one comes what was inserted at the end.
    """
    both: list[tuple[list[list[int]], list[int | None]]] = []
    for side in (ours, theirs):
        inserted: list[list[int]] = [[] for _ in range(len(base) + 1)]
        kept: list[int | None] = [None] * (len(base) + 1)
        place = 0
        for old, new in align(base, side):
            if old is not None:
                place, kept[old] = old + 1, new
            elif new is not None:
                inserted[place].append(new)
        both.append((inserted, kept))
    (our_new, our_kept), (their_new, their_kept) = both
    return [*zip(zip(our_new, their_new, strict=True), zip(our_kept, their_kept, strict=True), strict=True)]


def tool_key(tool: Any) -> str | None:
    """Return what identifies a tool or function in its list, ``None`` if nothing does."""
    if not isinstance(tool, Mapping):
        return None
    own = function_name(tool) or tool.get("tool_registry_id") or tool.get("name") or tool.get("id")
    return encode([tool.get("type", "function"), own]) if own is not None else None


def merged_order(base: Iterable[str], ours: Sequence[str], theirs: Sequence[str]) -> list[str] | None:
    """Return all keys of both sides in order, ``None`` if both sides reordered those that they share.

    The order of new keys means nothing: a side that has all of them keeps its own, otherwise they are sorted.
    """
    common = set(base) & set(ours) & set(theirs)
    was, our, their = ([key for key in side if key in common] for side in (base, ours, theirs))
    if was not in (our, their) and our != their:
        return None
    kept = their if our == was else our
    for side, other in ((ours, theirs), (theirs, ours)):
        if set(side) >= set(other) and [key for key in side if key in common] == kept:
            return list(side)
    return kept + sorted({*ours, *theirs} - common)
