"""The parts of a YAML text with the exact stretch of characters that each of them takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

_AROUND: Final = (StreamStartEvent, StreamEndEvent, DocumentStartEvent, DocumentEndEvent)
_Loader: Final[Any] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_KEEP: Final = re.compile(r"[|>]\d?\+|[|>]\+")


@dataclass(slots=True)
class Part:
    """One value of a text.

    ``start`` and ``end`` are indexes; ``end`` is right after the last character, or, for a block scalar, at
    the start of the line after its last one, as ``ends_line`` tells. ``children`` are the items of a list,
    or the keys and values of a mapping in turn.
    """

    kind: Literal["scalar", "list", "mapping", "alias"]
    start: int
    end: int
    column: int
    is_flow: bool = False
    is_block_scalar: bool = False
    children: list[Part] = field(default_factory=list)

    @property
    def pairs(self) -> list[tuple[Part, Part]]:
        """The keys and values of a mapping."""
        return list(zip(self.children[::2], self.children[1::2], strict=True))

    @property
    def ends_line(self) -> bool:
        """Whether the part takes its last line with the line break."""
        if self.is_flow or not self.children:
            return self.is_block_scalar
        return self.children[-1].ends_line


def parts(text: str) -> Part | None:
    """Return the root of a valid YAML text, ``None`` when it holds nothing."""
    root: Part | None = None
    open_parts: list[Part] = []
    event: Any
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, _AROUND):
            continue
        if isinstance(event, MappingEndEvent | SequenceEndEvent):
            closed = open_parts.pop()
            closed.end = _end(closed, event)
            continue
        part = _part(event, text)
        if open_parts:
            open_parts[-1].children.append(part)
        else:
            root = part
        if part.kind in ("mapping", "list"):
            open_parts.append(part)
    return root


def _part(event: Any, text: str) -> Part:
    start, end = event.start_mark.index, event.end_mark.index
    column = event.start_mark.column
    if isinstance(event, AliasEvent):
        return Part("alias", start, end, column)
    if isinstance(event, ScalarEvent):
        is_block = event.style in ("|", ">")
        if is_block:
            end = _block_end(text, start, end)
        return Part("scalar", start, end, column, is_block_scalar=is_block)
    kind: Literal["mapping", "list"] = "mapping" if isinstance(event, MappingStartEvent) else "list"
    if not isinstance(event, MappingStartEvent | SequenceStartEvent):
        raise TypeError(f"unexpected event {event!r}")
    return Part(kind, start, end, column, is_flow=bool(event.flow_style))


def _end(part: Part, event: Any) -> int:
    """Return the end of a collection: a block one is marked as ending where the next thing begins."""
    if part.children and not part.is_flow:
        return part.children[-1].end
    return int(event.end_mark.index)


def _block_end(text: str, start: int, end: int) -> int:
    """Return the end of a block scalar without the blank lines after it that are no part of its text."""
    header, _, body = text[start:end].partition("\n")
    if _KEEP.search(header):
        return end
    lines = body.splitlines(keepends=True)
    indents = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
    indent = min(indents, default=0)
    while lines and not lines[-1].strip(" \n\r") and len(lines[-1].rstrip("\r\n")) <= indent:
        end -= len(lines.pop())
    return end
