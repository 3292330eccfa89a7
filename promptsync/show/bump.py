"""A bump: its plan and its receipt as text and JSON."""

from __future__ import annotations

from typing import Any

from promptsync.project.plan import FilesReceipt, all_of
from promptsync.pull.bump import BumpPlan, MovedPin
from promptsync.show.lines import backup_lines, version_list
from promptsync.show.outcome import Outcome, Row, bodies, body, row_lines
from promptsync.terminal import output
from promptsync.terminal.output import count

_NEXT = "next: commit, then promptsync push or promptsync deploy"

BLANK: dict[str, Any] = {"snippet": None, "version": None, "bumped": [], "above": [], "dry_run": False}
"""The body of a bump that failed before it had a plan."""


def show_plan(plan: BumpPlan) -> Outcome:
    """Return which pins will move."""
    rows = [*(_row("bump", plan, move) for move in plan.moves), *_above(plan)]
    return Outcome(row_lines(rows), _body(plan, all_of(plan.moves), dry_run=True))


def headline(plan: BumpPlan) -> str:
    """Return how many prompts will pin which version, or why none will."""
    snippet = output.name(plan.snippet)
    if not plan.is_empty:
        return f"{count(len(plan.moves), 'prompt')} to pin {snippet} v{plan.version}"
    if not plan.is_pinned:
        return f"nothing to bump: no prompt pins a version of {snippet}"
    return f"nothing to bump: every pin of {snippet} is v{plan.version}{' or later' if plan.above else ''}"


def show_receipt(plan: BumpPlan, receipt: FilesReceipt | None, was_shown: bool) -> Outcome:
    """Return what was written; after ``was_shown`` only the count and the next command."""
    receipt = receipt or FilesReceipt()
    rows = [*(_row("bumped", plan, move) for move in receipt.of(plan.moves)), *_above(plan)]
    lines = [*row_lines([] if was_shown else rows), *backup_lines(receipt.backups)]
    lines.append(
        output.aside(headline(plan) if plan.is_empty else f"{count(len(receipt.paths), 'file')} written")
    )
    if not plan.is_empty and receipt.error is None:
        lines.append(output.aside(_NEXT))
    return Outcome(lines, _body(plan, receipt, dry_run=False), error=receipt.error)


def _row(word: str, plan: BumpPlan, move: MovedPin) -> Row:
    versions = f"{version_list(move.versions)} -> v{plan.version}"
    return Row(word, "good", move.name, (versions, output.safe(move.path)))


def _above(plan: BumpPlan) -> list[Row]:
    text = f"later than v{plan.version}; --to {plan.version} moves it down"
    return [Row("stays", "warn", pin.user, note=f"pins v{pin.version}, {text}") for pin in plan.above]


def _body(plan: BumpPlan, receipt: FilesReceipt, *, dry_run: bool) -> dict[str, Any]:
    bumped = bodies(receipt.of(plan.moves), "name path from=versions")
    return {
        **body(plan, "snippet version fingerprint"),
        "bumped": [{**move, "to": plan.version} for move in bumped],
        "above": bodies(plan.above, "name=user version"),
        **body(receipt, "backups"),
        "dry_run": dry_run,
    }
