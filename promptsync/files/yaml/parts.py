"""The parts of a YAML text, each with the exact stretch of characters that it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

_EVENTS: Final[Any] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_KINDS: Final = {yaml.MappingStartEvent: "mapping", yaml.SequenceStartEvent: "list"}
_KEEP: Final = re.compile(r"[|>]\d?\+")


@dataclass(slots=True)
class Part:
    """One value of a text. ``kind`` is ``mapping``, ``list`` or ``scalar``, which an alias is too.

    ``start`` and ``end`` are indexes; ``end`` is right after the last character, or, where the part ends in a
    block scalar, at the start of the line after it, as ``ends_line`` says. ``children`` are the items of a
    list, or the keys and values of a mapping in turn.
    """

    kind: str
    start: int
    end: int
    column: int
    is_flow: bool = False
    is_block_scalar: bool = False
    children: list[Part] = field(default_factory=list)

    @property
    def is_block(self) -> bool:
        """Whether this is a list or mapping with an entry to a line."""
        return self.kind != "scalar" and not self.is_flow

    @property
    def ends_line(self) -> bool:
        """Whether the part takes its last line with the line break."""
        return self.children[-1].ends_line if self.is_block and self.children else self.is_block_scalar


def parts(text: str) -> Part | None:
    """Return the root of a valid YAML text, ``None`` when it holds nothing."""
    document = Part("list", 0, 0, 0)
    waiting = [document]
    events: Iterator[Any] = yaml.parse(text, Loader=_EVENTS)
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
            if part.kind != "scalar":
                waiting.append(part)
    return document.children[0] if document.children else None


def _part(event: Any, text: str) -> Part:
    start, end = event.start_mark.index, event.end_mark.index
    is_block_scalar = getattr(event, "style", None) in ("|", ">")
    return Part(
        _KINDS.get(type(event), "scalar"),
        start,
        _block_end(text, start, end) if is_block_scalar else end,
        event.start_mark.column,
        is_flow=bool(getattr(event, "flow_style", False)),
        is_block_scalar=is_block_scalar,
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
