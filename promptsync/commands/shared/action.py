"""Plan, confirm, apply, receipt: the one way in which a command changes something."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeVar

import click

from promptsync.commands.shared.groups import flag, option, together
from promptsync.commands.shared.session import Session
from promptsync.compare.conflict import Conflict
from promptsync.compare.git_state import uncommitted_paths
from promptsync.errors import AnswerIsNo, PromptsyncError, Refused, UsageError
from promptsync.files.disk import locked
from promptsync.files.prompt_file import scan
from promptsync.project.plan import Plan
from promptsync.project.project import Project
from promptsync.show.diff import explained
from promptsync.show.outcome import Outcome
from promptsync.terminal import output

P = TypeVar("P", bound=Plan)
R = TypeVar("R")

dry_run_option = flag("-n --dry-run", "Show the plan and change nothing.", in_session=True)
plan_options = together(
    dry_run_option,
    flag("-y --yes", "Do not ask for confirmation.", in_session=True),
    option(
        "--expect",
        "FINGERPRINT",
        "Carry out only the reviewed plan, which has this fingerprint.",
        in_session=True,
    ),
)
"""Adds the options of a command that goes through ``carry_out``."""


def carry_out(
    session: Session,
    project: Project,
    *,
    plan: Callable[[], P],
    apply: Callable[[P], R],
    show: Callable[[P, R | None], Outcome],
    headline: Callable[[P], str],
    unchanged: str,
    needs_confirmation: Callable[[P], bool] = lambda _: False,
    lock: bool = True,
    files_only: bool = False,
) -> Outcome:
    """Make a plan, confirm it on a terminal, carry it out, and return the outcome.

    ``show`` gets no receipt for a plan that was not carried out. Of a receipt, what a person has seen in the
    plan is left out. ``headline`` has the counts and the place: "2 prompts to publish to production".
    ``unchanged`` completes messages: "nothing was published". What is destructive is always confirmed;
    ``needs_confirmation`` says what else is, where there is a terminal.
    Nothing is carried out with ``--dry-run``, if the plan is not the one that ``--expect`` names, if it has a
    refusal, or if it is destructive and cannot be confirmed: then the outcome is the plan. So it is
    if ``PROMPTSYNC_READ_ONLY`` is set, unless the command changes ``files_only``. ``lock`` keeps other runs
    out of the working copy.
    """
    # The lock is taken before the plan is made, so that no other run changes the files in between.
    with locked(project.root) if lock and not session.dry_run else nullcontext():
        try:
            made = plan()
        except Conflict as conflict:
            raise explained(project, conflict) from None
        refusal = _refusal(session, made, unchanged, None if files_only else project)
        if session.dry_run or refusal is not None:
            outcome = show(made, None)
            lines = [output.aside(headline(made)), *outcome.lines]
            if session.dry_run:
                lines.insert(0, output.aside(f"DRY RUN: {unchanged}"))
                options = {option.name for option in click.get_current_context().command.params}
                if "expect" in options and not made.is_empty:
                    lines += ["", f"fingerprint {made.fingerprint}"]
            code = outcome.exit_code if refusal is None else refusal.exit_code
            outcome = outcome.replaced(lines=lines, exit_code=code, error=refusal or outcome.error)
        elif made.is_empty:
            outcome = show(made, None)
            outcome = outcome.replaced(lines=[*outcome.lines, output.aside(headline(made))])
        else:
            asks = not session.yes and session.can_ask and bool(made.destructive or needs_confirmation(made))
            if asks:
                planned = session.on_remote(show(made, None)).lines
                question = f"{headline(made)}. Continue?"
                if not session.ask(question, planned, default=False, unchanged=unchanged):
                    raise AnswerIsNo(f"not confirmed; {unchanged}", code="declined")
            outcome = show(made, apply(made))
            if asks:
                news = [line for line in outcome.lines if not getattr(line, "is_planned", False)]
                outcome = outcome.replaced(lines=news or outcome.lines[:1])
        return session.rendered(outcome)


def _refusal(session: Session, made: Plan, unchanged: str, project: Project | None) -> PromptsyncError | None:
    """Return the first reason not to carry out a plan; without a ``project`` it changes only files."""
    is_empty, again = made.is_empty, session.command("--dry-run", without="--expect")
    if session.read_only and project is not None and not (session.dry_run or is_empty):
        hint = "git switch -c BRANCH && git add --all && git commit -m MESSAGE"
        hint += "\ngit push -u origin BRANCH, and open a pull request"
        is_in_files = session.verb in ("push", "deploy")  # no file says where labels point
        if not is_in_files or not uncommitted_paths(project, scan(project.root, project.config.prompts)):
            hint = f"{again}\nhave a person review that plan, and run it with --expect FINGERPRINT"
        what = f"{session.verb} refused: PROMPTSYNC_READ_ONLY is set; {unchanged}"
        return Refused(what, hint=hint, code="read-only")
    if session.expect is not None and session.expect != made.fingerprint:
        what = f"its fingerprint is {made.fingerprint}, not {session.expect}"
        return Refused(f"this is not the plan that was reviewed: {what}", hint=again, code="plan-changed")
    if made.refusal is not None:
        return made.refusal
    can_confirm = session.can_ask or session.is_on("CI")  # setting up CI confirms it
    if is_empty or not made.destructive or session.dry_run or session.yes or can_confirm:
        return None
    need = "need" if len(made.destructive) > 1 else "needs"
    what = f"{' and '.join(made.destructive)} {need} confirmation, and there is no terminal; {unchanged}"
    return UsageError(what, hint=session.command("--yes"), code="not-confirmed")
