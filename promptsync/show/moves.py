"""Moved files, and moved pins of a snippet, as text and JSON."""

from __future__ import annotations

from typing import Any

from promptsync.project.plan import FilesReceipt, all_of
from promptsync.pull.moves import BumpPlan, MovePlan
from promptsync.show.lines import backup_lines, version_list
from promptsync.show.outcome import Outcome, Row, bodies, body, row_lines
from promptsync.terminal import output
from promptsync.terminal.output import count


def show_moves(plan: MovePlan, receipt: FilesReceipt | None = None, *, dry_run: bool = False) -> Outcome:
    """Return which files move where, and the names in them; with a receipt those that moved."""
    moves = [move for move in plan.moves if receipt is None or receipt.of(move.changes)]
    rows = []
    for move in moves:
        path = move.path if move.path == move.old_path else f"{move.old_path} -> {move.path}"
        rows.append(Row("moved", "good", move.name, (output.safe(path),)))
    error = receipt.error if receipt is not None else None
    last = "nothing to move" if plan.is_empty else "next: commit, then promptsync status"
    lines = row_lines(rows) + ([] if dry_run or error is not None else [output.aside(last)])
    moved = bodies(moves, "name path old_path")
    return Outcome(lines, {"moved": moved, "dry_run": dry_run, "fingerprint": plan.fingerprint}, error=error)


def bump_headline(plan: BumpPlan) -> str:
    """Return how many prompts will pin which version, or why none will."""
    snippet = output.name(plan.snippet)
    if not plan.is_empty:
        return f"{count(len(plan.moves), 'prompt')} to pin {snippet} v{plan.version}"
    if not plan.is_pinned:
        return f"nothing to bump: no prompt pins a version of {snippet}"
    return f"nothing to bump: every pin of {snippet} is v{plan.version}{' or later' if plan.above else ''}"


def show_bump_plan(plan: BumpPlan) -> Outcome:
    """Return which pins will move."""
    receipt = all_of(plan.moves)
    return Outcome(_bump_rows("bump", plan, receipt), _bump_body(plan, receipt, dry_run=True))


def show_bump(plan: BumpPlan, receipt: FilesReceipt | None, was_shown: bool) -> Outcome:
    """Return what was written; after ``was_shown`` only the count and the next command."""
    receipt = receipt or FilesReceipt()
    lines = [] if was_shown else _bump_rows("bumped", plan, receipt)
    lines += backup_lines(receipt.backups)
    written = f"{count(len(receipt.paths), 'file')} written"
    lines.append(output.aside(bump_headline(plan) if plan.is_empty else written))
    if not plan.is_empty and receipt.error is None:
        lines.append(output.aside("next: commit, then promptsync push or promptsync deploy"))
    return Outcome(lines, _bump_body(plan, receipt, dry_run=False), error=receipt.error)


def _bump_rows(word: str, plan: BumpPlan, receipt: FilesReceipt) -> list[str]:
    rows = []
    for move in receipt.of(plan.moves):
        versions = f"{version_list(move.versions)} -> v{plan.version}"
        rows.append(Row(word, "good", move.name, (versions, output.safe(move.path))))
    text = f"later than v{plan.version}; --to {plan.version} moves it down"
    rows += [Row("stays", "warn", pin.user, note=f"pins v{pin.version}, {text}") for pin in plan.above]
    return row_lines(rows)


def _bump_body(plan: BumpPlan, receipt: FilesReceipt, *, dry_run: bool) -> dict[str, Any]:
    bumped = bodies(receipt.of(plan.moves), "name path from=versions")
    return {
        **body(plan, "snippet version fingerprint"),
        "bumped": [{**move, "to": plan.version} for move in bumped],
        "above": bodies(plan.above, "name=user version"),
        **body(receipt, "backups"),
        "dry_run": dry_run,
    }
