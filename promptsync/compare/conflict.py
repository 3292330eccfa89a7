"""Prompts that a push or a pull skips, why, and the commands that help."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from promptsync.compare.snapshot import Item, State
from promptsync.errors import Refused
from promptsync.files.prompt_file import PromptFile
from promptsync.prompt.prompt import Problem
from promptsync.registry.errors import UNUSABLE_HINT

BLOCKING = (State.DIVERGED, State.CONFLICT, State.RENAMED_REMOTELY, State.MOVED)
"""States that stop a push before its first write."""

SKIP_REASONS: dict[State, str] = {
    State.DIVERGED: "changed in your files and in the registry",
    State.CONFLICT: "has conflict markers",
    State.RENAMED_REMOTELY: "has another name in the registry",
    State.MOVED: "its file moved and has no name:",
    State.BEHIND: "changed in the registry; promptsync pull writes it into the file",
    State.ALTERED: "the registry returned it differently from what was sent",
    State.DELETED_REMOTELY: "was archived in the registry; --restore publishes it again",
    State.INVALID: "the version in the registry cannot be used",
    State.DELETED_LOCALLY: "its file was deleted; --prune archives it, promptsync pull restores it",
}
"""Why a push skips a prompt in these states, unless an option says otherwise."""

_UNCOMMITTED = "its file was deleted, but the deletion is not committed; promptsync pull restores it"
_UNKNOWN = "its file is missing and no commit deleted it; promptsync pull restores it"
_MARKABLE = (
    *(State.AHEAD, State.DIVERGED, State.ALTERED),
    *(State.NEW, State.DELETED_REMOTELY, State.UNKNOWN),
)
"""States in which conflict markers come from a merge. Otherwise a version in the registry has that text."""


def has_conflict(file: PromptFile, state: State) -> bool:
    """Whether a file that would be in ``state`` is in ``conflict``, because it has the markers of a merge."""
    return state in _MARKABLE and conflict_of(file) is not None


def conflict_of(file: PromptFile | None) -> Problem | None:
    """Return the problem of the first conflict markers in a file, ``None`` without any."""
    from promptsync.lint.text import first_conflict  # imported only here, because few files are looked at

    return first_conflict(file) if file is not None else None


def check_resolved(file: PromptFile, nothing: str) -> None:
    """Raise ``Refused`` for a file with conflict markers, which no model should see; ``nothing`` was done."""
    if (problem := conflict_of(file)) is not None:
        place = f"{problem.path}:{problem.line}"
        message = f"{file.prompt.name!r} has conflict markers at {place}; {nothing}"
        raise Refused(message, hint=edit(place), code="conflict-markers")


def where(item: Item) -> str:
    """Return the path and line of the conflict markers of an item, or only the path."""
    problem = conflict_of(item.file)
    return f"{problem.path}:{problem.line}" if problem is not None else str(item.path)


def edit(place: str) -> str:
    """Return what to do about conflict markers at a place."""
    return f"edit {place}: choose a side and delete the marker lines"


def reason(item: Item) -> str:
    """Why a prompt is skipped."""
    known = item.problem or SKIP_REASONS[item.state]
    if item.state is State.DELETED_LOCALLY:
        uncommitted = _UNCOMMITTED if item.is_in_git else _UNKNOWN
        known = known if item.deletion_committed else uncommitted
        return f"looks renamed to {item.became!r}; {known}" if item.became is not None else known
    if item.state is State.DIVERGED and item.became is not None:
        return f"was renamed to {item.became!r} in your files and changed in the registry"
    if item.state is State.DIVERGED and item.file is None:
        return "was deleted in your files and changed in the registry"
    if item.state is State.CONFLICT:
        return f"has conflict markers at {where(item)}"
    if item.state is State.RENAMED_REMOTELY:
        return f"is now named {item.renamed_to!r} in the registry"
    if item.state is State.MOVED and item.was is not None:
        return f"is {item.was!r}, whose file moved and has no name:"
    return known


def unusable(items: Sequence[Item], verb: str) -> Refused:
    """Return the error for prompts whose versions in the registry cannot be used."""
    first = items[0]
    more = f" (and {len(items) - 1} more)" if len(items) > 1 else ""
    message = f"{first.name!r} {first.problem}{more}; {verb} skips it"
    return Refused(message, hint=UNUSABLE_HINT, code="unusable-prompt")


def take_name_back(item: Item) -> str:
    """Return how to bring what changed under the old name into the file that has the new one."""
    return f"set name: {item.name} in the file again, then promptsync pull"


class Conflict(Refused):
    """Prompts that need a decision, such as those that changed on both sides: ``items``.

    ``command`` is what was typed, if other prompts could be written: then ``--partial`` is worth a hint.
    """

    code = "diverged"

    def __init__(self, items: Sequence[Item], verb: str, *, command: str = "") -> None:
        # A moved file stands for its old name, too.
        items = [item for item in items if item.was is not None or item.state is not State.MOVED] or items
        first = items[0]
        done = "published" if verb == "push" else "written"
        more = f" (and {len(items) - 1} more)" if len(items) > 1 else ""
        message = f"{first.name!r} {reason(first)}{more}; nothing was {done}"
        super().__init__(message, hint="\n".join(_ways_out(items, command)))
        self.items = tuple(items)
        self.code = {State.CONFLICT: "conflict-markers", State.MOVED: "moved"}.get(first.state, self.code)


def _ways_out(items: Sequence[Item], command: str) -> list[str]:
    """Return the commands that resolve a conflict, first the one that loses nothing."""
    partial = [f"{command} --partial"] if command else []
    apart = [item.name for item in items if item.state is State.DIVERGED and item.file is not None]
    if apart:
        return [f"promptsync pull --merge {shlex.join(apart)}", *partial]
    first = items[0]
    if first.state is State.CONFLICT:
        return [edit(where(first)), *partial]
    if first.state is State.RENAMED_REMOTELY:
        return [f"promptsync mv {shlex.join([first.name, first.renamed_to or ''])}", *partial]
    if first.state is State.MOVED:
        rest = (
            [f"or add name: {first.name} to {first.path} to publish it as {first.name}"] if first.path else []
        )
        return ["promptsync mv --keep-name", *rest, *partial][:2]
    if first.became is not None:
        return [take_name_back(first)]
    # These prompts have no file, so there is nothing to merge.
    gone = shlex.join(item.name for item in items)
    archive = f"promptsync push {gone} --prune --force"
    return [f"promptsync pull {gone} --theirs", *([archive] if first.is_in_git else partial)]
