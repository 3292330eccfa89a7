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

from promptsync.files.yaml import layout
from promptsync.files.yaml.reconcile import placed, same

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


Edit = tuple[int, int, str]


class NeedsBlock(Exception):
    """A text of several lines comes in: a literal block shows it better than an escaped line."""


def flow_edits(part: Part, old: Any, new: Any, *, may_escape: bool = False) -> list[Edit]:
    """Return the replacements that make a flow collection say ``new``.

    Raises NeedsBlock for a new text of several lines, unless it ``may_escape`` its line breaks.
    """
    edits: list[Edit] = []
    _change(part, old, new, edits)
    if not may_escape and any("\\n" in text for _, _, text in edits):
        raise NeedsBlock
    return edits


def _change(part: Part, old: Any, new: Any, edits: list[Edit]) -> None:
    if same(old, new):
        return
    if part.kind == "mapping" and isinstance(old, dict) and isinstance(new, dict) and old and new:
        _mapping(part, old, new, edits)
    elif part.kind == "list" and isinstance(old, list) and isinstance(new, list) and old and new:
        _list(part, old, new, edits)
    else:
        edits.append((part.start, part.end, layout.flow(new)))


def _mapping(part: Part, old: dict[str, Any], new: dict[str, Any], edits: list[Edit]) -> None:
    stretches = [(key.start, value.end) for key, value in part.pairs]
    at = {key: index for index, key in enumerate(old)}
    slots = [at.get(key) for key in new]
    for key, slot in zip(new, slots, strict=True):
        if slot is not None:
            _change(part.pairs[slot][1], old[key], new[key], edits)
    gone = {index for key, index in at.items() if key not in new}
    added = [(slot, layout.flow_entry(key, new[key])) for key, slot in zip(new, slots, strict=True)]
    _rearrange(stretches, gone, added, edits)


def _list(part: Part, old: list[Any], new: list[Any], edits: list[Edit]) -> None:
    stretches = [(child.start, child.end) for child in part.children]
    gone: set[int] = set()
    added: list[tuple[int | None, str]] = []
    for ours, theirs in placed(old, new):
        if ours is not None and theirs is not None:
            _change(part.children[ours], old[ours], new[theirs], edits)
            added.append((ours, ""))
        elif ours is not None:
            gone.add(ours)
        elif theirs is not None:
            added.append((None, layout.flow(new[theirs])))
    _rearrange(stretches, gone, added, edits)


def _rearrange(
    stretches: list[tuple[int, int]], gone: set[int], order: list[tuple[int | None, str]], edits: list[Edit]
) -> None:
    """Remove the stretches in ``gone`` and insert texts where they stand between the others in ``order``."""
    kept = [index for index in range(len(stretches)) if index not in gone]
    if not kept:
        texts = ", ".join(text for index, text in order if index is None)
        edits.append((stretches[0][0], stretches[-1][1], texts))
        return
    for index in sorted(gone):
        if index < kept[0]:
            edits.append((stretches[index][0], stretches[index + 1][0], ""))
        else:
            edits.append((stretches[index - 1][1], stretches[index][1], ""))
    before: int | None = None
    for slot, text in order:
        if slot is not None:
            before = slot
        elif before is None:
            first = stretches[kept[0]][0]
            edits.append((first, first, f"{text}, "))
        else:
            edits.append((stretches[before][1], stretches[before][1], f", {text}"))
