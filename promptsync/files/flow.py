"""Editing ``[lists]`` and ``{mappings}`` in place, on the lines that they have."""

from __future__ import annotations

from typing import Any

from promptsync.files import layout
from promptsync.files.parts import Part
from promptsync.files.reconcile import placed, same

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
