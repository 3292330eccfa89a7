"""``promptsync push``: publish changed prompts as new versions."""

from __future__ import annotations

from typing import Any

import click

from promptsync import output, present
from promptsync.commands.session import Outcome, Session, verb
from promptsync.core.plan import Action, Kind, PushPlan, PushReceipt
from promptsync.errors import AnswerIsNo, Incomplete, PromptsyncError, Refused
from promptsync.files.private import locked
from promptsync.sync.difference import differences
from promptsync.sync.gather import gather
from promptsync.sync.planning import Conflict, PushOptions, plan_push
from promptsync.sync.project import Project
from promptsync.sync.push import push
from promptsync.sync.snapshot import Snapshot

_DRY = "DRY RUN: nothing is published"
_WORDS = {
    Kind.CREATE: "create",
    Kind.UPDATE: "update",
    Kind.FORCE: "force over the registry's changes",
    Kind.RESTORE: "restore from the archive",
    Kind.ARCHIVE: "archive",
    Kind.LABEL: "label",
}


@verb("push", short_help="Publish changed prompts as new versions.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("-m", "--message", metavar="TEXT", help="Commit message; the default is git's subject.")
@click.option("--label", "labels", multiple=True, metavar="LABEL", help="Point LABEL at the result.")
@click.option("-n", "--dry-run", is_flag=True, help="Show the plan; send nothing that writes.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--partial", is_flag=True, help="Publish the others when some prompts diverged.")
@click.option("--force", multiple=True, metavar="NAME", help="Publish NAME over the registry's changes.")
@click.option("--restore", multiple=True, metavar="NAME", help="Publish NAME, which is archived, again.")
@click.option("--prune", is_flag=True, help="Archive prompts whose files were deleted in git.")
@click.option("--max-changes", type=click.IntRange(0), metavar="N", help="Allow a plan of N changes.")
@click.option("--expect", metavar="FINGERPRINT", help="Refuse any other plan than the one reviewed.")
def command(
    session: Session,
    names: tuple[str, ...],
    message: str | None,
    labels: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    partial: bool,
    force: tuple[str, ...],
    restore: tuple[str, ...],
    prune: bool,
    max_changes: int | None,
    expect: str | None,
) -> Outcome:
    """Publish every prompt that is new or ahead as a new version, snippets first, all or nothing.

    Prompts that changed in the registry as well are never overwritten: the push stops before its first
    write, shows both changes and names the ways out.

    \b
    promptsync push -m "Soften the tone"
    promptsync push support/refund --label staging
    promptsync push --dry-run
    """
    options = PushOptions(
        names, message, tuple(dict.fromkeys(labels)), partial, force, restore, prune, max_changes
    )
    with session.project() as project:
        if dry_run:
            return _dry_run(session, project, options, expect)
        with locked(project.root):
            return _push(session, project, options, yes, expect)


def _plan(
    session: Session, project: Project, options: PushOptions, expect: str | None
) -> tuple[Snapshot, PushPlan]:
    snapshot = gather(project)
    try:
        plan = plan_push(project, snapshot, options)
    except Conflict as conflict:
        raise _with_differences(project, conflict) from None
    if expect is not None and plan.fingerprint != expect:
        raise Refused(
            f"the plan is not the one that was reviewed: {plan.fingerprint}, not {expect}",
            hint="review this plan: promptsync push --dry-run",
            details=[click.unstyle(line) for line in _plan_lines(plan)],
            code="plan-changed",
        )
    return snapshot, plan


def _with_differences(project: Project, conflict: Conflict) -> Conflict:
    """Show both changes of what diverged on stderr, beside the error."""
    lines: list[str] = []
    for found in differences(project, conflict.items):
        lines += present.difference(found)
    conflict.details = tuple(click.unstyle(line) for line in lines)
    return conflict


def _dry_run(session: Session, project: Project, options: PushOptions, expect: str | None) -> Outcome:
    _, plan = _plan(session, project, options, expect)
    lines = [_DRY, "", *_plan_lines(plan), "", f"fingerprint {plan.fingerprint}", _DRY]
    return Outcome(lines, _body(plan, PushReceipt(skipped=list(plan.left)), dry_run=True), _left_code(plan))


def _left_code(plan: PushPlan) -> int:
    return 3 if any(left.blocks for left in plan.left) else 0


def _push(session: Session, project: Project, options: PushOptions, yes: bool, expect: str | None) -> Outcome:
    snapshot, plan = _plan(session, project, options, expect)
    if not plan.actions:
        return _nothing(session, plan)
    _confirm(session, plan, options, yes)
    receipt = push(project, snapshot, plan)
    return Outcome(
        _receipt_lines(plan, receipt),
        _body(plan, receipt, dry_run=False),
        receipt.exit_code,
        _error(receipt),
    )


def _nothing(session: Session, plan: PushPlan) -> Outcome:
    receipt = PushReceipt(skipped=list(plan.left))
    lines = [*_left_lines(plan), "nothing to push"]
    return Outcome(lines, _body(plan, receipt, dry_run=False), receipt.exit_code, _error(receipt))


def _confirm(session: Session, plan: PushPlan, options: PushOptions, yes: bool) -> None:
    dangerous = options.prune and any(action.kind is Kind.ARCHIVE for action in plan.actions)
    dangerous = dangerous or any(action.kind is Kind.FORCE for action in plan.actions)
    if yes:
        return
    if session.environment.interactive and not session.json:
        for line in _plan_lines(plan):
            session.say(line)
        if not session.confirm(f"Publish to {output.name(session.remote_name or '')}?"):
            raise AnswerIsNo("not confirmed; nothing was published", code="declined")
    elif dangerous:
        raise Refused(
            "--force and --prune need a yes, and there is no terminal to ask on; nothing was published",
            hint="add -y when you are sure",
            code="not-confirmed",
        )


def _plan_lines(plan: PushPlan) -> list[str]:
    rows = [_row(action) for action in plan.actions]
    lines = output.table(rows) if rows else ["nothing to push"]
    return [*lines, *_left_lines(plan)]


def _row(action: Action) -> tuple[str, ...]:
    arrow = f"v{action.current}" if action.current is not None else "-"
    version = f"{arrow} -> v{action.next}" if action.next != action.current else arrow
    if action.kind is Kind.ARCHIVE:
        version = f"{arrow} -> archived"
    labels = " ".join(f"+{output.name(label)}" for label in action.labels)
    meaning = "bad" if action.kind in (Kind.ARCHIVE, Kind.FORCE) else "good"
    return (
        f"  {output.style(_WORDS[action.kind], meaning)}",
        output.name(action.name),
        version,
        labels,
        output.safe(action.message or "", newlines=False),
    )


def _left_lines(plan: PushPlan) -> list[str]:
    return [
        f"  {output.style('left', 'warn')} {output.name(left.name)}: {left.state}, {left.reason}"
        for left in plan.left
    ]


def _receipt_lines(plan: PushPlan, receipt: PushReceipt) -> list[str]:
    rows = [
        (
            f"  {output.style('published', 'good')}",
            output.name(one.name),
            f"v{one.version}",
            output.safe(one.message, newlines=False),
        )
        for one in sorted(receipt.published, key=lambda one: one.name)
    ]
    lines = output.table(rows)
    lines += [f"  {output.style('archived', 'warn')}  {output.name(name)}" for name in receipt.archived]
    for moved in receipt.labels:
        old = f"v{moved.old}" if moved.old is not None else "new"
        word = output.style("labelled", "good") if moved.moved else output.style("not labelled", "bad")
        reason = f": {output.safe(moved.reason)}" if moved.reason else ""
        lines.append(
            f"  {word}  {output.name(moved.name)} {output.name(moved.label)} {old} -> v{moved.new}{reason}"
        )
    for failed in receipt.failed:
        word = "unknown" if failed.unknown else "failed"
        lines.append(
            f"  {output.style(word, 'bad')}  {output.name(failed.name)}: {output.safe(failed.reason)}"
        )
    for name, paths in receipt.altered.items():
        lines.append(
            f"  {output.style('altered', 'bad')}  {output.name(name)}: the registry does not keep "
            f"{', '.join(map(output.safe, paths))} as it was given"
        )
    for name, what in receipt.raced.items():
        lines.append(f"  {output.style('raced', 'bad')}  {output.name(name)}: {what}")
    for left in receipt.skipped:
        lines.append(f"  {output.style('left', 'warn')}  {output.name(left.name)}: {left.reason}")
    done = output.count(len(receipt.published), "version")
    return [*lines, f"{done} published, {len(receipt.failed)} failed, {len(receipt.skipped)} left"]


def _error(receipt: PushReceipt) -> PromptsyncError | None:
    if receipt.interrupted:
        stopped = PromptsyncError(
            f"interrupted; {output.count(len(receipt.published), 'version')} published until then",
            hint="promptsync push does the rest",
            code="interrupted",
        )
        stopped.exit_code = 130
        return stopped
    if receipt.failed or receipt.altered:
        unknown = any(failed.unknown for failed in receipt.failed)
        return Incomplete(
            "not everything was published as planned; see the list above",
            hint="promptsync status tells what became of it"
            if unknown
            else "mend what is listed, then push again: what was published is not published twice",
            code="unknown-outcome" if unknown else "partial",
        )
    if receipt.raced:
        return Refused(
            "somebody else published at the same time; both versions are in the registry",
            hint="promptsync diff shows what theirs says, promptsync log NAME the order",
            code="raced",
        )
    if any(left.blocks for left in receipt.skipped):
        return Refused(
            "some prompts were left because they changed on both sides",
            hint="promptsync diff shows both changes",
            code="diverged",
        )
    if any(not moved.moved for moved in receipt.labels):
        return Refused(
            "a label does not point where it should",
            hint="promptsync label list NAME shows where it points",
            code="label-not-moved",
        )
    return None


def _body(plan: PushPlan, receipt: PushReceipt, *, dry_run: bool) -> dict[str, Any]:
    return {
        "plan": [
            {
                "name": action.name,
                "action": str(action.kind),
                "path": action.path,
                "from": action.current,
                "to": None if action.kind is Kind.ARCHIVE else action.next,
                "message": action.message,
                "labels": list(action.labels),
            }
            for action in plan.actions
        ],
        "fingerprint": plan.fingerprint,
        "published": [
            {"name": one.name, "version": one.version, "message": one.message, "labels": list(one.labels)}
            for one in receipt.published
        ],
        "failed": [
            {"name": one.name, "reason": one.reason, "unknown": one.unknown} for one in receipt.failed
        ],
        "skipped": [{"name": one.name, "state": one.state, "reason": one.reason} for one in receipt.skipped],
        "altered": [{"name": name, "fields": list(paths)} for name, paths in receipt.altered.items()],
        "raced": [{"name": name, "reason": reason} for name, reason in receipt.raced.items()],
        "archived": list(receipt.archived),
        "labels": [
            {
                "name": one.name,
                "label": one.label,
                "from": one.old,
                "to": one.new,
                "moved": one.moved,
                "reason": one.reason,
            }
            for one in receipt.labels
        ],
        "dry_run": dry_run,
    }
