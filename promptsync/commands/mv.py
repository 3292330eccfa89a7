"""``promptsync mv``: move or rename the file of a prompt."""

from __future__ import annotations

import shlex

import click

from promptsync.commands.shared.action import carry_out, dry_run_option
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.gather import gather
from promptsync.errors import UsageError
from promptsync.project.plan import FilesReceipt, write_files
from promptsync.project.target import names_at
from promptsync.prompt.names import SUFFIXES, name_for
from promptsync.pull.moves import MovePlan, plan_move
from promptsync.show.outcome import Outcome, Row, bodies, row_lines
from promptsync.terminal import output


@verb("mv")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@dry_run_option
def command(session: Session, old: str, new: str) -> Outcome:
    """Rename the prompt OLD to NEW, and move its file.

    The API cannot rename a prompt. If OLD is published, rename it in the PromptLayer dashboard first, so that
    it keeps its versions and labels; until then mv changes nothing.

    \b
    promptsync mv support/triage support/routing
    """
    with session.project() as project:
        if old.endswith(SUFFIXES) or new.endswith(SUFFIXES):
            meant = [name_for((names_at(project, name) or [name])[0]) for name in (old, new)]
            hint = f"promptsync mv {shlex.join(meant)}"
            raise UsageError("mv takes names of prompts, not files", hint=hint)
        return carry_out(
            session,
            project,
            plan=lambda: plan_move(project, gather(project), old, new),
            apply=lambda plan: write_files(project, plan.changes, session.command()),
            show=_shown,
            headline=lambda _: "1 file to move",
            unchanged="nothing was moved",
            files_only=True,
        )


def _shown(plan: MovePlan, receipt: FilesReceipt | None) -> Outcome:
    """Return which file moves where, and the name in it; with a receipt whether it moved."""
    moves = [plan] if receipt is None or receipt.of(plan.changes) else []
    path = plan.path if plan.path == plan.old_path else f"{plan.old_path} -> {plan.path}"
    lines = row_lines(Row("moved", "good", move.name, (output.safe(path),)) for move in moves)
    error = receipt.error if receipt is not None else None
    if receipt is not None and error is None:
        lines.append(output.aside("next: commit, then promptsync status"))
    moved = bodies(moves, "name path old_path")
    return Outcome(lines, {"moved": moved, "fingerprint": plan.fingerprint}, error=error)
