"""``promptsync mv``: move or rename the file of a prompt."""

from __future__ import annotations

import shlex

import click

from promptsync.commands.shared.action import carry_out, dry_run_option
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.gather import gather
from promptsync.errors import UsageError
from promptsync.project.plan import write_files
from promptsync.project.target import names_at
from promptsync.prompt.names import SUFFIXES, name_for
from promptsync.pull.moves import plan_move
from promptsync.show.lines import tally
from promptsync.show.outcome import Outcome
from promptsync.show.pull import show_moves


@verb("mv", blank={"moved": []})
@click.argument("names", nargs=-1, metavar="[OLD NEW]")
@click.option(
    "--keep-name",
    is_flag=True,
    help="Move only the file, and write the old name into it. Without OLD and NEW: for all moved files.",
)
@dry_run_option
def command(session: Session, names: tuple[str, ...], keep_name: bool) -> Outcome:
    """Rename the prompt OLD to NEW, and move its file.

    The API cannot rename a prompt. If OLD is published, rename it in the PromptLayer dashboard first, so that
    it keeps its versions and labels; until then mv changes nothing. A file without name: takes its name from
    its path, so --keep-name writes the old name into it.

    \b
    promptsync mv support/triage support/routing
    promptsync mv --keep-name support/triage routing/triage
    promptsync mv --keep-name
    """
    if len(names) != 2 and (names or not keep_name):
        raise UsageError("mv needs the old and the new name", hint="promptsync mv OLD NEW")
    with session.project() as project:
        if any(name.endswith(SUFFIXES) for name in names):
            meant = [name_for((names_at(project, name) or [name])[0]) for name in names]
            flag = "--keep-name " if keep_name else ""
            hint = f"promptsync mv {flag}{shlex.join(meant)}"
            raise UsageError("mv takes names of prompts, not files", hint=hint)
        return carry_out(
            session,
            project,
            plan=lambda: plan_move(project, gather(project), names, keep_name=keep_name),
            apply=lambda made: write_files(
                project, [change for move in made.moves for change in move.changes], session.command()
            ),
            show_plan=lambda made: show_moves(made, dry_run=True),
            show_receipt=lambda made, receipt, _: show_moves(made, receipt),
            headline=lambda made: tally("file", [(len(made.moves), "to move")]) or "nothing to move",
            unchanged="nothing was moved",
            files_only=True,
        )
