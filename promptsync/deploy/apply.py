"""Carries out the plan of a deploy: publish, check, then move the label, all or none."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from promptsync.checks.batch import Patience
from promptsync.checks.receipt import Standard
from promptsync.checks.run import run_checks
from promptsync.compare.project import Project
from promptsync.deploy.labels import Moves
from promptsync.deploy.members import Member
from promptsync.deploy.plan import DeployPlan
from promptsync.deploy.receipt import DeployReceipt
from promptsync.deploy.take_back import LiveSnippets
from promptsync.errors import PromptsyncError, Refused
from promptsync.labels.apply import apply_changes, failure
from promptsync.labels.plan import LabelChange
from promptsync.prompt.labels import previous_name
from promptsync.push.apply import apply_push


@dataclass(frozen=True, slots=True)
class Gate:
    """What a release has to pass."""

    standard: Standard
    patience: Patience = field(default_factory=Patience)


def apply_deploy(
    project: Project, plan: DeployPlan, gate: Gate, *, clock: Callable[[], float] = time.monotonic
) -> DeployReceipt:
    """Do what ``plan`` says and return what was done; the receipt tells the truth also after Ctrl-C.

    Raises what ``push`` raises while nothing is written. The caller holds the lock of the working copy.
    """
    return _Deploy(project, plan, gate, clock).run()


class _Deploy:
    """Each step returns whether the next one may be taken. Whatever stops it, ``_settle`` comes last."""

    def __init__(self, project: Project, plan: DeployPlan, gate: Gate, clock: Callable[[], float]) -> None:
        self._project = project
        self._plan = plan
        self._gate = gate
        self._moves = Moves(project, plan.label, plan.survey.releases)
        self._live = LiveSnippets(project, plan.live, clock)
        self._forgotten: list[LabelChange] = []
        self.receipt = DeployReceipt(plan)

    def run(self) -> DeployReceipt:
        try:
            self.receipt.is_released = self._release()
        except KeyboardInterrupt:
            self.receipt.interrupted = True
        except PromptsyncError as error:
            if not (self._moves.told or self._forgotten) and self.receipt.push.did_nothing:
                raise
            self.receipt.stopped = error
        finally:
            self._settle()
        return self.receipt

    def _release(self) -> bool:
        if self._plan.is_empty:
            return True
        return (
            self._forget_rollbacks()
            and self._label_beforehand()
            and self._publish()
            and self._make_live()
            and self._check()
            and self._move_the_rest()
        )

    # -- before the checks ------------------------------------------------------------------------------

    def _forget_rollbacks(self) -> bool:
        """Forget what was taken back where something new is released.

        Otherwise what is about to be published would be taken for a release that was taken back, by whoever
        finishes this deploy should it be stopped.
        """
        remembered = previous_name(self._plan.label)
        changes = [
            LabelChange(member.name, member.template_id, remembered, member.previous, None)
            for member in self._plan.survey.releases
            if remembered is not None and member.forgets and member.template_id is not None
        ]
        done = apply_changes(self._project, changes, together=True) if changes else []
        self._forgotten = [one.change for one in done if one.moved]
        self.receipt.stopped = failure(self._project, done)
        return self.receipt.stopped is None

    def _label_beforehand(self) -> bool:
        """Give a snippet its label at what is there: who refers to it by that cannot be published else."""
        new = [member for member in self._plan.beforehand if member.released is None]
        self.receipt.stopped = self._moves.create(new)
        return self.receipt.stopped is None

    def _publish(self) -> bool:
        if not self._plan.push.actions:
            return True
        self._live.begin()
        try:
            self.receipt.push = apply_push(self._project, self._plan.push)
        except Refused as error:
            hint = "run promptsync deploy again: it looks anew"
            raise Refused(error.message, hint=hint, details=error.details, code=error.code) from None
        for published in self.receipt.push.published:
            self._moves.versions[published.name] = published.version
            self._moves.ids[published.name] = published.template_id
        for one in self.receipt.push.labels:
            # a new snippet got its label with its first version, for the prompts that refer to it
            if one.moved and one.label == self._plan.label:
                self._moves.was_created(one.name, one.new)
        return self.receipt.push.exit_code == 0

    def _make_live(self) -> bool:
        """Move the labels of snippets that cannot be checked, or referred to, before they are there."""
        names = {one.name for one in self._plan.live if one.by_label and not one.already}
        self._live.begin(by_label=True)
        names |= {member.name for member in self._plan.beforehand}
        releases = self._plan.survey.releases
        early = names | self._moves.told.keys()
        self.receipt.stopped = self._moves.mark_unchecked([one for one in releases if one.name in early])
        return self.receipt.stopped is None and self._move([one for one in releases if one.name in names])

    def _check(self) -> bool:
        selection = self._plan.selection
        if not (selection.evaluations or selection.agents):
            return True
        dependants = {member.name: member.version for member in self._plan.survey.dependants}
        results = run_checks(
            self._project.registry,
            self._plan.found,
            versions={**dependants, **self._moves.versions},
            standard=self._gate.standard,
            patience=self._gate.patience,
            progress=self._project.progress,
        )
        self.receipt.results, self.receipt.interrupted = results, results.interrupted
        return results.passed

    # -- labels -----------------------------------------------------------------------------------------

    def _move_the_rest(self) -> bool:
        there = {name for name, one in self._moves.told.items() if one.moved}
        return self._move([one for one in self._plan.survey.releases if one.name not in there])

    def _move(self, members: Sequence[Member]) -> bool:
        self.receipt.stopped = self._moves.release(members)
        return self.receipt.stopped is None

    def _settle(self) -> None:
        """Take back what moved or was live before it was checked, unless all of it is released."""
        receipt = self.receipt
        try:
            if receipt.is_released:
                self._moves.mark_checked()
            else:
                self._try(self._moves.take_back)
                self._try(self._remember_rollbacks)
                self._try(lambda: self._live.take_back(receipt.push))
        except KeyboardInterrupt:
            receipt.interrupted = True
        finally:
            receipt.labels = self._moves.all_told
            receipt.live = self._live.times(receipt.push, self._moves.told, released=receipt.is_released)

    def _try(self, step: Callable[[], None]) -> None:
        """Take one step of what is taken back: the others are taken even when it fails."""
        try:
            step()
        except PromptsyncError as error:
            self.receipt.unsettled.append(error.message)

    def _remember_rollbacks(self) -> None:
        """Remember again what was taken back, where nothing new was published after all."""
        done = self.receipt.push
        sent = {one.name for one in done.published} | {one.name for one in done.failed if one.unknown}
        back = [change.reversed() for change in self._forgotten if change.name not in sent]
        for one in apply_changes(self._project, back) if back else ():
            if not one.moved:
                where = f"{one.change.label} is gone, and is not back at v{one.change.new}"
                self.receipt.unsettled.append(f"{one.change.name}: {where}: {one.reason or one.note}")
