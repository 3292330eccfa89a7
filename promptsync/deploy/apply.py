"""Carries out the plan of a deploy: tables, publish, other checks, then move the label, all or none."""

from __future__ import annotations

from msgspec.structs import replace

from promptsync.checks.choose import rendered_snippets
from promptsync.checks.run_checks import WantedVersions, latest_of, run_with_cases
from promptsync.checks.tables import check_tables
from promptsync.deploy.plan import DeployPlan
from promptsync.deploy.receipt import DeployReceipt
from promptsync.errors import Incomplete, Interrupted, PromptsyncError, Refused, RemoteError
from promptsync.labels.move import WAITS, ChangedLabel, apply_labels, approval_hint
from promptsync.labels.plan import LabelChange
from promptsync.project.project import Project
from promptsync.project.versions import routed_labels
from promptsync.push.apply import apply_push


def apply_deploy(project: Project, plan: DeployPlan) -> DeployReceipt:
    """Carry out ``plan`` and return the receipt, which is complete even after Ctrl-C.

    Until something is written, raises what ``push`` raises. The caller holds the lock of the working copy.
    """
    receipt = DeployReceipt(plan)
    # In a temporary registry no label can be moved too early, and prompts render snippets by it.
    steps = [_publish, _move, _check]
    if not plan.options.rehearses:
        steps = [_check_texts, _publish, _check, _move]
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
    plan, options = receipt.plan, receipt.plan.options
    if not plan.tables.wanted:
        return True
    receipt.results = check_tables(
        project,
        plan.tables,
        standard=options.standard,
        timeout=options.timeout,
        progress=project.progress,
        origin=options.origin,
    )
    receipt.interrupted = receipt.results.interrupted
    goes_on = receipt.results.passed
    if options.keep_going and not receipt.interrupted:
        goes_on = bool(receipt.others)
    if goes_on:
        _check_snippets(project, plan)
    return goes_on


def _check_snippets(project: Project, plan: DeployPlan) -> None:
    """Raise ``Refused`` if a snippet got a new version while tables ran, which no table has checked."""
    latest, names = plan.survey.latest, {wanted.candidate.name for wanted in plan.tables.wanted}
    rendered = rendered_snippets(latest.worktree.files, names, plan.label).values()
    snippets = sorted({snippet for by_prompt in rendered for snippet in by_prompt})
    now = latest_of(project.registry, snippets)
    raced = [
        name
        for name in snippets
        if name in now and (name not in latest.listing or now[name].version != latest.listing[name].version)
    ]
    if raced:
        raise Refused(
            f"the snippet {raced[0]!r} changed in {project.title} while the checks ran; nothing was released",
            hint="promptsync pull --merge\npromptsync deploy",
            code="raced",
        )


def _publish(project: Project, receipt: DeployReceipt) -> bool:
    kept, push = receipt.kept_back, receipt.plan.push
    push = replace(push, actions=tuple(action for action in push.actions if action.name not in kept))
    if not push.actions:
        return True
    try:
        receipt.push = apply_push(project, push)
    except Refused as error:
        raise error.replaced(hint="promptsync deploy") from None
    return receipt.push.error is None


def _check(project: Project, receipt: DeployReceipt) -> bool:
    plan, kept = receipt.plan, receipt.kept_back
    members = [member for member in plan.survey.checked if member.name not in kept]
    located = [(check, item) for check, item in plan.located if not {*check.prompts} <= {*kept}]
    if not located:
        return True
    files, names = plan.survey.latest.worktree.files, [member.name for member in members]
    options = plan.options
    results = run_with_cases(
        project,
        tuple(located),
        WantedVersions(
            {member.name: member.version for member in members} | receipt.push.versions,
            renders=rendered_snippets(files, names, plan.label),
            live={member.name: member.live for member in members},
        ),
        standard=options.standard,
        timeout=options.timeout,
        progress=project.progress,
        origin=options.origin,
        is_scored=not options.rehearses,
    )
    receipt.results = replace(results, all=(*receipt.results.all, *results.all))
    receipt.interrupted = results.interrupted
    if not plan.options.keep_going or receipt.interrupted:
        return receipt.results.passed
    return bool(receipt.others)


def _move(project: Project, receipt: DeployReceipt) -> bool:
    """Move the label of all that passed, or of none."""
    ids = {prompt.name: prompt.template_id for prompt in receipt.push.published}
    versions, kept = receipt.push.versions, receipt.kept_back
    changes = {
        member.name: LabelChange(
            member.name,
            ids.get(member.name, member.template_id or 0),
            receipt.plan.label,
            member.released,
            versions.get(member.name, member.version),
            records=True,
        )
        for member in receipt.plan.survey.releases
    }
    moved = apply_labels(project, [change for name, change in changes.items() if name not in kept])
    receipt.labels = (*moved.changed, *(ChangedLabel(changes[name], False) for name in kept))
    receipt.interrupted = isinstance(moved.error, Interrupted)
    receipt.stopped = None if receipt.interrupted else moved.error
    if receipt.stopped is not None and receipt.stopped.code == WAITS:
        receipt.stopped = receipt.stopped.replaced(hint=approval_hint(project, receipt.plan.options.command))
    if moved.error is None:
        _check_routes(project, receipt)
    return receipt.stopped is None and not receipt.interrupted


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
        replace(change, is_overtaken=True, why=str(routed[change.change.name]))
        if change.change.name in routed
        else change
        for change in receipt.labels
    )
    hint = f"end it in the PromptLayer dashboard\n{receipt.plan.options.command}"
    name = min(routed)
    receipt.stopped = Incomplete(f"{name!r} is not released: {routed[name]}", hint=hint, code="routed")
