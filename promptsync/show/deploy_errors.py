"""The one error that a deploy ends in."""

from __future__ import annotations

import shlex
from typing import Any

from promptsync.checks.outcome import Status
from promptsync.deploy.members import Held
from promptsync.deploy.plan import DeployPlan
from promptsync.deploy.receipt import DeployReceipt
from promptsync.deploy.rehearse import Rehearsal
from promptsync.errors import AnswerIsNo, Incomplete, Interrupted, PromptsyncError, Refused
from promptsync.terminal import output


def failure(receipt: DeployReceipt) -> PromptsyncError | None:
    """Return the error that a deploy ends in, ``None`` when all is as it should be.

    What is unfinished comes before what did not pass, and that before what was left.
    """
    if receipt.interrupted or receipt.push.interrupted:
        return _interrupted(receipt)
    return _unfinished(receipt) or _stopped(receipt) or _left(receipt.plan)


def rehearsal_failure(rehearsal: Rehearsal) -> PromptsyncError | None:
    """Return the error that a rehearsal ends in, with what to do before there is a deploy."""
    error = failure(rehearsal.receipt)
    if error is None:
        return None
    is_answer = isinstance(error, AnswerIsNo | Incomplete)

    def told(text: str) -> str:
        return text.replace(rehearsal.url, "the throw-away registry")

    return (AnswerIsNo if is_answer else type(error))(
        told(error.message),
        hint=_MEND if is_answer else told(error.hint),
        details=[told(line) for line in error.details],
        code=error.code,
    )


_MEND = "mend what it names and commit that; every push to a pull request rehearses again"


def _stopped(receipt: DeployReceipt) -> PromptsyncError | None:
    """The error of the step that stopped it."""
    if receipt.error is not None:
        return receipt.error
    error = receipt.push.error
    if error is not None:
        # what a push advises is to push again
        return error.replaced(hint=_HINTS.get(error.code, error.hint))
    if receipt.proof is not None and receipt.proof.error is not None:
        return _not_proven(receipt, receipt.proof.error)
    return None


_AGAIN = "then promptsync deploy again: what was published is not published twice"
_HINTS = {
    "unknown-outcome": f"promptsync status tells; {_AGAIN}",
    "partial": f"mend what is listed, {_AGAIN}",
    "raced": f"promptsync status shows where you stand; pull what is new, {_AGAIN}",
    "remote": f"check the remote, the key and its permissions, {_AGAIN}",
}


def _interrupted(receipt: DeployReceipt) -> PromptsyncError:
    label = receipt.plan.label
    is_safe = not any(one.moved or one.is_unknown for one in receipt.labels)
    where = f"{label} is where it was" if is_safe else f"{label} is partly moved"
    looks = "" if is_safe else "promptsync label list shows where the labels are, "
    runs = [_running(run) for run in receipt.running if run.is_under_way]
    return Interrupted(
        f"interrupted; {output.count(len(receipt.push.published), 'version')} published, {where}",
        hint=f"{looks}promptsync deploy does the rest",
        details=[*_not_taken_back(receipt), *runs],
    )


def _not_proven(receipt: DeployReceipt, error: PromptsyncError) -> PromptsyncError:
    if not error.hint:
        runs = [one.run for one in receipt.proof.all if one.verdict] if receipt.proof is not None else []
        if all(run.status is Status.TIMED_OUT for run in runs):
            what = "promptsync deploy --timeout SECONDS waits longer"
        elif isinstance(error, AnswerIsNo):
            what = "mend the prompt, commit, and run promptsync deploy again"
        else:
            what = "when that is mended, run promptsync deploy again"
        return error.replaced(hint=f"{receipt.plan.label} is where it was; {what}")
    return error


def _running(run: Any) -> str:
    if hasattr(run, "evaluation"):
        return (
            f"{run.evaluation}: report {run.report_id} goes on; promptsync eval show {run.report_id} --wait"
        )
    return f"{run.agent}: execution {run.execution_id} goes on"


def _not_taken_back(receipt: DeployReceipt) -> list[str]:
    """What could not be put back, or of which nobody knows."""
    if receipt.is_released:
        return []
    notes = [f"{one.name}: {one.note}" for one in receipt.live if one.note]
    notes += [f"{one.change.name}: {one.note}" for one in receipt.labels if one.moved and one.note]
    return list(dict.fromkeys([*notes, *receipt.unsettled]))


def _unfinished(receipt: DeployReceipt) -> PromptsyncError | None:
    notes = _not_taken_back(receipt)
    if not notes:
        return None
    names = [one.name for one in receipt.live if one.note] or [one.change.name for one in receipt.labels]
    names = names or [member.name for member in receipt.plan.survey.releases]
    return Incomplete(
        f"not released, and not everything could be taken back: {notes[0]}",
        hint=f"promptsync log {shlex.quote(names[0])} shows its versions and labels; "
        "promptsync deploy proves again what is there",
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
            f"{first.name!r} is held: {plan.label} was moved back to v{first.released}, and v{first.version} "
            "says what the file says",
            hint=f"{release_held(first, plan.label)} proves and releases it all the same; "
            "a text that the registry does not have yet is released by any deploy",
            code="held",
        )
    passed = next((one for one in survey.passed if one.touched), None)
    if passed is None:
        return None
    return Refused(
        f"{passed.name!r} was left: {passed.reason}",
        hint=f"promptsync diff {shlex.quote(passed.name)} --label {shlex.quote(plan.label)} "
        "shows the difference",
        code="left",
    )


def release_held(held: Held, label: str) -> str:
    """Return what to type to release what is held."""
    name = shlex.quote(held.name)
    return f"promptsync deploy --label {shlex.quote(label)} --again {name}"
