"""Runs of evaluations as a registry reports them: state, cells, score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from promptsync.checks.catalogue import Evaluation, score_of
from promptsync.checks.outcome import Status
from promptsync.checks.uses import Use, uses_in
from promptsync.errors import RemoteError
from promptsync.registry.errors import NotFound, Unsupported
from promptsync.registry.promptlayer.parse import number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

_UNFINISHED: Final = frozenset(
    {"RUNNING", "QUEUED", "PENDING", "CREATED", "STARTED", "PROCESSING", "IN_PROGRESS"}
)
_COMPLETED: Final = frozenset({"COMPLETED", "SUCCESS", "SUCCEEDED", "FINISHED"})
_FAILED: Final = "FAILED"
_DATASET: Final = "dataset"
_SAID_NO: Final = "the check said no"
_MODEL: Final = "model: "


@dataclass(frozen=True, slots=True)
class FailedCell:
    """``row`` counts from 1. All are ``None`` where the registry tells no more than that a cell failed."""

    row: int | None = None
    column: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class EvaluationRun:
    """One run of an evaluation.

    ``report_id`` is what to read it by; ``evaluation_id`` is ``None`` where only that is known. ``done`` and
    ``cells`` count cells. ``score`` is 0 to 100, ``None`` without one; ``no_score`` is then the registry's
    lack of the operation, if that is the reason. ``version`` is the prompt's version that the report names,
    ``prompt_id`` the id of that prompt, and ``uses`` what its columns say that they send. ``missed_cells``
    are the checks of rows that said no, known once a run is under its minimum. ``error`` is what the
    registry failed at.
    """

    evaluation: str
    evaluation_id: int | None = None
    report_id: int | None = None
    status: Status = Status.NOT_STARTED
    done: int = 0
    cells: int = 0
    score: float | None = None
    previous_score: float | None = None
    failed_cells: tuple[FailedCell, ...] = ()
    missed_cells: tuple[FailedCell, ...] = ()
    version: int | None = None
    prompt_id: int | None = None
    uses: tuple[Use, ...] = ()
    model: str | None = None
    error: RemoteError | None = None
    no_score: RemoteError | None = field(default=None, compare=False)

    @property
    def is_under_way(self) -> bool:
        return self.report_id is not None and self.status is Status.RUNNING

    @property
    def told_cells(self) -> tuple[FailedCell, ...]:
        """The cells that say why it did not pass, as far as their rows are known."""
        return tuple(cell for cell in (*self.failed_cells, *self.missed_cells) if cell.row is not None)


def as_reported(run: EvaluationRun, raw: Mapping[str, Any]) -> EvaluationRun:
    """The run as the registry's answer about its report tells it."""
    given = raw.get("report")
    report: Mapping[str, Any] = given if isinstance(given, dict) else {}
    said = str(raw["status"]).upper()
    status = (
        Status.RUNNING if said in _UNFINISHED else Status.COMPLETED if said in _COMPLETED else Status.FAILED
    )
    counts = _counts(raw)
    score = score_of(report.get("score"))
    return replace(
        run,
        status=status,
        done=counts.get("COMPLETED", 0) + counts.get(_FAILED, 0),
        cells=sum(counts.values()),
        score=score_of(raw.get("score")) if score is None else score,
        failed_cells=(FailedCell(),) * counts.get(_FAILED, 0),
        version=number(report, "prompt_version_number"),
        prompt_id=number(report, "prompt_registry_id"),
        uses=uses_in(raw.get("report_columns"), "column_type"),
        model=_model(report),
    )


def _model(report: Mapping[str, Any]) -> str | None:
    """What an embedded registry says answered, for an echo proves less than a model."""
    comment = text(report, "comment") or ""
    return comment.removeprefix(_MODEL) if comment.startswith(_MODEL) else None


def _counts(raw: Mapping[str, Any]) -> dict[str, int]:
    stats = raw.get("stats")
    counts = stats.get("status_counts") if isinstance(stats, dict) else None
    if not isinstance(counts, dict):
        return {}
    return {key: found for key in counts if (found := number(counts, key)) is not None}


def with_score(registry: Registry, run: EvaluationRun) -> EvaluationRun:
    """The run with its score, which is asked for where the report did not tell it."""
    if run.score is not None or run.report_id is None:
        return run
    try:
        return replace(run, score=score_of(registry.checks.evaluation_score(run.report_id)))
    except (Unsupported, NotFound) as error:
        return replace(run, no_score=error)
    except RemoteError as error:
        return replace(run, error=error)


def failed_cells(registry: Registry, run: EvaluationRun) -> tuple[FailedCell, ...]:
    """The failed cells with rows and reasons, where the registry gives rows."""
    if not run.failed_cells or run.report_id is None:
        return ()
    try:
        cells = list(_cells(registry, run.report_id))
    except RemoteError:
        return run.failed_cells  # how many there are is known all the same
    failed = [
        FailedCell(row, column, text(cell, "error_message"))
        for row, column, cell in cells
        if cell.get("status") == _FAILED
    ]
    return tuple(failed) or run.failed_cells


def missed_cells(registry: Registry, run: EvaluationRun) -> tuple[FailedCell, ...]:
    """The checks that said no, with their rows, where the registry gives rows."""
    if run.report_id is None:
        return ()
    try:
        return tuple(
            FailedCell(row, column, _SAID_NO)
            for row, column, cell in _cells(registry, run.report_id)
            if cell.get("value") is False and cell.get("type") != _DATASET
        )
    except RemoteError:
        return ()  # that the score is too low is known all the same


def _cells(registry: Registry, report_id: int) -> Iterator[tuple[int, str | None, Mapping[str, Any]]]:
    """The cells of a report, each with its row, from 1, and the name of its column."""
    found = registry.checks.evaluation_rows(report_id)
    columns = [str(one) for one in found["columns"]]
    for row, line in enumerate(found["rows"], start=1):
        for place, cell in enumerate(line):
            if isinstance(cell, dict):
                yield row, columns[place] if place < len(columns) else None, cell


def previous_score(registry: Registry, evaluation: Evaluation | None) -> float | None:
    """The score of the last run that had ended when ``evaluation`` was listed."""
    last = evaluation.last if evaluation is not None else None
    if last is None or last.score is not None:
        return last.score if last is not None else None
    try:
        return score_of(registry.checks.evaluation_score(last.id))
    except RemoteError:
        return None  # it is for comparison only
