"""The release label of each prompt during a deploy: moved, some before the proof, and moved back."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from promptsync.compare.project import Project
from promptsync.deploy.members import Member
from promptsync.errors import PromptsyncError, RemoteError
from promptsync.labels.apply import ChangedLabel, Stopped, apply_changes, failure
from promptsync.labels.plan import LabelChange
from promptsync.prompt.labels import previous_after, previous_name, unchecked_name


class Moves:
    """Moves a label, and knows for each prompt where it was before the deploy, and where it is now.

    ``versions`` and ``ids`` are the versions to release and the template ids by prompt; the caller adds to
    both what it publishes.
    """

    def __init__(self, project: Project, label: str, releases: Sequence[Member]) -> None:
        self._project = project
        self._label = label
        self._releases = releases
        self._moved: dict[str, LabelChange] = {}
        self._told: dict[str, ChangedLabel] = {}
        self._marked = {member.name for member in releases if member.is_moved}
        self.versions = {member.name: member.version for member in releases}
        self.ids = {member.name: member.template_id for member in releases if member.template_id is not None}

    @property
    def told(self) -> Mapping[str, ChangedLabel]:
        """What became of the label of each prompt for which something was tried."""
        return self._told

    @property
    def all_told(self) -> list[ChangedLabel]:
        """What became of the label of every release; empty while nothing was tried."""
        if not self._told:
            return []
        return [self._told.get(one.name) or ChangedLabel(self._planned(one), False) for one in self._releases]

    def release(self, members: Sequence[Member]) -> PromptsyncError | None:
        """Move the label of each to the version that it is to have: all, or none and why."""
        changes = [self._change(one, self._moved.get(one.name)) for one in members]
        return self._make(changes)

    def create(self, members: Sequence[Member]) -> PromptsyncError | None:
        """Give prompts without the label the label, at what is there: all, or none and why."""
        changes = [
            LabelChange(one.name, one.template_id, self._label, None, one.latest)
            for one in members
            if one.template_id is not None
        ]
        return self._make(changes)

    def was_created(self, name: str, version: int) -> None:
        """Take note of a label that a new prompt got with its first version."""
        self._note(ChangedLabel(LabelChange(name, self.ids[name], self._label, None, version), True))

    def mark_unchecked(self, members: Sequence[Member]) -> PromptsyncError | None:
        """Mark what gets the label before it is checked: the next deploy checks it, if this one is killed."""
        if not members:
            return None
        there = self._marks()
        changes = [self._mark(one.name, there.get(one.name), self.versions[one.name]) for one in members]
        done = apply_changes(self._project, changes, together=True)
        self._marked |= {one.change.name for one in done if one.moved}
        return failure(self._project, done)

    def mark_checked(self) -> None:
        """Take away the marks, for all is checked."""
        self._unmark(self._marked)

    def _unmark(self, names: Collection[str]) -> None:
        # a mark that stays costs the next deploy a proof, or nothing where the label is elsewhere
        with contextlib.suppress(RemoteError):
            if names:
                there = self._marks()
                apply_changes(
                    self._project, [self._mark(name, there.get(name), None) for name in sorted(names)]
                )

    def _marks(self) -> dict[str, int]:
        found = self._project.registry.prompts.list(label=unchecked_name(self._label))
        return {one.name: one.version for one in found}

    def _mark(self, name: str, old: int | None, new: int | None) -> LabelChange:
        return LabelChange(name, self.ids[name], unchecked_name(self._label), old, new)

    def take_back(self) -> None:
        """Move everything back to where it was before the deploy, as far as that goes."""
        back = [change.reversed() for change in self._moved.values()]
        try:
            undone = apply_changes(self._project, back)
        except Stopped as stop:
            for one in stop.changed:
                self._note_back(one)
            raise
        for one in undone:
            self._note_back(one)
        self._unmark({name for name in self._marked & self._told.keys() if not self._told[name].moved})

    def _make(self, changes: Sequence[LabelChange]) -> PromptsyncError | None:
        if not changes:
            return None
        try:
            done = apply_changes(self._project, changes, together=True)
        except Stopped as stop:
            for one in stop.changed:
                self._note(one)
            raise
        for one in done:
            self._note(one)
        return failure(self._project, done)

    def _note(self, done: ChangedLabel) -> None:
        """Remember a move: from where the label was at first to where it is now."""
        change = done.change
        first = self._moved.get(change.name)
        if first is not None:
            ways = (first.previous[0], change.previous[1])
            change = LabelChange(change.name, change.template_id, change.label, first.old, change.new, ways)
        if done.moved and change.old != change.new:
            self._moved[change.name] = change
        self._told[change.name] = replace(done, change=change)

    def _note_back(self, undone: ChangedLabel) -> None:
        name = undone.change.name
        change = self._moved[name]
        if undone.moved:
            del self._moved[name]
            reason = self._told[name].reason or "moved back"
            self._told[name] = ChangedLabel(change, False, reason, is_undone=True)
        else:
            self._told[name] = ChangedLabel(change, True, note=f"could not be moved back: {undone.reason}")

    def _change(self, member: Member, moved: LabelChange | None) -> LabelChange:
        old = moved.new if moved is not None else member.released
        kept = None if member.forgets else member.previous
        now = moved.previous[1] if moved is not None else kept
        new = self.versions[member.name]
        # where the label was before the deploy is the way back, not where it was put for the proof
        has_way_back = previous_name(self._label) is not None
        after = previous_after(member.released, new, kept) if has_way_back else None
        return LabelChange(member.name, self.ids[member.name], self._label, old, new, (now, after))

    def _planned(self, member: Member) -> LabelChange:
        new = self.versions[member.name]
        return LabelChange(member.name, self.ids.get(member.name, 0), self._label, member.released, new)
