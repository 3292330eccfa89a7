"""Edits a YAML text in place: what did not change keeps every byte, comments and quoting included."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, Final, NamedTuple

from promptsync.files.errors import InvalidFile
from promptsync.files.yaml import layout
from promptsync.files.yaml.layout import INDENT
from promptsync.files.yaml.load import load
from promptsync.files.yaml.parts import Part, indentation, parts
from promptsync.prompt.canonical import encode
from promptsync.prompt.depth import MAX_DEPTH
from promptsync.prompt.lists import align

_DEPTHS: Final = (MAX_DEPTH, 3, 1)
"""How deep an edit reaches before it replaces a value as a whole; 1 replaces the values of top-level keys."""

_BLANK_LINES: Final = re.compile(r"(?:[ \t]*\n)*")
_BLOCK_HEADER: Final = re.compile(r"(?:[&!]\S*\s+)*[|>][-+0-9]*")
_COLON: Final = re.compile(r"\s*:")


def edits(text: str, target: dict[str, Any]) -> Iterator[str]:
    """Yield ``text`` changed to hold the mapping ``target``, the one that changes the least first.

    These are proposals, perhaps none: the caller reads each back, because not every layout can be followed.
    """
    is_crlf = "\r\n" in text and "\n" not in text.replace("\r\n", "")
    source = text.replace("\r\n", "\n") if is_crlf else text
    has_end = source.endswith("\n")
    source = source if has_end else source + "\n"
    root = parts(source)
    value = load(source.encode(), "").value
    if root is None or root.kind != "mapping":
        return
    # A shallower edit replaces more of the text, but works with layouts that a deeper one cannot follow.
    for depth in _DEPTHS:
        editor = _Editor(source)
        try:
            editor.inside(root, value, target, depth)
            result = editor.result()
        except Unspliceable:
            continue
        if not has_end and result.endswith("\n") and same(_value(result[:-1]), target):
            result = result[:-1]
        yield result.replace("\n", "\r\n") if is_crlf else result


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: types count, the order of keys does not."""
    return encode(one) == encode(other)


def _value(text: str) -> Any:
    try:
        return load(text.encode(), "").value
    except InvalidFile:
        return None


class Unspliceable(Exception):
    """The text is laid out in a way that this edit cannot follow."""


class _Entry(NamedTuple):
    """One item of a list, or one key with its value. ``start`` is that of its dash or key, if it has one."""

    start: int
    value: Part
    key: Part | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """A list or mapping that is being edited; ``first`` is the index of the first entry that stays."""

    part: Part
    entries: Sequence[_Entry]
    first: int
    is_open: bool

    @property
    def column(self) -> int:
        """How far its keys or dashes are indented."""
        key = self.entries[0].key
        return key.column if key is not None else self.part.column


_Pair = tuple[int | None, Any]
"""The index of an old entry and the key or index of what it became, either of them ``None``."""


def _pairs(old: Any, new: Any) -> list[_Pair]:
    """Pair the entries of two mappings or two lists, in the order of the new one."""
    if not isinstance(old, list):
        at = {key: index for index, key in enumerate(old)}
        return [*((at.get(key), key) for key in new), *((at[key], None) for key in old if key not in new)]
    pairs: list[_Pair] = []
    # Where as many items were removed as added, they take each other's place.
    for is_changed, run in groupby(align(old, new), key=lambda pair: None in pair):
        found = list(run)
        removed = [ours for ours, _ in found if ours is not None]
        added = [theirs for _, theirs in found if theirs is not None]
        if not is_changed or len(removed) == len(added):
            pairs += zip(removed, added, strict=True)
        else:
            pairs += [*((index, None) for index in removed), *((None, index) for index in added)]
    return pairs


