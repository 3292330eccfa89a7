"""Keys that a registry adds to what was sent. They are not differences, at any level.

A vendor can add a field at any time, and it then appears in all versions, old ones included. A known
key may have been removed from the text, so it counts as added only with a value that no author chooses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from promptsync.prompt.canonical import comparable, same
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.shapes import JSON, shape_of


def without_notes(stored: Prompt, local: Prompt | None = None) -> Prompt:
    """Return a stored prompt without the fields beside its content, except for those that a local one has.

    They say something about a version, such as who published it, and no publish could set them.
    """
    own = local.extra if local is not None else {}
    if stored.extra.keys() <= own.keys():
        return stored
    return replace(stored, extra={key: value for key, value in stored.extra.items() if key in own})


def without_additions(
    local: Prompt, stored: Prompt, below: Prompt | None = None
) -> tuple[Prompt, frozenset[str]]:
    """Return a stored prompt as far as it can be compared with a local one, and the keys that are left out.

    These are the unknown keys that the local one lacks, such as ``messages[].strict``. With ``below``, which
    the registry has added to as well, only those that it has with the same value are left out.
    """
    stored = comparable(local, without_notes(stored, local))
    added: set[str] = set()
    limit: list[Any] | None = None if below is None else [below.template]
    template = _kept(stored.template, [local.template], limit, "template", "", added)
    metadata = stored.metadata
    # The other metadata has any keys that users like.
    if isinstance(model := metadata.get("model"), Mapping):
        sent = [local.metadata.get("model")]
        limit = None if below is None else [below.metadata.get("model")]
        metadata = {**metadata, "model": _kept(model, sent, limit, "model", "metadata.model.", added)}
    if not added:
        return stored, frozenset()
    return replace(stored, template=template, metadata=metadata), frozenset(added)


def added_fields(pairs: Iterable[tuple[Prompt, Prompt]]) -> list[str]:
    """Return the fields that a registry added to stored prompts, such as ``messages[].strict``."""
    fields: set[str] = set()
    for local, stored in pairs:
        fields |= (stored.extra.keys() - local.extra.keys()) | without_additions(local, stored)[1]
    return sorted(fields)


def _kept(
    value: Any, sent: Sequence[Any], limit: Sequence[Any] | None, of: str, place: str, added: set[str]
) -> Any:
    """Return a stored value without additions.

    ``sent`` are the values at its place in a local prompt, ``limit`` those in the version below.
    """
    if isinstance(value, list) and any(isinstance(other, list) for other in sent):
        return [
            _kept(item, _items(sent, at, value), limit and _items(limit, at, value), of, place, added)
            for at, item in enumerate(value)
        ]
    if not isinstance(value, Mapping):
        return value
    shape, kept = shape_of(value, of), {}
    for key, item in value.items():
        known, beside = shape.get(key), _under(sent, key)
        under = None if limit is None else _under(limit, key)
        if beside and item is not None and (known is None or known.of not in ("", JSON)):
            inner = f"{place}{key}{'[]' if isinstance(item, list) else ''}."
            kept[key] = _kept(item, beside, under, known.of if known else "", inner, added)
        elif item is None or key == "type" or (not known.may_be_added(item, beside) if known else beside):
            kept[key] = item
        elif under is None or any(same(item, other) for other in under):
            added.add(f"{place}{key}")
        else:
            kept[key] = item
    return kept


def _items(values: Sequence[Any], at: int, beside: Sequence[Any]) -> list[Any]:
    """Return what lists have at the place of an item beside them.

    In lists of different lengths it is unknown which items belong together, so they have all of theirs.
    """
    lists = [other for other in values if isinstance(other, list)]
    return [part for other in lists for part in (other[at : at + 1] if len(other) == len(beside) else other)]


def _under(values: Sequence[Any], key: str) -> list[Any]:
    return [other[key] for other in values if isinstance(other, Mapping) and other.get(key) is not None]
