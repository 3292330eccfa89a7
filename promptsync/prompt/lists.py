"""Pairing the items of two lists of messages, blocks or tools, and the places of a merged list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby, zip_longest
from typing import Any

from promptsync.prompt.canonical import encode
from promptsync.prompt.prompt import function_name, plain
from promptsync.prompt.snippets import strings
from promptsync.prompt.text_diff import word_counts, word_share

Pair = tuple[int | None, int | None]

_ALIKE = 0.6
"""Share of common words from which two items of different kinds count as one item that changed its kind."""
_MOVED = 0.5
"""Share of common words from which a removed item and an inserted one of its kind count as one that moved."""
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
            pairs += _match(range(low, high), range(new_low, new_high), old, new)
    return pairs


def align_moved(old: Sequence[Any], new: Sequence[Any]) -> tuple[list[Pair], dict[int, int]]:
    """Return ``align`` without the items that moved, and the old index of each of these by the new one.

    Both indexes of a moved item are without a partner in the pairs. ``1.0`` is ``1``.
    """
    ours, theirs = plain(old), plain(new)
    pairs = align(ours, theirs)
    codes, new_codes = [*map(encode, ours)], [*map(encode, theirs)]
    stays = {(a, b) for a, b in pairs if a is not None and b is not None and codes[a] == new_codes[b]}
    changed = [pair for pair in pairs if pair not in stays]
    gone = {codes[a]: a for a, _ in changed if a is not None}
    moved = {b: gone.pop(new_codes[b]) for _, b in changed if b is not None and new_codes[b] in gone}
    sources = frozenset(moved.values())
    split: list[Pair] = []
    for a, b in pairs:
        is_split = a is not None and b is not None and (b in moved or a in sources)
        split += [(a, None), (None, b)] if is_split else [(a, b)]
    return split, moved


def paired_entries(old: Any, new: Any) -> tuple[list[tuple[int | None, Any]], dict[int, int]]:
    """Pair the entries of two mappings or two lists, in the order of the new one; and see ``align_moved``.

    A pair is the index of an old entry and the key or index of what it became, either of them ``None``.
    """
    if not isinstance(old, list):
        at = {key: index for index, key in enumerate(old)}
        return [*((at.get(key), key) for key in new), *((at[key], None) for key in old if key not in new)], {}
    pairs: list[tuple[int | None, Any]] = []
    aligned, moved = align_moved(old, new)
    # Where as many items were removed as added, they take each other's place.
    for is_changed, run in groupby(aligned, key=lambda pair: None in pair):
        found = list(run)
        removed = [ours for ours, _ in found if ours is not None]
        added = [theirs for _, theirs in found if theirs is not None]
        if not is_changed or (len(removed) == len(added) and not moved):
            pairs += zip(removed, added, strict=True)
        else:
            pairs += [*((index, None) for index in removed), *((None, index) for index in added)]
    return pairs, moved


def _match(rows: range, columns: range, old: Sequence[Any], new: Sequence[Any]) -> list[Pair]:
    """Pair changed items so that their total similarity is largest, as in an edit distance."""
    if len(rows) * len(columns) > _MAX_CELLS:
        return list(zip_longest(rows, columns))
    ours, theirs = [_Item(old[row]) for row in rows], [_Item(new[column]) for column in columns]
    alike = [[our.similarity(their) for their in theirs] for our in ours]
    # best[i][j] is the largest total similarity of the items from row i and column j on.
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


class _Item:
    """An item's kind and words, which are compared many times."""

    def __init__(self, value: Any) -> None:
        self.kind = _kind(value)
        has_kind = isinstance(value, Mapping)
        content = [part for key, part in value.items() if key not in _NO_WORDS] if has_kind else value
        self.words = word_counts(strings(content))

    def similarity(self, other: _Item) -> float:
        """Return 0 for items that are unrelated, up to 2 for items of one kind."""
        if self.kind is None or other.kind is None:
            return 0.0
        share = word_share(self.words, other.words)
        if self.kind == other.kind:
            return 1.0 + share
        return share if share >= _ALIKE else 0.0

    def has_moved_to(self, other: _Item) -> bool:
        """Whether an inserted item is this one, moved and maybe edited."""
        least = _MOVED if self.kind == other.kind else _ALIKE
        return bool(self.similarity(other)) and word_share(self.words, other.words) >= least


def _kind(value: Any) -> tuple[str, ...] | None:
    """Return what an item is: a message's role, a block's type, a tool's name. Scalars have no kind."""
    if not isinstance(value, Mapping):
        return None
    return (*(str(value.get(key, "")) for key in _KIND), function_name(value) or "")


