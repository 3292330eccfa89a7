"""Edits a YAML text in place: the smallest values that changed are replaced, the rest keeps every byte."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, Final, NamedTuple

import yaml
from msgspec import Struct

from promptsync.files.yaml import layout
from promptsync.files.yaml.layout import in_style, indentation
from promptsync.files.yaml.load import EVENTS
from promptsync.prompt.canonical import encode, same
from promptsync.prompt.fields import align
from promptsync.prompt.prompt import as_blocks, plain, strings

_BLANK_LINES: Final = re.compile(r"(?:[ \t]*\n)*")
_BLOCK_HEADER: Final = re.compile(r"(?:&\S*\s+)?[|>][-+0-9]*")
_COLON: Final = re.compile(r"\s*:")
_COMMENT: Final = re.compile(r"[ \t]+#[^\n]*")


class Unspliceable(Exception):
    """The text is laid out in a way that an edit cannot follow."""


class _LosesComments(Exception):
    """Brackets with comments are laid out anew, and nothing says which entry a comment is about."""


class Change(NamedTuple):
    """A value as the file has it, in the documents before and after an edit, and as a new file would have it.

    A document leaves out what a file may state, such as defaults: what is equal in both of them stays.
    """

    raw: Any
    old: Any
    new: Any
    full: Any


class _Step(NamedTuple):
    """One entry: its place in the file, its key, which an item of a list has not, and its change.

    A new one has no place, one that goes no change.
    """

    place: int | None
    key: str | None
    change: Change | None


def edited(text: str, change: Change) -> str | None:
    """Return ``text`` with the change made in its root, ``None`` where its layout cannot be followed.

    This is a proposal: the caller reads it back, because not every layout can be followed, and the value of
    an anchor changes in all its places.
    """
    root = parts(text)
    if root is None:
        return None
    with suppress(Unspliceable, _LosesComments):
        inside = _Editor(text).inside(root, change)
        return _joined([text[: root.start], inside, text[_end(text, root) :]])
    return None


class _Editor:
    """Edits one text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def inside(self, part: Part, change: Change, is_open: bool = False) -> str:
        """Return a list or mapping with its entries changed. Raises Unspliceable where that does not work."""
        if isinstance(change.raw, list) and isinstance(change.old, str):
            # In a document, a plain text block is a string.
            change = Change(change.raw, *map(as_blocks, change[1:]))
        kinds = {type(value) for value in change}
        if not change.raw or part.kind not in ("mapping", "list") or kinds not in ({dict}, {list}):
            raise Unspliceable
        steps = [*(_key_steps(change) if kinds == {dict} else _item_steps(change))]
        stays = any(step.change and step.place is not None for step in steps)
        if len(part.children) != len(change.raw) or not stays:
            raise Unspliceable
        return self._in_brackets(part, steps) if part.is_flow else self._in_lines(part, steps, is_open)

    def _in_lines(self, part: Part, steps: Sequence[_Step], is_open: bool) -> str:
        """Return a block collection. Comments above an entry stay where it goes, and move where it moves."""
        text, own, pad = self.text, part.children, " " * part.column
        above = ["", *(text[line_after(text, a) : b.entry] for a, b in pairwise(own))]
        if own[0].entry != part.start or any(lines.rpartition("\n")[2] != pad for lines in above[1:]):
            raise Unspliceable  # an explicit key ("? key")
        above = [lines.removesuffix(pad) for lines in above]
        pieces = []
        for place, key, change in steps:
            opens = is_open if key is None else key in layout.OPEN
            if place is None and change is not None:
                lines = layout.entry(key, change.full, part.column, opens)
                pieces.append("".join(f"{line}\n" for line in lines))
            elif place is not None and change is not None:
                pieces.append(above[place] + pad + self._entry(own[place], part.column, change, opens))
            elif place is not None:
                pieces.append(above[place])
        # The first entry may share its line with a dash further out.
        return _joined(pieces).lstrip(" ")

    def _in_brackets(self, part: Part, steps: Sequence[_Step]) -> str:
        """Return a collection in brackets; an entry goes with the comma after it."""
        text, own = self.text, part.children
        head, tail = text[part.start : own[0].entry], text[own[-1].end : part.end]
        stays = [step.place for step in steps if step.change is not None] == [*range(len(own))]
        if not stays and _has_comment(text, part):
            raise _LosesComments
        comma = f",\n{' ' * (own[0].entry - line_start(text, own[0].entry))}" if "\n" in head else ", "
        commas = [*(text[a.end : b.entry] for a, b in pairwise(own)), comma]
        written = []
        for place, key, change in steps:
            if place is None and change is not None:
                written.append((layout.flow_entry(key, change.full), comma))
            elif place is not None and change is not None:
                child = own[place]
                new = self._value(child, change, part.column, is_open=False, in_flow=True)
                new = layout.flow(change.full) if new is None else new
                written.append((text[child.entry : child.start] + new, commas[place]))
        *rest, (last, _) = written
        return head + "".join(entry + comma for entry, comma in rest) + last + tail

    def _entry(self, part: Part, column: int, change: Change, is_open: bool) -> str:
        """Return the lines of an entry of a block; a comment beside its value stays."""
        text, end = self.text, _end(self.text, part)
        value = self._value(part, change, column, is_open, in_flow=False)
        if value is not None:
            return text[part.entry : part.start] + value + text[end : line_after(text, part)]
        colon = _COLON.match(text, part.key_end) if part.key_end is not None else None
        lead = colon.end() if colon is not None else part.entry + 1
        used = lead - line_start(text, lead)
        head, body = layout.after(change.full, column, used, is_open, is_item=part.key_end is None)
        is_inline = not (part.is_block or part.is_block_scalar)
        if is_inline and not body and part.end > part.start:
            return text[part.entry : part.start] + head.strip() + text[end : line_after(text, part)]
        comment = _COMMENT.search(text, lead, part.start)
        if comment is None and not part.is_block:
            at = end if is_inline else part.start
            comment = _COMMENT.search(text, at, text.index("\n", at))
        head += comment[0] if comment is not None else ""
        return text[part.entry : lead] + "".join(f"{line}\n" for line in (head, *body))

    def _value(self, part: Part, change: Change, column: int, is_open: bool, in_flow: bool) -> str | None:
        """Return what replaces a value, ``None`` where only the house style can write it."""
        text = self.text
        source = text[part.start : _end(text, part)]
        if same(change.old, change.new):
            return source
        # A literal block shows several lines better than an escape does.
        opens_up = part.is_flow and not in_flow and _has_lines(change.full) and not _has_lines(change.raw)
        if opens_up and _has_comment(text, part):
            raise _LosesComments
        with suppress(Unspliceable):
            if not opens_up:
                return self.inside(part, change, is_open)
        if part.style is None or not (isinstance(change.raw, str) and isinstance(change.full, str)):
            return None
        written = in_style(source, part.style, change.raw, change.full, column, in_flow)
        if written is not None and part.is_block_scalar:
            header, _, body = written.partition("\n")
            header = _BLOCK_HEADER.match(header)[0]  # type: ignore[index]
            comment = _BLOCK_HEADER.sub("", source.partition("\n")[0], count=1).rstrip()
            return f"{header}{comment}\n{body}\n"
        return written


