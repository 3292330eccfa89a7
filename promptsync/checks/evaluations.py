"""Runs of evaluations: start one, read its report, its score and its cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.catalog import Use, score_of, uses_in
from promptsync.checks.run import Run, Status
from promptsync.errors import RemoteError
from promptsync.registry.errors import NotFound, Unsupported
from promptsync.registry.values import number, text

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


class Cell(Struct, frozen=True):
    """A cell that failed, or a check that returned false; ``row`` counts from 1."""

    row: int
    column: str | None = None
    reason: str | None = None


class EvaluationRun(Run, frozen=True, kw_only=True):
    """One run of an evaluation; ``id`` is its report's.

    ``ended``, ``cells`` and ``failed`` count cells. ``score`` is 0 to 100; if it is ``None`` because the
    registry has no such operation, ``no_score`` says so. ``version`` is the prompt version that the report
    names, ``prompt_id`` the id of that prompt, and ``uses`` the prompts in its columns. ``model`` is what an
    embedded registry ran it on. ``stopped`` is why a report that ended did not complete: it has no score that
    counts. ``failed_cells`` and ``missed_cells``, the checks that returned false, are fetched by
    ``explained``.
    """

    place = "report"
    verb = "eval"

    ended: int = 0
    cells: int = 0
    failed: int = 0
    score: float | None = None
    previous_score: float | None = None
    failed_cells: tuple[Cell, ...] = ()
    missed_cells: tuple[Cell, ...] = ()
    version: int | None = None
    prompt_id: int | None = None
    uses: tuple[Use, ...] = ()
    model: str | None = None
    stopped: str = ""
    no_score: RemoteError | None = None

    @property
    def progress(self) -> tuple[int, int]:
        return self.ended, self.cells

    def start(self, registry: Registry) -> EvaluationRun:
        name = f"{STARTED_BY_US}{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        report = registry.checks.run_evaluation(self.item_id or 0, name)
        return replace(self, id=report, status=Status.RUNNING)

    def poll(self, registry: Registry) -> EvaluationRun:
        return as_reported(self, registry.checks.evaluation(self.id or 0))

    def complete(self, registry: Registry) -> EvaluationRun:
        """Return a completed run with its score, which is fetched if it is not in the report."""
        if self.status is not Status.COMPLETED or self.score is not None:
            return self
        try:
            return replace(self, score=score_of(registry.checks.evaluation_score(self.id or 0)))
        except (Unsupported, NotFound) as error:
            return replace(self, no_score=error)
        except RemoteError as error:
            return replace(self, error=error)

    def explained(self, registry: Registry) -> EvaluationRun:
        """Return the run with the cells that explain why it failed, as far as the registry returns them."""
        try:
            cells = [*_cells(registry, self.id or 0)]
        except RemoteError:
            return self  # the reason is known without them
        failed = [
            Cell(row, column, text(cell, "error_message", "status"))
            for row, column, cell in cells
            if _is_failed(text(cell, "status") or "COMPLETED")
        ]
        missed = [
            Cell(row, column, "check returned false")
            for row, column, cell in cells
            if cell.get("value") is False and cell.get("type") != _DATASET
        ]
        return replace(self, failed_cells=tuple(failed), missed_cells=tuple(missed))


def as_reported(run: EvaluationRun, raw: Mapping[str, Any]) -> EvaluationRun:
    """Return a run with what the registry returned for its report."""
    report, counts = _object(raw, "report"), _counts(raw)
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


def _counts(raw: Mapping[str, Any]) -> dict[str, int]:
    """Return how many cells have each status."""
    stated = _object(_object(raw, "stats"), "status_counts")
    return {key.upper(): amount for key in stated if (amount := number(stated, key)) is not None}


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


def _cells(registry: Registry, report_id: int) -> Iterator[tuple[int, str | None, Mapping[str, Any]]]:
    """Yield the cells of a report, each with its row, from 1, and the name of its column."""
    table = registry.checks.evaluation_rows(report_id)
    columns = [str(column) for column in table["columns"]]
    for row, line in enumerate(table["rows"], start=1):
        for place, cell in enumerate(line):
            if isinstance(cell, dict):
                yield row, columns[place] if place < len(columns) else None, cell
