"""Carries out the plan of a deploy: publish, prove, then move the label, all or none."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from promptsync.checks.evaluations import Standard
from promptsync.checks.outcome import Interrupted
from promptsync.checks.proving import prove
from promptsync.checks.waiting import Patience
from promptsync.core.labels import previous_after, previous_name
from promptsync.deploy.members import Member
from promptsync.deploy.planning import DeployPlan
from promptsync.deploy.receipt import DeployReceipt, LiveTime
from promptsync.deploy.takeback import take_back
from promptsync.errors import PromptsyncError
from promptsync.sync.labels import Change
from promptsync.sync.project import Project
from promptsync.sync.push import push
from promptsync.sync.relabel import Changed, Stopped, failure, relabel


@dataclass(frozen=True, slots=True)
class Gate:
    """What a release has to pass."""

    standard: Standard
    allow_unbound: bool = False
    patience: Patience = field(default_factory=Patience)


def deploy(
    project: Project, plan: DeployPlan, gate: Gate, *, clock: Callable[[], float] = time.monotonic
) -> DeployReceipt:
    """Do what ``plan`` says and return what was done; the receipt tells the truth also after Ctrl-C.

    Raises what ``push`` raises while nothing is written. The caller holds the lock of the working copy.
    """
    return _Deploy(project, plan, gate, clock).run()


class _Deploy:
    def __init__(self, project: Project, plan: DeployPlan, gate: Gate, clock: Callable[[], float]) -> None:
        self._project = project
        self._plan = plan
        self._gate = gate
        self._clock = clock
        self._label = plan.label
        self._live_since: float | None = None
        self._versions = {member.name: member.version for member in plan.survey.members}
        self._ids = {
            member.name: member.template_id
            for member in plan.survey.members
            if member.template_id is not None
        }
        self._early: list[Changed] = []
        """Labels that moved before the proof, to be moved back unless all is proven."""
        self.receipt = DeployReceipt(plan)

    def run(self) -> DeployReceipt:
        try:
            self._release()
        except Interrupted as stop:
            self.receipt.interrupted = True
            self.receipt.running = stop.runs
        except KeyboardInterrupt:
            self.receipt.interrupted = True
        except PromptsyncError as error:
            if not self._did_something:
                raise
            self.receipt.error = error
        finally:
            self._settle()
        return self.receipt

    @property
    def _did_something(self) -> bool:
        return bool(self._early) or not self.receipt.push.did_nothing

    def _release(self) -> None:
        if self._plan.is_empty or not (self._forget_rollbacks() and self._label_beforehand()):
            return
        if not (self._publish() and self._make_live() and self._prove()):
            return
        moved = {one.change.name for one in self._early}
        rest = [self._change(one) for one in self._plan.survey.releases if one.name not in moved]
        self.receipt.labels = [*self._early, *(Changed(change, False, "not moved") for change in rest)]
        try:
            done = relabel(self._project, rest, together=True)
        except Stopped as stop:
            self.receipt.labels = [*self._early, *stop.changed]
            raise
        self.receipt.labels = [*self._early, *done]
        self.receipt.error = failure(self._project, done)

    # -- before the proof -------------------------------------------------------------------------------

    def _forget_rollbacks(self) -> bool:
        """Forget what was taken back where something new is released.

        Otherwise what is about to be published would be taken for a release that was taken back, by whoever
        finishes this deploy should it be stopped.
        """
        remembered = previous_name(self._label)
        if remembered is None:
            return True
        changes = [
            Change(member.name, member.template_id, remembered, member.previous, None)
            for member in self._plan.survey.releases
            if member.publishes and member.was_taken_back and member.template_id is not None
        ]
        return self._moved_early(changes, keep=True)

    def _label_beforehand(self) -> bool:
        """Give a snippet its label at what is there: who refers to it by that cannot be published else."""
        changes = [
            Change(member.name, member.template_id, self._label, None, member.latest)
            for member in self._plan.beforehand
            if member.released is None and member.template_id is not None
        ]
        return self._moved_early(changes)

    def _publish(self) -> bool:
        if any(not one.by_label for one in self._plan.live):
            self._live_since = self._clock()
        if not self._plan.push.actions:
            return True
        self.receipt.push = push(self._project, self._plan.survey.latest, self._plan.push)
        for published in self.receipt.push.published:
            self._versions[published.name] = published.version
        for moved in self.receipt.push.labels:
            # a new snippet got its label with its first version, for the prompts that refer to it
            if moved.moved and moved.label == self._label:
                self._early.append(Changed(self._of_new(moved.name, moved.new), True))
        return self.receipt.push.exit_code == 0

    def _of_new(self, name: str, version: int) -> Change:
        return Change(name, self._template_id(name), self._label, None, version)

    def _make_live(self) -> bool:
        """Move the labels of snippets whose users can only be proven with what is live."""
        names = {one.name for one in self._plan.live if one.by_label}
        names |= {member.name for member in self._plan.beforehand}
        changes = [self._change(member) for member in self._plan.survey.releases if member.name in names]
        if any(one.by_label for one in self._plan.live) and self._live_since is None:
            self._live_since = self._clock()
        return self._moved_early([change for change in changes if change.old != change.new])

    def _moved_early(self, changes: list[Change], *, keep: bool = False) -> bool:
        done = relabel(self._project, changes, together=True) if changes else []
        if all(one.moved for one in done):
            if not keep:
                self._remember(done)
            return True
        self.receipt.labels = done
        self.receipt.error = failure(self._project, done)
        return False

    def _remember(self, done: list[Changed]) -> None:
        """Keep the way from where each label was at first to where it is now."""
        first = {one.change.name: one.change for one in self._early}
        for one in done:
            start = first.get(one.change.name)
            change = one.change
            if start is not None:
                change = Change(
                    change.name, change.template_id, change.label, start.old, change.new, start.previous
                )
                self._early = [other for other in self._early if other.change.name != change.name]
            self._early.append(Changed(change, True, one.reason, one.note))

    def _prove(self) -> bool:
        selection = self._plan.selection
        if not (selection.evaluations or selection.agents):
            return True
        self.receipt.proof = prove(
            self._project.registry,
            selection,
            versions=self._versions,
            standard=self._gate.standard,
            allow_unbound=self._gate.allow_unbound,
            patience=self._gate.patience,
            progress=self._project.progress,
            found=self._plan.found,
        )
        return self.receipt.proof.passed

    # -- labels -----------------------------------------------------------------------------------------

    def _change(self, member: Member) -> Change:
        early = next((one.change for one in self._early if one.change.name == member.name), None)
        old = early.new if early is not None else member.released
        new = self._versions[member.name]
        remembered = previous_name(self._label)
        # what was taken back is forgotten by now, if anything new is published
        kept = None if member.publishes and member.was_taken_back else member.previous
        after = previous_after(old, new, kept) if remembered is not None else None
        return Change(member.name, self._template_id(member.name), self._label, old, new, (kept, after))

    def _template_id(self, name: str) -> int:
        if name not in self._ids:
            listed = next(one for one in self._project.registry.list(name=name) if one.name == name)
            self._ids[name] = listed.template_id
        return self._ids[name]

    def _settle(self) -> None:
        """Take back what was live unproven, unless it is released; tell for how long it was."""
        released = self.receipt.is_released
        if not released and self._early:
            back = [one.change.reversed() for one in self._early]
            undone = {one.change.name: one for one in relabel(self._project, back)}
            self.receipt.labels = [
                _undone(one, undone.get(one.change.name)) if one.moved else one
                for one in (self.receipt.labels or self._early)
            ]
        for one in self._plan.live:
            told = LiveTime(one.name, 0.0)
            if not released and not one.by_label:
                version = self._published(one.name)
                told = take_back(self._project, one, version) if version is not None else told
            elif not released:
                told = LiveTime(one.name, 0.0, taken_back=True)
            seconds = self._clock() - self._live_since if self._live_since is not None else 0.0
            self.receipt.live.append(LiveTime(one.name, seconds, told.taken_back, told.note))

    def _published(self, name: str) -> int | None:
        return next((one.version for one in self.receipt.push.published if one.name == name), None)


def _undone(one: Changed, undone: Changed | None) -> Changed:
    if undone is None:
        return one
    if undone.moved:
        return Changed(one.change, False, "moved back", is_undone=True)
    return Changed(one.change, True, note=f"could not be moved back: {undone.reason}")
