"""Which entry of a mapping or list is which of its new value."""

from __future__ import annotations

from itertools import groupby
from operator import ne
from typing import Any

from promptsync.prompt.canonical import encode
from promptsync.prompt.pairing import align
from promptsync.prompt.prompt import plain


def same(value: Any, other: Any) -> bool:
    """Whether two JSON values are equal: types count, the order of keys does not, and 600.0 is 600."""
    return encode(plain(value)) == encode(plain(other))


def matched(old: Any, new: Any) -> tuple[list[tuple[int | None, Any]], dict[Any, int]]:
    """Pair the entries of two mappings or lists: an index, and the key or index of what it became.

    Items that moved are removed and added; their old indexes by their new ones are returned too.
    """
    if isinstance(old, dict):
        places = {key: index for index, key in enumerate(old)}
        gone: list[tuple[int | None, Any]] = [(places[key], None) for key in old if key not in new]
        return [*((places.get(key), key) for key in new), *gone], {}
    before, after = ([encode(plain(item)) for item in side] for side in (old, new))
    # Where a single place differs, nothing moved; of equal items around it, any could have.
    is_single = len(old) == len(new) and sum(map(ne, before, after)) == 1
    aligned = [(at, at) for at in range(len(old))] if is_single else align(plain(old), plain(new))
    equal = [pair for pair in aligned if None not in pair and before[pair[0] or 0] == after[pair[1] or 0]]
    sources = {text: index for index, text in enumerate(before) if index not in dict(equal)}
    new_places = [at for at in range(len(new)) if at not in dict(equal).values()]
    moved = {at: sources.pop(after[at]) for at in new_places if after[at] in sources}
    split: list[tuple[int | None, int | None]] = []
    for index, at in aligned:
        is_move = index in moved.values() or at in moved
        split += [(index, None), (None, at)] if is_move else [(index, at)]
    pairs: list[tuple[int | None, Any]] = []
    # Where as many items were removed as added, they take each other's place.
    for is_changed, run in groupby(split, key=lambda pair: None in pair):
        stretch = list(run)
        added = [at for _, at in stretch if at is not None]
        removed = [index for index, _ in stretch if index is not None]
        free = [index for index in removed if index not in moved.values()]
        if is_changed and len(free) != sum(at not in moved for at in added):
            free = []
        pairs += [(index, None) for index in removed if index not in free]
        partners = iter(free)
        pairs += [(None if at in moved else next(partners, None), at) for at in added]
    return pairs, moved
