"""Carries out planned changes of labels: each one compared before, and read back after."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from promptsync.compare.labels import Pointers, labels_of_prompt
from promptsync.compare.project import Project
from promptsync.errors import Incomplete, Interrupted, PromptsyncError, Refused, RemoteError
from promptsync.labels.plan import LabelChange, LabelPlan
from promptsync.parallel import for_each
from promptsync.prompt.labels import rolled_back_name
from promptsync.prompt.prompt import Listed, Prompt
from promptsync.registry.errors import FateUnknown, Rejected, TimedOut, Unsupported


@dataclass(frozen=True, slots=True)
class ChangedLabel:
    """The result of a change. ``moved`` says that the label is where it should be.

    ``note`` is something else that went wrong. ``is_unknown`` says that the label may or may not have moved.
    ``is_undone`` says that it did move, and was moved back because of another one.
    """

    change: LabelChange
    moved: bool
    reason: str = ""
    note: str = ""
    error: RemoteError | None = None
    is_unknown: bool = False
    is_undone: bool = False


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


def apply_labels(project: Project, plan: LabelPlan) -> LabelReceipt:
    """Carry out ``plan``. Raises ``Unsupported``, with nothing changed, where labels cannot be changed."""
    try:
        done = apply_changes(project, plan.changes, together=plan.together)
    except Stopped as stopped:
        moved = sum(one.moved and one.change.old != one.change.new for one in stopped.changed)
        what = f"{moved} label{'s' * (moved != 1)} moved" if moved else "no label was changed"
        return LabelReceipt(
            stopped.changed, Interrupted(f"interrupted: {what}", hint="promptsync label list")
        )
    return LabelReceipt(tuple(done), failure(project, done))


def apply_changes(
    project: Project, changes: Sequence[LabelChange], *, together: bool = False
) -> list[ChangedLabel]:
    """Make each change, read it back, and return the results: only what is read back counts.

    A label that is no longer where the plan saw it stays there. While one moves up, its LABEL.previous is
    deleted; before one moves down, those beside it are set. They are restored if it does not move: a rollback
    that goes too far is worse than one that is refused. With ``together``, if one label does not move, those
    that did are moved back. Raises ``Unsupported`` where labels cannot be changed (nothing was changed then),
    and ``Stopped`` on Ctrl-C, once the requests under way have ended and, with ``together``, are undone.
    """
    begun: set[int] = set()
    done: dict[int, ChangedLabel] = {}

    def one(number: int) -> None:
        begun.add(number)
        done[number] = _change(project, changes[number])
        project.progress("Moving labels", len(done), len(changes))

    def stopped(number: int) -> ChangedLabel:
        is_unknown = number in begun and changes[number].old != changes[number].new
        reason = (
            "interrupted: it may or may not have moved" if is_unknown else "interrupted before it was moved"
        )
        return done.get(number) or ChangedLabel(changes[number], False, reason, is_unknown=is_unknown)

    try:
        for_each(one, range(len(changes)), width=lambda: project.registry.width)
    except KeyboardInterrupt:
        found = [stopped(number) for number in range(len(changes))]
        raise Stopped(_undo(project, found, "the run was interrupted") if together else found) from None
    except BaseException:
        if together:
            _undo(project, list(done.values()), "another failed")
        raise
    found = [done[number] for number in range(len(changes))]
    stayed = next((one for one in found if not one.moved), None)
    if together and stayed is not None:
        return _undo(project, found, f"{stayed.change.name} was not moved")
    return found


def failure(project: Project, changed: Sequence[ChangedLabel]) -> PromptsyncError | None:
    """Return the error that a command ends in, ``None`` when every label is where it should be.

    A key that may not move labels is a failure of the registry (exit code 4) as long as nothing was changed.
    A label that is protected, or that somebody else moved, is a refusal (3).
    """
    stayed = [one for one in changed if not one.moved]
    if not stayed:
        return None
    first = next((one for one in stayed if not one.is_undone), stayed[0])
    message = f"{first.change.label!r} of {first.change.name!r} was not moved: {first.reason}"
    is_partial = any(one.moved and one.change.old != one.change.new for one in changed)
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
    return Refused(message, hint="promptsync label list", code="label-not-moved")


def is_held_back(error: RemoteError) -> bool:
    """Whether a registry rejected a change because the label is protected or the key may not move it."""
    return isinstance(error, Rejected) and error.status in (403, 409)


def _change(project: Project, change: LabelChange) -> ChangedLabel:
    if change.old == change.new:
        return ChangedLabel(change, True)
    try:
        before = _labels(project, change)
    except Unsupported:
        raise
    except RemoteError as error:
        return ChangedLabel(change, False, error.message, error=error)
    now = _at(before, change.label)
    if now != change.old and now is not None and (now == change.new or now in change.as_good):
        # It is not ours to move back, so it counts as a label that was there from the beginning.
        return ChangedLabel(replace(change, old=now, new=now), True)
    if now != change.old:
        return ChangedLabel(change, False, f"somebody else moved it to {_shown(now)} in the meantime")
    return relabel_from(project, change, before)


def relabel_from(project: Project, change: LabelChange, before: Pointers) -> ChangedLabel:
    """Make one change to labels that were read right before it. Raises ``Unsupported``."""
    found = _read_back(project, change, _write(project, change, before))
    if isinstance(found.error, Unsupported):
        raise found.error
    return found


def _write(project: Project, change: LabelChange, before: Pointers) -> RemoteError | None:
    """Set the label and those beside it. Return an error: reading back shows what it means."""
    beside: list[tuple[str, int | None]] = [(label, after) for label, (_, after) in change.beside.items()]
    steps: list[tuple[str, int | None]]
    if change.new is None or change.old is None or change.new > change.old:
        # An outdated LABEL.previous goes first. If we are stopped in between, it would look like a rollback,
        # or the next rollback would go too far. LABEL.rolled-back goes last, because without it everything
        # above the label would count as rolled back.
        stale = [
            label
            for label, after in beside
            if label in before and before[label].version != after and label != rolled_back_name(change.label)
        ]
        steps = [*((label, None) for label in stale), (change.label, change.new), *beside]
    else:
        steps = [*beside, (change.label, change.new)]
    there = dict(before)
    done: list[str] = []
    try:
        for label, version in steps:
            _point(project, change, label, version, there)
            done.append(label)
            if version is None:
                there.pop(label, None)
    except RemoteError as error:
        if change.label in done:  # without those beside it a release could not be rolled back, so undo it
            with suppress(RemoteError):
                now = _labels(project, change)
                if all(_at(now, label) == after for label, after in beside):
                    return None  # somebody else made the same move at the same time
                if _at(now, change.label) == change.new:
                    _point(project, change, change.label, change.old, now)
        return error
    return None


def _read_back(project: Project, change: LabelChange, error: RemoteError | None) -> ChangedLabel:
    try:
        after = _labels(project, change)
    except RemoteError as unread:
        reason = error.message if error is not None else f"it could not be read back: {unread.message}"
        is_unknown = error is None or isinstance(error, FateUnknown)
        return ChangedLabel(change, False, reason, error=error or unread, is_unknown=is_unknown)
    now = _at(after, change.label)
    kept = {label: _at(after, label) for label in change.beside}
    if now == change.new:
        wrong = [
            f"{label} is at {_shown(kept[label])}, not at {_shown(wanted)}"
            for label, (_, wanted) in change.beside.items()
            if kept[label] != wanted
        ]
        return ChangedLabel(change, True, note="; ".join(wrong))
    # Where somebody else moved the label, those beside it belong to their move as well.
    if now == change.old:
        _restore(project, change, after)
    if error is not None:
        # A request that timed out may still be carried out.
        return ChangedLabel(change, False, error.message, error=error, is_unknown=isinstance(error, TimedOut))
    return ChangedLabel(
        change,
        False,
        f"it is at {_shown(now)} although the registry accepted the change: pending approval, or overridden",
    )


def _restore(project: Project, change: LabelChange, after: Pointers) -> None:
    """Put the labels beside one that did not move back to where they were."""
    # If this fails too, a rollback is refused, which is safe. That the label did not move is reported anyway.
    with suppress(RemoteError):
        for label, (before, _) in change.beside.items():
            _point(project, change, label, before, after)


def _undo(project: Project, found: list[ChangedLabel], why: str) -> list[ChangedLabel]:
    """Move back what moved, and return the new results. Raises ``Stopped`` on another Ctrl-C."""
    after = list(found)

    def one(number: int) -> None:
        changed = found[number]
        undone = _change(project, changed.change.reversed())
        if undone.moved:
            back = replace(changed, moved=False, reason=f"moved back because {why}", is_undone=True)
        else:
            back = replace(changed, note=f"could not be moved back: {undone.reason}")
        after[number] = back

    moved = [number for number, one in enumerate(found) if one.moved and one.change.old != one.change.new]
    try:
        for_each(one, moved, width=lambda: project.registry.width)
    except KeyboardInterrupt:
        raise Stopped(after) from None
    return after


def _labels(project: Project, change: LabelChange) -> Pointers:
    # Only the id and the name are used to read labels.
    item = Listed(change.template_id, 0, Prompt(change.name, {}))
    return labels_of_prompt(project, item)


def _point(project: Project, change: LabelChange, label: str, version: int | None, before: Pointers) -> None:
    existing = before.get(label)
    if version is None:
        if existing is not None:
            project.registry.labels.delete(existing)
    elif existing is None or existing.version != version:
        project.registry.labels.set(change.template_id, change.name, label, version, existing)


def _at(there: Pointers, label: str) -> int | None:
    return there[label].version if label in there else None


def _shown(version: int | None) -> str:
    return f"v{version}" if version is not None else "no version"
