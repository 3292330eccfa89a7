"""The parts of a YAML text, each with the exact stretch of characters that it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

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
    key: Part | None = None
    """While a mapping is read, the key whose value comes next."""

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
            if closed.kind == "list" and closed.is_block:
                _find_dashes(text, closed)
        elif isinstance(event, yaml.NodeEvent):
            part, parent = _part(event, text), waiting[-1]
            if parent.kind == "mapping" and parent.key is None:
                parent.key = part
            else:
                key, parent.key = parent.key, None
                part.entry, part.key_end = (part.start, None) if key is None else (key.start, key.end)
                parent.children.append(part)
            if part.kind in ("mapping", "list"):
                waiting.append(part)
    return document.children[0] if document.children else None


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
