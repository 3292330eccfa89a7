"""Makes one change of a label, and reads it back: only what is read back counts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from promptsync.errors import RemoteError
from promptsync.labels.plan import LabelChange
from promptsync.project.pointers import Pointers, labels_of_prompt
from promptsync.project.project import Project
from promptsync.prompt.labels import Position, position_of, previous_name, released_name
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.version import Version
from promptsync.registry.errors import FateUnknown, TimedOut, Unsupported


class ChangedLabel(msgspec.Struct, frozen=True):
    """The result of a change. ``moved`` says that the label is where it should be.

    ``note`` is something else that went wrong. ``is_unknown`` says that the label may or may not have moved.
    ``is_undone`` says that it did move, and was moved back because of another one. ``is_overtaken`` says that
    it did move, while somebody else moved it, too: theirs is lost, and ``lost`` is the newer version that
    they released, if any. ``before`` is where it was, with the labels beside it.
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
    before: Position = Position()

    @property
    def is_move(self) -> bool:
        """Whether the label moved, and had been somewhere else."""
        return self.moved and self.change.old != self.change.new

    @property
    def why(self) -> str:
        """Why it did not move, or what else went wrong."""
        return self.reason or self.note


def change_label(project: Project, change: LabelChange) -> ChangedLabel:
    """Make one change, unless the label is no longer where the plan saw it. Raises ``Unsupported``."""
    if change.old == change.new and not change.records:
        return ChangedLabel(change, True)
    try:
        before = _Labels(project, change)
    except Unsupported:
        raise
    except RemoteError as error:
        return ChangedLabel(change, False, error.message, error=error)
    if before.version == change.new != change.old and change.new is not None:
        # It is not ours to move back, so it counts as a label that was there from the beginning.
        return ChangedLabel(msgspec.structs.replace(change, old=change.new), True)
    if before.version != change.old:
        return ChangedLabel(change, False, _moved_elsewhere(before.version))
    return relabel_from(project, change, before.pointers)


def relabel_from(project: Project, change: LabelChange, pointers: Pointers) -> ChangedLabel:
    """Make one change to labels that were read right before it. Raises ``Unsupported``."""
    before = _Labels(project, change, pointers)
    is_up = change.old is not None and change.new is not None and change.new > change.old
    changed = _move_up(before) if is_up else _move(before)
    if isinstance(changed.error, Unsupported):
        raise changed.error
    return msgspec.structs.replace(changed, before=before.position)


_Steps = Sequence[tuple[str, int | None]]
"""Labels with the versions that they are pointed at, in this order; without a version they are deleted."""


class _Labels:
    """The labels of one prompt at one moment, read now unless they are given."""

    def __init__(self, project: Project, change: LabelChange, pointers: Pointers | None = None) -> None:
        self.project = project
        self.change = change
        if pointers is None:  # only the id and the name are used to read labels
            pointers = labels_of_prompt(project, Version(change.template_id, 0, Prompt(change.name, {})))
        self.pointers = pointers
        self.position = position_of(change.label, {name: label.version for name, label in pointers.items()})
        self.version = self.position.version

    def again(self) -> _Labels:
        """Return the labels as they are now."""
        return _Labels(self.project, self.change)

    def differs_beside(self, other: _Labels) -> bool:
        """Whether a label beside this one is another label, or elsewhere."""
        return any(self.pointers.get(name) != other.pointers.get(name) for name, _ in self.beside(Position()))

    def beside(self, position: Position) -> _Steps:
        """Return the labels beside this one with their versions in ``position``."""
        previous, released = previous_name(self.change.label), released_name(self.change.label)
        if previous is None or released is None:
            return ()
        return ((previous, position.previous), (released, position.released))

    def write(self, steps: _Steps) -> RemoteError | None:
        """Point labels at versions. Return an error: reading back shows what it means."""
        labels, change = self.project.registry.labels, self.change
        existing = dict(self.pointers)
        try:
            for name, version in steps:
                label = existing.get(name)
                if version is None:
                    if label is not None:
                        labels.delete(label)
                        del existing[name]
                elif label is None or label.version != version:
                    labels.set(change.template_id, change.name, name, version, label)
        except RemoteError as error:
            return error
        return None


