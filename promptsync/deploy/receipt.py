"""What a deploy did, in full, also when it was stopped in between; and the error that it ends in."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from promptsync.deploy.members import Member, together
from promptsync.deploy.plan import DeployPlan
from promptsync.errors import AnswerIsNo, Incomplete, Interrupted, PromptsyncError, Refused
from promptsync.labels.move import ChangedLabel
from promptsync.push.receipt import PushReceipt

if TYPE_CHECKING:
    from promptsync.checks.receipt import CheckResult, CheckResults

_HINTS = {
    "unknown-outcome": "promptsync status\npromptsync deploy",
    "partial": "promptsync deploy",
    "raced": "promptsync pull --merge\npromptsync deploy",
    "remote": "promptsync doctor",
}
"""The commands to run after a push that failed within a deploy: its own hints would only push."""

_LISTED = 10


@dataclass(frozen=True, slots=True)
class LiveTime:
    """How long a snippet was live before it was checked, in seconds, and whether it still is.

    ``taken_back`` says that the text before it is live again. ``note`` says why it is not although it should.
    """

    name: str
    seconds: float
    taken_back: bool = False
    note: str = ""


@dataclass
class DeployReceipt:
    """What a deploy did. ``is_released`` says that every label points where it should, of all that passed.

    ``labels`` is the result for the label of each release, empty if no label was tried. ``unsettled`` is what
    else could not be undone. ``stopped`` is what stopped the deploy half-way.
    """

    plan: DeployPlan
    push: PushReceipt = field(default_factory=PushReceipt)
    results: CheckResults | None = None
    labels: Sequence[ChangedLabel] = ()
    live: Sequence[LiveTime] = ()
    unsettled: list[str] = field(default_factory=list)
    is_released: bool = False
    interrupted: bool = False
    stopped: PromptsyncError | None = None

    @property
    def kept_back(self) -> tuple[str, ...]:
        """The releases whose checks failed, with those that are only released together with them."""
        failed = [one for one in self.results.all if not one.passed] if self.results is not None else []
        if not failed:
            return ()
        kept = together(self.plan.survey, {name for one in failed for name in one.check.prompts})
        return tuple(one.name for one in self.plan.survey.releases if one.name in kept)

    @property
    def others(self) -> tuple[str, ...]:
        """The releases that are not kept back."""
        kept = self.kept_back
        return tuple(one.name for one in self.plan.survey.releases if one.name not in kept)

    @property
    def live_failures(self) -> tuple[Member, ...]:
        """The releases that did not pass their checks, and that the label pointed at before the deploy."""
        checks = self.results.all if self.results is not None else ()
        failed = {name for one in checks if one.passed is False for name in one.check.prompts}
        return tuple(one for one in self.plan.survey.releases if one.is_moved and one.name in failed)

    @property
    def passed_others(self) -> tuple[str, ...]:
        """Those of the others that have checks."""
        return tuple(name for name in self.others if name not in self.plan.unchecked)

    @property
    def error(self) -> PromptsyncError | None:
        """The error that the deploy ends in; unfinished work takes precedence over failed checks."""
        if self.interrupted or self.push.interrupted:
            return self._interruption()
        return self._unfinished() or self._failure() or _skipped(self.plan)

    @property
    def exit_code(self) -> int:
        return self.error.exit_code if self.error is not None else 0

    @property
    def passed(self) -> bool:
        """Whether everything was done and checked, and nothing was skipped."""
        return self.error is None

    def _interruption(self) -> Interrupted:
        label = self.plan.label
        is_safe = not any(one.moved or one.is_unknown for one in self.labels)
        where = f"{label} did not move" if is_safe else f"{label} moved on some prompts"
        published = f"{len(self.push.published)} published, " if self.push.published else ""
        under_way = self.results.under_way if self.results is not None else ()
        runs = [f"{one.run.name}: {one.run.location} is still running" for one in under_way]
        hint = "promptsync deploy" if is_safe else "promptsync deploy\npromptsync label list"
        return Interrupted(
            f"interrupted: {published}{where}", hint=hint, details=[*self._not_taken_back(), *runs]
        )

    def _unfinished(self) -> PromptsyncError | None:
        notes = self._not_taken_back()
        if not notes:
            return None
        names = [one.name for one in self.live if one.note] or [one.change.name for one in self.labels]
        names = names or [member.name for member in self.plan.survey.releases]
        return Incomplete(
            f"not released, and not everything could be undone: {notes[0]}",
            hint=f"promptsync log {shlex.quote(names[0])}\npromptsync deploy",
            details=notes if len(notes) > 1 else (),
            code="not-taken-back",
        )

    def _not_taken_back(self) -> list[str]:
        released = self.others if self.is_released else ()
        notes = [f"{one.name}: {one.note}" for one in self.live if one.note]
        moved = [one for one in self.labels if one.moved and one.change.name not in released]
        notes += [f"{one.change.name}: {one.note}" for one in moved if one.note]
        return list(dict.fromkeys([*notes, *self.unsettled]))

    def _failure(self) -> PromptsyncError | None:
        """Return the error of the step that stopped the deploy."""
        if self.stopped is not None:
            return self.stopped
        error = self.push.error
        if error is not None:
            return error.replaced(hint=_HINTS.get(error.code, error.hint))
        if self.results is None or self.results.error is None:
            return None
        error, failed = self.results.error, [one for one in self.results.all if one.reason]
        if failed and all(one.unbound for one in failed):
            # Not --allow-unbound: that would release what the checks did not run.
            name = failed[0].run.name
            hint = f"in the PromptLayer dashboard, let {name!r} run the latest version\n{self._next_deploy}"
            return error.replaced(hint=hint)
        return error.replaced(hint=self._after_failed_checks(error, failed))

    def _after_failed_checks(self, error: PromptsyncError, failed: Sequence[CheckResult]) -> str:
        from promptsync.checks.run import Status

        if failed and all(one.run.status is Status.TIMED_OUT for one in failed):
            return "promptsync deploy --timeout SECONDS"
        if error.hint:
            return error.hint
        if isinstance(error, AnswerIsNo):
            return f"fix the prompt and commit it\n{self._next_deploy}"
        return "promptsync deploy"

    @property
    def _next_deploy(self) -> str:
        """The command that releases the others, or after a fix everything."""
        others = () if self.is_released else self._releasable
        if len(others) > _LISTED:
            return "promptsync deploy --keep-going"
        return shlex.join(["promptsync", "deploy", *others])

    @property
    def _releasable(self) -> tuple[str, ...]:
        """The others, without unchecked ones that a failed check ran or may have run."""
        if self.results is None or any(one.reason for one, _ in self.results.agents):
            return self.passed_others
        runs = [run for one, run in self.results.evaluations if one.reason]
        ids = {run.prompt_id for run in runs} - {None}
        ran = {use.prompt for run in runs for use in run.uses}
        ran |= {one.name for one in self.push.published if one.template_id in ids}
        ran |= {one.name for one in self.plan.survey.releases if one.template_id in ids}
        return tuple(name for name in self.others if name not in self.plan.unchecked or name not in ran)


def _skipped(plan: DeployPlan) -> Refused | None:
    """Return the refusal of a prompt that this push changed and that is not released."""
    survey = plan.survey
    on_hold = [one for one in survey.on_hold if one.touched]
    if on_hold:
        first, *others = on_hold
        what = f"{first.name!r} is on hold: {plan.label} {first.how}, "
        if others:
            what = f"{len(on_hold)} prompts are on hold; first: {first.name!r}: {plan.label} {first.how}, "
        return Refused(
            f"{what}and v{first.version} has the text of the file",
            hint=release_on_hold([one.name for one in on_hold], plan.label),
            code="on-hold",
        )
    skipped = next((one for one in survey.skipped if one.touched), None)
    if skipped is None:
        return None
    return Refused(
        f"{skipped.name!r} was skipped: {skipped.reason}",
        hint=f"promptsync diff {shlex.quote(skipped.name)} --label {shlex.quote(plan.label)}",
        code="skipped",
    )


def release_on_hold(names: Sequence[str], label: str) -> str:
    """Return the command that releases what is on hold."""
    return shlex.join(["promptsync", "deploy", *names, "--label", label, "--again"])
