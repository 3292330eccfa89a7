"""The parts of a YAML text, each with the exact stretch of characters that it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import yaml
from msgspec import Struct

from promptsync.files.yaml.syntax import EVENTS

_KINDS: Final = {
    yaml.MappingStartEvent: "mapping",
    yaml.SequenceStartEvent: "list",
    yaml.ScalarEvent: "scalar",
    yaml.AliasEvent: "alias",
}
_KEEP: Final = re.compile(r"[|>]\d?\+")
_ANCHOR: Final = re.compile(r"&\S+(?:[ \t]*(?:#[^\n]*)?\n)+ *")


class Part(Struct):
    """One value of a text. ``kind`` is ``mapping``, ``list``, ``scalar`` or ``alias``.

    ``start`` and ``end`` are indexes; ``end`` is right after the last character, or, where the part ends in a
    block scalar, at the start of the line after it, as ``ends_line`` says. ``children`` are the items of a
    list, or the keys and values of a mapping in turn.
    """

    kind: str
    start: int
    end: int
    column: int
    is_flow: bool = False
    style: str | None = None
    """That of a scalar: ``""`` or its first character; ``None`` for everything else."""
    children: list[Part] = []

    @property
    def is_block_scalar(self) -> bool:
        """Whether this is a literal or folded block."""
        return self.style in ("|", ">")

    @property
    def is_block(self) -> bool:
        """Whether this is a list or mapping with an entry to a line."""
        return self.kind in ("mapping", "list") and not self.is_flow

    @property
    def has_alias(self) -> bool:
        """Whether this is an alias, or contains one."""
        return self.kind == "alias" or any(child.has_alias for child in self.children)

    @property
    def ends_line(self) -> bool:
        """Whether the part takes its last line with the line break."""
        return self.children[-1].ends_line if self.is_block and self.children else self.is_block_scalar


def parts(text: str) -> Part | None:
    """Return the root of a valid YAML text, ``None`` when it holds nothing."""
    document = Part("list", 0, 0, 0)
    waiting = [document]
    events: Iterator[Any] = yaml.parse(text, Loader=EVENTS)
    for event in events:
        end = event.end_mark.index
        if isinstance(event, yaml.CollectionEndEvent):
            closed = waiting.pop()
            # YAML marks the end of a block collection where the next thing begins.
            is_early = closed.is_block and closed.children
            closed.end = closed.children[-1].end if is_early else end
        elif isinstance(event, yaml.NodeEvent):
            part = _part(event, text)
            waiting[-1].children.append(part)
            if part.kind in ("mapping", "list"):
                waiting.append(part)
    return document.children[0] if document.children else None


class Unspliceable(Exception):
    """The text is laid out in a way that an edit cannot follow."""


class PartEntry(NamedTuple):
    """One item of a list, or one key with its value. ``start`` is that of its dash or key, if it has one."""

    start: int
    value: Part
    key: Part | None = None


def entries(text: str, part: Part) -> list[PartEntry]:
    """Return the entries of a list or mapping of a text. Raises Unspliceable if its dashes are not found."""
    children = part.children
    if part.kind == "mapping":
        pairs = zip(children[::2], children[1::2], strict=True)
        return [PartEntry(key.start, value, key) for key, value in pairs]
    if part.is_flow:
        return [PartEntry(child.start, child) for child in children]
    return [PartEntry(dash, child) for dash, child in zip(_dashes(text, part), children, strict=True)]


def _dashes(text: str, part: Part) -> Iterator[int]:
    """Yield where the dashes of a block list are."""
    # The parser does not report where dashes are, only where the items after them start.
    pattern = re.compile(rf"^ {{{part.column}}}-(?=\s)", re.MULTILINE)
    yield part.start
    for previous in part.children[:-1]:
        match = pattern.search(text, line_after(text, previous))
        if match is None:
            raise Unspliceable
        yield match.end() - 1


def line_start(text: str, index: int) -> int:
    """Return where the line of an index starts."""
    return text.rfind("\n", 0, index) + 1


def line_after(text: str, part: Part) -> int:
    """Return the start of the line after a part."""
    return part.end if part.ends_line else text.index("\n", part.end) + 1


def _part(event: Any, text: str) -> Part:
    start, end = event.start_mark.index, event.end_mark.index
    style = (event.style or "") if isinstance(event, yaml.ScalarEvent) else None
    kind, is_flow = _KINDS[type(event)], bool(getattr(event, "flow_style", False))
    if kind in ("mapping", "list") and not is_flow and (anchor := _ANCHOR.match(text, start)):
        start = anchor.end()  # The parser marks the anchor, which is on a line above the first entry.
    return Part(
        kind,
        start,
        _block_end(text, start, end) if style in ("|", ">") else end,
        start - line_start(text, start),
        is_flow=is_flow,
        style=style,
    )


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


def indentation(lines: list[str]) -> int:
    """Return how far the least indented line that is not blank is indented."""
    return min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
