"""A bump: its plan and its receipt as text and JSON."""

from __future__ import annotations

from typing import Any

from promptsync.bump.plan import BumpPlan, MovedPin
from promptsync.project.planned_files import FilesReceipt, all_of
from promptsync.show.lines import backup_lines, noted, version_list
from promptsync.show.outcome import Outcome
from promptsync.terminal import output
from promptsync.terminal.output import count

_NEXT = "next: commit, then promptsync push or promptsync deploy"


def show_plan(plan: BumpPlan) -> Outcome:
    """Return which pins will move."""
    lines = [*output.table(_row("bump", plan, move) for move in plan.moves), *_above_lines(plan)]
    return Outcome(lines, bump_body(plan, all_of(plan.moves), dry_run=True))


def headline(plan: BumpPlan) -> str:
    """Return how many prompts will pin which version."""
    if plan.is_empty:
        return "nothing to bump"
    return f"{count(len(plan.moves), 'prompt')} to pin {output.name(plan.snippet)} v{plan.version}"


def show_receipt(plan: BumpPlan, receipt: FilesReceipt | None, was_shown: bool) -> Outcome:
    """Return what was written; after ``was_shown`` only the count and the next command."""
    receipt = receipt or FilesReceipt()
    if plan.is_empty:
        lines = [*_above_lines(plan), output.aside(_nothing(plan))]
    else:
        rows = (
            [] if was_shown else output.table(_row("bumped", plan, move) for move in receipt.of(plan.moves))
        )
        number = f"{count(len(receipt.paths), 'file')} written"
        rows += backup_lines(receipt.backups)
        lines = [*rows, *([] if was_shown else _above_lines(plan)), output.aside(number)]
        lines += [output.aside(_NEXT)] if receipt.error is None else []
    return Outcome(lines, bump_body(plan, receipt, dry_run=False), error=receipt.error)


def _nothing(plan: BumpPlan) -> str:
    snippet = output.name(plan.snippet)
    if not plan.is_pinned:
        return f"nothing to bump: no prompt pins a version of {snippet}"
    lower = " or later" if plan.above else ""
    return f"nothing to bump: every pin of {snippet} is v{plan.version}{lower}"


def _row(word: str, plan: BumpPlan, move: MovedPin) -> tuple[str, ...]:
    versions = f"{version_list(move.versions)} -> v{plan.version}"
    return (f"  {output.style(word, 'good')}", output.name(move.name), versions, output.safe(move.path))


def _above_lines(plan: BumpPlan) -> list[str]:
    text = f"later than v{plan.version}; --to {plan.version} moves it down"
    return [noted("stays", "warn", pin.name, f"pins v{pin.version}, {text}") for pin in plan.above]


def bump_body(plan: BumpPlan, receipt: FilesReceipt, *, dry_run: bool) -> dict[str, Any]:
    """Return the body of the JSON document."""
    return {
        "snippet": plan.snippet,
        "version": plan.version,
        "bumped": [
            {"name": move.name, "path": move.path, "from": list(move.versions), "to": plan.version}
            for move in receipt.of(plan.moves)
        ],
        "above": [{"name": pin.name, "version": pin.version} for pin in plan.above],
        "backups": {name: str(path) for name, path in receipt.backups.items()},
        "fingerprint": plan.fingerprint,
        "dry_run": dry_run,
    }


BLANK: dict[str, Any] = {"snippet": None, "version": None, "bumped": [], "above": [], "dry_run": False}
"""The body of a bump that failed before it had a plan."""
