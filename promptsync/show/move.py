"""Moved files as text and JSON."""

from __future__ import annotations

from promptsync.project.plan import FilesReceipt
from promptsync.pull.move import MovePlan
from promptsync.show.outcome import Outcome, Row, bodies, row_lines
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
    paths = [move.path if move.path == move.old_path else f"{move.old_path} -> {move.path}" for move in moves]
    rows = [
        Row("moved", "good", move.name, (output.safe(path),)) for move, path in zip(moves, paths, strict=True)
    ]
    error = receipt.error if receipt is not None else None
    last = "nothing to move" if plan.is_empty else "next: commit, then promptsync status"
    lines = row_lines(rows) + ([] if dry_run or error is not None else [output.aside(last)])
    moved = bodies(moves, "name path old_path")
    return Outcome(lines, {"moved": moved, "dry_run": dry_run, "fingerprint": plan.fingerprint}, error=error)
