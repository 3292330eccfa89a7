"""``promptsync push``: publish changed prompts as new versions."""

from __future__ import annotations

from dataclasses import replace

import click

from promptsync.commands.shared.options import choose_format, format_option
from promptsync.commands.shared.session import Outcome, Session, verb
from promptsync.compare.conflict import Conflict
from promptsync.compare.gather import gather
from promptsync.compare.project import Project
from promptsync.compare.select import named_by
from promptsync.compare.snapshot import Snapshot
from promptsync.errors import AnswerIsNo, Refused
from promptsync.files.state.disk import locked
from promptsync.push.actions import Kind, PushPlan, PushReceipt
from promptsync.push.apply import apply_push
from promptsync.push.plan import PushOptions, check_options, plan_push
from promptsync.show import diff
from promptsync.show import push as show_push
from promptsync.terminal import output

_DRY = output.Aside("DRY RUN: nothing is published")


@verb(
    "push",
    short_help="Publish changed prompts as new versions.",
    blank=show_push.push_body(PushPlan(()), PushReceipt(), dry_run=False),
)
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
@format_option("markdown")
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
    form: str | None,
) -> Outcome:
    """Publish every prompt that is new or ahead as a new version, snippets first.

    Prompts that changed in the registry as well are never overwritten: the push stops before its first
    write, shows both changes and names the ways out.

    \b
    promptsync push -m "Soften the tone"
    promptsync push support/refund --label staging
    promptsync push --dry-run
    promptsync push --dry-run --format markdown > plan.md
    """
    choose_format(session, form)
    options = PushOptions(
        names, message, tuple(dict.fromkeys(labels)), partial, force, restore, prune, max_changes
    )
    session.blank = {**session.blank, "dry_run": dry_run}
    check_options(options)
    with session.project() as project:
        names, force, restore = (named_by(project, session.directory, one) for one in (names, force, restore))
        options = replace(options, names=names, force=force, restore=restore)
        if dry_run:
            return _dry_run(session, project, options, expect)
        with locked(project.root):
            return _push(session, project, options, yes, expect)


def _plan(project: Project, options: PushOptions, expect: str | None) -> tuple[Snapshot, PushPlan]:
    snapshot = gather(project)
    try:
        plan = plan_push(project, snapshot, options)
    except Conflict as conflict:
        diff.explain(project, conflict)
        raise
    if expect is not None and plan.fingerprint != expect:
        raise Refused(
            f"the plan is not the one that was reviewed: {plan.fingerprint}, not {expect}",
            hint="review this plan: promptsync push --dry-run",
            details=[click.unstyle(line) for line in show_push.plan_lines(plan)],
            code="plan-changed",
        )
    return snapshot, plan


def _dry_run(session: Session, project: Project, options: PushOptions, expect: str | None) -> Outcome:
    snapshot, plan = _plan(project, options, expect)
    if session.form == "markdown":
        from promptsync.compare.difference import differences
        from promptsync.show.push import plan_markdown

        found = differences(project, snapshot.only(action.name for action in plan.actions))
        lines = plan_markdown(plan, found if plan.actions else ())
        return _outcome(lines, plan, PushReceipt(skipped=list(plan.left)), dry_run=True)
    lines = [_DRY, "", *show_push.plan_lines(plan), "", f"fingerprint {plan.fingerprint}", _DRY]
    return _outcome(lines, plan, PushReceipt(skipped=list(plan.left)), dry_run=True)


def _outcome(lines: list[str], plan: PushPlan, receipt: PushReceipt, *, dry_run: bool = False) -> Outcome:
    body = show_push.push_body(plan, receipt, dry_run=dry_run)
    return Outcome(lines, body, receipt.exit_code, show_push.push_error(receipt))


def _push(session: Session, project: Project, options: PushOptions, yes: bool, expect: str | None) -> Outcome:
    snapshot, plan = _plan(project, options, expect)
    if not plan.actions and not plan.unfinished:
        lines = _shown(session, plan, None)
        return _outcome(lines, plan, PushReceipt(skipped=list(plan.left)))
    if plan.actions:
        _confirm(session, plan, options, yes)
    receipt = apply_push(project, snapshot, plan)
    return _outcome(_shown(session, plan, receipt), plan, receipt)


def _shown(session: Session, plan: PushPlan, receipt: PushReceipt | None) -> list[str]:
    """Return what was done; without a receipt nothing had to be."""
    if session.form == "markdown":
        from promptsync.show.push import plan_markdown, pushed_markdown

        return plan_markdown(plan) if receipt is None else pushed_markdown(receipt)
    if receipt is None:
        return [*show_push.left_lines(plan), output.Aside("nothing to push")]
    return [*show_push.receipt_lines(receipt), *show_push.rename_lines(plan, done=True)]


def _confirm(session: Session, plan: PushPlan, options: PushOptions, yes: bool) -> None:
    dangerous = options.prune and any(action.kind is Kind.ARCHIVE for action in plan.actions)
    dangerous = dangerous or any(action.kind is Kind.FORCE for action in plan.actions)
    if yes:
        return
    if session.environment.interactive and not session.json:
        question = f"Publish to {output.name(session.remote_name or '')}?"
        if not session.confirm(question, show_push.plan_lines(plan)):
            raise AnswerIsNo("not confirmed; nothing was published", code="declined")
    elif dangerous:
        raise Refused(
            "--force and --prune need a yes, and there is no terminal to ask on; nothing was published",
            hint="add -y when you are sure",
            code="not-confirmed",
        )