def _key_steps(change: Change) -> Iterator[_Step]:
    """Yield the keys of a file in their order, each new one after the key that it follows."""
    raw, old, new, full = change
    following: dict[str | None, list[str]] = defaultdict(list)
    previous: str | None = None
    for key in new:
        # A key that did not change and is not in the file is stated in another place of the file.
        if key not in raw and not (key in old and same(old[key], new[key])):
            following[previous].append(key)
        previous = key if key in raw else previous
    places = {key: index for index, key in enumerate(raw)}
    for key in [*following[None], *(key for own in raw for key in (own, *following[own]))]:
        before = old.get(key, raw.get(key))
        if key not in new:
            stays = Change(*[raw[key]] * 4)
            yield _Step(places[key], key, None if key in old else stays)
        else:
            yield _Step(places.get(key), key, Change(raw.get(key), before, new[key], full[key]))


def _item_steps(change: Change) -> Iterator[_Step]:
    """Yield the items of a list in the new order; those that go come where they were."""
    raw, old, new, full = change
    if len(raw) != len(old):
        raise Unspliceable
    before, after = ([encode(plain(item)) for item in side] for side in (old, new))
    pairs = align(plain(old), plain(new))
    both = [(index, at) for index, at in pairs if index is not None and at is not None]
    partners = {at: index for index, at in both if before[index] == after[at]}
    kept = {*partners.values()}
    moved = {item: index for index, item in enumerate(before) if index not in kept}
    partners |= {at: moved.pop(item) for at, item in enumerate(after) if at not in partners and item in moved}
    kept = {*partners.values()}
    partners |= {at: index for index, at in both if at not in partners and index not in kept}
    kept = {*partners.values()}
    gone = [index for index in range(len(old)) if index not in kept]
    come = [at for at in range(len(new)) if at not in partners]
    # Where as many items go as come, they take each other's place.
    partners |= dict(zip(come, gone, strict=True)) if len(gone) == len(come) else {}
    taken = {*partners.values()}
    for index, at in pairs:
        if index is not None and index not in taken:
            yield _Step(index, None, None)
        place = partners.get(at) if at is not None else None
        if at is not None and place is not None:
            yield _Step(place, None, Change(raw[place], old[place], new[at], full[at]))
        elif at is not None:
            yield _Step(None, None, Change(None, None, None, full[at]))


def _joined(pieces: Iterable[str]) -> str:
    """Join lines; blank lines below a text that ends in some would become part of it."""
    text = ""
    for piece in pieces:
        text += _BLANK_LINES.sub("", piece, count=1) if text.endswith("\n\n") else piece
    return text


