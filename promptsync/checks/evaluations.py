"""Running evaluations: start them, read their reports, fetch scores and failed cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from promptsync.checks.batch import Batch, Run, Status, start_failed
from promptsync.checks.catalogue import Evaluation, Use, score_of, uses_in
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
_RETURNED_FALSE: Final = "check returned false"
_MODEL: Final = "model: "


@dataclass(frozen=True, slots=True)
class FailedCell:
    """``row`` counts from 1. All fields are ``None`` if the registry says only that some cell failed."""

    row: int | None = None
    column: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class EvaluationRun(Run):
    """One run of an evaluation.

    ``report_id`` is the id to read it by; ``evaluation_id`` is ``None`` if only the report is known.
    ``done`` and ``cells`` count cells. ``score`` is 0 to 100; if it is ``None`` because the registry has no
    such operation, ``no_score`` says so. ``version`` is the prompt version that the report names,
    ``prompt_id`` the id of that prompt, and ``uses`` the prompts in its columns. ``missed_cells`` are the
    checks that returned false, fetched if the score is below the minimum. ``model`` is the model that was
    used, if an embedded registry ran it. ``stopped`` is why a report that ended did not complete: it has no
    score that counts.
    """

    evaluation_id: int | None = None
    report_id: int | None = None
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
    stopped: str = ""
    no_score: RemoteError | None = field(default=None, compare=False)

    @property
    def location(self) -> str:
        return f"report {self.report_id}"

    @property
    def follow_command(self) -> str:
        return f"promptsync eval show {self.report_id} --wait" if self.report_id is not None else ""


class EvaluationBatch(Batch[EvaluationRun]):
    """Runs of evaluations, each with the score of the run before it."""

    def __init__(self, registry: Registry, evaluations: Sequence[Evaluation]) -> None:
        super().__init__([EvaluationRun(one.name, one.id) for one in evaluations])
        self._registry = registry
        self._before = {one.id: one for one in evaluations}

    def start(self, index: int) -> EvaluationRun:
        run = self.runs[index]
        name = f"promptsync {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        try:
            report = self._registry.checks.run_evaluation(run.evaluation_id or 0, name)
        except RemoteError as error:
            return start_failed(run, error)
        return replace(run, report_id=report, status=Status.RUNNING)

    def poll(self, run: EvaluationRun) -> EvaluationRun:
        assert run.report_id is not None
        try:
            return as_reported(run, self._registry.checks.evaluation(run.report_id))
        except RemoteError as error:
            return replace(run, error=error, status=Status.UNREADABLE)

    def complete(self, run: EvaluationRun) -> EvaluationRun:
        """Return a completed run with its score, its failed cells and the previous score."""
        if run.status is not Status.COMPLETED:
            return run
        run = replace(with_score(self._registry, run), failed_cells=_failed_cells(self._registry, run))
        previous = _previous_score(self._registry, self._before.get(run.evaluation_id or 0))
        return replace(run, previous_score=previous)

    def progress(self) -> tuple[int, int]:
        return sum(run.done for run in self.runs), sum(run.cells for run in self.runs)


def as_reported(run: EvaluationRun, raw: Mapping[str, Any]) -> EvaluationRun:
    """Return a run with what the registry returned for its report."""
    given = raw.get("report")
    report: Mapping[str, Any] = given if isinstance(given, dict) else {}
    stats = raw.get("stats")
    given = stats.get("status_counts") if isinstance(stats, dict) else None
    stated: Mapping[str, Any] = given if isinstance(given, dict) else {}
    counts = {key.upper(): found for key in stated if (found := number(stated, key)) is not None}
    score = score_of(report.get("score"))
    if score is None:
        score = score_of(raw.get("score"))
    # The embedded registry names its model in the comment of a report.
    comment = text(report, "comment") or ""
    word = str(raw["status"]).upper()
    failed = sum(found for key, found in counts.items() if _is_failed(key))
    stopped = "" if word in _UNFINISHED else _stopped(word, counts)
    ended = Status.FAILED if stopped else Status.COMPLETED
    return replace(
        run,
        status=Status.RUNNING if word in _UNFINISHED else ended,
        done=counts.get("COMPLETED", 0) + failed,
        cells=sum(counts.values()),
        score=None if stopped else score,
        stopped=stopped,
        failed_cells=(FailedCell(),) * failed,
        version=number(report, "prompt_version_number"),
        prompt_id=number(report, "prompt_registry_id"),
        uses=uses_in(raw.get("report_columns"), "column_type"),
        model=comment.removeprefix(_MODEL) if comment.startswith(_MODEL) else None,
    )


def _is_failed(status: str) -> bool:
    """Whether a report or a cell with this status ended without a result."""
    return status.upper() not in _UNFINISHED | _COMPLETED


def _stopped(word: str, counts: Mapping[str, int]) -> str:
    """Return why a report that ended did not complete; empty if it did, as far as it says."""
    if _is_failed(word):
        return f"its report ended with the status {word[:40]!r}"
    waiting = sum(found for key, found in counts.items() if key in _UNFINISHED)
    if waiting:
        return f"its report ended with {waiting} unfinished {'cell' if waiting == 1 else 'cells'}"
    return "its report has no rows" if counts and not any(counts.values()) else ""


def with_score(registry: Registry, run: EvaluationRun) -> EvaluationRun:
    """Return a run with its score, which is fetched if it is not in the report."""
    if run.score is not None or run.report_id is None or run.stopped:
        return run
    try:
        return replace(run, score=score_of(registry.checks.evaluation_score(run.report_id)))
    except (Unsupported, NotFound) as error:
        return replace(run, no_score=error)
    except RemoteError as error:
        return replace(run, error=error)


def _failed_cells(registry: Registry, run: EvaluationRun) -> tuple[FailedCell, ...]:
    if not run.failed_cells or run.report_id is None:
        return ()
    try:
        cells = list(_cells(registry, run.report_id))
    except RemoteError:
        return run.failed_cells  # at least their number is known
    failed = [
        FailedCell(row, column, text(cell, "error_message", "status"))
        for row, column, cell in cells
        if _is_failed(text(cell, "status") or "COMPLETED")
    ]
    return tuple(failed) or run.failed_cells


def missed_cells(registry: Registry, run: EvaluationRun) -> tuple[FailedCell, ...]:
    """Return the checks that returned false; none if the registry does not return rows."""
    if run.report_id is None:
        return ()
    try:
        return tuple(
            FailedCell(row, column, _RETURNED_FALSE)
            for row, column, cell in _cells(registry, run.report_id)
            if cell.get("value") is False and cell.get("type") != _DATASET
        )
    except RemoteError:
        return ()  # they only explain a score that is known to be too low


def _cells(registry: Registry, report_id: int) -> Iterator[tuple[int, str | None, Mapping[str, Any]]]:
    """Yield the cells of a report, each with its row, from 1, and the name of its column."""
    found = registry.checks.evaluation_rows(report_id)
    columns = [str(one) for one in found["columns"]]
    for row, line in enumerate(found["rows"], start=1):
        for place, cell in enumerate(line):
            if isinstance(cell, dict):
                yield row, columns[place] if place < len(columns) else None, cell


def _previous_score(registry: Registry, evaluation: Evaluation | None) -> float | None:
    """Return the score of the last run that had ended when ``evaluation`` was listed."""
    last = evaluation.last if evaluation is not None else None
    if last is None or last.score is not None:
        return last.score if last is not None else None
    try:
        return score_of(registry.checks.evaluation_score(last.id))
    except RemoteError:
        return None  # it is only shown, and decides nothing
