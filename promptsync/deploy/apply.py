"""Carries out the plan of a deploy: publish, check, then move the label, all or none."""

from __future__ import annotations

from collections.abc import Callable

from promptsync.checks.choose import rendered_snippets
from promptsync.checks.judge import run_checks
from promptsync.checks.versions import WantedVersions
from promptsync.deploy.labels import Moves
from promptsync.deploy.plan import DeployPlan
from promptsync.deploy.receipt import DeployReceipt
from promptsync.deploy.take_back import LiveSnippets
from promptsync.errors import PromptsyncError, Refused
from promptsync.project.project import Project
from promptsync.push.apply import apply_push


def apply_deploy(project: Project, plan: DeployPlan, timeout: float) -> DeployReceipt:
    """Carry out ``plan`` and return what was done; the receipt is complete even after Ctrl-C.

    Waits ``timeout`` seconds for checks. Until something is written, raises what ``push`` raises. The caller
    holds the lock of the working copy.
    """
    return _Deploy(project, plan, timeout).run()


class _Deploy:
    """Each step returns whether the next one may start. ``_settle`` always runs last."""

    def __init__(self, project: Project, plan: DeployPlan, timeout: float) -> None:
        self._project = project
        self._plan = plan
        self._timeout = timeout
        self._moves = Moves(project, plan.label, plan.survey.releases)
        self._live = LiveSnippets(project, plan.live)
        self.receipt = DeployReceipt(plan)

    def run(self) -> DeployReceipt:
        try:
            self.receipt.is_released = self._release()
        except KeyboardInterrupt:
            self.receipt.interrupted = True
        except PromptsyncError as error:
            # If nothing has changed yet, this is a plain error and not a half-finished deploy.
            if not self._moves.outcomes and self.receipt.push.did_nothing:
                raise
            self.receipt.stopped = error
        finally:
            self._settle()
        return self.receipt

    def _release(self) -> bool:
        if self._plan.is_empty:
            return True
        # A prompt that refers to a snippet by this label cannot be published before the label exists.
        new = [member for member in self._plan.beforehand if member.released is None]
        return (
            self._went_well(self._moves.create(new))
            and self._publish()
            and self._make_live()
            and self._check()
            and self._move_the_rest()
        )

    def _went_well(self, error: PromptsyncError | None) -> bool:
        self.receipt.stopped = error
        return error is None

    # -- before the checks ------------------------------------------------------------------------------

    def _publish(self) -> bool:
        if not self._plan.push.actions:
            return True
        self._live.begin()
        try:
            self.receipt.push = apply_push(self._project, self._plan.push)
        except Refused as error:
            raise error.replaced(hint="promptsync deploy") from None
        for published in self.receipt.push.published:
            self._moves.was_published(published)
        return self.receipt.push.exit_code == 0

    def _make_live(self) -> bool:
        """Move the labels of snippets that must move before their users can be checked or published."""
        names = {one.name for one in self._plan.live if one.by_label and not one.already}
        self._live.begin(by_label=True)
        names |= {member.name for member in self._plan.beforehand}
        releases = self._plan.survey.releases
        # Marked first: if this deploy is killed after the label moved, only the mark shows that nothing was
        # checked.
        unchecked = [one for one in releases if one.name in names | self._moves.outcomes.keys()]
        early = [one for one in releases if one.name in names]
        is_marked = self._went_well(self._moves.mark_unchecked(unchecked))
        return is_marked and self._went_well(self._moves.release(early))

    def _check(self) -> bool:
        selection = self._plan.selection
        if not (selection.evaluations or selection.agents):
            return True
        survey = self._plan.survey
        dependants = {member.name: member.version for member in survey.dependants}
        names = [member.name for member in survey.members]
        results = run_checks(
            self._project.registry,
            self._plan.found,
            WantedVersions(
                {**dependants, **self._moves.versions},
                renders=rendered_snippets(survey.latest.worktree.files, names, self._plan.label),
                live={member.name: member.live for member in survey.members},
            ),
            standard=self._plan.standard,
            timeout=self._timeout,
            progress=self._project.progress,
        )
        self.receipt.results, self.receipt.interrupted = results, results.interrupted
        if not self._plan.keep_going or results.interrupted:
            return results.passed
        return bool(self.receipt.others)

    # -- labels -----------------------------------------------------------------------------------------

    def _move_the_rest(self) -> bool:
        skipped = {name for name, one in self._moves.outcomes.items() if one.moved}
        skipped.update(self.receipt.kept_back)
        rest = [one for one in self._plan.survey.releases if one.name not in skipped]
        return self._went_well(self._moves.release(rest))

    def _settle(self) -> None:
        """Undo what moved or went live before it was checked, except for what is released."""
        receipt = self.receipt
        released = receipt.others if receipt.is_released else ()
        undone = {one.name for one in self._plan.survey.releases} - {*released}
        try:
            if released:
                self._moves.mark_checked(released)
            if undone:
                try:
                    self._try(lambda: self._moves.take_back(undone))
                finally:  # after Ctrl-C, too
                    self._try(lambda: self._live.take_back(receipt.push, undone))
        except KeyboardInterrupt:
            receipt.interrupted = True
        finally:
            receipt.labels = self._moves.all_outcomes
            receipt.live = self._live.times(receipt.push, self._moves.outcomes, released=released)

    def _try(self, step: Callable[[], None]) -> None:
        """Run one step of undoing the deploy, and let the next ones run even if it fails."""
        try:
            step()
        except PromptsyncError as error:
            self.receipt.unsettled.append(error.message)
