"""Moved files as text and JSON."""

from __future__ import annotations

from promptsync.project.planned_files import FilesReceipt
from promptsync.pull.move import MovePlan
from promptsync.show.outcome import Outcome
from promptsync.terminal import output
from promptsync.terminal.output import count

BLANK = {"moved": [], "dry_run": False}
"""The keys of the document when nothing was planned."""


def headline(plan: MovePlan) -> str:
    """Return how many files will be written."""
    return f"{count(len(plan.moves), 'file')} to move" if plan.moves else "nothing to move"


def show_moves(plan: MovePlan, receipt: FilesReceipt | None = None, *, dry_run: bool = False) -> Outcome:
    """Return which files move where, and the names in them; with a receipt those that moved."""
    moves = [move for move in plan.moves if receipt is None or receipt.of(move.changes)]
    rows = [
        (
            f"  {output.style('moved', 'good')}",
            output.name(move.name),
            output.safe(move.path if move.path == move.old_path else f"{move.old_path} -> {move.path}"),
        )
        for move in moves
    ]
    last = "nothing to move" if plan.is_empty else "next: commit, then promptsync status"
    body = {
        "moved": [{"name": move.name, "path": move.path, "old_path": move.old_path} for move in moves],
        "dry_run": dry_run,
        "fingerprint": plan.fingerprint,
    }
    error = receipt.error if receipt is not None else None
    lines = [] if dry_run or error is not None else [output.aside(last)]
    return Outcome([*output.table(rows), *lines], body, error=error)