class _Editor:
    """Collects replacements of stretches of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.edits: list[tuple[int, int, str]] = []

    def result(self) -> str:
        """Return the text with all replacements made. Raises Unspliceable when they overlap."""
        pieces: list[str] = []
        at = 0
        for start, end, new in sorted(self.edits, key=lambda edit: edit[:2]):
            if start < at:
                raise Unspliceable
            pieces += (self.text[at:start], new)
            at = end
        return "".join([*pieces, self.text[at:]])

    def inside(self, part: Part, old: Any, new: Any, depth: int, is_open: bool = False) -> None:
        """Change a list or mapping entry by entry. Raises Unspliceable where that does not work."""
        is_mapping = part.kind == "mapping" and isinstance(old, dict) and isinstance(new, dict)
        is_list = part.kind == "list" and isinstance(old, list) and isinstance(new, list)
        if not depth or not old or not new or not (is_mapping or is_list):
            raise Unspliceable
        pairs = _pairs(old, new)
        stays = [index for index, key in pairs if index is not None and key is not None]
        place = _Place(part, self._entries(part), min(stays, default=0), is_open)
        if len(place.entries) != len(old) or not (stays or (is_list and part.is_block)):
            raise Unspliceable
        values = list(old.values()) if is_mapping else old
        previous: int | None = None
        for index, key in pairs:
            if index is None:
                self._insert(place, previous, key, new[key])
                continue
            if key is not None:
                child_is_open = key in layout.OPEN if is_mapping else is_open
                self._change(place, index, values[index], new[key], depth - 1, child_is_open)
            previous = index
        self._remove(place, sorted(set(range(len(old))) - set(stays)))

    def _entries(self, part: Part) -> list[_Entry]:
        children = part.children
        if part.kind == "mapping":
            keys = zip(children[::2], children[1::2], strict=True)
            return [_Entry(key.start, value, key) for key, value in keys]
        if part.is_flow:
            return [_Entry(child.start, child) for child in children]
        return [_Entry(dash, child) for dash, child in zip(self._dashes(part), children, strict=True)]

    def _dashes(self, part: Part) -> Iterator[int]:
        """Yield where the dashes of a block list are."""
        # The parser does not report where dashes are, only where the items after them start.
        pattern = re.compile(rf"^ {{{part.column}}}-(?=\s)", re.MULTILINE)
        yield part.start
        for previous in part.children[:-1]:
            match = pattern.search(self.text, self._tail(previous))
            if match is None:
                raise Unspliceable
            yield match.end() - 1

    def _change(self, place: _Place, index: int, old: Any, new: Any, depth: int, is_open: bool) -> None:
        """Change the value of an entry, as a whole where it cannot be done entry by entry."""
        if same(old, new):
            return
        value = place.entries[index].value
        done = len(self.edits)
        try:
            self.inside(value, old, new, depth, is_open)
            opens_up = value.is_flow and not place.part.is_flow
            if opens_up and any("\\n" in text for _, _, text in self.edits[done:]):
                raise Unspliceable  # a literal block shows several lines better than an escape does
        except Unspliceable:
            del self.edits[done:]
            if place.part.is_flow:
                self.edits.append((value.start, value.end, layout.flow(new)))
            else:
                self._replace(place.entries[index], new, place.column, is_open)

    def _insert(self, place: _Place, previous: int | None, key: str | int, value: Any) -> None:
        """Insert an entry after the ``previous`` one, or before the first that stays."""
        first = place.entries[place.first].start
        if place.part.is_flow:
            text = layout.flow_entry(key, value) if isinstance(key, str) else layout.flow(value)
            if previous is None or previous < place.first:
                self._put(first, f"{text}, ")
            else:
                self._put(place.entries[previous].value.end, f", {text}")
            return
        column = place.column
        if isinstance(key, str):
            lines = layout.entry(key, value, column)
        else:
            lines = layout.item(value, column, place.is_open)
        if previous is None:
            self._put(first, _joined(lines)[column:] + " " * column)
        else:
            self._put(self._tail(place.entries[previous].value), _joined(lines))

    def _remove(self, place: _Place, gone: Sequence[int]) -> None:
        """Remove entries; in a block with their lines, while the comments between them stay."""
        entries, first = place.entries, place.first
        if place.part.is_flow:
            for index in gone:
                if index < first:
                    self.edits.append((entries[index].start, entries[index + 1].start, ""))
                else:
                    self.edits.append((entries[index - 1].value.end, entries[index].value.end, ""))
            return
        start = entries[0].start
        if 0 in gone and self.text[self._line_start(start) : start].strip():
            # It shares its line with a dash further out: the first entry that stays takes its place there.
            for entry, following in pairwise(entries[: first + 1]):
                if self.text[self._tail(entry.value) : following.start].strip():
                    raise Unspliceable
            self.edits.append((start, entries[first].start, ""))
            gone = [index for index in gone if index > first]
        for index in gone:
            entry = entries[index]
            self.edits.append((self._line_start(entry.start), self._tail(entry.value), ""))

    def _replace(self, entry: _Entry, new: Any, column: int, is_open: bool) -> None:
        """Replace the value of an entry of a block; a comment beside it stays."""
        part, lead = entry.value, self._lead(entry)
        used = lead - self._line_start(lead)
        head, body = layout.after(new, column, used, is_open, self._step(part, column))
        if not head and body and entry.key is None:
            head, body = " " + body[0].lstrip(" "), body[1:]
        comment, end = self._beside(part, lead)
        if head.endswith("+") and body:
            # Blank lines after such a block would become part of its text.
            blank = _BLANK_LINES.match(self.text, end)
            end = blank.end() if blank else end
        self.edits.append(
            (lead, end, head + (comment.rstrip() if comment.strip() else "") + "\n" + _joined(body))
        )

    def _lead(self, entry: _Entry) -> int:
        """Return the index right after the colon or dash of an entry."""
        if entry.key is None:
            return entry.start + 1
        # An explicit key ("? key") has its colon on a line of its own.
        match = _COLON.match(self.text, entry.key.end)
        if match is None or self.text[self._line_start(entry.start) : entry.start].rstrip().endswith("?"):
            raise Unspliceable
        return match.end()

    def _step(self, part: Part, column: int) -> int:
        """Return how much deeper than its key the content of a block scalar is indented."""
        if part.is_block_scalar:
            step = indentation(self.text[self._line_end(part.start) : part.end].splitlines()) - column
            if 1 <= step <= 9:
                return step
        return INDENT

    def _beside(self, part: Part, lead: int) -> tuple[str, int]:
        """Return what is on the line of a value after it, and where the line after the value starts."""
        if part.is_block_scalar:
            header = self.text[part.start : self._line_end(part.start)]
            return _BLOCK_HEADER.sub("", header, count=1), part.end
        if part.is_block:
            is_below = self._line_start(part.start) >= lead
            return self.text[lead : self._line_end(lead)] if is_below else "", self._tail(part)
        line_end = self._line_end(part.end)
        return self.text[part.end : line_end], line_end + 1

    def _put(self, at: int, text: str) -> None:
        self.edits.append((at, at, text))

    def _tail(self, part: Part) -> int:
        """Return the start of the line after a part."""
        return part.end if part.ends_line else self._line_end(part.end) + 1

    def _line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1

    def _line_end(self, index: int) -> int:
        return self.text.index("\n", index)


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
