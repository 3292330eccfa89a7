"""Edits a YAML text in place: what did not change keeps every byte, comments and quoting included."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, Final

from yaml import YAMLError

from promptsync.files.errors import InvalidFile
from promptsync.files.yaml import flow, layout
from promptsync.files.yaml.aliases import written_out
from promptsync.files.yaml.load import load
from promptsync.files.yaml.parts import Part, PartEntry, Unspliceable, entries, line_after, line_start, parts
from promptsync.files.yaml.style import block_in_style, flow_in_style
from promptsync.prompt.canonical import encode
from promptsync.prompt.depth import MAX_DEPTH
from promptsync.prompt.pairing import paired_entries
from promptsync.prompt.prompt import plain
from promptsync.prompt.snippets import strings

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
    value = load(source.encode(), "").value
    # A shallower edit replaces more of the text, but works with layouts that a deeper one cannot follow.
    for depth, has_aliases in product(_DEPTHS, (True, False)):
        # An anchored value changes in all places, so its aliases are written out if only some should change.
        before = source if has_aliases else written_out(source, value)
        if before == source and not has_aliases:
            continue
        result = _edited(before, value, target, depth)
        if result is None:
            continue
        if not has_end and result.endswith("\n") and same(_value(result[:-1]), target):
            result = result[:-1]
        yield result.replace("\n", "\r\n") if is_crlf else result


def _edited(text: str, value: Any, target: dict[str, Any], depth: int) -> str | None:
    """Return a text that holds ``value`` after an edit, ``None`` if that is not possible so deep."""
    root, editor = parts(text), _Editor(text)
    try:
        if root is None or root.kind != "mapping":
            return None
        editor.inside(root, value, target, depth)
        return editor.result()
    except (Unspliceable, YAMLError):
        return None


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: types count, the order of keys does not, and 600.0 is 600."""
    return encode(plain(one)) == encode(plain(other))


def _value(text: str) -> Any:
    try:
        return load(text.encode(), "").value
    except InvalidFile:
        return None


@dataclass(frozen=True, slots=True)
class _Place:
    """A list or mapping that is being edited. ``first`` and ``last`` are the indexes of entries that stay."""

    part: Part
    entries: Sequence[PartEntry]
    first: int
    last: int
    is_open: bool

    @property
    def column(self) -> int:
        """How far its keys or dashes are indented."""
        key = self.entries[0].key
        return key.column if key is not None else self.part.column


