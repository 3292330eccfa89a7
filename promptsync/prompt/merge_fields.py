"""The rules for merging the fields of a prompt: prose line by line, lists item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from promptsync.prompt.canonical import encode
from promptsync.prompt.defaults import DEFAULT_FORMAT
from promptsync.prompt.fields import readable
from promptsync.prompt.lists import Inserted, Kept, keys_of, merged_order, moved_apart, slots
from promptsync.prompt.merge_text import Clash, MergedText, merge_text, returned
from promptsync.prompt.prompt import as_blocks, plain
from promptsync.prompt.snippets import strings

BOTH_CHANGED: Final = "changed on both sides"
BOTH_ADDED: Final = "added on both sides"
BOTH_MOVED: Final = "moved on both sides, to different places"
MOVED_HERE: Final = "moved in your file, removed in the registry"
MOVED_THERE: Final = "removed in your file, moved in the registry"
REMOVED_HERE: Final = "removed in your file, changed in the registry"
REMOVED_THERE: Final = "removed in the registry, changed in your file"

ABSENT: Final[Any] = object()
_TEXTS: Final = frozenset({"content", "text", "description"})
"""Keys whose strings are prose and merge line by line. Any other string is a single value."""
_BY_NAME: Final = frozenset({("tools",), ("functions",)})
_CONTAINERS: Final = frozenset(
    [("metadata",), ("extra",), ("extra", "template"), ("extra", "version"), ("model", "parameters")]
)
"""Objects for which being empty means the same as being absent."""
_DERIVED: Final = frozenset({"display_params", "raw_request_display_role", "dataset_examples"})
_USER_JSON: Final = frozenset({"metadata", "parameters"})

Path = tuple[str | int, ...]
Object = Mapping[str, Any]


class ThreeWay(NamedTuple):
    """One value in base, ours and theirs; ``ABSENT`` where there is none."""

    base: Any
    ours: Any
    theirs: Any

    def or_(self, empty: Any) -> ThreeWay:
        """Return the values with ``empty`` in place of absent ones."""
        return ThreeWay(*(empty if value is ABSENT else value for value in self))

    def are(self, kind: type, *, empty: Any) -> bool:
        """Whether all values are of one type, absent ones aside; ``empty`` is a value of that type."""
        return all(isinstance(value, kind) for value in self.or_(empty))


@dataclass(frozen=True, slots=True)
class FieldConflict:
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
    """Merges the documents of one prompt and collects the conflicts.

    ``by_words`` finds fewer conflicts in texts. Its result is for decisions only and must not be written.
    """

    def __init__(self, names: tuple[str, str], *, by_words: bool = False) -> None:
        self._names = names
        self._by_words = by_words
        self.conflicts: list[FieldConflict] = []

    def conflict(self, path: Path, reason: str, sides: ThreeWay, *, markable: bool = False) -> Any:
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
        self._moved_elsewhere(ThreeWay(base, ours, theirs), merged)
        return merged

    def _moved_elsewhere(self, documents: ThreeWay, merged: Object) -> None:
        """Add conflicts for sentences that one side moved to another text, if the other side removed them."""
        texts = [dict(_prose(document)) for document in (*documents, merged)]
        # Without a line between them, the end of one text and the start of the next would be one place.
        base, ours, theirs, both = ("\n\0\n".join(side.values()) for side in texts)
        told = "\n".join(strings([[one.base, one.ours, one.theirs] for one in self.conflicts]))
        for sentence in sorted(returned(Clash(base, ours, theirs), [both]) - {"\0"}):
            if sentence not in told:
                sides = ThreeWay(*(sentence if sentence in text else ABSENT for text in (base, ours, theirs)))
                path = next(path for side in texts[1:3] for path, text in side.items() if sentence in text)
                self.conflict(path, _move_of(sentence in ours, sentence in theirs), sides)

    def _value(self, sides: ThreeWay, path: Path) -> Any:
        base, ours, theirs = sides
        if _same(ours, theirs) or _same(base, theirs):
            return ours
        if _same(base, ours):
            return theirs
        # The registry derives these fields itself, so that they need no conflict.
        if path[-1] in _DERIVED and not _USER_JSON.intersection(path):
            return theirs if ours is ABSENT else ours
        if path in _BY_NAME:
            return self._named(sides.or_([]), path)
        if path in _CONTAINERS:
            sides = sides.or_({})
        if sides.ours is ABSENT or sides.theirs is ABSENT:
            return self.conflict(path, REMOVED_HERE if ours is ABSENT else REMOVED_THERE, sides)
        return self._present(sides, path)

    def _present(self, sides: ThreeWay, path: Path) -> Any:
        """Merge two values that both differ from the base."""
        if path[-1] in _TEXTS and sides.are(str, empty=""):
            return self._text(sides.or_(""), BOTH_ADDED if sides.base is ABSENT else BOTH_CHANGED, path)
        if path[-1] in ("messages", "content") and not _USER_JSON.intersection(path):
            # One side may have turned a string into a list of blocks.
            lists = ThreeWay(*map(as_blocks, sides.or_([])))
            if lists.are(list, empty=[]):
                return self._items(lists, path)
        if sides.are(Mapping, empty={}):
            return self._object(sides.or_({}), path)
        return self.conflict(path, BOTH_ADDED if sides.base is ABSENT else BOTH_CHANGED, sides)

    def _object(self, objects: ThreeWay, path: Path) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        misread, reason = _misread(objects, path)
        for key in dict.fromkeys((*objects.ours, *objects.theirs)):
            sides = _under(objects, key)
            if key == misread:
                value = self._unreadable(sides, (*path, key), reason)
            else:
                value = self._value(sides, (*path, key))
            if value is not ABSENT:
                merged[key] = value
        return merged

    def _unreadable(self, sides: ThreeWay, path: Path, reason: str) -> Any:
        """Add a conflict for a value that means something else on each side, so that no merge makes sense."""
        if _is_prompt_text(path) and all(isinstance(side, str) for side in sides):
            self.conflict(path, reason, sides, markable=True)
            return MergedText((Clash(*sides),), sides[1].endswith("\n")).marked(*self._names)
        return self.conflict(path, reason, sides)

    def _text(self, texts: ThreeWay, reason: str, path: Path) -> Any:
        merged = merge_text(*texts, by_words=self._by_words)
        if merged.text is not None:
            return merged.text
        markable = _is_prompt_text(path)
        for clash in merged.clashes:
            self.conflict(path, *_explained(clash, texts, reason), markable=markable)
        return merged.marked(*self._names) if markable else texts.ours

    def _items(self, lists: ThreeWay, path: Path) -> list[Any]:
        places = slots(*lists)
        for moved in moved_apart(places, *lists):
            sides = _items_at(lists, moved)
            reason = _move_of(sides.ours is not ABSENT, sides.theirs is not ABSENT)
            self.conflict((*path, _index(moved)), reason, sides)
        merged: list[Any] = []
        for place in places:
            if isinstance(place, Inserted):
                merged += self._inserted(place, lists, path)
                continue
            value = self._value(_items_at(lists, place), (*path, _index(place)))
            if value is not ABSENT:
                merged.append(value)
        return merged

    def _inserted(self, place: Inserted, lists: ThreeWay, path: Path) -> list[Any]:
        ours, theirs = [lists.ours[at] for at in place.ours], [lists.theirs[at] for at in place.theirs]
        if _includes(ours, theirs):
            return ours
        if _includes(theirs, ours):
            return theirs
        # An empty run is part of any other, so both sides have items at this point.
        single = len(ours) == len(theirs) == 1
        values = ThreeWay(ABSENT, ours[0], theirs[0]) if single else ThreeWay(ABSENT, ours, theirs)
        self.conflict((*path, place.ours[0]), BOTH_ADDED, values)
        return ours

    def _named(self, lists: ThreeWay, path: Path) -> Any:
        """Merge a list of named items. The order of new items means nothing, but is kept."""
        keys = [keys_of(side) if isinstance(side, list) else None for side in lists]
        known = [names for names in keys if names is not None]
        # Items without distinct names cannot be paired with those of the other side.
        if len(known) < len(keys):
            return self.conflict(path, BOTH_CHANGED, lists)
        order = merged_order(*known)
        if order is None:
            return self.conflict(path, BOTH_MOVED, lists)
        by_key = ThreeWay(
            *(dict(zip(names, side, strict=True)) for names, side in zip(known, lists, strict=True))
        )
        _, ours, theirs = known
        merged = []
        for key in order:
            index = ours.index(key) if key in ours else theirs.index(key)
            merged.append(self._value(_under(by_key, key), (*path, index)))
        return [item for item in merged if item is not ABSENT]


def _explained(clash: Clash, texts: ThreeWay, reason: str) -> tuple[str, ThreeWay]:
    """Return the reason and the values of a conflict. A part that moved is shown wherever it is in a text."""
    sides = ThreeWay(clash.base, clash.ours, clash.theirs)
    if clash.base not in sides[1:]:
        return reason, sides
    moved = clash.theirs if clash.ours == clash.base else clash.ours
    values = zip(sides, texts, strict=True)
    sides = ThreeWay(*(moved if moved.strip() in text else side for side, text in values))
    return _move_of(sides.ours == moved, sides.theirs == moved), sides


def _move_of(is_in_ours: bool, is_in_theirs: bool) -> str:
    on_one_side = MOVED_HERE if is_in_ours else MOVED_THERE
    return BOTH_MOVED if is_in_ours and is_in_theirs else on_one_side


def _prose(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield all texts of a document with their paths."""
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        if isinstance(item, str):
            yield from [((*path, key), item)] if key in _TEXTS else ()
        elif isinstance(item, Mapping | list):
            yield from _prose(item, (*path, key))


