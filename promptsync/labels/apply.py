"""Carries out planned changes of labels: each one compared before, and read back after."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from promptsync.compare.labels import deploy_command
from promptsync.errors import Incomplete, Interrupted, PromptsyncError, Refused, RemoteError
from promptsync.labels.move import ChangedLabel, change_label
from promptsync.labels.plan import LabelChange, LabelPlan
from promptsync.project.project import Project
from promptsync.registry.errors import Rejected


class Stopped(KeyboardInterrupt):
    """Ctrl-C while labels were moved; ``changed`` are the results of all of them."""

    def __init__(self, changed: Sequence[ChangedLabel]) -> None:
        super().__init__()
        self.changed = tuple(changed)


@dataclass(frozen=True, slots=True)
class LabelReceipt:
    """The result of each change of a plan, in its order, and the error that the command ends in."""

    changed: tuple[ChangedLabel, ...] = ()
    error: PromptsyncError | None = None

    @property
    def may_have_moved(self) -> frozenset[str]:
        """The prompts whose label moved, or may have moved."""
        return frozenset(one.change.name for one in self.changed if one.moved or one.is_unknown)


def apply_labels(project: Project, plan: LabelPlan) -> LabelReceipt:
    """Carry out ``plan``. Raises ``Unsupported``, with nothing changed, where labels cannot be changed."""
    try:
        done = apply_changes(project, plan.changes, together=plan.together)
    except Stopped as stopped:
        moved = sum(one.moved and one.change.old != one.change.new for one in stopped.changed)
        unknown = sum(one.is_unknown for one in stopped.changed)
        counts = [f"{moved} label{'s' * (moved != 1)} moved"] if moved else []
        counts += [f"{unknown} unknown"] if unknown else []
        what = ", ".join(counts) or "no label was changed"
        return LabelReceipt(
            stopped.changed, Interrupted(f"interrupted: {what}", hint="promptsync label list")
        )
    return LabelReceipt(tuple(done), failure(project, done))


def apply_changes(
    project: Project, changes: Sequence[LabelChange], *, together: bool = False
) -> list[ChangedLabel]:
    """Make each change, read it back, and return the results: only what is read back counts.

    A label that is no longer where the plan saw it stays there. Before one is created or moves down, those
    beside it are set, and restored if it does not move; after one moved up, they follow. With ``together``,
    if one label does not move, those that did are moved back. Raises ``Unsupported`` where labels cannot be
    changed (nothing was changed then), and ``Stopped`` on Ctrl-C, once the requests under way have ended and,
    with ``together``, are undone.
    """
    begun: set[int] = set()
    done: dict[int, ChangedLabel] = {}

    def one(number: int) -> None:
        begun.add(number)
        done[number] = change_label(project, changes[number])
        project.progress("Moving labels", len(done), len(changes))

    def stopped(number: int) -> ChangedLabel:
        is_unknown = number in begun and changes[number].old != changes[number].new
        reason = (
            "interrupted: it may or may not have moved" if is_unknown else "interrupted before it was moved"
        )
        return done.get(number) or ChangedLabel(changes[number], False, reason, is_unknown=is_unknown)

    try:
        project.for_each(one, range(len(changes)))
    except KeyboardInterrupt:
        found = [stopped(number) for number in range(len(changes))]
        raise Stopped(_undo(project, found, "the run was interrupted") if together else found) from None
    except BaseException:
        if together:
            _undo(project, list(done.values()), "another failed")
        raise
    found = [done[number] for number in range(len(changes))]
    stayed = next((one for one in found if not one.moved or one.is_overtaken), None)
    if together and stayed is not None:
        what = "was moved by somebody else" if stayed.is_overtaken else "was not moved"
        return _undo(project, found, f"{stayed.change.name} {what}")
    return found


def failure(project: Project, changed: Sequence[ChangedLabel]) -> PromptsyncError | None:
    """Return the error that a command ends in, ``None`` when every label is where it should be.

    A key that may not move labels is a failure of the registry (exit code 4) as long as nothing was changed.
    A label that is protected, or that somebody else moved, is a refusal (3).
    """
    stayed = [one for one in changed if not one.moved or one.is_overtaken]
    if not stayed:
        return None
    first = min(stayed, key=lambda one: (not one.is_unknown, one.is_undone))
    message = _failed(first)
    is_partial = any(one.moved and one.change.old != one.change.new for one in changed if one not in stayed)
    if is_partial or any(one.is_unknown for one in stayed):
        return Incomplete(message, hint="promptsync label list", code="labels-unfinished")
    error = first.error
    if isinstance(error, Rejected) and error.status == 403:
        return RemoteError(
            f"{project.registry.url} rejects label changes by this key: {error.reason or error.message}",
            hint="ask an administrator of the workspace for the permission PROMPT_DEPLOY",
            code="forbidden",
        )
    if error is not None and not is_held_back(error):
        return error
    hint = "promptsync label list"
    if first.lost is not None and project.governs(first.change.label):
        again = deploy_command(project, first.change.label)
        hint = f"git pull\n{again} {shlex.quote(first.change.name)} --again"
    return Refused(message, hint=hint, code="label-not-moved")


def _failed(changed: ChangedLabel) -> str:
    label = f"{changed.change.label!r} of {changed.change.name!r}"
    if changed.is_overtaken:
        return f"{label} was moved by somebody else, too: {changed.reason}"
    if changed.is_unknown:
        return f"it is unknown whether {label} moved: {changed.reason}"
    return f"{label} was not moved: {changed.reason}"


def is_held_back(error: RemoteError) -> bool:
    """Whether a registry rejected a change because the label is protected or the key may not move it."""
    return isinstance(error, Rejected) and error.status in (403, 409)


def _undo(project: Project, found: list[ChangedLabel], why: str) -> list[ChangedLabel]:
    """Move back what moved, and return the new results. Raises ``Stopped`` on another Ctrl-C."""
    after = list(found)

    def one(number: int) -> None:
        changed = found[number]
        undone = change_label(project, changed.change.reversed(changed.before))
        if undone.moved:
            back = replace(changed, moved=False, reason=f"moved back because {why}", is_undone=True)
        else:
            back = replace(changed, note=f"could not be moved back: {undone.reason}")
        after[number] = back

    moved = [
        number
        for number, one in enumerate(found)
        if one.moved and not one.is_overtaken and one.change.old != one.change.new
    ]
    try:
        project.for_each(one, moved)
    except KeyboardInterrupt:
        raise Stopped(after) from None
    return after
