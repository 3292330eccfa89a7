"""Plan, confirm, apply, receipt: the one way in which a command changes something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TypeVar

import click

from promptsync.commands.shared.session import Session
from promptsync.errors import AnswerIsNo, Interrupted, PromptsyncError, Refused, UsageError
from promptsync.files.disk import locked
from promptsync.project.plan import Plan
from promptsync.project.project import Project
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

P = TypeVar("P", bound=Plan)
R = TypeVar("R")

dry_run_option = click.option("-n", "--dry-run", is_flag=True, help="Show the plan and change nothing.")
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
expect_option = click.option(
    "--expect", metavar="FINGERPRINT", help="Carry out only the reviewed plan, which has this fingerprint."
)


def carry_out(
    session: Session,
    project: Project,
    *,
    plan: Callable[[], P],
    apply: Callable[[P], R],
    show_plan: Callable[[P], Outcome],
    show_receipt: Callable[[P, R | None, bool], Outcome],
    headline: Callable[[P], str],
    unchanged: str,
    needs_confirmation: Callable[[P], bool] = lambda _: False,
    dry_run: bool = False,
    yes: bool = False,
    expect: str | None = None,
    lock: bool = True,
    files_only: bool = False,
) -> Outcome:
    """Make a plan, confirm it on a terminal, carry it out, and return the outcome.

    ``show_receipt`` gets no receipt where there was nothing to do, and whether the plan was shown before.
    ``headline`` has the counts and the place: "2 prompts to publish to production". ``unchanged`` completes
    messages: "nothing was published". What is destructive is always confirmed; ``needs_confirmation`` says
    what else is, where there is a terminal.
    Nothing is carried out with ``dry_run``, if the plan is not the one that ``expect`` names, if it has a
    refusal, or if it is destructive and cannot be confirmed: then the outcome is the plan. So it is
    if ``PROMPTSYNC_READ_ONLY`` is set, unless the command changes ``files_only``. ``lock`` keeps other runs
    out of the working copy.
    """
    # The lock is taken before the plan is made, so that no other run changes the files in between.
    with locked(project.root) if lock and not dry_run else nullcontext():
        made = plan()
        is_refused = session.environment.read_only and not (files_only or dry_run or made.is_empty)
        refusal = _read_only(session, unchanged) if is_refused else _unexpected(session, made, expect)
        refusal = refusal or made.refusal
        if not dry_run and not yes:
            refusal = refusal or _unconfirmed(session, made, unchanged)
        if dry_run or refusal is not None:
            shown = session.rendered(show_plan(made))
            lines = [output.aside(headline(made)), *shown.lines]
            if dry_run:
                lines.insert(0, output.aside(f"DRY RUN: {unchanged}"))
                is_expectable = "expect" in click.get_current_context().params
                lines += (
                    ["", f"fingerprint {made.fingerprint}"] if is_expectable and not made.is_empty else []
                )
            code = shown.exit_code if refusal is None else refusal.exit_code
            return shown.replaced(lines=lines, exit_code=code, error=refusal or shown.error)
        if made.is_empty:
            return session.rendered(show_receipt(made, None, False))
        was_shown = False
        if not yes and session.can_ask and (made.destructive or needs_confirmation(made)):
            shown = session.on_remote(show_plan(made))
            was_shown = _confirm(session, headline(made), shown.lines, unchanged)
        return session.rendered(show_receipt(made, apply(made), was_shown))


def _read_only(session: Session, unchanged: str) -> PromptsyncError:
    hint = "git switch -c BRANCH && git add --all && git commit -m MESSAGE"
    hint += "\ngit push -u origin BRANCH, and open a pull request"
    if session.verb not in ("push", "deploy"):  # no file says where labels point
        plan = session.command("--dry-run", without="--expect")
        hint = f"{plan}\nhave a person review that plan, and run it with --expect FINGERPRINT"
    return Refused(
        f"{session.verb} refused: PROMPTSYNC_READ_ONLY is set; {unchanged}", hint=hint, code="read-only"
    )


def _unexpected(session: Session, made: Plan, expect: str | None) -> PromptsyncError | None:
    if expect is None or made.fingerprint == expect:
        return None
    return Refused(
        f"this is not the plan that was reviewed: its fingerprint is {made.fingerprint}, not {expect}",
        hint=session.command("--dry-run", without="--expect"),
        code="plan-changed",
    )


def _unconfirmed(session: Session, made: Plan, unchanged: str) -> PromptsyncError | None:
    """Return the error for a destructive plan that cannot be confirmed; setting up CI confirms it."""
    if made.is_empty or not made.destructive or session.can_ask or session.environment.ci:
        return None
    need = "need" if len(made.destructive) > 1 else "needs"
    return UsageError(
        f"{' and '.join(made.destructive)} {need} confirmation, and there is no terminal; {unchanged}",
        hint=session.command("--yes"),
        code="not-confirmed",
    )


def _confirm(session: Session, headline: str, lines: Sequence[str], unchanged: str) -> bool:
    try:
        confirmed = session.confirm(f"{headline}. Continue?", lines)
    except (click.Abort, KeyboardInterrupt):
        raise Interrupted(f"interrupted; {unchanged}") from None
    if not confirmed:
        raise AnswerIsNo(f"not confirmed; {unchanged}", code="declined")
    return True
