"""Carries out the plan of a deploy: tables, publish, other checks, then move the label, all or none.

The receipt says what was done, also after an interruption, and which error the deploy ends in.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from promptsync.checks.assignment import WantedVersions, rendered_snippets
from promptsync.checks.results import CheckResults
from promptsync.checks.run_checks import run_checks
from promptsync.checks.runs import Status
from promptsync.checks.tables import check_tables
from promptsync.deploy.live import together
from promptsync.deploy.members import Fate, Member
from promptsync.deploy.plan import DeployPlan
from promptsync.errors import AnswerIsNo, Incomplete, Interrupted, PromptsyncError, Refused, RemoteError
from promptsync.labels.move import ChangedLabel, apply_labels
from promptsync.labels.plan import LabelChange
from promptsync.project.project import Project
from promptsync.project.versions import routed_labels
from promptsync.push.actions import PushReceipt
from promptsync.push.apply import apply_push

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
        live = self.plan.live.items()
        failed |= {snippet for snippet, users in live if failed & {user.name for user in users}}
        kept = together(self.plan.survey, failed) if failed else ()
        return tuple(member.name for member in self.plan.survey.releases if member.name in kept)

    @property
    def is_unpublished(self) -> bool:
        """Whether nothing that was to be published was tried."""
        push = self.push
        return bool(self.plan.push.actions) and len(push.results) == len(push.plan.skipped)

    @property
    def others(self) -> tuple[str, ...]:
        """The releases that are not kept back."""
        kept = self.kept_back
        return tuple(member.name for member in self.plan.survey.releases if member.name not in kept)

    @property
    def changes(self) -> tuple[LabelChange, ...]:
        """Where the label of each release goes."""
        ids = {result.name: result.template_id for result in self.push.published}
        versions = self.push.versions

        def change(member: Member) -> LabelChange:
            name, before = member.name, member.released
            template_id, version = ids.get(name, member.template_id or 0), versions.get(name, member.version)
            return LabelChange(name, template_id, self.plan.label, before, version, records=True)

        return tuple(map(change, self.plan.survey.releases))

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
        hint = self.plan.options.command + ("" if is_safe else "\npromptsync label list")
        return Interrupted(f"interrupted: {published}{where}", hint=hint, details=[*notes, *runs])

    def _failure(self) -> PromptsyncError | None:
        """Return the error of the push or of the checks, with the commands that go on."""
        if self.push.error is not None:
            return self.push.error
        error, failed = self.results.error, [result for result in self.results.all if result.reason]
        if error is None:
            return None
        # Not --allow-unbound: that would release what the checks did not run.
        if failed and all(result.unbound for result in failed):
            hint = f"set {failed[0].run.name!r} to the latest version in the PromptLayer dashboard"
            return error.replaced(hint=f"{hint}\n{self._next_deploy}")
        if failed and all(result.run.status is Status.TIMED_OUT for result in failed):
            again = shlex.join(["promptsync", "deploy", *self.plan.options.names, "--timeout", "SECONDS"])
            return error.replaced(hint=again)
        is_no = isinstance(error, AnswerIsNo)
        hint = f"fix the prompt and commit it\n{self._next_deploy}" if is_no else self.plan.options.command
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
        return shlex.join(["promptsync", "deploy", *names]) if names else self.plan.options.command


def _skipped(plan: DeployPlan) -> Refused | None:
    """Return the refusal of a prompt that this push changed and that is not released."""
    held = [member for member in plan.survey.of(Fate.HELD) if member.touched]
    if held:
        first = held[0]
        what = f"{first.name!r} is on hold"
        what = f"{len(held)} prompts are on hold; first: {first.name!r}" if len(held) > 1 else what
        return Refused(
            f"{what}: {plan.label} {first.how}, and v{first.held} is the same as the file",
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


# -- the steps -----------------------------------------------------------------------------------------------


def apply_deploy(project: Project, plan: DeployPlan) -> DeployReceipt:
    """Carry out ``plan`` and return the receipt, which is complete even after Ctrl-C.

    Until something is written, raises what ``push`` raises. The caller holds the lock of the working copy.
    """
    receipt = DeployReceipt(plan)
    steps = (_check_texts, _publish, _check, _move)
    try:
        # Each step returns whether the next one may start.
        receipt.is_released = plan.is_empty or all(step(project, receipt) for step in steps)
    except KeyboardInterrupt:
        receipt.interrupted = True
    except PromptsyncError as error:
        # If nothing has changed yet, this is a plain error and not a half-finished deploy.
        if not receipt.labels and receipt.push.did_nothing:
            raise
        receipt.stopped = error
    return receipt


def _check_texts(project: Project, receipt: DeployReceipt) -> bool:
    """Run the tables, before anything is published."""
    plan = receipt.plan
    if not plan.tables.wanted:
        return True
    goes_on = _add(receipt, check_tables(project, plan.tables, plan.options.standard))
    if goes_on:
        _check_snippets(project, plan)
    return goes_on


def _add(receipt: DeployReceipt, results: CheckResults) -> bool:
    """Add results of checks, and return whether the deploy goes on."""
    receipt.results = replace(results, all=(*receipt.results.all, *results.all))
    receipt.interrupted = results.interrupted
    if receipt.plan.options.keep_going and not receipt.interrupted:
        return bool(receipt.others)
    return receipt.results.passed


def _check_snippets(project: Project, plan: DeployPlan) -> None:
    """Raise ``Refused`` if a snippet got a new version while tables ran, which no table has checked."""
    latest, names = plan.survey.latest, {wanted.candidate.name for wanted in plan.tables.wanted}
    rendered = rendered_snippets(latest.worktree.files, names, plan.label).values()
    snippets = sorted({snippet for by_prompt in rendered for snippet in by_prompt})
    before = {name: version.version for name, version in latest.listing.items()}
    now = {version.name: version.version for version in project.registry.prompts.latest(snippets)}
    if raced := [name for name in snippets if name in now and now[name] != before.get(name)]:
        raise Refused(
            f"the snippet {raced[0]!r} changed in {project.title} while the checks ran; nothing was released",
            hint=f"promptsync pull --merge\n{plan.options.command}",
            code="raced",
        )


def _publish(project: Project, receipt: DeployReceipt) -> bool:
    kept, push = receipt.kept_back, receipt.plan.push
    push = replace(push, actions=tuple(action for action in push.actions if action.name not in kept))
    if not push.actions:
        return True
    receipt.push = apply_push(project, push)
    return receipt.push.error is None


def _check(project: Project, receipt: DeployReceipt) -> bool:
    plan, kept = receipt.plan, receipt.kept_back
    members = [member for member in plan.survey.checked if member.name not in kept]
    located = [check for check in plan.located if not {*check.prompts} <= {*kept}]
    if not located:
        return True
    files, versions = plan.survey.latest.worktree.files, {member.name: member.version for member in members}
    wanted = WantedVersions(
        versions | receipt.push.versions, renders=rendered_snippets(files, versions, plan.label)
    )
    return _add(receipt, run_checks(project, located, wanted, plan.options.standard))


def _move(project: Project, receipt: DeployReceipt) -> bool:
    """Move the label of all that passed, or of none."""
    kept = receipt.kept_back
    changes = receipt.changes
    moving = [change for change in changes if change.name not in kept]
    moved = apply_labels(project, moving, again=receipt.plan.options.command)
    staying = (ChangedLabel(change, "stayed") for change in changes if change.name in kept)
    receipt.labels = (*moved.changed, *staying)
    receipt.interrupted = isinstance(moved.error, Interrupted)
    receipt.stopped = moved.error
    if moved.error is None:
        _check_routes(project, receipt)
    return receipt.stopped is None


def _check_routes(project: Project, receipt: DeployReceipt) -> None:
    """Stop if the label returns another version than the one it was moved to, also when read again."""
    label = receipt.plan.label
    pointers = {change.change.name: change.change.new for change in receipt.labels if change.moved}
    for _ in range(2):
        try:
            routed = routed_labels(project, label, pointers, project.registry.prompts.list(label=label))
        except RemoteError:
            return  # the move itself was read back
        if not routed:
            return
    receipt.labels = tuple(
        replace(change, ending="overtaken", why=str(routed[change.change.name]))
        if change.change.name in routed
        else change
        for change in receipt.labels
    )
    hint = f"end it in the PromptLayer dashboard\n{receipt.plan.options.command}"
    name = min(routed)
    receipt.stopped = Incomplete(f"{name!r} is not released: {routed[name]}", hint=hint, code="routed")