def _end(text: str, part: Part) -> int:
    """Return the end of a part, together with the rest of its last line if it has lines of its own."""
    return line_after(text, part) if part.is_block else part.end


def _has_comment(text: str, part: Part) -> bool:
    """Whether there is a comment inside of a collection in brackets."""
    ends = [part.start, *(child.end for child in part.children)]
    starts = [*(child.entry for child in part.children), part.end]
    gaps = any("#" in text[end:start] for end, start in zip(ends, starts, strict=True))
    return gaps or any(_has_comment(text, child) for child in part.children if child.children)


def _has_lines(value: Any) -> bool:
    return any("\n" in text for text in strings(value))


_ANCHOR: Final = re.compile(r"&\S+(?:[ \t]*(?:#[^\n]*)?\n)+ *")
_KEEP: Final = re.compile(r"[|>]\d?\+")


class Part(Struct):
    """One value of a text. ``kind`` is ``mapping``, ``list``, ``scalar`` or ``alias``.

    ``start`` and ``end`` are indexes; ``end`` is right after the last character, or, where the part ends in a
    block scalar, at the start of the line after it, as ``ends_line`` says. ``entry`` is where its dash or key
    starts, ``key_end`` where the key ends, if it has one. ``children`` are the values of a list or mapping.
    """

    kind: str
    start: int
    end: int
    column: int
    is_flow: bool = False
    style: str | None = None
    """That of a scalar: ``""`` or its first character; ``None`` for everything else."""
    children: list[Part] = []
    entry: int = 0
    key_end: int | None = None

    @property
    def is_block_scalar(self) -> bool:
        """Whether this is a literal or folded block."""
        return self.style in ("|", ">")

    @property
    def is_block(self) -> bool:
        """Whether this is a list or mapping with an entry to a line."""
        return self.kind in ("mapping", "list") and not self.is_flow

    @property
    def ends_line(self) -> bool:
        """Whether the part takes its last line with the line break."""
        return self.children[-1].ends_line if self.is_block and self.children else self.is_block_scalar


def parts(text: str) -> Part | None:
    """Return the root of a valid YAML text, ``None`` when it holds nothing."""
    events: Iterator[Any] = yaml.parse(text, Loader=EVENTS)
    return next((_part(event, events, text) for event in events if isinstance(event, yaml.NodeEvent)), None)


def _part(event: Any, events: Iterator[Any], text: str) -> Part:
    """Return the value that starts with an event; ``events`` are those after it."""
    start, end = event.start_mark.index, event.end_mark.index
    column = start - line_start(text, start)
    if isinstance(event, yaml.AliasEvent):
        return Part("alias", start, end, column)
    if isinstance(event, yaml.ScalarEvent):
        style = event.style or ""
        end = _block_end(text, start, end) if style in ("|", ">") else end
        return Part("scalar", start, end, column, style=style)
    is_mapping, is_flow = isinstance(event, yaml.MappingStartEvent), bool(event.flow_style)
    if not is_flow and (anchor := _ANCHOR.match(text, start)):
        start = anchor.end()  # The parser marks the anchor, which is on a line above the first entry.
    part = Part("mapping" if is_mapping else "list", start, end, start - line_start(text, start), is_flow)
    while not isinstance(event := next(events), yaml.CollectionEndEvent):
        key = _part(event, events, text) if is_mapping else None
        child = _part(event if key is None else next(events), events, text)
        child.entry, child.key_end = (child.start, None) if key is None else (key.start, key.end)
        part.children.append(child)
    # YAML marks the end of a block collection where the next thing begins.
    end = event.end_mark.index  # type: ignore[union-attr]
    part.end = part.children[-1].end if part.is_block and part.children else end
    if part.is_block and not is_mapping:
        _find_dashes(text, part)
    return part


def _find_dashes(text: str, part: Part) -> None:
    """Set where the entries of a block list start: the parser only reports the items after the dashes."""
    pattern = re.compile(rf"^ {{{part.column}}}-(?=\s)", re.MULTILINE)
    for previous, child in pairwise([None, *part.children]):
        dash = pattern.search(text, line_after(text, previous)) if previous is not None else None
        child.entry = dash.end() - 1 if dash is not None else part.start  # type: ignore[union-attr]


def line_start(text: str, index: int) -> int:
    """Return where the line of an index starts."""
    return text.rfind("\n", 0, index) + 1


def line_after(text: str, part: Part) -> int:
    """Return the start of the line after a part."""
    return part.end if part.ends_line else text.index("\n", part.end) + 1


def _block_end(text: str, start: int, end: int) -> int:
    """Return the end of a block scalar without the blank lines after it that are not part of its text."""
    header, _, body = text[start:end].partition("\n")
    if _KEEP.search(header):
        return end
    # The parser counts the blank lines below a block scalar as part of it, so an edit would remove them.
    lines = body.splitlines(keepends=True)
    indent = indentation(lines)
    while lines and not lines[-1].strip(" \n\r") and len(lines[-1].rstrip("\r\n")) <= indent:
        end -= len(lines.pop())
    return end
