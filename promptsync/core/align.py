"""Which item of one list became which item of the other: messages, blocks, tools."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from promptsync.core.canonical import encode
from promptsync.core.snippets import strings

Pair = tuple[int | None, int | None]

_ALIKE = 0.6
"""Share of common words from which two items of different kinds count as one that changed its kind."""
_MAX_CELLS = 4_000
_WORD = re.compile(r"\w+")


def align(old: Sequence[Any], new: Sequence[Any]) -> list[Pair]:
    """Pair the indexes of equal and of changed items; an item without a partner is paired with ``None``.

    Both indexes only ever grow, so a moved item counts as removed and added.
    """
    matcher = SequenceMatcher(None, [encode(item) for item in old], [encode(item) for item in new], False)
    pairs: list[Pair] = []
    for tag, low, high, new_low, new_high in matcher.get_opcodes():
        if tag == "equal":
            pairs += zip(range(low, high), range(new_low, new_high), strict=True)
        else:
            pairs += _match(range(low, high), range(new_low, new_high), old, new)
    return pairs


def _match(rows: range, columns: range, old: Sequence[Any], new: Sequence[Any]) -> list[Pair]:
    """Pair changed items so that the sum of their likenesses is largest, as in an edit distance."""
    if len(rows) * len(columns) > _MAX_CELLS:
        return _in_order(rows, columns)
    ours, theirs = [_Item(old[row]) for row in rows], [_Item(new[column]) for column in columns]
    alike = [[our.likeness(their) for their in theirs] for our in ours]
    best = [[0.0] * (len(columns) + 1) for _ in range(len(rows) + 1)]
    for i in reversed(range(len(rows))):
        for j in reversed(range(len(columns))):
            paired = best[i + 1][j + 1] + alike[i][j] if alike[i][j] else 0.0
            best[i][j] = max(paired, best[i + 1][j], best[i][j + 1])
    return _trace(rows, columns, alike, best)


def _trace(rows: range, columns: range, alike: list[list[float]], best: list[list[float]]) -> list[Pair]:
    pairs: list[Pair] = []
    i = j = 0
    while i < len(rows) and j < len(columns):
        if alike[i][j] and best[i][j] == best[i + 1][j + 1] + alike[i][j]:
            pairs.append((rows[i], columns[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            pairs.append((rows[i], None))
            i += 1
        else:
            pairs.append((None, columns[j]))
            j += 1
    return [*pairs, *((row, None) for row in rows[i:]), *((None, column) for column in columns[j:])]


def _in_order(rows: range, columns: range) -> list[Pair]:
    common = min(len(rows), len(columns))
    pairs: list[Pair] = list(zip(rows, columns, strict=False))
    return [*pairs, *((row, None) for row in rows[common:]), *((None, column) for column in columns[common:])]


class _Item:
    """An item with what is compared often: its kind and its words."""

    def __init__(self, value: Any) -> None:
        self.kind = _kind(value)
        self.words = Counter(word for text in strings(value) for word in _WORD.findall(text))
        self.size = self.words.total()

    def likeness(self, other: _Item) -> float:
        """Return 0 for items that have nothing to do with each other, up to 2 for items of one kind."""
        if self.kind is None or other.kind is None:
            return 0.0
        total = self.size + other.size
        words = 2 * (self.words & other.words).total() / total if total else 1.0
        if self.kind == other.kind:
            return 1.0 + words
        return words if words >= _ALIKE else 0.0


def _kind(value: Any) -> tuple[str, ...] | None:
    """What an item is: the role of a message, the type of a block, the name of a tool; scalars have none."""
    if not isinstance(value, Mapping):
        return None
    inner = value.get("function")
    name = inner.get("name") if isinstance(inner, Mapping) else None
    keys = ("role", "type", "id", "tool_registry_id")
    return (*(str(value.get(key, "")) for key in keys), str(name or ""))
