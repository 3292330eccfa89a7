"""Carries out the plan of a deploy: publish, check, then move the label, all or none."""

from __future__ import annotations

from promptsync.checks.choose import rendered_snippets
from promptsync.checks.judge import run_checks
from promptsync.checks.versions import WantedVersions
from promptsync.deploy.plan import DeployPlan
from promptsync.deploy.receipt import DeployReceipt
from promptsync.errors import Interrupted, PromptsyncError, Refused
from promptsync.labels.apply import apply_labels
from promptsync.labels.move import ChangedLabel
from promptsync.labels.plan import LabelChange
from promptsync.project.project import Project
from promptsync.push.apply import apply_push


def apply_deploy(project: Project, plan: DeployPlan) -> DeployReceipt:
    """Carry out ``plan`` and return what was done; the receipt is complete even after Ctrl-C.

    Until something is written, raises what ``push`` raises. The caller holds the lock of the working copy.
    """
    deploy = _Deploy(project, plan)
    receipt = deploy.receipt
    # In a temporary registry no label can be moved too early, and prompts render snippets by it.
    steps = [deploy.publish, deploy.check, deploy.move]
    if plan.options.rehearses:
        steps = [deploy.publish, deploy.move, deploy.check]
    try:
        receipt.is_released = plan.is_empty or all(step() for step in steps)
    except KeyboardInterrupt:
        receipt.interrupted = True
    except PromptsyncError as error:
        # If nothing has changed yet, this is a plain error and not a half-finished deploy.
        if not receipt.labels and receipt.push.did_nothing:
            raise
        receipt.stopped = error
    return receipt


class _Deploy:
    """Each step returns whether the next one may start."""

    def __init__(self, project: Project, plan: DeployPlan) -> None:
        self._project = project
        self._plan = plan
        releases = plan.survey.releases
        self._versions = {member.name: member.version for member in releases}
        self._ids = {member.name: member.template_id or 0 for member in releases}
        self.receipt = DeployReceipt(plan)

    def publish(self) -> bool:
        if not self._plan.push.actions:
            return True
        try:
            push = apply_push(self._project, self._plan.push)
        except Refused as error:
            raise error.replaced(hint="promptsync deploy") from None
        self.receipt.push = push
        self._versions |= push.versions
        self._ids |= {prompt.name: prompt.template_id for prompt in push.published}
        return push.exit_code == 0

    def check(self) -> bool:
        plan, members = self._plan, self._plan.survey.checked
        if not (plan.selection.evaluations or plan.selection.agents):
            return True
        files, names = plan.survey.latest.worktree.files, [member.name for member in members]
        results = run_checks(
            self._project.registry,
            plan.located,
            WantedVersions(
                {**{member.name: member.version for member in members}, **self._versions},
                renders=rendered_snippets(files, names, plan.label),
                live={member.name: member.live for member in members},
            ),
            standard=plan.options.standard,
            timeout=plan.options.timeout,
            progress=self._project.progress,
        )
        self.receipt.results, self.receipt.interrupted = results, results.interrupted
        if not plan.options.keep_going or results.interrupted:
            return results.passed
        return bool(self.receipt.others)

    def move(self) -> bool:
        """Move the label of all that passed, or of none."""
        kept = self.receipt.kept_back
        changes: list[LabelChange] = []
        kept_back: list[LabelChange] = []
        for member in self._plan.survey.releases:
            number, template_id = self._versions[member.name], self._ids[member.name]
            change = LabelChange(
                member.name, template_id, self._plan.label, member.released, number, records=True
            )
            (kept_back if member.name in kept else changes).append(change)
        moved = apply_labels(self._project, changes)
        self.receipt.labels = (*moved.changed, *(ChangedLabel(change, False) for change in kept_back))
        if isinstance(moved.error, Interrupted):
            self.receipt.interrupted = True
        else:
            self.receipt.stopped = moved.error
        return moved.error is None
