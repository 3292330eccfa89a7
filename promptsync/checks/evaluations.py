"""Runs of evaluations: start one, read its report, its score and its cells."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from promptsync.checks.catalog import score_of, uses_in
from promptsync.checks.run import Cell, Run, Status
from promptsync.errors import RemoteError
from promptsync.registry.errors import NotFound, Unsupported
from promptsync.registry.protocol import number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

# A state of a report or of a cell in neither of these sets counts as ended and failed.
_UNFINISHED: Final = frozenset(
    {"RUNNING", "QUEUED", "PENDING", "CREATED", "STARTED", "PROCESSING", "IN_PROGRESS"}
)
_COMPLETED: Final = frozenset({"COMPLETED", "SUCCESS", "SUCCEEDED", "FINISHED"})
_DATASET: Final = "dataset"
_MODEL: Final = "model: "

STARTED_BY_US: Final = "promptsync "
"""The names of the runs that promptsync starts begin with this."""


def start(registry: Registry, run: Run) -> Run:
    """Start a run, and return its new state. Raises ``RemoteError``."""
    name = f"{STARTED_BY_US}{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return replace(run, id=registry.checks.run_evaluation(run.item_id or 0, name), status=Status.RUNNING)


def poll(registry: Registry, run: Run) -> Run:
    """Return the state of a run. Raises ``RemoteError``."""
    return as_reported(run, registry.checks.evaluation(run.id or 0))


def complete(registry: Registry, run: Run) -> Run:
    """Return a completed run with its score, which is fetched if it is not in the report."""
    if run.status is not Status.COMPLETED or run.score is not None:
        return run
    try:
        return replace(run, score=score_of(registry.checks.evaluation_score(run.id or 0)))
    except (Unsupported, NotFound) as error:
        return replace(run, no_score=error)
    except RemoteError as error:
        return replace(run, error=error)


def explained(registry: Registry, run: Run) -> Run:
    """Return a run with the cells that explain its failure, if the registry returns them."""
    try:
        table = registry.checks.evaluation_rows(run.id or 0)
    except RemoteError:
        return run  # the reason is known without them
    columns = [str(column) for column in table["columns"]]
    failed, missed = [], []
    for row, line in enumerate(table["rows"], start=1):
        for place, cell in enumerate(line):
            if not isinstance(cell, dict):
                continue
            column = columns[place] if place < len(columns) else None
            if _is_failed(text(cell, "status") or "COMPLETED"):
                failed.append(Cell(row, column, text(cell, "error_message", "status")))
            if cell.get("value") is False and cell.get("type") != _DATASET:
                missed.append(Cell(row, column, "check returned false"))
    return replace(run, failed_cells=tuple(failed), missed_cells=tuple(missed))


def as_reported(run: Run, raw: Mapping[str, Any]) -> Run:
    """Return a run with its report from the registry."""
    report, stated = _object(raw, "report"), _object(_object(raw, "stats"), "status_counts")
    counts = {key.upper(): amount for key in stated if (amount := number(stated, key)) is not None}
    score = score_of(report.get("score"))
    # The embedded registry names its model in the comment of a report.
    comment = text(report, "comment") or ""
    word = str(raw["status"]).upper()
    failed = sum(amount for key, amount in counts.items() if _is_failed(key))
    stopped = "" if word in _UNFINISHED else _stopped(word, counts)
    ended = Status.FAILED if stopped else Status.COMPLETED
    return replace(
        run,
        status=Status.RUNNING if word in _UNFINISHED else ended,
        ended=counts.get("COMPLETED", 0) + failed,
        cells=sum(counts.values()),
        failed=failed,
        score=None if stopped else score_of(raw.get("score")) if score is None else score,
        stopped=stopped,
        version=number(report, "prompt_version_number"),
        prompt_id=number(report, "prompt_registry_id"),
        uses=uses_in(raw.get("report_columns"), "column_type"),
        model=comment.removeprefix(_MODEL) if comment.startswith(_MODEL) else None,
    )


def _object(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _is_failed(status: str) -> bool:
    """Whether a report or a cell with this status ended without a result."""
    return status.upper() not in _UNFINISHED | _COMPLETED


def _stopped(word: str, counts: Mapping[str, int]) -> str:
    """Return why a report that ended did not complete; empty if it did, as far as it says."""
    if _is_failed(word):
        return f"its report ended with the status {word[:40]!r}"
    waiting = sum(amount for key, amount in counts.items() if key in _UNFINISHED)
    if waiting:
        return f"its report ended with {waiting} unfinished {'cell' if waiting == 1 else 'cells'}"
    return "its report has no rows" if counts and not any(counts.values()) else ""
