"""The differences between two versions of a prompt, field by field, and which item of two lists is which.

deepdiff compares whole documents. This is the only module that imports it, and only once two versions differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Literal

from msgspec import Struct

from promptsync.prompt.canonical import canonical, encode, to_document
from promptsync.prompt.prompt import KeyPath, Local, Prompt, function_name, kind_of, readable, tag_set
from promptsync.prompt.template import template_variables

Kind = Literal["added", "removed", "changed"]
_Key = tuple[Any, ...]
"""Where a value is in both versions; an item of a list is at the pair of its indexes."""

_ORDER = (
    *("type", "tags", "template_format", "model", "needs", "metadata", "content", "messages"),
    *("functions", "function_call", "tools", "tool_choice", "extra"),
)


class FieldChange(Struct, frozen=True):
    """One field that differs.

    ``path`` is written like ``messages[1].content`` or ``model.parameters.temperature``. Indexes start at 0
    and are those of the new version, or of the old one for a removed item. ``old`` is ``None`` if the field
    was added, ``new`` if it was removed.
    """

    path: str
    old: Any
    new: Any
    kind: Kind


def changes(old: Prompt | None, new: Prompt | None) -> list[FieldChange]:
    """Return the differences in the order of a prompt file. ``None`` is a prompt that does not exist.

    Values have their canonical form: defaults are absent, and content that is one plain text is a string. The
    name is not compared.
    """
    before, after = _document(old) if old else {}, _document(new) if new else {}
    if old and new and kind_of(old.template) != kind_of(new.template):
        before["type"], after["type"] = kind_of(old.template), kind_of(new.template)
    if encode(before) == encode(after):
        return []
    for side, other in ((before, after), (after, before)):
        for key, value in other.items():
            is_list = (
                bool(value) and isinstance(value, list) and all(isinstance(item, Mapping) for item in value)
            )
            if key not in side and (is_list or (old and new and key in ("metadata", "extra"))):
                # Its items are shown one by one, although the other side has none.
                side[key] = [] if is_list else {}
    return _changes(before, after)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[FieldChange]:
    from deepdiff import DeepDiff

    order: dict[_Key, int] = {}
    before, after = _sides(old, new, (), order)
    kinds: Mapping[str, Kind] = {"dictionary_item_added": "added", "dictionary_item_removed": "removed"}
    differences: dict[_Key, FieldChange] = {}
    tree = DeepDiff(before, after, view="tree", threshold_to_diff_deeper=0, ignore_private_variables=False)
    for report, levels in tree.items():
        kind = kinds.get(report, "changed")
        for level in levels:
            at = tuple(level.path(output_format="list"))
            was = None if kind == "added" else level.t1
            now = None if kind == "removed" else level.t2
            if at[0] == "tags" and len(at) > 1:  # a set, which is shown as a whole
                at, kind, was, now = ("tags",), "changed", old["tags"], new["tags"]
            path = readable(_place(at, int(kind != "removed")))
            differences[at] = FieldChange(path, was, now, kind)
    return [differences[at] for at in sorted(differences, key=order.__getitem__)]


def variables_change(old: Prompt | None, new: Prompt | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the input variables that were added, and of those that were removed, sorted."""
    before = template_variables(old.template) if old else set()
    after = template_variables(new.template) if new else set()
    return tuple(sorted(after - before)), tuple(sorted(before - after))


def _document(prompt: Prompt) -> dict[str, Any]:
    """Return the canonical form under the keys of a prompt file, with sorted tags."""
    form, tags = canonical(prompt), tuple(sorted(tag_set(prompt)))
    content = Prompt("", form["template"], form.get("metadata", {}), tags, form.get("extra", {}))
    document = to_document(content, Local())
    del document["name"]
    return document


def _sides(old: Any, new: Any, at: _Key, order: dict[_Key, int]) -> tuple[Any, Any]:
    """Return two values with lists as objects, in which the items that belong together have one key.

    deepdiff pairs the items of lists by index, and by a function loses an item that is equal to another one.
    ``order`` gets the places of all values, in the order of a document.
    """
    order[at] = len(order)
    if at != ("tags",) and isinstance(old, list) and isinstance(new, list):
        pairs = align(old, new)
        old = {pair: old[pair[0]] for pair in pairs if pair[0] is not None}
        new = {pair: new[pair[1]] for pair in pairs if pair[1] is not None}
        keys: Iterable[Any] = pairs
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = dict.fromkeys((*new, *old)) if at else [key for key in _ORDER if key in old or key in new]
    else:
        return old, new
    before, after = dict(old), dict(new)
    for key in keys:
        if key in old and key in new:
            before[key], after[key] = _sides(old[key], new[key], (*at, key), order)
        else:
            order[(*at, key)] = len(order)
    return before, after


def _place(at: _Key, side: int) -> KeyPath:
    """Return the place in the old (0) or the new (1) version."""
    parts = (part[side] if isinstance(part, tuple) else part for part in at)
    return tuple(part for part in parts if part is not None)


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


Slot = tuple[list[int], int | None]
"""The items inserted before an item of the base, and that item itself, ``None`` if it is removed."""


def slots(base: Sequence[Any], side: Sequence[Any]) -> list[Slot]:
    """Return what a side has of a list, for each item of the base, and for what was inserted at the end."""
    found: list[Slot] = []
    inserted: list[int] = []
    for old, new in align(base, side):
        if old is not None:
            found.append((inserted, new))
            inserted = []
        elif new is not None:
            inserted.append(new)
    return [*found, (inserted, None)]


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
