"""``promptsync bump``: move the pins of a snippet in the files of its users."""

from __future__ import annotations

import shlex

import click

from promptsync.commands.shared.action import carry_out, plan_options
from promptsync.commands.shared.groups import option
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.gather import gather
from promptsync.compare.snapshot import matching
from promptsync.errors import UsageError
from promptsync.files.prompt_file import pins_in
from promptsync.project.plan import FilesReceipt, all_of, write_files
from promptsync.project.project import Project
from promptsync.pull.moves import BumpPlan, plan_bump
from promptsync.show.notes import backup_lines, version_list
from promptsync.show.outcome import Outcome, Row, bodies, body, planned, row_lines
from promptsync.terminal import output


@verb("bump")
@click.argument("snippet", metavar="SNIPPET")
@click.argument("users", nargs=-1, metavar="[USER]...")
@option(
    "--to",
    "N",
    "Pin version N, even if it is lower (default: the version that the snippet's file has).",
    type=click.IntRange(1),
)
@plan_options
def command(session: Session, snippet: str, users: tuple[str, ...], to: int | None) -> Outcome:
    """Pin the new version of SNIPPET in the files of the prompts USER, by default of all that pin it.

    A prompt that pins a version, as in @@@tone@version_number:1@@@, keeps that version until its pin moves.
    Only the numbers in the files change. SNIPPET must be published first. A USER is a name, a pattern, a file
    or a directory.

    \b
    promptsync bump support/house-tone
    promptsync bump support/house-tone support/refund 'support/order*'
    promptsync bump support/house-tone --to 1
    """
    with session.project() as project:
        return carry_out(
            session,
            project,
            plan=lambda: _plan(project, snippet, users, to),
            apply=lambda made: write_files(project, made.changes, session.command()),
            show=_shown,
            headline=_headline,
            needs_confirmation=lambda made: not made.is_empty,
            unchanged="nothing was written",
            files_only=True,
        )


def _plan(project: Project, snippet: str, users: tuple[str, ...], to: int | None) -> BumpPlan:
    # What was rolled back is pinned only by its number.
    snapshot = gather(project, labels=project.config.labels.values() if to is None else None)
    # A snippet out of scope is named as it is.
    named = [snippet] if snippet in snapshot.listing else [*matching(project, snapshot, [snippet])]
    if len(named) > 1:
        pinned = pins_in(snapshot.worktree.files)
        first = next((name for name in named if name in pinned), named[0])
        what = f"{snippet} matches {len(named)} prompts; bump moves the pins of one snippet"
        raise UsageError(what, hint=f"promptsync bump {shlex.quote(first)}")
    return plan_bump(project, snapshot, named[0], users, to)


def _headline(plan: BumpPlan) -> str:
    """Return how many prompts will pin which version, or why none will."""
    snippet = output.name(plan.snippet)
    if not plan.is_empty:
        return f"{output.count(len(plan.changes), 'prompt')} to pin {snippet} v{plan.version}"
    if not plan.is_pinned:
        return f"nothing to bump: no prompt pins a version of {snippet}"
    return f"nothing to bump: every pin of {snippet} is v{plan.version}{' or later' if plan.above else ''}"


def _shown(plan: BumpPlan, receipt: FilesReceipt | None) -> Outcome:
    """Return which pins will move, or with a receipt what was written."""
    made, word = receipt or all_of(plan.changes), "bump" if receipt is None else "bumped"
    rows = []
    for move in made.of(plan.changes):
        versions = f"{version_list(move.versions)} -> v{plan.version}"
        rows.append(Row(word, "good", move.name, (versions, output.safe(move.path))))
    text = f"later than v{plan.version}; --to {plan.version} moves it down"
    rows += [Row("stays", "warn", pin.user, note=f"pins v{pin.version}, {text}") for pin in plan.above]
    lines = [*row_lines(planned(rows)), *backup_lines(made.backups)]
    if receipt is not None:
        lines.append(output.aside(f"{output.count(len(receipt.paths), 'file')} written"))
        if receipt.error is None:
            lines.append(output.aside("next: commit, then promptsync push or promptsync deploy"))
    document = {
        **body(plan, "snippet version fingerprint"),
        "bumped": [
            {**move, "to": plan.version} for move in bodies(made.of(plan.changes), "name path from=versions")
        ],
        "above": bodies(plan.above, "name=user version"),
        **body(made, "backups"),
    }
    return Outcome(lines, document, error=made.error)
