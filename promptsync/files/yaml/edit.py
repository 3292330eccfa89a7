"""Edits a YAML text in place: the smallest values that changed are replaced, the rest keeps every byte."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from yaml import YAMLError

from promptsync.files.yaml import layout
from promptsync.files.yaml.load import load
from promptsync.files.yaml.matches import matched, same
from promptsync.files.yaml.parts import Part, PartEntry, Unspliceable, entries, line_after, line_start, parts
from promptsync.files.yaml.style import in_style
from promptsync.prompt.snippets import strings

_BLANK_LINES: Final = re.compile(r"(?:[ \t]*\n)*")
_BLOCK_HEADER: Final = re.compile(r"(?:[&!]\S*\s+)*[|>][-+0-9]*")
_COLON: Final = re.compile(r"\s*:")
_REST_IN_FLOW: Final = re.compile(r"[ \t]*,[ \t]*(#[^\n]*)?\n")


def edits(text: str, target: dict[str, Any]) -> Iterator[str]:
    """Yield ``text`` changed to hold the mapping ``target``, the one that changes the least first.

    These are proposals, perhaps none: the caller reads each back, because not every layout can be followed.
    """
    is_crlf = "\r\n" in text and "\n" not in text.replace("\r\n", "")
    source = text.replace("\r\n", "\n") if is_crlf else text
    source = source if source.endswith("\n") else f"{source}\n"
    value = load(source.encode(), "").value
    # An anchored value changes in all places, so aliases are written out where only some places change.
    for writes_aliases in (False, True):
        editor = _Editor(source, writes_aliases)
        try:
            root = parts(source)
            if root is None or (writes_aliases and not root.has_alias):
                continue
            editor.inside(root, value, target)
            result = editor.result()
        except (Unspliceable, YAMLError):
            continue
        yield result.replace("\n", "\r\n") if is_crlf else result


class _Editor:
    """Collects replacements of stretches of one text. ``writes_aliases`` puts their values in their place."""

    def __init__(self, text: str, writes_aliases: bool) -> None:
        self.text = text
        self.writes_aliases = writes_aliases
        self.edits: list[tuple[int, int, str]] = []

    def result(self) -> str:
        """Return the text with all replacements made. Raises Unspliceable when they overlap."""
        pieces: list[str] = []
        position = 0
        for start, end, new in sorted(self.edits, key=lambda edit: edit[:2]):
            if start < position:
                raise Unspliceable
            pieces += (self.text[position:start], new)
            position = end
        return "".join([*pieces, self.text[position:]])

    def inside(self, part: Part, old: Any, new: Any, is_open: bool = False) -> None:
        """Change a list or mapping entry by entry. Raises Unspliceable where that does not work."""
        is_pair = {type(old), type(new)} in ({dict}, {list}) and part.kind in ("mapping", "list")
        if not old or not new or not is_pair:
            raise Unspliceable
        pairs, moved = matched(old, new)
        own = entries(self.text, part)
        stays = [index for index, key in pairs if index is not None and key is not None]
        if len(own) != len(old) or not stays:
            raise Unspliceable
        column = own[0].key.column if own[0].key is not None else part.column
        values = list(old.values()) if isinstance(old, dict) else old
        gone = [index for index, key in pairs if key is None and index is not None]
        previous: int | None = None
        for index, key in pairs:
            opens = key in layout.OPEN if isinstance(new, dict) else is_open
            is_written = index is not None and self.writes_aliases and own[index].value.has_alias
            if index is not None and key is not None and (is_written or not same(values[index], new[key])):
                self._change(part, own[index], column, values[index], new[key], opens)
            elif index is None and part.is_flow:
                entry = own[moved[key]] if key in moved else None
                text = self.text[entry.start : entry.value.end] if entry else _in_flow(key, new[key])
                self._insert_in_flow(own, min(stays), previous, text)
            elif index is None:
                lines = self._lines(part, own, moved[key]) if key in moved else None
                text = self.text[slice(*lines)] if lines else _written(key, new[key], column, is_open)
                self._insert(own, min(stays), previous, column, text)
            previous = index if index is not None else previous
        if gone and part.is_flow:
            is_extended = any(index is None for index, _ in pairs)
            self._remove_from_flow(own, min(stays), gone, is_extended=is_extended)
        elif gone:
            self._remove(part, own, min(stays), gone, moved.values())

    def _change(self, around: Part, entry: PartEntry, column: int, old: Any, new: Any, is_open: bool) -> None:
        """Change the value of an entry, as a whole where it cannot be done entry by entry."""
        part, count = entry.value, len(self.edits)
        try:
            self.inside(part, old, new, is_open)
            had_lines, has_lines = (any("\n" in text for text in strings(side)) for side in (old, new))
            if has_lines and not had_lines and part.is_flow and not around.is_flow:
                raise Unspliceable  # a literal block shows several lines better than an escape does
            return
        except Unspliceable:
            del self.edits[count:]
        if part.style is not None and isinstance(old, str) and isinstance(new, str):
            source = self.text[part.start : part.end]
            written = in_style(source, part.style, old, new, column, around.is_flow)
            if written is not None and part.is_block_scalar:
                header, _, body = written.partition("\n")
                header = _BLOCK_HEADER.match(header)[0]  # type: ignore[index]
                self._put_block(part.start, header, f"{body}\n", *self._beside(part, part.start))
                return
            if written is not None:
                self.edits.append((part.start, part.end, written))
                return
        if around.is_flow:
            self.edits.append((part.start, part.end, layout.flow(new)))
        else:
            self._replace(entry, new, column, is_open)

    # -- entries with lines of their own -------------------------------------------------------------------

    def _lines(self, part: Part, own: Sequence[PartEntry], index: int) -> tuple[int, int] | None:
        """Return where the lines of an item start and end, with the comments above it unless it is the first.

        ``None`` if its dash is on the line of another one.
        """
        start = line_start(self.text, own[index].start)
        if self.text[start : own[index].start].strip():
            return None
        above = f"{' ' * part.column}#"
        while index and self.text.startswith(above, before := line_start(self.text, start - 1)):
            start = before
        return start, line_after(self.text, own[index].value)

    def _insert(
        self, own: Sequence[PartEntry], first: int, previous: int | None, column: int, text: str
    ) -> None:
        """Insert lines after the ``previous`` entry, or before the first that stays."""
        if previous is None:
            at, text = own[first].start, text[column:] + " " * column
        else:
            at = line_after(self.text, own[previous].value)
            # Blank lines that became part of the text above, or would become part of this one.
            at = max([at, *(end for start, end, _ in self.edits if start < at)])
            at = self._after_blanks(at) if text.endswith("\n\n") else at
        self.edits.append((at, at, text))

    def _remove(
        self, part: Part, own: Sequence[PartEntry], first: int, gone: Sequence[int], moved: Collection[int]
    ) -> None:
        """Remove entries with their lines; the comments between them stay, but move with a ``moved`` one."""
        start = own[0].start
        if 0 in gone and self.text[line_start(self.text, start) : start].strip():
            # It shares its line with a dash further out: the first entry that stays takes its place there.
            for entry, following in pairwise(own[: first + 1]):
                if self.text[line_after(self.text, entry.value) : following.start].strip():
                    raise Unspliceable
            self.edits.append((start, own[first].start, ""))
            gone = [index for index in gone if index > first]
        for index in gone:
            lines = self._lines(part, own, index) if index in moved else None
            entry = own[index]
            start, end = lines or (line_start(self.text, entry.start), line_after(self.text, entry.value))
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
        head, body = layout.after(new, column, lead - line_start(self.text, lead), is_open)
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
            header = self.text[part.start : self.text.index("\n", part.start)]
            return _BLOCK_HEADER.sub("", header, count=1), part.end
        if part.is_block:
            is_below = line_start(self.text, part.start) >= lead
            beside = self.text[lead : self.text.index("\n", lead)] if is_below else ""
            return beside, line_after(self.text, part)
        line_end = self.text.index("\n", part.end)
        return self.text[part.end : line_end], line_end + 1

    def _after_blanks(self, index: int) -> int:
        blank = _BLANK_LINES.match(self.text, index)
        return blank.end() if blank else index

    # -- entries in brackets ---------------------------------------------------------------------------------

    def _insert_in_flow(self, own: Sequence[PartEntry], first: int, previous: int | None, text: str) -> None:
        is_before = previous is None or previous < first
        beside = own[first if previous is None or is_before else previous]
        indent = self.text[line_start(self.text, beside.start) : beside.start]
        rest = _REST_IN_FLOW.match(self.text, beside.value.end)
        if rest is not None and not is_before and not indent.strip():
            self.edits.append((rest.end(), rest.end(), f"{indent}{text},\n"))
            return
        gap = f",\n{indent}" if not indent.strip() else ", "
        at = beside.start if is_before else beside.value.end
        self.edits.append((at, at, f"{text}{gap}" if is_before else f"{gap}{text}"))

    def _remove_from_flow(
        self, own: Sequence[PartEntry], first: int, gone: Sequence[int], *, is_extended: bool
    ) -> None:
        rests = [_REST_IN_FLOW.match(self.text, own[index].value.end) for index in gone]
        starts = [line_start(self.text, own[index].start) for index in gone]
        have_lines = not any(
            self.text[start : own[index].start].strip() for start, index in zip(starts, gone, strict=True)
        )
        if have_lines and not is_extended and all(rests):
            self.edits += [(start, rest.end(), "") for start, rest in zip(starts, rests, strict=True) if rest]
            return
        for index in gone:
            if index < first:
                self.edits.append((own[index].start, own[index + 1].start, ""))
            else:
                self.edits.append((own[index - 1].value.end, own[index].value.end, ""))


def _in_flow(key: str | int, value: Any) -> str:
    return layout.flow_entry(key, value) if isinstance(key, str) else layout.flow(value)


def _written(key: str | int, value: Any, column: int, is_open: bool) -> str:
    is_key = isinstance(key, str)
    return _joined(layout.entry(str(key), value, column) if is_key else layout.item(value, column, is_open))


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
