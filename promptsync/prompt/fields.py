"""The differences between two versions of a prompt, field by field, under the keys of a prompt file.

deepdiff compares whole documents. This is the only module that imports it, and only once two versions differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct

from promptsync.prompt.canonical import canonical, encode
from promptsync.prompt.pairing import align
from promptsync.prompt.prompt import KeyPath, Prompt, readable
from promptsync.prompt.shapes import DEFAULT_FORMAT, TEMPLATE
from promptsync.prompt.template import template_variables
from promptsync.prompt.texts import format_of, mappings

Kind = Literal["added", "removed", "changed"]
_Key = tuple[Any, ...]
"""Where a value is in both versions; an item of a list is at the pair of its indexes."""

_ORDER = (
    *("type", "tags", "template_format", "model", "needs", "metadata", "content", "messages"),
    *("functions", "function_call", "tools", "tool_choice", "extra"),
)
_KNOWN = frozenset(_ORDER) | TEMPLATE.keys()


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
    before, after = view(old) if old else {}, view(new) if new else {}
    if encode(before) == encode(after):
        return []
    # The canonical form has the format at each message, where a change of the file's one format would repeat.
    for side in (before, after):
        _share_format(side)
    if not before or not after:
        # Of a whole prompt, messages or content show the type well enough.
        before.pop("type", None)
        after.pop("type", None)
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


def view(prompt: Prompt) -> dict[str, Any]:
    """Return the canonical form under the keys of a prompt file, with sorted tags."""
    form = canonical(prompt)
    shown: dict[str, Any] = dict(form["template"])
    unknown = {key: shown.pop(key) for key in list(shown) if key not in _KNOWN}
    metadata = dict(form.get("metadata", {}))
    extra = {"template": unknown, "version": form.get("extra")}
    parts = {
        "tags": sorted(set(prompt.tags)),
        "model": metadata.pop("model", None),
        "needs": metadata.pop("needs") if prompt.needs is not None else None,
        "metadata": metadata,
        "extra": {key: value for key, value in extra.items() if value},
    }
    shown.update({key: value for key, value in parts.items() if value not in (None, {}, [])})
    return {key: shown[key] for key in _ORDER if key in shown}


def _share_format(shown: dict[str, Any]) -> None:
    """Show one format for all messages, as a prompt file does, unless they have several."""
    messages = [*mappings(shown.get("messages"))]
    formats = {format_of(message) for message in messages}
    if len(formats) == 1 and len(messages) == len(shown["messages"]):
        shown["messages"] = [
            {key: value for key, value in message.items() if key != "template_format"} for message in messages
        ]
        if formats != {DEFAULT_FORMAT}:
            shown["template_format"] = formats.pop()


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
