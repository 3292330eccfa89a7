"""Prompts that a push or a pull leaves as they are, why, and the ways out."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from promptsync.compare.snapshot import Item
from promptsync.compare.state import State
from promptsync.errors import Refused

BLOCKING = (State.DIVERGED, State.RENAMED_REMOTELY)
"""States that stop a push or a pull before its first write."""

LEFT: dict[State, str] = {
    State.DIVERGED: "changed here and in the registry",
    State.RENAMED_REMOTELY: "has another name in the registry",
    State.BEHIND: "changed in the registry; promptsync pull brings it here",
    State.ALTERED: "the registry keeps it differently from what it was given",
    State.DELETED_REMOTELY: "archived in the registry; --restore NAME publishes it again",
    State.DELETED_LOCALLY: "its file was deleted; --prune archives it, promptsync pull restores it",
}
"""Why a push leaves a prompt in these states, unless it was told otherwise."""

_UNCOMMITTED = "its file is gone, but not in git: commit that for --prune, or promptsync pull restores it"
_UNTOLD = (
    "its file is gone, and no commit tells whether that was meant: promptsync pull restores it, "
    "the registry's own pages archive it"
)
_DELETED = "deleted here, and changed in the registry"
_BOTH = "changed here and in the registry since they last agreed"


def reason(item: Item) -> str:
    """Why a prompt is left as it is."""
    if item.state is State.DELETED_LOCALLY:
        reason = LEFT[item.state] if item.deletion_committed else _UNCOMMITTED if item.newest else _UNTOLD
        return f"looks renamed to {item.became!r}; {reason}" if item.became is not None else reason
    if item.state is State.DIVERGED and item.file is None:
        return _DELETED
    if item.state is State.RENAMED_REMOTELY:
        return f"is named {item.renamed_to!r} in the registry now"
    return LEFT[item.state]


class Conflict(Refused):
    """Prompts that changed on both sides, or were renamed; ``items`` are theirs."""

    code = "diverged"

    def __init__(self, items: Sequence[Item], verb: str) -> None:
        first = items[0]
        more = f" (and {len(items) - 1} more)" if len(items) > 1 else ""
        done = "published" if verb == "push" else "written"
        what = reason(first) if first.state is not State.DIVERGED or first.file is None else _BOTH
        ways = _ways_out(first)
        if verb == "push":
            ways.append("promptsync push --partial publishes the others")
        super().__init__(f"{first.name!r} {what}{more}; nothing was {done}", hint="\n".join(ways))
        self.items = tuple(items)


def _ways_out(item: Item) -> list[str]:
    name = shlex.quote(item.name)
    if item.state is State.RENAMED_REMOTELY:
        return [f"give its file the line  name: {item.renamed_to}", "or rename it back in the registry"]
    if item.file is None:
        ways = [f"promptsync pull --theirs {name} brings the file back as it is in the registry"]
        if item.newest is not None:
            ways.append(f"promptsync push --prune --force {name} archives it, once the deletion is committed")
        return ways
    return [
        f"promptsync pull --merge {name} merges the two, field by field",
        f"promptsync pull --theirs {name} takes the registry's text (yours is kept in .promptsync/backup)",
        f"promptsync pull --ours {name} keeps yours as the next version, to be pushed",
        f"promptsync push --force {name} publishes yours over it at once",
    ]
