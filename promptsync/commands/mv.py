"""``promptsync mv``: move or rename the file of a prompt."""

from __future__ import annotations

import shlex

import click

from promptsync.commands.shared.action import carry_out, dry_run_option
from promptsync.commands.shared.session import Session, verb
from promptsync.compare.gather import gather
from promptsync.errors import UsageError
from promptsync.project.plan import FilesPlan, FilesReceipt, write_files
from promptsync.project.target import names_at
from promptsync.prompt.names import SUFFIXES, name_for
from promptsync.pull.moves import plan_move
from promptsync.show.outcome import Outcome, Row, row_lines
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
            move = f"write name: {meant[0]} into it, then git mv {shlex.join([old, new])}"
            hint = f"promptsync mv {shlex.join(meant)}\nto move the file alone, {move}"
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


def _shown(plan: FilesPlan, receipt: FilesReceipt | None) -> Outcome:
    """Return which file moves where, and the name in it; with a receipt whether it moved."""
    new, old = plan.changes[0], plan.changes[-1]
    path = new.path if new is old else f"{old.path} -> {new.path}"
    moved = []
    if receipt is None or receipt.of(plan.changes):
        moved.append({"name": new.name, "path": new.path, "old_path": old.path})
    lines = row_lines(Row("moved", "good", new.name, (output.safe(path),)) for _ in moved)
    error = receipt.error if receipt is not None else None
    if receipt is not None and error is None:
        lines.append(output.aside("next: commit, then promptsync status"))
    return Outcome(lines, {"moved": moved, "fingerprint": plan.fingerprint}, error=error)
