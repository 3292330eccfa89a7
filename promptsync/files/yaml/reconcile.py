"""What a file should hold after a change, said the way the file already says things.

A file may state a default, write its format on each message, or name an agent without a mapping. The
documents before and after tell what changed; the rest keeps the words of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptsync.prompt.lists import Pair, align


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, types too; the order of keys has no meaning."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def placed(old: list[Any], new: list[Any]) -> list[Pair]:
    """Pair the items of two lists; as many that went as came at one place take each other's place."""
    pairs: list[Pair] = []
    gone: list[int] = []
    came: list[int] = []
    for ours, theirs in [*align(old, new), (-1, -1)]:
        if ours is None or theirs is None:
            gone += [] if ours is None else [ours]
            came += [] if theirs is None else [theirs]
            continue
        if len(gone) == len(came):
            pairs += zip(gone, came, strict=True)
        else:
            pairs += [*((index, None) for index in gone), *((None, index) for index in came)]
        pairs.append((ours, theirs))
        gone, came = [], []
    return pairs[:-1]


def reconciled(raw: Any, old: Any, new: Any) -> Any:
    """Return ``new`` in the words of ``raw``, the value in a file whose document is ``old``.

    It is a proposal: the caller checks that it means ``new``.
    """
    if same(old, new):
        return raw
    if isinstance(raw, dict) and isinstance(old, dict) and isinstance(new, dict):
        return _mapping(raw, old, new)
    if isinstance(raw, list) and isinstance(old, list) and isinstance(new, list) and len(raw) == len(old):
        partners = {after: before for before, after in align(old, new) if before is not None}
        return [
            item if (before := partners.get(after)) is None else reconciled(raw[before], old[before], item)
            for after, item in enumerate(new)
        ]
    return new


def _mapping(raw: dict[str, Any], old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in raw.items():
        if key in new:
            result[key] = reconciled(value, old[key], new[key]) if key in old else new[key]
        elif key not in old:
            result[key] = value
    return _with_additions(result, raw, old, new)


def _with_additions(
    result: dict[str, Any], raw: dict[str, Any], old: dict[str, Any], new: dict[str, Any]
) -> dict[str, Any]:
    """Add the keys that only ``new`` has, each behind the one that it follows there."""
    order = list(result)
    previous: str | None = None
    for key, value in new.items():
        # Where nothing changed the file says it in another place.
        if key not in raw and not (key in old and same(old[key], value)):
            order.insert(order.index(previous) + 1 if previous is not None else 0, key)
            result[key] = value
        if key in result:
            previous = key
    return {key: result[key] for key in order}
