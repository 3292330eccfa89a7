"""Moves labels: all or none. Each is read back, and only what was read back counts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Literal

import msgspec
from msgspec.structs import replace

from promptsync.errors import Incomplete, Interrupted, PromptsyncError, Refused, RemoteError
from promptsync.labels.plan import LabelChange
from promptsync.project.project import Project
from promptsync.project.versions import labels_of_prompt
from promptsync.prompt.labels import Position, names_of, position_of
from promptsync.prompt.prompt import Label
from promptsync.registry.address import LOCAL
from promptsync.registry.errors import FateUnknown, Rejected, TimedOut, Unsupported

Ending = Literal["moved", "overtaken", "undone", "stayed", "waits", "unknown"]
"""What became of a label.

``moved``: it is where it should be. ``overtaken``: it moved, but another user moved it, too, or an A/B
release routes it. ``undone``: it moved, and was moved back because of another one. ``stayed``: it did not
move. ``waits``: it needs an approval, which may also have been denied. ``unknown``: it may or may not have
moved.
"""

_WORST: tuple[Ending, ...] = ("unknown", "stayed", "overtaken", "waits", "undone")
"""The endings other than ``moved``, in the order in which an error names them."""


class ChangedLabel(msgspec.Struct, frozen=True):
    """The result of a change. ``why`` is why the label did not move, or what else went wrong.

    ``before`` is where it was, with the labels beside it.
    """

    change: LabelChange
    ending: Ending = "moved"
    why: str = ""
    error: RemoteError | None = None
    before: Position = Position()

    @property
    def moved(self) -> bool:
        """Whether the label is at the new version."""
        return self.ending in ("moved", "overtaken")

    @property
    def is_move(self) -> bool:
        """Whether the label moved from another version."""
        return self.moved and self.change.old != self.change.new

    @property
    def is_unknown(self) -> bool:
        return self.ending == "unknown"

    @property
    def waits(self) -> bool:
        return self.ending == "waits"


class LabelReceipt(msgspec.Struct, frozen=True):
    """The result of each change of a plan, in its order, and the error that the command ends in."""

    changed: tuple[ChangedLabel, ...] = ()
    error: PromptsyncError | None = None


def apply_labels(
    project: Project,
    changes: Sequence[LabelChange],
    again: str = "promptsync label list",
    command: str = "promptsync label list",
) -> LabelReceipt:
    """Make all changes or none: if one label does not move, or after Ctrl-C, the others move back.

    ``again`` is the command to run after an approval, and ``command`` the one that goes on after Ctrl-C.
    Raises ``Unsupported``, with nothing changed, where labels cannot be changed.
    """
    changed = [ChangedLabel(change, "stayed", "interrupted before it was moved") for change in changes]
    finished = count(1)

    def make(number: int) -> None:
        change = changes[number]
        if change.old != change.new:
            changed[number] = ChangedLabel(change, "unknown", "interrupted: it may or may not have moved")
        changed[number] = change_label(project, change)
        project.progress("Moving labels", next(finished), len(changes))

    is_stopped = False
    try:
        project.for_each(make, range(len(changes)))
    except KeyboardInterrupt:
        is_stopped = True
    except BaseException:
        _undo(project, changed, "another failed")
        raise
    if is_stopped:
        _undo(project, changed, "the run was interrupted")
    elif stayed := next((label for label in changed if label.ending != "moved"), None):
        what = {"waits": "waits for approval", "overtaken": "was moved by another user"}
        why = f"{stayed.change.name} {what.get(stayed.ending, 'was not moved')}"
        is_stopped = _undo(project, changed, why)
    error = _interruption(changed, command) if is_stopped else _failure(project, changed, again)
    return LabelReceipt(tuple(changed), error)


def _undo(project: Project, changed: list[ChangedLabel], cause: str) -> bool:
    """Move back what moved, in the list itself; return whether Ctrl-C stopped that."""

    def undo(number: int) -> None:
        label = changed[number]
        undone = _move_back(project, label.change, label.before)
        if undone.ending == "overtaken":
            changed[number] = replace(undone, change=label.change, why=f"{undone.why}, so it was left there")
        elif undone.moved:
            changed[number] = replace(label, ending="undone", why=f"moved back because {cause}")
        else:
            changed[number] = replace(label, why=f"could not be moved back: {undone.why}")

    moves = [number for number, label in enumerate(changed) if label.is_move and label.ending != "overtaken"]
    try:
        project.for_each(undo, moves)
    except KeyboardInterrupt:
        return True
    return False


def _interruption(changed: Sequence[ChangedLabel], command: str) -> Interrupted:
    moved = sum(label.is_move for label in changed)
    unknown = sum(label.is_unknown for label in changed)
    counts = [f"{moved} label{'s' * (moved != 1)} moved"] if moved else []
    counts += [f"{unknown} unknown"] if unknown else []
    what = ", ".join(counts) or "no label was changed"
    hints = dict.fromkeys([command, *(["promptsync label list"] if counts else [])])
    return Interrupted(f"interrupted: {what}", hint="\n".join(hints))


def _failure(project: Project, changed: Sequence[ChangedLabel], again: str) -> PromptsyncError | None:
    """Return the error that a command ends in, ``None`` when every label is where it should be.

    A key that may not move labels is a failure of the registry (exit code 4) as long as nothing was changed.
    A label that is protected, or that another user moved, is a refusal (3).
    """
    stayed = [label for label in changed if label.ending != "moved"]
    if not stayed:
        return None
    first = min(stayed, key=lambda label: _WORST.index(label.ending))
    change, error = first.change, first.error
    where = f"{change.label!r} of {change.name!r}"
    message = f"{where} was not moved: {first.why}"
    if first.ending == "overtaken":
        message = f"{where} was moved by another user, too: {first.why}"
    elif first.is_unknown:
        message = f"it is unknown whether {where} moved: {first.why}"
    elif first.waits:
        others = sum(label.waits for label in stayed) - 1
        message = f"the change waits for approval of {change.label} by an admin: {change.name} "
        message += f"v{change.new or change.old}{f' (and {others} more)' if others else ''}"
    hint = "promptsync label list"
    if any(label.is_unknown or (label.is_move and label.ending != "overtaken") for label in changed):
        return Incomplete(message, hint=hint, code="labels-unfinished")
    if first.waits:
        how = "approve it in the PromptLayer dashboard (a denied request looks the same)"
        if project.registry.url.startswith(LOCAL):
            how = "remove the label from protected_labels: in the fixtures, which approves the change"
        return Refused(message, hint=f"{how}\n{again}", code="waits-for-approval")
    ask = f"if {change.label} is protected, ask an administrator of the workspace to move it"
    if isinstance(error, Rejected) and error.status == 403:
        return RemoteError(
            f"{project.registry.url} rejects label changes by this key: {error.reason or error.message}",
            hint=f"ask an administrator of the workspace for the permission PROMPT_DEPLOY\n{ask}",
            code="forbidden",
        )
    if error is not None and not (isinstance(error, Rejected) and error.status == 409):
        return error
    if isinstance(error, Rejected) and error.reason:  # what is protected is a refusal
        hint = f"{ask}\n{hint}"
    return Refused(message, hint=hint, code="label-not-moved")


# -- one label ----------------------------------------------------------------------------------------------


def change_label(project: Project, change: LabelChange) -> ChangedLabel:
    """Make one change, unless the label is no longer where the plan saw it. Raises ``Unsupported``."""
    if change.old == change.new and not change.records:
        return ChangedLabel(change)
    try:
        before = _read(project, change)
    except Unsupported:
        raise
    except RemoteError as error:
        return ChangedLabel(change, "stayed", error.message, error)
    now = before.position.version
    if now == change.new != change.old and change.new is not None:
        # It is not ours to move back, so it counts as a label that was there from the beginning.
        return ChangedLabel(replace(change, old=change.new))
    if now != change.old:
        return ChangedLabel(change, "stayed", f"{_moved_elsewhere(now)}, or an A/B release routes it")
    changed = _move(before)
    if isinstance(changed.error, Unsupported):
        raise changed.error
    return replace(changed, before=before.position)


_Steps = Sequence[tuple[str, int | None]]
"""Labels with the versions that they are pointed at, in this order; without a version they are deleted."""


class _Labels(msgspec.Struct, frozen=True):
    """The labels of one prompt at one moment."""

    project: Project
    change: LabelChange
    pointers: dict[str, Label]

    @property
    def position(self) -> Position:
        versions = {name: label.version for name, label in self.pointers.items()}
        return position_of(self.change.label, versions)

    def beside(self, position: Position) -> _Steps:
        """Return the labels beside this one with their versions in ``position``."""
        versions = position.previous, position.released
        return tuple(zip(names_of(self.change.label)[1:], versions, strict=False))

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


def _read(project: Project, change: LabelChange) -> _Labels:
    labels = labels_of_prompt(project, change.template_id, change.name)
    return _Labels(project, change, {label.name: label for label in labels})


def _move(before: _Labels) -> ChangedLabel:
    """Move a label, and then those beside it.

    In this order a release that is stopped in between is never taken for one that was taken back. What is
    taken back or deleted, here or in the dashboard, has to be known before the label moves.
    """
    change, known = before.change, before.position
    after = known.moved_to(change.new)
    beside = before.beside(after)
    goes_down = change.new is None or change.is_lower
    if change.new is None:
        known = after
    elif change.old is not None and (goes_down or (known.released or 0) > change.old):
        known = known.moved_to(change.old)
    error = before.write([*before.beside(known), (change.label, change.new)])
    try:
        now = _read(before.project, change)
        # Whoever moves the label at the same time changes those beside it, too.
        is_alone = goes_down or now.beside(now.position) == before.beside(known)
        if now.position.version != change.new:
            return _stayed(before, now, error, is_alone=is_alone, goes_down=goes_down)
        error = None
        if not is_alone and now.position != after:
            why = f"another user moved it at the same time, and it is now at {_shown(change.new)}"
            return ChangedLabel(change, "overtaken", why)
        if not goes_down and (now.position.released or 0) > (change.old or 0):
            # Until all is recorded, nothing may say that what was taken back was live before.
            steps = ((beside[0][0], change.new), beside[1])
            if steps != now.beside(now.position):
                now.write(steps)
                now = _read(before.project, change)
        unrecorded = now.write(now.beside(after))
        now = _read(before.project, change)
        if now.position.version != change.new:
            _record(now, after)
        elif unrecorded is not None and not goes_down and now.position != after:
            # Without those beside it a release could not be rolled back, so undo it.
            _move_back(before.project, change, before.position)
            now = _read(before.project, change)
            error = unrecorded if now.position.version in (change.old, change.new) else None
    except RemoteError as unread:
        is_sent = goes_down or error is None or isinstance(error, FateUnknown)
        is_unknown = is_sent and change.old != change.new
        why = error.message if error is not None else f"it could not be read back: {unread.message}"
        return ChangedLabel(change, "unknown" if is_unknown else "stayed", why, error or unread)
    return _judged(now, error, after)


def _stayed(
    before: _Labels, now: _Labels, error: RemoteError | None, *, is_alone: bool, goes_down: bool
) -> ChangedLabel:
    """Return the result for a label that is not where it should be; those beside it go where they belong."""
    change, position, version = before.change, before.position, now.position.version
    if version == change.old and (is_alone or error is not None):
        if error is None and version is not None:
            # An admin may still approve the move, and a rollback of that has to lead back to this version.
            position = position.moved_to(version)
        if error is None or goes_down:
            now.write(now.beside(position))
        if error is None:
            return ChangedLabel(change, "waits", "an admin has to approve it")
    elif error is None and not goes_down:
        # Another user moved it away, perhaps to roll it back, so it must not come back by itself.
        _record(now, position.moved_to(change.new))
    return _judged(now, error, position)


def _move_back(project: Project, change: LabelChange, to: Position) -> ChangedLabel:
    """Undo a change that this run made, unless another user has moved the label since: then ``overtaken``.

    Those beside it go back first, the newest release before the way back: whatever fails after that, none
    says something untrue.
    """
    undo = replace(change, old=change.new, new=to.version)
    try:
        now, error = _read(project, undo), None
        for steps in (now.beside(to)[::-1], [(undo.label, undo.new)]):
            if error is None and now.position.version == undo.old:
                error = now.write(steps)
                now = _read(project, undo)
        newest, known = now.position.released or 0, max(undo.old or 0, to.released or 0)
        if now.position.version == undo.new and now.position.previous != newest > known:
            # It was released between the read and the write, which nothing prevents: it goes up again.
            now.write([(undo.label, newest)])
            now = _read(project, undo)
        if (version := now.position.version) not in (undo.old, undo.new):
            if version is not None:
                _record(now, to)
            return ChangedLabel(undo, "overtaken", _moved_elsewhere(version))
    except RemoteError as unread:
        return ChangedLabel(undo, "stayed", unread.message, unread)
    if version == undo.old and error is None:
        return ChangedLabel(undo, "waits", "an admin has to approve it")
    return _judged(now, error, to)


def _record(now: _Labels, ours: Position) -> None:
    """Let the labels beside one that another user moved away from ``ours`` say so: both may have set them."""
    position = now.position
    right = ours.moved_to(position.version)
    previous = right.previous if position.previous == ours.previous else position.previous
    newest = max(position.released or 0, ours.released or 0, right.released or 0)
    now.write(now.beside(replace(right, previous=previous, released=newest)))


def _judged(now: _Labels, error: RemoteError | None, after: Position) -> ChangedLabel:
    """Return the result of a change, given where the labels are now."""
    change, version = now.change, now.position.version
    if version == change.new:
        pairs = zip(now.beside(now.position), now.beside(after), strict=True)
        wrong = [
            f"{name} is at {_shown(at)}, not at {_shown(to)}" for (name, at), (_, to) in pairs if at != to
        ]
        return ChangedLabel(change, "moved", "; ".join(wrong))
    if error is not None:
        # A request that timed out may still be carried out.
        ending: Ending = "unknown" if isinstance(error, TimedOut) else "stayed"
        return ChangedLabel(change, ending, error.message, error)
    return ChangedLabel(change, "stayed", _moved_elsewhere(version))


def _moved_elsewhere(version: int | None) -> str:
    return f"another user moved it to {_shown(version)} in the meantime"


def _shown(version: int | None) -> str:
    return f"v{version}" if version is not None else "no version"
