"""``promptsync bump``: move the pins of a snippet in the files of its users."""

from __future__ import annotations

import shlex

import click

from promptsync.commands.shared.action import carry_out, plan_options
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.gather import gather
from promptsync.compare.snapshot import matching
from promptsync.errors import UsageError
from promptsync.files.worktree import pins_in
from promptsync.project.plan import write_files
from promptsync.project.project import Project
from promptsync.pull.moves import BumpPlan, plan_bump
from promptsync.show.outcome import Outcome
from promptsync.show.pull import bump_headline, show_bump


@verb("bump")
@click.argument("snippet", metavar="SNIPPET")
@click.argument("users", nargs=-1, metavar="[USER]...")
@click.option(
    "--to",
    type=click.IntRange(1),
    metavar="N",
    help="Pin version N, even if it is lower (default: the version that the snippet's file has).",
)
@plan_options
def command(
    session: Session,
    snippet: str,
    users: tuple[str, ...],
    to: int | None,
) -> Outcome:
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
            apply=lambda made: write_files(project, made.moves, session.command()),
            show=show_bump,
            headline=bump_headline,
            needs_confirmation=lambda made: not made.is_empty,
            unchanged="nothing was written",
            files_only=True,
        )


def _plan(project: Project, snippet: str, users: tuple[str, ...], to: int | None) -> BumpPlan:
    # What was rolled back is pinned only by its number.
    snapshot = gather(project, with_labels=to is None)
    # A snippet out of scope is named as it is.
    named = [snippet] if snippet in snapshot.listing else [*matching(project, snapshot, [snippet])]
    if len(named) > 1:
        pinned = pins_in(snapshot.worktree.files)
        first = next((name for name in named if name in pinned), named[0])
        raise UsageError(
            f"{snippet} matches {len(named)} prompts; bump moves the pins of one snippet",
            hint=f"promptsync bump {shlex.quote(first)}",
        )
    return plan_bump(project, snapshot, named[0], users, to)
