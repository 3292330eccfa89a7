"""Makes one change of a label, and reads it back: only what is read back counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from promptsync.compare.labels import Pointers, labels_of_prompt
from promptsync.errors import RemoteError
from promptsync.labels.plan import Beside, LabelChange, beside_before
from promptsync.project.project import Project
from promptsync.prompt.labels import previous_name, released_name
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.version import Version
from promptsync.registry.errors import FateUnknown, TimedOut, Unsupported


@dataclass(frozen=True, slots=True)
class ChangedLabel:
    """The result of a change. ``moved`` says that the label is where it should be.

    ``note`` is something else that went wrong. ``is_unknown`` says that the label may or may not have moved.
    ``is_undone`` says that it did move, and was moved back because of another one. ``is_overtaken`` says that
    it did move, while somebody else moved it, too: theirs is lost, and ``lost`` is the newer version that
    they released, if any. ``before`` are the versions of the labels beside it before the move.
    """

    change: LabelChange
    moved: bool
    reason: str = ""
    note: str = ""
    error: RemoteError | None = None
    is_unknown: bool = False
    is_undone: bool = False
    is_overtaken: bool = False
    lost: int | None = None
    before: Beside = field(default_factory=dict)


def change_label(project: Project, change: LabelChange) -> ChangedLabel:
    """Make one change, unless the label is no longer where the plan saw it. Raises ``Unsupported``."""
    if change.old == change.new and change.beside is None:
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
        return ChangedLabel(change, False, _moved_elsewhere(now))
    return relabel_from(project, change, before)


def relabel_from(project: Project, change: LabelChange, before: Pointers) -> ChangedLabel:
    """Make one change to labels that were read right before it. Raises ``Unsupported``."""
    is_up = change.old is not None and change.new is not None and change.new > change.old
    beside = change.beside_after(beside_before(change.label, before))
    if change.old == change.new:
        found = _read_back(project, change, _write_beside(project, change, before, beside), beside)
    else:
        found = (_move_up if is_up else _move)(project, change, before, beside)
    if isinstance(found.error, Unsupported):
        raise found.error
    return replace(found, before=beside_before(change.label, before))


def _move_up(project: Project, change: LabelChange, before: Pointers, beside: Beside) -> ChangedLabel:
    """Move a label up, and then those beside it.

    In this order a release that is stopped in between is never taken for one that was rolled back. Whoever
    moves the label at the same time changes a label beside it, which is read before those are overwritten.
    """
    error = _write(project, change, [(change.label, change.new)], before)
    try:
        now = _labels(project, change)
    except RemoteError as unread:
        return _unread(change, error, unread, is_unknown=error is None or isinstance(error, FateUnknown))
    version = _at(now, change.label)
    somebody_moved = any(now.get(label) != before.get(label) for label in beside)
    if version != change.new:
        if error is not None or (version == change.old and not somebody_moved):
            return _judged(change, now, error, beside)
        # Somebody moved it away at once, perhaps to roll it back, so it must not come back by itself.
        _write(project, change, _newest_release(change, now), now)
        return ChangedLabel(change, False, _moved_elsewhere(version))
    was, there = (beside_before(change.label, labels) for labels in (before, now))
    if there == beside != was:  # somebody else made the very same move
        return _judged(change, now, None, beside)
    if somebody_moved:
        return _overtaken(change, before, now)
    error = _write_beside(project, change, now, beside)
    if error is None:
        return _read_back(project, change, None, beside)
    # Without those beside it a release could not be rolled back, so undo it.
    _write(project, change, [(change.label, change.old)], now)
    return _read_back(project, change, error, beside, restore=was)


def _newest_release(change: LabelChange, now: Pointers) -> list[tuple[str, int | None]]:
    released = released_name(change.label)
    is_newer = released is not None and (_at(now, released) or 0) < (change.new or 0)
    return [(released, change.new)] if released is not None and is_newer else []


def _overtaken(change: LabelChange, before: Pointers, now: Pointers) -> ChangedLabel:
    released = released_name(change.label) or ""
    theirs = _at(now, released)
    what = f"released {_shown(theirs)}" if theirs != _at(before, released) else "moved it"
    reason = f"somebody else {what} at the same time, and it is at {_shown(change.new)} now"
    lost = theirs if (theirs or 0) > (change.new or 0) else None
    return ChangedLabel(change, True, reason, is_overtaken=True, lost=lost)


def _write_beside(
    project: Project, change: LabelChange, there: Pointers, beside: Beside
) -> RemoteError | None:
    """Set the labels beside one; an error counts only if they are not where they belong afterwards."""
    for label, version in beside.items():
        error = _write(project, change, [(label, version)], there)
        try:
            # Somebody else may make the same move at the same time.
            if error is not None and _at(_labels(project, change), label) != version:
                return error
        except RemoteError:
            return error
    return None


def _move(project: Project, change: LabelChange, before: Pointers, beside: Beside) -> ChangedLabel:
    """Create a label, move it down, or delete it; those beside it change first, unless it is created.

    A missing label beside ``LABEL.released`` was removed, and a stop in between must not look like that.
    """
    steps: list[tuple[str, int | None]] = [*beside.items(), (change.label, change.new)]
    if change.old is None:
        steps.reverse()
    previous = previous_name(change.label)
    if previous is not None and change.is_lower and beside.get(previous) == _at(before, previous):
        # Made anew at the same version, so that a release at the same time sees the rollback. This comes
        # last, because a rollback that is stopped without it can be run again.
        steps += [(previous, None), (previous, beside.get(previous))]
    error = _write(project, change, steps, before)
    return _read_back(project, change, error, beside, restore=beside_before(change.label, before))


def _write(
    project: Project, change: LabelChange, steps: Sequence[tuple[str, int | None]], before: Pointers
) -> RemoteError | None:
    """Point labels at versions. Return an error: reading back shows what it means."""
    there = dict(before)
    try:
        for label, version in steps:
            _point(project, change, label, version, there)
            if version is None:
                there.pop(label, None)
    except RemoteError as error:
        return error
    return None


def _read_back(
    project: Project,
    change: LabelChange,
    error: RemoteError | None,
    beside: Beside,
    *,
    restore: Beside | None = None,
) -> ChangedLabel:
    """Return the result of a change; if the label did not move, put those beside it back to ``restore``."""
    try:
        now = _labels(project, change)
    except RemoteError as unread:
        # The label may have been written before the write that failed.
        return _unread(change, error, unread, is_unknown=True)
    if restore and _at(now, change.label) == change.old:
        # If this fails, too, a rollback is refused, which is safe. That the label did not move is reported
        # anyway.
        _write(project, change, list(restore.items()), now)
    return _judged(change, now, error, beside)


def _unread(
    change: LabelChange, error: RemoteError | None, unread: RemoteError, *, is_unknown: bool
) -> ChangedLabel:
    reason = error.message if error is not None else f"it could not be read back: {unread.message}"
    return ChangedLabel(change, False, reason, error=error or unread, is_unknown=is_unknown)


def _judged(change: LabelChange, there: Pointers, error: RemoteError | None, beside: Beside) -> ChangedLabel:
    """Return the result of a change, given where the labels are now."""
    now = _at(there, change.label)
    if now == change.new:
        wrong = [
            f"{label} is at {_shown(_at(there, label))}, not at {_shown(version)}"
            for label, version in beside.items()
            if _at(there, label) != version
        ]
        return ChangedLabel(change, True, note="; ".join(wrong))
    if error is not None:
        # A request that timed out may still be carried out.
        return ChangedLabel(change, False, error.message, error=error, is_unknown=isinstance(error, TimedOut))
    if now != change.old:
        return ChangedLabel(change, False, _moved_elsewhere(now))
    reason = f"it is at {_shown(now)} although the registry accepted the change: "
    return ChangedLabel(change, False, f"{reason}pending approval, or overridden")


def _moved_elsewhere(now: int | None) -> str:
    return f"somebody else moved it to {_shown(now)} in the meantime"


def _labels(project: Project, change: LabelChange) -> Pointers:
    # Only the id and the name are used to read labels.
    item = Version(change.template_id, 0, Prompt(change.name, {}))
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