def _move_up(before: _Labels) -> ChangedLabel:
    """Move a label up, and then those beside it.

    In this order a release that is stopped in between is never taken for one that was rolled back. Whoever
    moves the label at the same time changes a label beside it, which is read before those are overwritten.
    """
    change = before.change
    error = before.write([(change.label, change.new)])
    try:
        now = before.again()
    except RemoteError as unread:
        return _unread(change, error, unread, is_unknown=error is None or isinstance(error, FateUnknown))
    after = change.after(before.position)
    somebody_moved = now.differs_beside(before)
    if now.version != change.new:
        if error is None and (now.version != change.old or somebody_moved):
            # Somebody moved it away at once, perhaps to roll it back, so it must not come back by itself.
            newest = max(now.position.released or 0, change.new or 0)
            now.write([(name, newest) for name, _ in now.beside(after)[1:]])
            return ChangedLabel(change, False, _moved_elsewhere(now.version))
        return _judged(now, error, after)
    if now.position == after != msgspec.structs.replace(before.position, version=change.new):
        return _judged(now, None, after)  # somebody else made the very same move
    if somebody_moved:
        return _overtaken(change, before, now)
    error = _write_beside(now, after)
    if error is not None:
        # Without those beside it a release could not be rolled back, so undo it.
        now.write([(change.label, change.old)])
    return _read_back(before, error, after, restores=error is not None)


def _write_beside(now: _Labels, after: Position) -> RemoteError | None:
    """Set the labels beside one; an error counts only if they are not where they belong afterwards."""
    error = now.write(now.beside(after))
    try:
        # Somebody else may make the same move at the same time.
        if error is not None and now.beside(now.again().position) == now.beside(after):
            return None
    except RemoteError:
        pass
    return error


def _move(before: _Labels) -> ChangedLabel:
    """Create a label, move it down, or delete it; those beside it change first, unless it is created.

    A missing label beside ``LABEL.released`` was removed, and a stop in between must not look like that.
    """
    change, after = before.change, before.change.after(before.position)
    steps = [*before.beside(after), (change.label, change.new)]
    if change.old is None:
        steps.reverse()
    if change.is_lower and before.beside(after) and after.previous == before.position.previous:
        # Made anew at the same version, so that a release at the same time sees the rollback. This comes
        # last, because a rollback that is stopped without it can be run again.
        steps += [
            (name, version) for name, _ in before.beside(after)[:1] for version in (None, after.previous)
        ]
    return _read_back(before, before.write(steps), after, restores=change.old != change.new)


def _read_back(
    before: _Labels, error: RemoteError | None, after: Position, *, restores: bool
) -> ChangedLabel:
    """Return the result of a change; if the label did not move, put those beside it back."""
    change = before.change
    try:
        now = before.again()
    except RemoteError as unread:
        # The label may have been written before the write that failed.
        return _unread(change, error, unread, is_unknown=True)
    if restores and now.version == change.old:
        # If this fails, too, a rollback is refused, which is safe. That the label did not move is reported
        # anyway.
        now.write(now.beside(before.position))
    return _judged(now, error, after)


def _judged(now: _Labels, error: RemoteError | None, after: Position) -> ChangedLabel:
    """Return the result of a change, given where the labels are now."""
    change, version = now.change, now.version
    if version == change.new:
        pairs = zip(now.beside(now.position), now.beside(after), strict=True)
        wrong = [
            f"{name} is at {_shown(at)}, not at {_shown(to)}" for (name, at), (_, to) in pairs if at != to
        ]
        return ChangedLabel(change, True, note="; ".join(wrong))
    if error is not None:
        # A request that timed out may still be carried out.
        return ChangedLabel(change, False, error.message, error=error, is_unknown=isinstance(error, TimedOut))
    if version != change.old:
        return ChangedLabel(change, False, _moved_elsewhere(version))
    reason = f"it is at {_shown(version)} although the registry accepted the change: "
    return ChangedLabel(change, False, f"{reason}pending approval, or overridden")


def _overtaken(change: LabelChange, before: _Labels, now: _Labels) -> ChangedLabel:
    theirs = now.position.released
    what = f"released {_shown(theirs)}" if theirs != before.position.released else "moved it"
    reason = f"somebody else {what} at the same time, and it is at {_shown(change.new)} now"
    lost = theirs if (theirs or 0) > (change.new or 0) else None
    return ChangedLabel(change, True, reason, is_overtaken=True, lost=lost)


def _unread(
    change: LabelChange, error: RemoteError | None, unread: RemoteError, *, is_unknown: bool
) -> ChangedLabel:
    reason = error.message if error is not None else f"it could not be read back: {unread.message}"
    return ChangedLabel(change, False, reason, error=error or unread, is_unknown=is_unknown)


def _moved_elsewhere(version: int | None) -> str:
    return f"somebody else moved it to {_shown(version)} in the meantime"


def _shown(version: int | None) -> str:
    return f"v{version}" if version is not None else "no version"
