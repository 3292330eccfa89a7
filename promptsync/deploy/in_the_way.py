"""Refuses a deploy because of prompts whose release would lose a version, and says how to go on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from promptsync.compare.conflict import edit, ways_to_rename, where
from promptsync.compare.snapshot import Item
from promptsync.compare.state import State
from promptsync.errors import Refused


class InTheWay(Refused):
    """Prompts whose release would lose a version; ``items`` has one for each."""

    code = "diverged"

    def __init__(self, message: str, *, hint: str, details: Sequence[str], items: Sequence[Item]) -> None:
        super().__init__(message, hint=hint, details=details)
        self.items = tuple(items)


def in_the_way(found: Sequence[tuple[Item, str]], latest: Mapping[str, Item], label: str) -> InTheWay:
    """Return the refusal of a deploy to ``label`` because of items, each with the reason.

    An item compares the file with the ``latest`` version, or else with the one under the label.
    """
    item, why = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    details = [f"{one.name}: {reason}" for one, reason in found] if more else ()
    message = f"{item.name!r} {why}{more}; nothing was released"
    hint = _way_out(item, latest[item.name], label)
    return InTheWay(message, hint=hint, details=details, items=[one for one, _ in found])


def _way_out(item: Item, latest: Item, label: str) -> str:
    name = shlex.quote(item.name)
    if item.state is State.CONFLICT:
        return edit(where(item))
    if item.state is State.DELETED_REMOTELY:
        return f"promptsync push {name} --restore\nor delete its file and commit that"
    if item.state is State.RENAMED_REMOTELY:
        rename = f"promptsync mv {shlex.join([item.name, item.renamed_to or ''])}"
        return f"{rename}\nor rename it back in the PromptLayer dashboard"
    if item.became is not None:
        return "\n".join(ways_to_rename(item))
    seen = f" --label {shlex.quote(label)}" if item is not latest else ""
    # The live version may be one that the latest version passed over, and the file may equal the latest.
    how = "--passed-over" if latest.state in (State.IN_SYNC, State.AHEAD) else "--merge"
    return f"promptsync diff {name}{seen}\npromptsync pull {how} {name}"
