"""The differences between two versions of a prompt, field by field, under the keys of a prompt file.

This is the only module that imports deepdiff, and only once two versions differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from promptsync.prompt.canonical import canonical, encode
from promptsync.prompt.defaults import DEFAULT_FORMAT, TEMPLATE
from promptsync.prompt.pairing import align
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.template import template_variables
from promptsync.prompt.variables import format_of, mappings

Kind = Literal["added", "removed", "changed"]
Path = tuple[str | int, ...]

_ORDER = (
    *("type", "tags", "template_format", "model", "metadata", "content", "messages"),
    *("functions", "function_call", "tools", "tool_choice", "extra"),
)
_KNOWN = frozenset(_ORDER) | TEMPLATE.fields.keys()
_PLAIN_KEY = re.compile(r"[^\W\d][\w-]*")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs.

    ``path`` is written like ``messages[1].content`` or ``model.parameters.temperature``. Indexes start at 0
    and are those of the new version, or of the old one for a removed item. ``old`` is ``None`` if the field
    was added, ``new`` if it was removed. ``places`` are where the old and the new version have the field, or
    the list that lacks it.
    """

    path: str
    old: Any
    new: Any
    kind: Kind
    places: tuple[Path, Path] = field(default=((), ()), compare=False)


def changes(old: Prompt | None, new: Prompt | None) -> list[FieldChange]:
    """Return the differences in the order of a prompt file. ``None`` is a prompt that does not exist.

    Values have their canonical form: defaults are absent, and content that is one plain text is a string. The
    name is not compared.
    """
    before, after = view(old) if old else {}, view(new) if new else {}
    # The canonical form has the format at each message, where a change of the file's one format would repeat.
    _share_format(before, after)
    if not before or not after:
        # Of a whole prompt, messages or content show the type well enough.
        before.pop("type", None)
        after.pop("type", None)
    return [
        FieldChange(readable(places[0] if kind == "removed" else places[1]), *values, kind, places)
        for places, kind, values in _items(before, after)
    ]


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
        "metadata": metadata,
        "extra": {key: value for key, value in extra.items() if value},
    }
    shown.update({key: value for key, value in parts.items() if value not in (None, {}, [])})
    return {key: shown[key] for key in _ORDER if key in shown}


def _share_format(*views: dict[str, Any]) -> None:
    """Show one format for all messages, as a prompt file does, unless a version mixes formats."""
    chats = [shown for shown in views if isinstance(shown.get("messages"), list)]
    formats = [{format_of(message) for message in mappings(shown["messages"])} for shown in chats]
    if any(len(found) > 1 for found in formats):
        return
    for shown, found in zip(chats, formats, strict=True):
        shown["messages"] = [_without_format(message) for message in shown["messages"]]
        if found - {DEFAULT_FORMAT}:
            shown["template_format"] = found.pop()


def _without_format(message: Any) -> Any:
    if not isinstance(message, Mapping):
        return message
    return {key: value for key, value in message.items() if key != "template_format"}


_Places = tuple[Path, Path]
"""Where the old and the new version have a field."""

_Found = tuple[_Places, Kind, tuple[Any, Any]]


def _items(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[_Found]:
    """Compare two prompts key by key, in the order of a prompt file."""
    # These exist only for grouping, so their keys are compared one by one even if one side has no group.
    absent: Mapping[str, Any] = {"metadata": {}, "extra": {}} if old and new else {}
    for key in [key for key in _ORDER if key in old or key in new]:
        before, after = old.get(key, absent.get(key)), new.get(key, absent.get(key))
        places: _Places = ((key,), (key,))
        if before is None:
            yield from _whole(places, "added", after)
        elif after is None:
            yield from _whole(places, "removed", before)
        else:
            yield from _compare(before, after, places)


def _whole(places: _Places, kind: Kind, value: Any) -> Iterator[_Found]:
    """Yield an added or removed list of messages or tools item by item, anything else as one value."""
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        yield from (_item(places, kind, index, item) for index, item in enumerate(value))
    else:
        yield places, kind, _sides(kind, value)


def _item(places: _Places, kind: Kind, index: int, item: Any) -> _Found:
    """Return an item that only one list has; in the other, its place is that of the list."""
    old, new = places
    at = (old, (*new, index)) if kind == "added" else ((*old, index), new)
    return at, kind, _sides(kind, item)


def _sides(kind: Kind, value: Any) -> tuple[Any, Any]:
    return (None, value) if kind == "added" else (value, None)


def _compare(old: Any, new: Any, places: _Places) -> Iterator[_Found]:
    if encode(old) == encode(new):
        return
    if places[1] == ("tags",):
        yield places, "changed", (old, new)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(old, new, places)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _mappings(old, new, places)
    else:
        yield places, "changed", (old, new)


def _lists(old: Sequence[Any], new: Sequence[Any], places: _Places) -> Iterator[_Found]:
    for before, after in align(old, new):
        if after is None and before is not None:
            yield _item(places, "removed", before, old[before])
        elif before is None and after is not None:
            yield _item(places, "added", after, new[after])
        elif before is not None and after is not None:
            yield from _compare(old[before], new[after], ((*places[0], before), (*places[1], after)))


def _mappings(old: Mapping[str, Any], new: Mapping[str, Any], places: _Places) -> Iterator[_Found]:
    """Compare two objects with deepdiff, in the order of the new object's keys."""
    from deepdiff import DeepDiff
    from deepdiff.operator import BaseOperator

    found: list[_Found] = []

    def below(level: Any) -> _Places:
        keys = level.path(output_format="list")
        return (*places[0], *keys), (*places[1], *keys)

    class Aligned(BaseOperator):
        """Takes over lists, whose items deepdiff pairs by index, and texts, which it diffs in its own way."""

        def give_up_diffing(self, level: Any, diff_instance: Any) -> bool:
            found.extend(_compare(level.t1, level.t2, below(level)))
            return True

    operators = [Aligned(types=[list, str])]
    tree = DeepDiff(old, new, view="tree", threshold_to_diff_deeper=0, custom_operators=operators)
    for report, levels in tree.items():
        kind: Kind = _REPORTS.get(report, "changed")
        for level in levels:
            before = None if kind == "added" else level.t1
            after = None if kind == "removed" else level.t2
            found.append((below(level), kind, (before, after)))
    # deepdiff reports additions, removals and changes in groups, so the order has to be restored.
    order = {key: index for index, key in enumerate([*new, *(key for key in old if key not in new)])}
    depth = len(places[1])
    found.sort(key=lambda item: order.get(str(item[0][1][depth]), 0))
    yield from found


_REPORTS: Mapping[str, Kind] = {"dictionary_item_added": "added", "dictionary_item_removed": "removed"}


def readable(path: Path) -> str:
    """Return a path as text: ``messages[1].content``, ``metadata["a.b"]``."""
    parts: list[str] = []
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        elif not _PLAIN_KEY.fullmatch(part):
            parts.append(f"[{json.dumps(part, ensure_ascii=False)}]")
        else:
            parts.append(f".{part}" if parts else part)
    return "".join(parts)
