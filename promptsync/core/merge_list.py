"""Three versions of a list: what became of each item of the base, and what each side inserted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptsync.core.align import Pair, align
from promptsync.core.canonical import encode
from promptsync.core.values import plain


@dataclass(frozen=True, slots=True)
class Kept:
    """An item of the base by its index, and the indexes that it has on either side, ``None`` if removed."""

    base: int
    ours: int | None
    theirs: int | None


@dataclass(frozen=True, slots=True)
class Inserted:
    """The indexes of the items that either side inserted at one place."""

    ours: tuple[int, ...]
    theirs: tuple[int, ...]


def slots(base: Sequence[Any], ours: Sequence[Any], theirs: Sequence[Any]) -> list[Kept | Inserted]:
    """Return the places of a merged list in order."""
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
) -> list[tuple[int, int, int]]:
    """Return the items that both sides moved, but not to the same place: the indexes on all three sides."""
    gone = {
        encode(plain(base[one.base])): one.base
        for one in places
        if isinstance(one, Kept) and one.ours is None and one.theirs is None
    }
    new = [one for one in places if isinstance(one, Inserted)]
    ours_at = {
        encode(plain(ours[index])): (place, index) for place, one in enumerate(new) for index in one.ours
    }
    found: list[tuple[int, int, int]] = []
    for place, one in enumerate(new):
        for index in one.theirs:
            text = encode(plain(theirs[index]))
            if text in gone and text in ours_at and ours_at[text][0] != place:
                found.append((gone[text], ours_at[text][1], index))
    return found


def tool_key(tool: Any) -> str | None:
    """Return what tells a tool or function from the others of its list, ``None`` when nothing does."""
    if not isinstance(tool, Mapping):
        return None
    function = tool.get("function")
    name = function.get("name") if isinstance(function, Mapping) else None
    own = name or tool.get("tool_registry_id") or tool.get("name") or tool.get("id")
    return encode([tool.get("type", "function"), own]) if own is not None else None


def keys_of(tools: Sequence[Any]) -> list[str] | None:
    """Return the keys of all tools, ``None`` when they do not tell the tools apart."""
    keys = [key for tool in tools if (key := tool_key(tool)) is not None]
    return keys if len(set(keys)) == len(tools) else None


def merged_order(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> list[str] | None:
    """Return all keys of both sides in an order that keeps what either changed in it.

    ``None`` when both put the common ones into different orders. New keys have no order: a side that has just
    the keys of the result keeps its own. Otherwise new keys come last, by name, so that it does not matter
    who merges.
    """
    common = set(base) & set(ours) & set(theirs)
    was, our, their = ([key for key in side if key in common] for side in (base, ours, theirs))
    if was not in (our, their) and our != their:
        return None
    kept = their if our == was else our
    keys = list(dict.fromkeys((*ours, *theirs)))
    lasting = set(keys) - (set(base) - common)
    for side in (ours, theirs):
        if set(side) == lasting and [key for key in side if key in common] == kept:
            return [*side, *(key for key in keys if key not in side)]
    return kept + sorted(set(keys) - common)
