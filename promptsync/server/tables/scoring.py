"""Scoring: from what the steps of a scorecard found in a row to scores and verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from promptsync.server.http import Name
from promptsync.server.tables.primitives import NoResult, score_of
from promptsync.server.tables.store import SheetCell

PASS, WARN, FAIL, ERROR, SKIPPED = "pass", "warn", "fail", "error", "skipped"
VERDICTS: Final = (PASS, WARN, FAIL, ERROR, SKIPPED)
"""The verdicts, from good to bad; the last is that of a sheet without rows."""

_Share = Annotated[float, Meta(ge=0, le=1)]


class Thresholds(Struct, frozen=True):
    """The least scores that pass and that only warn. The defaults are those of the vendor's SDK."""

    passing: _Share = field(name="pass", default=0.8)
    warning: _Share = field(name="warn", default=0.6)

    def __post_init__(self) -> None:
        if self.warning > self.passing:
            raise ValueError("the threshold to warn is higher than that to pass")

    def verdict(self, score: float) -> str:
        """Return the verdict of a score."""
        return PASS if score >= self.passing else WARN if score >= self.warning else FAIL


class Aggregation(Struct, frozen=True):
    """How the scores of steps become one score with a verdict."""

    method: Literal["weighted_mean"] = "weighted_mean"
    required_step_failure_behavior: Literal["fail", "warn", "error"] = "fail"
    pass_threshold: _Share = 0.8
    warn_threshold: _Share = 0.6

    def __post_init__(self) -> None:
        Thresholds(self.pass_threshold, self.warn_threshold)


class ScoringStep(Struct, frozen=True):
    """A step of a scorecard, as in the API; it gets an ``id`` when it is stored."""

    title: Name
    primitive_type: str
    id: str | None = None
    source_column_ids: list[str] = []
    weight: Annotated[float, Meta(gt=0, le=1e9)] = 1
    required: bool = False
    thresholds: Thresholds = Thresholds()
    primitive_config: dict[str, Any] = {}
    score_adapter: dict[str, Any] | None = None
    description: str | None = None
    order_index: int = 0

    def result(self, cell: SheetCell) -> dict[str, Any]:
        """Return what the step found in a row, as in the API; without a score, why not."""
        score, message = None, cell.error
        try:
            score = score_of(cell.value) if message is None else None
        except NoResult as error:
            message = str(error)
        verdict = ERROR if score is None else self.thresholds.verdict(score)
        about = {"title": self.title, "primitive_type": self.primitive_type, "verdict": verdict}
        return {**about, "score": score, "raw_value": cell.value, "error_message": message}


class ScorecardBody(Struct, frozen=True):
    """A scorecard, as a client sends it."""

    name: Name
    aggregation: Aggregation
    evaluated_column_ids: list[str] = []
    steps: Annotated[list[ScoringStep], Meta(max_length=100)] = []
    display_config: dict[str, Any] | None = None
    baseline_config: dict[str, Any] | None = None


class SheetScorecard(ScorecardBody, frozen=True, kw_only=True):
    """A scorecard, as it is stored. ``config_hash`` changes with everything that decides about scores."""

    id: str
    config_hash: str
    created_at: str
    updated_at: str


def aggregate(
    steps: Sequence[ScoringStep], scores: Sequence[float | None], how: Aggregation
) -> tuple[float, str]:
    """Return the score and the verdict of a row, or of the sheet from the means of its steps.

    A step without a score counts as 0, and makes the verdict an error.
    """
    pairs = list(zip(steps, scores, strict=True))
    total = sum(step.weight * (score or 0) for step, score in pairs) / sum(step.weight for step in steps)
    verdicts = [Thresholds(how.pass_threshold, how.warn_threshold).verdict(total)]
    for step, score in pairs:
        if score is None:
            verdicts.append(ERROR)
        elif step.required and step.thresholds.verdict(score) == FAIL:
            verdicts.append(how.required_step_failure_behavior)
    return total, max(verdicts, key=VERDICTS.index)


def row_score(scorecard: SheetScorecard, cells: Sequence[SheetCell]) -> dict[str, Any]:
    """Return the score of a row from its cells, one for each step, as in a response."""
    results = {step.id: step.result(cell) for step, cell in zip(scorecard.steps, cells, strict=True)}
    scores = [result["score"] for result in results.values()]
    total, verdict = aggregate(scorecard.steps, scores, scorecard.aggregation)
    errors = [
        f"{result['title']}: {result['error_message']}"
        for result in results.values()
        if result["error_message"]
    ]
    return {
        "step_results": results,
        "aggregate_score": total,
        "aggregate_verdict": verdict,
        "computed_at": max(cell.updated_at for cell in cells),
        "error_summary": "; ".join(errors) or None,
    }


def summary(scorecard: SheetScorecard, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the scores of all rows add up to, as in a response."""
    summaries, means = {}, []
    for step in scorecard.steps:
        results = [row["step_results"][step.id] for row in rows]
        # A row without a score counts as 0, because otherwise errors would raise the mean.
        means.append(sum(result["score"] or 0 for result in results) / max(1, len(results)))
        about = {"title": step.title, "average_score": means[-1], "total_count": len(results)}
        counts = verdict_counts(result["verdict"] for result in results)
        summaries[step.id] = about | {f"{verdict}_count": count for verdict, count in counts.items()}
    total, verdict = aggregate(scorecard.steps, means, scorecard.aggregation)
    if any(row["error_summary"] for row in rows):
        verdict = ERROR
    return {
        "criterion_summaries": summaries,
        "aggregate_score": total if rows else None,
        "aggregate_verdict": verdict if rows else SKIPPED,
    }


def verdict_counts(verdicts: Iterable[str]) -> dict[str, int]:
    """Return how often each verdict occurs."""
    counts = Counter(verdicts)
    return {verdict: counts[verdict] for verdict in VERDICTS}
