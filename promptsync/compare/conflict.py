"""Prompts that a push or a pull skips, why, and the commands that help."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from promptsync.compare.snapshot import Item, State
from promptsync.errors import Refused
from promptsync.files.prompt_file import PromptFile
from promptsync.project.project import Project
from promptsync.prompt.prompt import Problem
from promptsync.registry.errors import UNUSABLE_HINT

BLOCKING = (State.DIVERGED, State.CONFLICT, State.RENAMED_REMOTELY)
"""States that stop a push before its first write."""

SKIP_REASONS: dict[State, str] = {
    State.DIVERGED: "changed in your files and in the registry",
    State.CONFLICT: "has conflict markers",
    State.RENAMED_REMOTELY: "has another name in the registry",
    State.BEHIND: "changed in the registry; promptsync pull writes it into the file",
    State.ALTERED: "the registry returned it differently from what was sent",
    State.DELETED_REMOTELY: "was archived in the registry; --restore publishes it again",
    State.INVALID: "the version in the registry cannot be used",
    State.DELETED_LOCALLY: "its file was deleted; --prune archives it unless it is live, pull restores it",
}
"""Why a push skips a prompt in these states, unless an option says otherwise."""

_UNCOMMITTED = "its file was deleted, but the deletion is not committed; promptsync pull restores it"
_UNKNOWN = "its file is missing and no commit deleted it; promptsync pull restores it"


def has_conflict(file: PromptFile, state: State) -> bool:
    """Whether a file that would be in ``state`` is in ``conflict``, because it has the markers of a merge."""
    # In these states a version in the registry has that text.
    return state not in (State.IN_SYNC, State.BEHIND) and conflict_of(file) is not None


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
        return known if item.deletion_committed else uncommitted
    if item.state is State.DIVERGED and item.file is None:
        return "was deleted in your files and changed in the registry"
    if item.state is State.CONFLICT:
        return f"has conflict markers at {where(item)}"
    if item.state is State.RENAMED_REMOTELY:
        return f"is now named {item.renamed_to!r} in the registry"
    return known


def unusable(items: Sequence[Item], verb: str) -> Refused:
    """Return the error for prompts whose versions in the registry cannot be used."""
    first = items[0]
    more = f" (and {len(items) - 1} more)" if len(items) > 1 else ""
    message = f"{first.name!r} {first.problem}{more}; {verb} skips it"
    return Refused(message, hint=UNUSABLE_HINT, code="unusable-prompt")


def may_have_moved(
    project: Project, gone: Iterable[Item], new: Iterable[Item], nothing: str = ""
) -> Refused | None:
    """Return the error if files without ``name:`` are ``gone`` and such files are ``new``.

    The path names such a file, so a move gives it another name, and no text says for sure where it came from.
    ``nothing`` ends the message.
    """
    files = [item for item in new if item.state is State.NEW and item.file and not item.file.own_name]
    if not files:
        return None
    # Only git shows whether the file had name:.
    known = project.record().entries(project.record_url, None) if project.history is None else {}
    lost = [
        item.name
        for item in gone
        if (item.listed is not None and item.last is not None and not item.last.file.own_name)
        or (item.state is State.REMOTE_ONLY and item.name in known)
    ]
    if not lost:
        return None
    paths, names = ", ".join(str(item.path) for item in files), ", ".join(map(repr, lost))
    has, its = "has" if len(files) == 1 else "have", "its file" if len(lost) == 1 else "their files"
    return Refused(
        f"{paths} {has} no name:, and {names} lost {its}{nothing}",
        hint=f"write name: {' or '.join(lost)} into {paths} to keep the prompt\n"
        f"promptsync push {shlex.join(item.name for item in files)}",
        code="moved",
    )


class Conflict(Refused):
    """Prompts that need a decision, such as those that changed on both sides: ``items``.

    ``why`` has the reason of each; ``nothing`` was published, written or released.
    """

    code = "diverged"

    def __init__(self, why: Sequence[tuple[Item, str]], nothing: str, hint: str) -> None:
        (first, because), *others = why
        more = f" (and {len(others)} more)" if others else ""
        super().__init__(f"{first.name!r} {because}{more}; nothing was {nothing}", hint=hint)
        self.items = tuple(item for item, _ in why)
        self.code = "conflict-markers" if first.state is State.CONFLICT else self.code


def conflict(items: Sequence[Item], nothing: str, *, command: str = "") -> Conflict:
    """Return the error for prompts that stop a push or a pull.

    ``command`` is what was typed, if other prompts could be written: then ``--partial`` is worth a hint.
    """
    return Conflict([(item, reason(item)) for item in items], nothing, "\n".join(ways_out(items, command)))


def ways_out(items: Sequence[Item], command: str = "") -> list[str]:
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
    # These prompts have no file, so there is nothing to merge.
    gone = shlex.join(item.name for item in items)
    archive = f"promptsync push {gone} --prune --force"
    return [f"promptsync pull {gone} --theirs", *([archive] if first.is_in_git else partial)]