class _Editor:
    """Collects replacements of stretches of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.edits: list[flow.Edit] = []

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
        pairs, moved = paired_entries(old, new)
        stays = {index for index, key in pairs if index is not None and key is not None}
        first, last = min(stays, default=0), max(stays, default=0)
        place = _Place(part, entries(self.text, part), first, last, is_open)
        if len(place.entries) != len(old) or not (stays or (is_list and part.is_block)):
            raise Unspliceable
        values = list(old.values()) if is_mapping else old
        previous: int | None = None
        for index, key in pairs:
            if index is None:
                self._insert(place, previous, key, new[key], moved.get(key))
                continue
            if key is not None:
                child_is_open = key in layout.OPEN if is_mapping else is_open
                self._change(place, index, values[index], new[key], depth - 1, child_is_open)
            previous = index
        gone = [index for index in range(len(old)) if index not in stays]
        if gone:
            self._remove(place, gone, moved.values(), is_extended=any(index is None for index, _ in pairs))

    def _change(self, place: _Place, index: int, old: Any, new: Any, depth: int, is_open: bool) -> None:
        """Change the value of an entry, as a whole where it cannot be done entry by entry."""
        if same(old, new):
            return
        value = place.entries[index].value
        done = len(self.edits)
        try:
            self.inside(value, old, new, depth, is_open)
            was, now = (any("\n" in text for text in strings(side)) for side in (old, new))
            if now and not was and value.is_flow and not place.part.is_flow:
                raise Unspliceable  # a literal block shows several lines better than an escape does
        except Unspliceable:
            del self.edits[done:]
            if self._in_style(place, value, old, new):
                return
            if place.part.is_flow:
                self.edits.append((value.start, value.end, layout.flow(new)))
            else:
                self._replace(place.entries[index], new, place.column, is_open)

    def _in_style(self, place: _Place, part: Part, old: Any, new: Any) -> bool:
        """Change a text in the quotes or the block that it has; return whether they can hold the new one."""
        if part.style is None or not isinstance(old, str) or not isinstance(new, str):
            return False
        source = self.text[part.start : part.end]
        if not part.is_block_scalar:
            in_flow = place.part.is_flow
            written = flow_in_style(source, part.style, old, new, place.column, in_flow)
            if written is not None:
                self.edits.append((part.start, part.end, written))
            return written is not None
        block = block_in_style(source, old, new, place.column)
        if block is not None:
            self._put_block(part.start, *block, *self._beside(part, part.start))
        return block is not None

    def _insert(
        self, place: _Place, previous: int | None, key: str | int, value: Any, source: int | None
    ) -> None:
        """Insert an entry after the ``previous`` one, or before the first that stays.

        ``source`` is the index of the old entry that moves there.
        """
        column = place.column
        if place.part.is_flow:
            text = layout.flow_entry(key, value) if isinstance(key, str) else layout.flow(value)
            if source is not None:
                text = self.text[place.entries[source].start : place.entries[source].value.end]
            is_last = previous is not None and previous >= place.last
            edit = flow.insertion(self.text, place.entries, place.first, previous, text, is_last=is_last)
            self.edits.append(edit)
            return
        own = self._own_lines(place, source) if source is not None else None
        if own is not None:
            text = self.text[slice(*own)]
        elif isinstance(key, str):
            text = _joined(layout.entry(key, value, column))
        else:
            text = _joined(layout.item(value, column, place.is_open))
        if previous is None:
            at, text = place.entries[place.first].start, text[column:] + " " * column
        else:
            at = line_after(self.text, place.entries[previous].value)
            # Blank lines that became part of the text above, or would become part of this one.
            at = max([at, *(end for start, end, _ in self.edits if start < at)])
            at = self._after_blanks(at) if text.endswith("\n\n") else at
        self.edits.append((at, at, text))

    def _own_lines(self, place: _Place, index: int) -> tuple[int, int] | None:
        """Return where the lines of an item start and end, with the comments above it unless it is the first.

        ``None`` if its dash is on the line of another one.
        """
        entry = place.entries[index]
        start = line_start(self.text, entry.start)
        if self.text[start : entry.start].strip():
            return None
        above = f"{' ' * place.column}#"
        while index and self.text.startswith(above, before := line_start(self.text, start - 1)):
            start = before
        return start, line_after(self.text, entry.value)

    def _remove(self, place: _Place, gone: Sequence[int], moved: Collection[int], is_extended: bool) -> None:
        """Remove entries; in a block with their lines, while the comments between them stay."""
        entries, first = place.entries, place.first
        if place.part.is_flow:
            self.edits += flow.removals(self.text, entries, first, gone, is_extended=is_extended)
            return
        start = entries[0].start
        if 0 in gone and self.text[line_start(self.text, start) : start].strip():
            # It shares its line with a dash further out: the first entry that stays takes its place there.
            for entry, following in pairwise(entries[: first + 1]):
                if self.text[line_after(self.text, entry.value) : following.start].strip():
                    raise Unspliceable
            self.edits.append((start, entries[first].start, ""))
            gone = [index for index in gone if index > first]
        for index in gone:
            entry = entries[index]
            own = self._own_lines(place, index) if index in moved else None
            start, end = own or (line_start(self.text, entry.start), line_after(self.text, entry.value))
            self.edits.append((start, end, ""))

    def _replace(self, entry: PartEntry, new: Any, column: int, is_open: bool) -> None:
        """Replace the value of an entry of a block; a comment beside it stays."""
        part = entry.value
        if part.kind == "scalar" and not part.is_block_scalar and part.end > part.start:
            head, body = layout.after(new, column, part.start - line_start(self.text, part.start), is_open)
            if not body:
                self.edits.append((part.start, part.end, head.strip()))
                return
        lead = self._lead(entry)
        used = lead - line_start(self.text, lead)
        head, body = layout.after(new, column, used, is_open)
        if not head and body and entry.key is None:
            head, body = " " + body[0].lstrip(" "), body[1:]
        self._put_block(lead, head, _joined(body), *self._beside(part, lead))

    def _put_block(self, start: int, head: str, body: str, comment: str, end: int) -> None:
        """Replace a value and the rest of its line."""
        if "+" in head and body:
            # Blank lines after such a block would become part of its text.
            end = self._after_blanks(end)
        self.edits.append((start, end, head + (comment.rstrip() if comment.strip() else "") + "\n" + body))

    def _lead(self, entry: PartEntry) -> int:
        """Return the index right after the colon or dash of an entry."""
        if entry.key is None:
            return entry.start + 1
        # An explicit key ("? key") has its colon on a line of its own.
        match = _COLON.match(self.text, entry.key.end)
        before = self.text[line_start(self.text, entry.start) : entry.start]
        if match is None or before.rstrip().endswith("?"):
            raise Unspliceable
        return match.end()

    def _beside(self, part: Part, lead: int) -> tuple[str, int]:
        """Return what is on the line of a value after it, and where the line after the value starts."""
        if part.is_block_scalar:
            header = self.text[part.start : self._line_end(part.start)]
            return _BLOCK_HEADER.sub("", header, count=1), part.end
        if part.is_block:
            is_below = line_start(self.text, part.start) >= lead
            return self.text[lead : self._line_end(lead)] if is_below else "", line_after(self.text, part)
        line_end = self._line_end(part.end)
        return self.text[part.end : line_end], line_end + 1

    def _after_blanks(self, index: int) -> int:
        blank = _BLANK_LINES.match(self.text, index)
        return blank.end() if blank else index

    def _line_end(self, index: int) -> int:
        return self.text.index("\n", index)


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