def _items_at(lists: ThreeWay, place: Kept) -> ThreeWay:
    at = (place.base, place.ours, place.theirs)
    return ThreeWay(
        *(ABSENT if index is None else side[index] for side, index in zip(lists, at, strict=True))
    )


def _index(place: Kept) -> int:
    return next(index for index in (place.ours, place.theirs, place.base) if index is not None)


def _misread(objects: ThreeWay, path: Path) -> tuple[str, str]:
    """Return a key that one side changed while the other side changed its meaning, and the conflict's reason.

    A text means something else in another template format, and a model's name with another provider.
    """
    if path == ("model",):
        ruler, key, default = "provider", "name", None
    elif path == () or (len(path) == 2 and path[0] == "messages"):
        ruler, key, default = "template_format", "content", DEFAULT_FORMAT
    else:
        return "", ""
    rules, values = _under(objects, ruler).or_(default), _under(objects, key)
    if not objects.base or rules.ours == rules.theirs or _same(values.ours, values.theirs):
        return "", ""
    for rule, value in ((rules.ours, values.ours), (rules.theirs, values.theirs)):
        # This side changed the value under the old rule, so the other side is the one that changed the rule.
        if rule == rules.base and not _same(value, values.base):
            return key, f"changed on one side, and {ruler} on the other"
    return "", ""


def _is_prompt_text(path: Path) -> bool:
    """Whether a path leads to text for the model, in which lint finds conflict markers left behind."""
    content = path[:1] if path[0] == "content" else path[:3]
    if content != ("content",) and (content[0], content[2:]) != ("messages", ("content",)):
        return False
    return path == content or (len(path) == len(content) + 2 and path[-1] == "text")


def _under(objects: ThreeWay, key: str) -> ThreeWay:
    return ThreeWay(*(side.get(key, ABSENT) for side in objects))


def _same(one: Any, other: Any) -> bool:
    if one is ABSENT or other is ABSENT:
        return one is other
    return bool(encode(plain(one)) == encode(plain(other)))


def _includes(run: Sequence[Any], part: Sequence[Any]) -> bool:
    """Whether ``run`` has all items of ``part``, in their order."""
    # The inner search consumes the iterator, so that each item is found after the one before it.
    rest = iter(run)
    return all(any(_same(item, other) for other in rest) for item in part)
