"""What a deploy did, in full, even after an interruption, and the error that it ends in."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from promptsync.checks.results import CheckResults
from promptsync.checks.runs import Status
from promptsync.deploy.members import Fate, Member
from promptsync.deploy.plan import DeployPlan
from promptsync.deploy.snippets import together
from promptsync.errors import AnswerIsNo, Interrupted, PromptsyncError, Refused
from promptsync.labels.move import ChangedLabel
from promptsync.push.receipt import PushReceipt

_HINTS = {
    "unknown-outcome": "promptsync status\npromptsync deploy",
    "partial": "promptsync deploy",
    "raced": "promptsync pull --merge\npromptsync deploy",
    "remote": "promptsync doctor",
}
"""The commands to run after a push that failed within a deploy: its own hints would only push."""

_NAMED = 8
"""Most prompts that a hint names."""


@dataclass
class DeployReceipt:
    """What a deploy did. ``is_released`` says that every label points where it should, of all that passed.

    ``labels`` is the result for the label of each release, empty if no label was tried. ``stopped`` is what
    stopped the deploy half-way.
    """

    plan: DeployPlan
    push: PushReceipt = field(init=False)
    results: CheckResults = field(default_factory=CheckResults)
    labels: Sequence[ChangedLabel] = ()
    is_released: bool = False
    interrupted: bool = False
    stopped: PromptsyncError | None = None

    def __post_init__(self) -> None:
        self.push = PushReceipt(self.plan.push)

    @property
    def kept_back(self) -> tuple[str, ...]:
        """The releases whose checks failed, with the releases that depend on them."""
        failed = {name for result in self.results.all if not result.passed for name in result.check.prompts}
        # A snippet also stays for a live prompt that is not deployed here.
        failed |= {
            snippet
            for snippet, users in self.plan.live.items()
            if not failed.isdisjoint(user.name for user in users)
        }
        kept = together(self.plan.survey, failed) if failed else ()
        return tuple(member.name for member in self.plan.survey.releases if member.name in kept)

    @property
    def is_stopped_before_publishing(self) -> bool:
        """Whether tables kept everything from being published."""
        return (
            bool(self.plan.push.actions)
            and bool(self.results.of("table"))
            and (len(self.push.results) == len(self.plan.push.skipped))
        )

    @property
    def others(self) -> tuple[str, ...]:
        """The releases that are not kept back."""
        kept = self.kept_back
        return tuple(member.name for member in self.plan.survey.releases if member.name not in kept)

    @property
    def live_failures(self) -> tuple[Member, ...]:
        """The releases that did not pass their checks, and that the label pointed at before the deploy."""
        results = (result for result in self.results.all if result.passed is False)
        failed = {name for result in results for name in result.check.prompts}
        return tuple(
            member for member in self.plan.survey.releases if member.is_moved and member.name in failed
        )

    @property
    def error(self) -> PromptsyncError | None:
        """The error that the deploy ends in, ``None`` if all is done and checked, and nothing was skipped."""
        if self.interrupted or self.push.interrupted:
            return self._interruption()
        return self.stopped or self._failure() or _skipped(self.plan)

    def _interruption(self) -> Interrupted:
        label = self.plan.label
        is_safe = not any(change.moved or change.is_unknown for change in self.labels)
        where = f"{label} did not move" if is_safe else f"{label} moved on some prompts"
        published = f"{len(self.push.published)} published, " if self.push.published else ""
        notes = [f"{label.change.name}: {label.why}" for label in self.labels if label.moved and label.why]
        runs = [
            f"{check.run.name}: {check.run.location} is still running" for check in self.results.under_way
        ]
        hint = "promptsync deploy" if is_safe else "promptsync deploy\npromptsync label list"
        return Interrupted(f"interrupted: {published}{where}", hint=hint, details=[*notes, *runs])

    def _failure(self) -> PromptsyncError | None:
        """Return the error of the push or of the checks, with the commands that go on."""
        error = self.push.error
        if error is not None:
            return error.replaced(hint=_HINTS.get(error.code, error.hint))
        error, failed = self.results.error, [result for result in self.results.all if result.reason]
        if error is None:
            return None
        # Not --allow-unbound: that would release what the checks did not run.
        if failed and all(result.unbound for result in failed):
            hint = f"set {failed[0].run.name!r} to the latest version in the PromptLayer dashboard"
            return error.replaced(hint=f"{hint}\n{self._next_deploy}")
        if failed and all(result.run.status is Status.TIMED_OUT for result in failed):
            return error.replaced(hint="promptsync deploy --timeout SECONDS")
        is_no = isinstance(error, AnswerIsNo)
        hint = f"fix the prompt and commit it\n{self._next_deploy}" if is_no else "promptsync deploy"
        return error.replaced(hint=error.hint or hint)

    @property
    def passed_others(self) -> tuple[str, ...]:
        """The others that have checks."""
        return tuple(name for name in self.others if name not in self.plan.unchecked)

    @property
    def _next_deploy(self) -> str:
        """The command that releases the others that passed, or after a fix everything."""
        names = () if self.is_released else self.passed_others
        if len(names) > _NAMED:
            return "promptsync deploy --keep-going"
        return shlex.join(["promptsync", "deploy", *names])


def _skipped(plan: DeployPlan) -> Refused | None:
    """Return the refusal of a prompt that this push changed and that is not released."""
    held = [member for member in plan.survey.of(Fate.HELD) if member.touched]
    if held:
        first = held[0]
        what = f"{len(held)} prompts are on hold; first: {first.name!r}"
        return Refused(
            f"{what if len(held) > 1 else f'{first.name!r} is on hold'}: {plan.label} {first.how}, and "
            f"v{first.held} is the same as the file",
            hint=release_on_hold([member.name for member in held], plan.label),
            code="on-hold",
        )
    skipped = next((member for member in plan.survey.skipped if member.touched), None)
    if skipped is None:
        return None
    hint = f"promptsync diff {shlex.quote(skipped.name)} --label {shlex.quote(plan.label)}"
    return Refused(
        f"{skipped.name!r} was skipped: {skipped.reason}",
        hint=hint if skipped.routed is None else plan.options.command,
        code="skipped",
    )


def release_on_hold(names: Sequence[str], label: str) -> str:
    """Return the command that releases prompts on hold."""
    return shlex.join(["promptsync", "deploy", *names, "--label", label, "--again"])
