"""Scorecards: from the results of their steps to the scores and verdicts of rows, and of the sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from promptsync.server.checks.models import ModelError
from promptsync.server.http.fields import Name
from promptsync.server.tables.primitives import primitive, score_of
from promptsync.server.tables.values import Ask, NoResult, Read

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


class ScorecardBody(Struct, frozen=True):
    """A scorecard, as in the API. ``config_hash`` changes with everything that decides about scores."""

    name: Name
    aggregation: Aggregation
    evaluated_column_ids: list[str] = []
    steps: Annotated[list[ScoringStep], Meta(max_length=100)] = []
    display_config: dict[str, Any] | None = None
    baseline_config: dict[str, Any] | None = None
    config_hash: str | None = None


def step_result(step: ScoringStep, read: Read, ask: Ask) -> dict[str, Any]:
    """Return what a step finds in a row, as in the API. Without a score, it has an ``error_message``."""
    value = score = message = None
    try:
        value = primitive(step.primitive_type, step.primitive_config, "").result(read, ask)
        score = score_of(value)
    except (NoResult, ModelError) as error:
        message = str(error)
    verdict = ERROR if score is None else step.thresholds.verdict(score)
    about = {"title": step.title, "primitive_type": step.primitive_type, "verdict": verdict}
    return {**about, "score": score, "raw_value": value, "error_message": message}


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
