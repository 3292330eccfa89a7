"""The one error that a deploy ends in."""

from __future__ import annotations

from typing import Any

from promptsync import output, plans
from promptsync.deploy.planning import DeployPlan
from promptsync.deploy.receipt import DeployReceipt
from promptsync.errors import Incomplete, PromptsyncError, Refused


def failure(receipt: DeployReceipt, *, dry_run: bool = False) -> PromptsyncError | None:
    """Return the error that a deploy ends in, ``None`` when all is as it should be.

    What is unfinished comes before what did not pass, and that before what was left.
    """
    if receipt.interrupted:
        return _interrupted(receipt)
    if receipt.error is not None:
        return _unfinished(receipt) or receipt.error
    error = plans.push_error(receipt.push)
    if error is not None:
        return _unfinished(receipt) or error
    if receipt.proof is not None and receipt.proof.error is not None:
        return _unfinished(receipt) or _not_proven(receipt, receipt.proof.error)
    return _unfinished(receipt) or (None if dry_run else _left(receipt.plan))


def _interrupted(receipt: DeployReceipt) -> PromptsyncError:
    label = receipt.plan.label
    stopped = PromptsyncError(
        f"interrupted; {output.count(len(receipt.push.published), 'version')} published, "
        f"{label} is where it was",
        hint="promptsync deploy does the rest",
        details=[_running(run) for run in receipt.running if run.is_under_way],
        code="interrupted",
    )
    stopped.exit_code = 130
    return stopped


def _not_proven(receipt: DeployReceipt, error: PromptsyncError) -> PromptsyncError:
    if not error.hint:
        label = receipt.plan.label
        error.hint = f"{label} is where it was; mend the prompt, commit, and run promptsync deploy again"
    return error


def _running(run: Any) -> str:
    if hasattr(run, "evaluation"):
        return (
            f"{run.evaluation}: report {run.report_id} goes on; promptsync eval show {run.report_id} --wait"
        )
    return f"{run.agent}: execution {run.execution_id} goes on"


def _unfinished(receipt: DeployReceipt) -> PromptsyncError | None:
    """The error of what could not be put back."""
    notes = [f"{one.name}: {one.note}" for one in receipt.live if one.note]
    if not receipt.is_released:
        notes += [f"{one.change.name}: {one.note}" for one in receipt.labels if one.moved and one.note]
    if not notes:
        return None
    return Incomplete(
        f"not released, and not everything could be taken back: {notes[0]}",
        hint="promptsync label list shows where the labels are, promptsync deploy tries again",
        details=notes if len(notes) > 1 else (),
        code="not-taken-back",
    )


def _left(plan: DeployPlan) -> PromptsyncError | None:
    """The refusal of what this push asked for and did not get."""
    survey = plan.survey
    held = [one.name for one in survey.held if one.touched]
    if held:
        first = next(one for one in survey.held if one.touched)
        return Refused(
            f"{first.name!r} is held: its release was taken back",
            hint=f"promptsync label move {first.name} {plan.label} --version {first.version} releases it "
            "all the same; a new text is released by a deploy",
            code="held",
        )
    passed = next((one for one in survey.passed if one.touched), None)
    if passed is None:
        return None
    return Refused(
        f"{passed.name!r} was left: {passed.reason}",
        hint=f"promptsync diff {passed.name} --label {plan.label} shows the difference",
        code="left",
    )
