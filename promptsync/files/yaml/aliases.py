"""Writes out the aliases of a YAML text, so that each of the values can change by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from promptsync.files.yaml import layout
from promptsync.files.yaml.flow import Edit
from promptsync.files.yaml.parts import Part, PartEntry, Unspliceable, entries, line_start, parts


def written_out(text: str, value: Any) -> str:
    """Return a text that holds ``value`` with the value of each alias in its place.

    This is a proposal: it may not read back as ``value``.
    """
    root = parts(text)
    try:
        edits = sorted(_edits(text, root, value)) if root is not None else []
    except Unspliceable:
        return text
    for start, end, new in reversed(edits):
        text = text[:start] + new + text[end:]
    return text


def _edits(text: str, part: Part, value: Any) -> Iterator[Edit]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for entry, (key, item) in zip(entries(text, part) if value else (), items, strict=True):
        if entry.value.is_alias:
            yield from _edits_of(text, part, entry, item, is_open=key in layout.OPEN)
        elif entry.value.kind != "scalar":
            yield from _edits(text, entry.value, item)


def _edits_of(text: str, part: Part, entry: PartEntry, value: Any, *, is_open: bool) -> Iterator[Edit]:
    start, end = entry.value.start, entry.value.end
    head, body = layout.flow(value), list[str]()
    if not part.is_flow:
        column = entry.key.column if entry.key is not None else part.column
        head, body = layout.after(value, column, start - line_start(text, start) - 1, is_open)
    yield (start, end, head.lstrip()) if head else (len(text[:start].rstrip(" ")), end, "")
    if body:
        after = text.index("\n", end) + 1  # below a comment that is beside the alias
        yield after, after, "".join(f"{line}\n" for line in body)
