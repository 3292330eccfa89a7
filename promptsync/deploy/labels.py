"""The release label of each prompt during a deploy: moved, some of them before the checks, and moved back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from promptsync.deploy.members import Member
from promptsync.errors import PromptsyncError, RemoteError
from promptsync.labels.apply import Stopped, apply_changes, failure
from promptsync.labels.move import ChangedLabel
from promptsync.labels.plan import Beside, LabelChange, beside_after, beside_before
from promptsync.project.project import Project
from promptsync.prompt.labels import released_after, unchecked_name
from promptsync.push.receipt import Published


class Moves:
    """Moves a label, and records where it was on each prompt before the deploy and where it is now.

    ``versions`` and ``ids`` are the versions to release and the template ids by prompt; ``was_published``
    adds what is published. ``outcomes`` are the results of each label that this deploy tried to move.
    """

    def __init__(self, project: Project, label: str, releases: Sequence[Member]) -> None:
        self._project = project
        self._label = label
        self._releases = releases
        self._moved: dict[str, ChangedLabel] = {}
        self.outcomes: dict[str, ChangedLabel] = {}
        self._as_good: dict[str, set[int]] = {}
        self._marked = {member.name for member in releases if member.is_moved}
        self.versions = {member.name: member.version for member in releases}
        self.ids = {member.name: member.template_id for member in releases if member.template_id is not None}

    @property
    def all_outcomes(self) -> list[ChangedLabel]:
        """The result for the label of every release; empty if no label was tried."""
        if not self.outcomes:
            return []
        found = []
        for one in self._releases:
            new = self.versions[one.name]
            planned = LabelChange(one.name, self.ids.get(one.name, 0), self._label, one.released, new)
            found.append(self.outcomes.get(one.name) or ChangedLabel(planned, False))
        return found

    def release(self, members: Sequence[Member]) -> PromptsyncError | None:
        """Move the label of each to the version to release: all or none. If none, return the error."""
        return self._make([self._change(one) for one in members])

    def create(self, members: Sequence[Member]) -> PromptsyncError | None:
        """Create the label of prompts without one, at their latest version: all or none, as ``release``.

        Nothing has checked that version, so it is marked.
        """
        changes = [
            LabelChange(one.name, one.template_id, self._label, None, one.latest)
            for one in members
            if one.template_id is not None
        ]
        error = self._mark_unchecked({one.name: one.new for one in changes if one.new is not None})
        return error if error is not None else self._make(changes)

    def was_published(self, published: Published) -> None:
        """Record the version to release, to which somebody else may move the label too."""
        self._as_good[published.name] = {published.version}
        self.versions[published.name] = published.version
        self.ids[published.name] = published.template_id

    def mark_unchecked(self, members: Sequence[Member]) -> PromptsyncError | None:
        """Mark what gets the label before it is checked: if this deploy is killed, the next one checks it."""
        return self._mark_unchecked({one.name: self.versions[one.name] for one in members})

    def _mark_unchecked(self, versions: Mapping[str, int]) -> PromptsyncError | None:
        if not versions:
            return None
        marks = self._marks()
        changes = [self._mark(name, marks.get(name), version) for name, version in versions.items()]
        done = apply_changes(self._project, changes, together=True)
        self._marked |= {one.change.name for one in done if one.moved}
        return failure(self._project, done)

    def mark_checked(self, names: Collection[str]) -> None:
        """Remove the marks of prompts that are checked."""
        self._unmark(self._marked & {*names})

    def _unmark(self, names: Collection[str]) -> None:
        # A mark that stays costs the next deploy a few checks, or nothing where the label is elsewhere.
        with contextlib.suppress(RemoteError):
            if names:
                marks = self._marks()
                changes = [self._mark(name, marks.get(name), None) for name in sorted(names)]
                apply_changes(self._project, changes)

    def _marks(self) -> dict[str, int]:
        found = self._project.registry.prompts.list(label=unchecked_name(self._label))
        return {one.name: one.version for one in found}

    def _mark(self, name: str, old: int | None, new: int | None) -> LabelChange:
        return LabelChange(name, self.ids[name], unchecked_name(self._label), old, new)

    def take_back(self, names: Collection[str]) -> None:
        """Move labels back to where they were before the deploy, as far as that is possible."""
        moved = [one for name, one in self._moved.items() if name in names]
        back = [one.change.reversed(one.before) for one in moved]
        self._apply(back, self._record_undone)
        undone = self._marked & self.outcomes.keys() & {*names}
        self._unmark({name for name in undone if not self.outcomes[name].moved})

    def _make(self, changes: Sequence[LabelChange]) -> PromptsyncError | None:
        if not changes:
            return None
        return failure(self._project, self._apply(changes, self._record, together=True))

    def _apply(
        self,
        changes: Sequence[LabelChange],
        record: Callable[[ChangedLabel], None],
        *,
        together: bool = False,
    ) -> Sequence[ChangedLabel]:
        """Make changes, and record each result, even after Ctrl-C."""
        done: Sequence[ChangedLabel] = ()
        try:
            done = apply_changes(self._project, changes, together=together)
        except Stopped as stop:
            done = stop.changed
            raise
        finally:
            for one in done:
                record(one)
        return done

    def _record(self, done: ChangedLabel) -> None:
        """Record a move: from where the label was at first to where it is now."""
        first = self._moved.get(done.change.name)
        # A label may move twice, first to be created and then to be released: undoing must skip the middle.
        if first is not None:
            done = replace(done, change=replace(done.change, old=first.change.old), before=first.before)
        if done.moved and not done.is_overtaken and done.change.old != done.change.new:
            self._moved[done.change.name] = done
        self.outcomes[done.change.name] = done

    def _record_undone(self, undone: ChangedLabel) -> None:
        name = undone.change.name
        change = self._moved[name].change
        if undone.moved:
            del self._moved[name]
            reason = self.outcomes[name].reason or "moved back"
            self.outcomes[name] = ChangedLabel(change, False, reason, is_undone=True)
        else:
            self.outcomes[name] = ChangedLabel(change, True, note=f"could not be moved back: {undone.reason}")

    def _change(self, member: Member) -> LabelChange:
        new, id_ = self.versions[member.name], self.ids[member.name]
        first = self._moved.get(member.name)
        if first is None:
            as_good = frozenset(self._as_good.get(member.name, ()))
            beside = self._unfinished(member) if member.is_moved else None
            return LabelChange(member.name, id_, self._label, member.released, new, beside, as_good)
        # A rollback leads to where the label was before the deploy, not to where the checks needed it.
        beside = beside_after(self._label, member.released, new, first.before)
        return LabelChange(member.name, id_, self._label, first.change.new, new, beside)

    def _unfinished(self, member: Member) -> Beside:
        """Return where the labels beside one belong that a stopped deploy moved already."""
        newest = released_after(member.released, member.version, member.newest)
        return dict(zip(beside_before(self._label, {}), (member.live_before, newest), strict=True))
