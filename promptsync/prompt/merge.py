"""The three-way merge of a prompt and of its tags. Nothing is lost without a conflict.

It merges documents, which have the keys of a prompt file, so that what a registry fills in plays no part:
prose line by line, tools by name, other items as ``fields.align`` pairs them. Whatever one side moved, and
the other side removed or moved elsewhere, is a conflict.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from promptsync.prompt.canonical import canonical, comparable, digest, encode, same, to_document, to_prompt
from promptsync.prompt.fields import merged_order, slots, tool_key
from promptsync.prompt.prompt import (
    KeyPath,
    Local,
    Prompt,
    as_blocks,
    merged_tags,
    plain,
    readable,
    strings,
    tag_set,
)
from promptsync.prompt.text_diff import Clash, marked, merge_text, sentences

TOOL_REFERENCES: Final = "changed on both sides, and the registry shows its own tools expanded"


class Merge(Struct, frozen=True):
    """A merged prompt. Where there are conflicts, texts have conflict markers and other fields are ours."""

    prompt: Prompt
    conflicts: tuple[FieldConflict, ...] = ()


def merge(
    base: Prompt | None, ours: Prompt, theirs: Prompt, *, names: tuple[str, str] = ("yours", "theirs")
) -> Merge:
    """Merge two prompts that were made from ``base``.

    Without a ``base``, everything counts as added on both sides. ``names`` label the conflict markers. The
    result has the name of ``ours``, and its references to tools that the registry returns expanded.
    """
    our, their = tag_set(ours), tag_set(theirs)
    kept = merged_tags(tag_set(base) if base is not None else our & their, our, their)
    tags = tuple(dict.fromkeys(tag for tag in (*ours.tags, *theirs.tags) if tag in kept))
    if digest(ours) == digest(comparable(ours, theirs)) or (base and digest(base) == digest(theirs)):
        return Merge(replace(ours, tags=tags))
    merger = FieldMerger(names)
    before, there = base, comparable(ours, theirs)
    if base is not None and (there is not theirs or comparable(ours, base) is not base):
        # The registry expanded our references to its tools. If these changed there, it is unknown what became
        # of the references, so our tools stay, with one conflict about all of them.
        tools = ThreeWay(*(side.template.get("tools") for side in (base, ours, theirs)))
        was, now = (encode(canonical(side)["template"].get("tools", [])) for side in (base, theirs))
        if was != now:
            merger.conflict(("tools",), TOOL_REFERENCES, tools)
        before, there = _with_tools_of(ours, base), _with_tools_of(ours, theirs)
    if before is not None and not merger.conflicts and digest(before) == digest(ours):
        return Merge(replace(there, name=ours.name, tags=tags))
    document = merger.document(_document(before) if before else {}, _document(ours), _document(there))
    prompt, _ = to_prompt(document, ours.name)
    return Merge(replace(prompt, tags=tags), tuple(merger.conflicts))


def _with_tools_of(ours: Prompt, side: Prompt) -> Prompt:
    return replace(side, template={**side.template, "tools": ours.template.get("tools")})


def _document(prompt: Prompt) -> dict[str, Any]:
    """Return the content as in a prompt file, but with a template format in each message."""
    document = to_document(replace(prompt, tags=()), Local())
    del document["name"]
    if "messages" in document:
        shared = document.pop("template_format", None)
        first = {"template_format": shared} if shared is not None else {}
        # The shared format is that of most messages, so it may differ although only one message changed.
        document["messages"] = [{**first, **message} for message in document["messages"]]
    return document


BOTH_CHANGED: Final = "changed on both sides"
BOTH_ADDED: Final = "added on both sides"
FORMAT_CHANGED: Final = "changed on one side, and the text that it applies to on the other"
MOVED: Final = "moved on one side, moved or removed on the other"
REMOVED_HERE: Final = "removed in your file, changed in the registry"
REMOVED_THERE: Final = "removed in the registry, changed in your file"

ABSENT: Final[Any] = object()
_TEXTS: Final = frozenset({"content", "text", "description"})
"""Keys whose strings are prose and merge line by line. Any other string is a single value."""

_PROMPT_TEXT: Final = re.compile(r"(messages\[\d+\]\.)?content(\[\d+\]\.text)?")
"""Text for the model, in which lint finds conflict markers that were left behind."""

Object = Mapping[str, Any]


class ThreeWay(NamedTuple):
    """One value in base, ours and theirs; ``ABSENT`` where there is none."""

    base: Any
    ours: Any
    theirs: Any

    def or_(self, empty: Any) -> ThreeWay:
        """Return the values with ``empty`` in place of absent ones."""
        return ThreeWay(*(empty if value is ABSENT else value for value in self))

    def under(self, key: Any) -> ThreeWay:
        """Return what each of three objects has under a key."""
        return ThreeWay(*(side.get(key, ABSENT) for side in self))

    def are(self, kind: type) -> bool:
        """Whether all values are of one type, absent ones aside."""
        return all(value is ABSENT or isinstance(value, kind) for value in self)

    @property
    def whole(self) -> Any:
        """The value that includes the changes of both sides, ``None`` if neither does."""
        if _same(self.ours, self.theirs) or _same(self.base, self.theirs):
            return (self.ours,)
        return (self.theirs,) if _same(self.base, self.ours) else None


class FieldConflict(Struct, frozen=True):
    """One field that could not be merged; an absent value is ``None``.

    Indexes in ``path`` are those of our version, or of the registry's if ours lacks the item. A text has one
    conflict for each part that clashes, with that part as the values. Conflict markers can show a conflict
    that is ``markable``, which is one in the prompt's own text.
    """

    path: str
    reason: str
    base: Any
    ours: Any
    theirs: Any
    markable: bool = False


class FieldMerger:
    """Merges the documents of one prompt and collects the conflicts."""

    def __init__(self, names: tuple[str, str]) -> None:
        self._names = names
        self.conflicts: list[FieldConflict] = []

    def conflict(self, path: KeyPath, reason: str, sides: ThreeWay, *, markable: bool = False) -> Any:
        """Add a conflict and return our value."""
        base, ours, theirs = sides.or_(None)
        self.conflicts.append(FieldConflict(readable(path), reason, base, ours, theirs, markable))
        return sides.ours

    def document(self, base: Object, ours: Object, theirs: Object) -> Object:
        """Merge documents without name, tags and local keys, and with a template format in each message."""
        kinds = ThreeWay(*("chat" if "messages" in side else "completion" for side in (base, ours, theirs)))
        # A chat template and a completion template have no field in common that could be merged.
        if kinds.ours != kinds.theirs:
            self.conflict(("type",), BOTH_CHANGED, kinds if base else kinds._replace(base=ABSENT))
            return ours
        merged = self._object(ThreeWay(base, ours, theirs), ())
        self._check_moves((base, ours, theirs, merged))
        return merged

    def _check_moves(self, documents: Sequence[Object]) -> None:
        """Add conflicts for what a merge has more often than the changes of both sides add up to.

        One side moved it, and the other one removed it, so that it is back, or moved it elsewhere, so that it
        is there twice. What is part of another conflict is not told again.
        """
        known = [[conflict.base, conflict.ours, conflict.theirs] for conflict in self.conflicts]
        told = "\n".join([*strings(known), encode(plain(known))])
        base, ours, theirs, merged = ([*_pieces(document)] for document in documents)
        sides = [Counter(piece for piece, _ in side) for side in (base, ours, theirs)]
        found = Counter(piece for piece, _ in merged)
        for piece in sides[0]:
            was, our, their = (side[piece] for side in sides)
            if piece not in told and found[piece] > max(min(our, their), our + their - was):
                values = ThreeWay(*(piece if side[piece] else ABSENT for side in sides))
                self.conflict(dict(theirs + ours)[piece], MOVED, values)

    def _value(self, sides: ThreeWay, path: KeyPath) -> Any:
        """Merge a value. Where the two sides cannot be merged, ours stays, with a conflict."""
        if sides.whole is not None:
            return sides.whole[0]
        reason = BOTH_ADDED if sides.base is ABSENT else BOTH_CHANGED
        if path in (("tools",), ("functions",)):
            return self._named(sides.or_([]), path)
        if sides.ours is ABSENT or sides.theirs is ABSENT:
            return self.conflict(path, REMOVED_HERE if sides.ours is ABSENT else REMOVED_THERE, sides)
        if path[-1] in _TEXTS and sides.are(str):
            return self._text(sides.or_(""), reason, path)
        if path[0] in ("messages", "content") and path[-1] in ("messages", "content"):
            # One side may have turned a string into a list of blocks.
            lists = ThreeWay(*map(as_blocks, sides.or_([])))
            if lists.are(list):
                return self._items(lists, path)
        if sides.are(Mapping):
            return self._object(sides.or_({}), path)
        return self.conflict(path, reason, sides)

    def _object(self, objects: ThreeWay, path: KeyPath) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for key in dict.fromkeys((*objects.ours, *objects.theirs)):
            value = self._value(objects.under(key), (*path, key))
            if value is not ABSENT:
                merged[key] = value
        formats, texts = objects.under("template_format"), objects.under("content")
        by_us, by_them = (not _same(formats.base, side) for side in formats[1:])
        if by_us != by_them and not _same(texts.base, texts.theirs if by_us else texts.ours):
            self.conflict((*path, "template_format"), FORMAT_CHANGED, formats)
        return merged

    def _text(self, texts: ThreeWay, reason: str, path: KeyPath) -> Any:
        parts = merge_text(*texts)
        clashes = [part for part in parts if isinstance(part, Clash)]
        markable = bool(_PROMPT_TEXT.fullmatch(readable(path)))
        for clash in clashes:
            sides = ThreeWay(*map("\n".join, (clash.base, clash.ours, clash.theirs)))
            self.conflict(path, reason, sides, markable=markable)
        return texts.ours if clashes and not markable else marked(parts, *self._names)

    def _items(self, lists: ThreeWay, path: KeyPath) -> list[Any]:
        merged: list[Any] = []
        ours, theirs = (slots(lists.base, side) for side in lists[1:])
        for at, ((our_new, our), (their_new, their)) in enumerate(zip(ours, theirs, strict=True)):
            new = [lists.ours[index] for index in our_new], [lists.theirs[index] for index in their_new]
            merged += self._inserted(*new, (*path, *our_new[:1]))
            if at < len(lists.base):
                mine = ABSENT if our is None else lists.ours[our]
                other = ABSENT if their is None else lists.theirs[their]
                index = next((index for index in (our, their) if index is not None), at)
                value = self._value(ThreeWay(lists.base[at], mine, other), (*path, index))
                merged += [] if value is ABSENT else [value]
        return merged

    def _inserted(self, ours: list[Any], theirs: list[Any], path: KeyPath) -> list[Any]:
        """Merge items that came at one place: the longer run if it has the other's, in order."""
        for run, part in ((ours, theirs), (theirs, ours)):
            # The inner search consumes the iterator, so that each item is found after the one before it.
            rest = iter(run)
            if all(any(same(item, other) for other in rest) for item in part):
                return run
        # An empty run is part of any other, so both sides have items at this point.
        single = len(ours) == len(theirs) == 1
        values = ThreeWay(ABSENT, ours[0], theirs[0]) if single else ThreeWay(ABSENT, ours, theirs)
        self.conflict(path, BOTH_ADDED, values)
        return ours

    def _named(self, lists: ThreeWay, path: KeyPath) -> Any:
        """Merge a list of named items. The order of new items means nothing, but is kept."""
        sides = ThreeWay(*({tool_key(tool): tool for tool in side} for side in lists))
        # Items without distinct names cannot be paired with those of the other side.
        if any(None in named or len(named) < len(side) for named, side in zip(sides, lists, strict=True)):
            return self.conflict(path, BOTH_CHANGED, lists)
        keys = [list(side) for side in sides]
        order = merged_order(*keys)
        if order is None:
            return self.conflict(path, MOVED, lists)
        _, ours, theirs = keys
        merged = []
        for key in order:
            index = ours.index(key) if key in ours else theirs.index(key)
            merged.append(self._value(sides.under(key), (*path, index)))
        return [item for item in merged if item is not ABSENT]


def _pieces(value: Any, path: KeyPath = ()) -> Iterator[tuple[str, KeyPath]]:
    """Yield the sentences of all texts, and the items of lists that have no text, with their paths."""
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        at = (*path, key)
        if isinstance(item, str):
            lines = item.split("\n") if key in _TEXTS else ()
            found = (piece.strip() for line in lines for piece in sentences(line))
            yield from ((piece, at) for piece in found if piece)
        elif isinstance(item, Mapping | list):
            inner = [*_pieces(item, at)]
            yield from inner if inner or not isinstance(key, int) else [(encode(plain(item)), at)]


def _same(value: Any, other: Any) -> bool:
    if value is ABSENT or other is ABSENT:
        return value is other
    return same(value, other)
