"""Running evaluations: start, wait, and judge what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from promptsync.checks.batch import Batch, finish, interruptible, judge, look
from promptsync.checks.catalogue import Evaluation, pick
from promptsync.checks.outcome import Status, start_failed
from promptsync.checks.reports import (
    EvaluationRun,
    as_reported,
    failed_cells,
    previous_score,
    with_score,
)
from promptsync.checks.wait import Patience, Progress
from promptsync.errors import AnswerIsNo, RemoteError

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

_WHAT: Final = "running evaluations"


@dataclass(frozen=True, slots=True)
class Standard:
    """What a run has to reach. ``min_score`` is 0 to 100."""

    min_score: float | None = None
    allow_unscored: bool = False

    def at_least(self, min_score: float | None) -> Standard:
        """This standard with another minimum besides its own: the stricter one counts."""
        given = [one for one in (self.min_score, min_score) if one is not None]
        return replace(self, min_score=max(given, default=None))

    def is_missed_by(self, run: EvaluationRun) -> bool:
        """Whether its score is all that keeps a run from passing."""
        is_low = run.score is not None and self.min_score is not None and run.score < self.min_score
        return is_low and run.status is Status.COMPLETED and run.error is None and not run.failed_cells

    def verdict(self, run: EvaluationRun) -> str:
        """Why ``run`` does not pass; empty when it does."""
        if run.error is not None:
            return run.error.message
        if run.status is Status.TIMED_OUT:
            return f"still running when the time was up; report {run.report_id}"
        if run.status is not Status.COMPLETED:
            return f"did not complete: {run.status}"
        if run.failed_cells:
            number_of = len(run.failed_cells)
            return f"{number_of} failed {'cell' if number_of == 1 else 'cells'}"
        if run.score is None:
            return "" if self.allow_unscored else "it has no score"
        if self.min_score is not None and run.score < self.min_score:
            return f"scored {run.score:g}, under the minimum of {self.min_score:g}"
        return ""


def fault_of(run: EvaluationRun, standard: Standard) -> tuple[RemoteError | None, str]:
    """What the registry failed at in a run, and why it does not pass; ``None`` and empty when it does."""
    verdict = standard.verdict(run)
    error = run.error
    if error is None and verdict and run.score is None and run.no_score is not None:
        is_unscored = run.status is Status.COMPLETED and not run.failed_cells
        error = _unscored(run.no_score) if is_unscored else None
    return error, verdict


def _unscored(error: RemoteError) -> RemoteError:
    return RemoteError(
        error.message, hint="--allow-unscored takes an evaluation without a score for passed", code=error.code
    )


def run_to_show(evaluations: Sequence[Evaluation], wanted: str, url: str) -> EvaluationRun:
    """The run that ``wanted`` means: a report id, or the last run of the evaluation of that name or id.

    Where the registry does not list runs, the evaluation itself is what can be read. Raises ``NoSuchItem``,
    and ``AnswerIsNo`` for an evaluation that was never run.
    """
    for one in evaluations:
        run = next((run for run in one.runs or () if str(run.id) == wanted), None)
        if run is not None and wanted not in {other.name for other in evaluations}:
            return EvaluationRun(one.name, one.id, run.id)
    is_known = any(wanted in (one.name, str(one.id)) for one in evaluations)
    if not is_known and wanted.isascii() and wanted.isdigit():
        return EvaluationRun(f"report {wanted}", None, int(wanted))
    (one,) = pick(evaluations, [wanted], "evaluation", url)
    if one.runs is None:
        return EvaluationRun(one.name, one.id, one.id)
    if not one.runs:
        raise AnswerIsNo(
            f"{one.name} has not been run yet", hint=f"promptsync eval run {one.id} runs it", code="never-run"
        )
    return EvaluationRun(one.name, one.id, one.runs[0].id)


def await_report(
    registry: Registry,
    run: EvaluationRun,
    *,
    known: Sequence[Evaluation] = (),
    patience: Patience | None,
    progress: Progress,
) -> EvaluationRun:
    """How a run that was started before is by now, or, with ``patience``, how it ends.

    ``known`` are evaluations with their runs, of which the one before this tells the score before.
    """
    batch = EvaluationBatch(registry, [_until(one, run) for one in known if one.id == run.evaluation_id])
    batch.runs = [replace(run, status=Status.RUNNING)]
    with interruptible([batch]):
        if patience is None:
            look([batch])
            judge([batch])
        else:
            finish([batch], patience=patience, progress=progress, what=_WHAT)
    return batch.runs[0]


def _until(evaluation: Evaluation, run: EvaluationRun) -> Evaluation:
    """Return an evaluation as it was before one of its runs: newer ones have larger ids."""
    runs = tuple(one for one in evaluation.runs or () if run.report_id is None or one.id < run.report_id)
    return replace(evaluation, runs=runs)


class EvaluationBatch(Batch[EvaluationRun]):
    """Runs of evaluations, each of which says what it scored before."""

    def __init__(self, registry: Registry, evaluations: Sequence[Evaluation]) -> None:
        super().__init__([EvaluationRun(one.name, one.id) for one in evaluations])
        self._registry = registry
        self._before = {one.id: one for one in evaluations}

    def started(self, index: int) -> EvaluationRun:
        run = self.runs[index]
        name = f"promptsync {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        try:
            report = self._registry.checks.run_evaluation(run.evaluation_id or 0, name)
        except RemoteError as error:
            return replace(run, status=start_failed(error), error=error)
        return replace(run, report_id=report, status=Status.RUNNING)

    def looked_at(self, run: EvaluationRun) -> EvaluationRun:
        assert run.report_id is not None
        try:
            return as_reported(run, self._registry.checks.evaluation(run.report_id))
        except RemoteError as error:
            return replace(run, error=error, status=Status.UNREADABLE)

    def given_up(self, run: EvaluationRun) -> EvaluationRun:
        return replace(run, status=Status.TIMED_OUT)

    def judged(self, run: EvaluationRun) -> EvaluationRun:
        """The run with its score, its failed cells, and the score of the run before."""
        if run.status is not Status.COMPLETED:
            return run
        run = replace(with_score(self._registry, run), failed_cells=failed_cells(self._registry, run))
        previous = previous_score(self._registry, self._before.get(run.evaluation_id or 0))
        return replace(run, previous_score=previous)

    def progress(self) -> tuple[int, int]:
        return sum(run.done for run in self.runs), sum(run.cells for run in self.runs)