@dataclass(frozen=True, slots=True)
class Kept:
    """The indexes of an item in the base and on either side, ``None`` where it was removed."""

    base: int
    ours: int | None
    theirs: int | None


@dataclass(frozen=True, slots=True)
class Inserted:
    """The indexes of the items that each side inserted at one place."""

    ours: tuple[int, ...]
    theirs: tuple[int, ...]


def slots(base: Sequence[Any], ours: Sequence[Any], theirs: Sequence[Any]) -> list[Kept | Inserted]:
    """Return the places of a merged list, in order."""
    our_index, our_new = _became(align(base, ours), len(base))
    their_index, their_new = _became(align(base, theirs), len(base))
    found: list[Kept | Inserted] = []
    for place in range(len(base) + 1):
        if our_new[place] or their_new[place]:
            found.append(Inserted(tuple(our_new[place]), tuple(their_new[place])))
        if place < len(base):
            found.append(Kept(place, our_index.get(place), their_index.get(place)))
    return found


def _became(pairs: Sequence[Pair], size: int) -> tuple[dict[int, int], list[list[int]]]:
    """Return the new index of each old item, and the items inserted before each of them and at the end."""
    index: dict[int, int] = {}
    inserted: list[list[int]] = [[] for _ in range(size + 1)]
    place = 0
    for old, new in pairs:
        if old is None and new is not None:
            inserted[place].append(new)
        elif old is not None:
            place = old + 1
            if new is not None:
                index[old] = new
    return index, inserted


def moved_apart(
    places: Sequence[Kept | Inserted], base: Sequence[Any], ours: Sequence[Any], theirs: Sequence[Any]
) -> list[Kept]:
    """Return the items that both sides moved to different places, or that one moved and the other removed."""
    # In pairs, a moved item is one that was removed at one place and inserted at another.
    gone = [
        place.base
        for place in places
        if isinstance(place, Kept) and place.ours is None and place.theirs is None
    ]
    new = [place for place in places if isinstance(place, Inserted)] if gone else []
    found: list[Kept] = []
    for at in gone:
        our = _moved_to(base[at], [(place, index, ours[index]) for place in new for index in place.ours])
        their = _moved_to(
            base[at], [(place, index, theirs[index]) for place in new for index in place.theirs]
        )
        if (our or their) and (our is None or their is None or our[0] is not their[0]):
            found.append(Kept(at, our and our[1], their and their[1]))
    return found


def _moved_to(item: Any, inserted: Sequence[tuple[Inserted, int, Any]]) -> tuple[Inserted, int] | None:
    """Return the place and the index of an inserted item that is this one, moved and maybe edited."""
    code = encode(plain(item))
    equal = ((place, index) for place, index, new in inserted if encode(plain(new)) == code)
    like = ((place, index) for place, index, new in inserted if _Item(item).has_moved_to(_Item(new)))
    return next(equal, None) or next(like, None)


def tool_key(tool: Any) -> str | None:
    """Return what identifies a tool or function in its list, ``None`` if nothing does."""
    if not isinstance(tool, Mapping):
        return None
    own = function_name(tool) or tool.get("tool_registry_id") or tool.get("name") or tool.get("id")
    return encode([tool.get("type", "function"), own]) if own is not None else None


def keys_of(tools: Sequence[Any]) -> list[str] | None:
    """Return the keys of all tools, ``None`` if they do not identify every tool."""
    keys = [key for tool in tools if (key := tool_key(tool)) is not None]
    return keys if len(set(keys)) == len(tools) else None


def merged_order(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> list[str] | None:
    """Return all keys of both sides in an order that keeps what either side changed in it.

    ``None`` if both sides reordered the common keys in different ways. A side that has exactly the resulting
    keys keeps its order. Otherwise new keys come last, sorted, so that both sides get the same result.
    """
    common = set(base) & set(ours) & set(theirs)
    was, our, their = ([key for key in side if key in common] for side in (base, ours, theirs))
    # Both sides changed the order, and not in the same way.
    if was not in (our, their) and our != their:
        return None
    kept = their if our == was else our
    keys = list(dict.fromkeys((*ours, *theirs)))
    # Usually the merge drops what one side removed, so such keys of the base do not count.
    lasting = set(keys) - (set(base) - common)
    for side in (ours, theirs):
        if set(side) == lasting and [key for key in side if key in common] == kept:
            return [*side, *(key for key in keys if key not in side)]
    return kept + sorted(set(keys) - common)
