"""Which message, block or tool of one list is which of another, and the places of a merged list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from msgspec import Struct

from promptsync.prompt.canonical import encode
from promptsync.prompt.prompt import function_name
from promptsync.prompt.snippets import strings
from promptsync.prompt.text_diff import word_counts, word_share

Pair = tuple[int | None, int | None]

_ALIKE = 0.6
"""Share of common words from which two items of different kinds count as one item that changed its kind."""
_MAX_CELLS = 4_000
"""Largest table of similarities. Longer runs of changed items are paired in order, which is instant."""
_KIND = ("role", "type", "id", "tool_registry_id")
_NO_WORDS = frozenset({*_KIND, "template_format"})
"""Keys whose values are no words of an item, so that a change of role alone leaves it the same item."""


def align(old: Sequence[Any], new: Sequence[Any]) -> list[Pair]:
    """Return pairs of indexes for equal and changed items, with ``None`` for an item without a partner.

    Both indexes only ever grow, so a moved item counts as removed and added.
    """
    # The last argument turns off autojunk, which ignores items that occur often in a long list.
    matcher = SequenceMatcher(None, [encode(item) for item in old], [encode(item) for item in new], False)
    pairs: list[Pair] = []
    for tag, low, high, new_low, new_high in matcher.get_opcodes():
        if tag == "equal":
            pairs += zip(range(low, high), range(new_low, new_high), strict=True)
        else:
            pairs += _changed(range(low, high), range(new_low, new_high), old, new)
    return pairs


def _changed(rows: range, columns: range, old: Sequence[Any], new: Sequence[Any]) -> list[Pair]:
    """Pair changed items, those that are most alike first, so that no two pairs cross."""
    if len(rows) * len(columns) > _MAX_CELLS:
        return list(zip_longest(rows, columns))
    ours, theirs = [_Item(old[row]) for row in rows], [_Item(new[column]) for column in columns]
    alike = sorted(
        (-our.similarity(their), row, column)
        for row, our in zip(rows, ours, strict=True)
        for column, their in zip(columns, theirs, strict=True)
    )
    partners: dict[int, int] = {}
    for similarity, row, column in alike:
        if similarity and all((row - a) * (column - b) > 0 for a, b in partners.items()):
            partners[row] = column
    pairs: list[Pair] = []
    following = columns.start
    for row in rows:
        if row in partners:
            pairs += ((None, column) for column in range(following, partners[row]))
            following = partners[row] + 1
        pairs.append((row, partners.get(row)))
    return [*pairs, *((None, column) for column in range(following, columns.stop))]


class _Item:
    """An item's kind and words, which are compared many times."""

    def __init__(self, value: Any) -> None:
        self.kind: tuple[str, ...] | None = None  # scalars have none
        self.words: Counter[str] = Counter()
        if isinstance(value, Mapping):
            self.kind = (*(str(value.get(key, "")) for key in _KIND), function_name(value) or "")
            self.words = word_counts(strings([item for key, item in value.items() if key not in _NO_WORDS]))

    def similarity(self, other: _Item) -> float:
        """Return 0 for items that are unrelated, up to 2 for items of one kind."""
        if self.kind is None or other.kind is None:
            return 0.0
        share = word_share(self.words, other.words)
        if self.kind == other.kind:
            return 1.0 + share
        return share if share >= _ALIKE else 0.0


class Slot(Struct, frozen=True):
    """A place in a merged list, with the indexes of the items that each side has there.

    For an item of the base, a side without it removed it. Where ``base`` is ``None``, items were inserted.
    """

    base: int | None
    ours: tuple[int, ...]
    theirs: tuple[int, ...]


def slots(base: Sequence[Any], ours: Sequence[Any], theirs: Sequence[Any]) -> list[Slot]:
    """Return the places of a merged list, in order."""
    kept_ours, new_ours = _became(align(base, ours))
    kept_theirs, new_theirs = _became(align(base, theirs))
    places: list[Slot] = []
    for at in range(len(base) + 1):
        inserted = tuple(new_ours.get(at, ())), tuple(new_theirs.get(at, ()))
        if any(inserted):
            places.append(Slot(None, *inserted))
        if at < len(base):
            places.append(Slot(at, kept_ours.get(at, ()), kept_theirs.get(at, ())))
    return places


def _became(pairs: Iterable[Pair]) -> tuple[dict[int, tuple[int]], dict[int, list[int]]]:
    """Return the new index of each old item, and the new items by the old index that they are inserted at."""
    kept: dict[int, tuple[int]] = {}
    inserted: dict[int, list[int]] = {}
    place = 0
    for old, new in pairs:
        if old is not None:
            place = old + 1
            kept |= {old: (new,)} if new is not None else {}
        elif new is not None:
            inserted.setdefault(place, []).append(new)
    return kept, inserted


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
