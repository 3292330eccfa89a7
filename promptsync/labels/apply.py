"""Carries out planned changes of labels: all of them or none."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import msgspec

from promptsync.errors import Incomplete, Interrupted, PromptsyncError, Refused, RemoteError
from promptsync.labels.move import ChangedLabel, change_label
from promptsync.labels.plan import LabelChange
from promptsync.project.pointers import deploy_command
from promptsync.project.project import Project
from promptsync.registry.address import LOCAL
from promptsync.registry.errors import Rejected

WAITS = "waits-for-approval"


class LabelReceipt(msgspec.Struct, frozen=True):
    """The result of each change of a plan, in its order, and the error that the command ends in."""

    changed: tuple[ChangedLabel, ...] = ()
    error: PromptsyncError | None = None

    @property
    def may_have_moved(self) -> frozenset[str]:
        """The prompts whose label moved, or may have moved."""
        return frozenset(label.change.name for label in self.changed if label.moved or label.is_unknown)


def apply_labels(project: Project, changes: Sequence[LabelChange]) -> LabelReceipt:
    """Make all changes or none: if one label does not move, or after Ctrl-C, the others move back.

    Raises ``Unsupported``, with nothing changed, where labels cannot be changed.
    """
    begun: set[int] = set()
    results: dict[int, ChangedLabel] = {}

    def make(number: int) -> None:
        begun.add(number)
        results[number] = change_label(project, changes[number])
        project.progress("Moving labels", len(results), len(changes))

    is_stopped = False
    try:
        project.for_each(make, range(len(changes)))
    except KeyboardInterrupt:
        is_stopped = True
    except BaseException:
        _undo(project, list(results.values()), "another failed")
        raise
    changed = [
        results.get(number) or _stopped(change, begun=number in begun)
        for number, change in enumerate(changes)
    ]
    stayed = next((label for label in changed if not label.moved or label.is_overtaken), None)
    if is_stopped:
        _undo(project, changed, "the run was interrupted")
    elif stayed is not None:
        what = "waits for approval" if stayed.waits else "was not moved"
        what = "was moved by another user" if stayed.is_overtaken else what
        is_stopped = _undo(project, changed, f"{stayed.change.name} {what}")
    error = _interruption(changed) if is_stopped else _failure(project, changed)
    return LabelReceipt(tuple(changed), error)


def _stopped(change: LabelChange, *, begun: bool) -> ChangedLabel:
    """Return the result of a change that Ctrl-C stopped, or that was not begun."""
    is_unknown = begun and change.old != change.new
    why = "interrupted: it may or may not have moved" if is_unknown else "interrupted before it was moved"
    return ChangedLabel(change, False, why, is_unknown=is_unknown)


def _undo(project: Project, changed: list[ChangedLabel], cause: str) -> bool:
    """Move back what moved, in the list itself; return whether Ctrl-C stopped that."""

    def undo(number: int) -> None:
        label = changed[number]
        undone = change_label(project, label.change.reversed(label.before))
        if undone.moved:
            why = f"moved back because {cause}"
            changed[number] = msgspec.structs.replace(label, moved=False, why=why, is_undone=True)
        else:
            changed[number] = msgspec.structs.replace(label, why=f"could not be moved back: {undone.why}")

    moves = [number for number, label in enumerate(changed) if label.is_move and not label.is_overtaken]
    try:
        project.for_each(undo, moves)
    except KeyboardInterrupt:
        return True
    return False


def _interruption(changed: Sequence[ChangedLabel]) -> Interrupted:
    moved = sum(label.is_move for label in changed)
    unknown = sum(label.is_unknown for label in changed)
    counts = [f"{moved} label{'s' * (moved != 1)} moved"] if moved else []
    counts += [f"{unknown} unknown"] if unknown else []
    what = ", ".join(counts) or "no label was changed"
    return Interrupted(f"interrupted: {what}", hint="promptsync label list")


def _failure(project: Project, changed: Sequence[ChangedLabel]) -> PromptsyncError | None:
    """Return the error that a command ends in, ``None`` when every label is where it should be.

    A key that may not move labels is a failure of the registry (exit code 4) as long as nothing was changed.
    A label that is protected, or that another user moved, is a refusal (3).
    """
    stayed = [label for label in changed if not label.moved or label.is_overtaken]
    if not stayed:
        return None
    first = min(stayed, key=lambda label: (not label.is_unknown, label.is_undone, label.waits))
    where = f"{first.change.label!r} of {first.change.name!r}"
    if first.is_overtaken:
        message = f"{where} was moved by another user, too: {first.why}"
    elif first.is_unknown:
        message = f"it is unknown whether {where} moved: {first.why}"
    elif first.waits:
        others = sum(label.waits for label in stayed) - 1
        message = f"the change waits for approval of {first.change.label} by an admin: {first.change.name} "
        message += f"v{first.change.new or first.change.old}{f' (and {others} more)' if others else ''}"
    else:
        message = f"{where} was not moved: {first.why}"
    hint = "promptsync label list"
    if any(label.is_unknown or (label.is_move and not label.is_overtaken) for label in changed):
        return Incomplete(message, hint=hint, code="labels-unfinished")
    if first.waits:
        return Refused(message, hint=approval_hint(project, hint), code=WAITS)
    error = first.error
    status = error.status if isinstance(error, Rejected) else None
    ask = f"if {first.change.label} is protected, ask an administrator of the workspace to move it"
    if isinstance(error, Rejected) and status == 403:
        return RemoteError(
            f"{project.registry.url} rejects label changes by this key: {error.reason or error.message}",
            hint=f"ask an administrator of the workspace for the permission PROMPT_DEPLOY\n{ask}",
            code="forbidden",
        )
    if error is not None and status != 409:  # what is protected is a refusal
        return error
    if isinstance(error, Rejected) and error.reason:
        hint = f"{ask}\n{hint}"
    if first.lost is not None and project.governs(first.change.label):
        again = deploy_command(project, first.change.label)
        hint = f"git pull\n{again} {shlex.quote(first.change.name)} --again"
    return Refused(message, hint=hint, code="label-not-moved")


def approval_hint(project: Project, command: str) -> str:
    """Return how to approve a change, and the command after that."""
    how = "approve it in the PromptLayer dashboard (a denied request looks the same)"
    if project.registry.url.startswith(LOCAL):
        how = "remove the label from protected_labels: in the fixtures, which approves the change"
    return f"{how}\n{command}"
