"""From the results of a scorecard's steps to scores and verdicts: of a row, and of the sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from promptsync.server.checks.model import ModelError
from promptsync.server.http.fields import Name
from promptsync.server.tables.primitives import primitive, score_of
from promptsync.server.tables.values import Ask, NoResult, Read

PASS, WARN, FAIL, ERROR, SKIPPED = "pass", "warn", "fail", "error", "skipped"
VERDICTS: Final = (PASS, WARN, FAIL, ERROR, SKIPPED)
"""The verdicts, of which each is worse than the one before; the last is that of a sheet without rows."""

_Share = Annotated[float, Meta(ge=0, le=1)]


class Thresholds(Struct, frozen=True):
    """The least scores that pass and that only warn. The defaults are those of the vendor's SDK."""

    passing: _Share = field(name="pass", default=0.8)
    warning: _Share = field(name="warn", default=0.6)

    def __post_init__(self) -> None:
        if self.warning > self.passing:
            raise ValueError("warn is higher than pass")

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
        if self.warn_threshold > self.pass_threshold:
            raise ValueError("warn_threshold is higher than pass_threshold")


class ScoringStep(Struct, frozen=True, omit_defaults=False):
    """A step of a scorecard, as in the API. ``id`` is empty until it is stored."""

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
    target_column_id: str | None = None
    evidence_mode: Literal["summary", "raw", "hidden"] | None = None
    order_index: int = 0


class StepResult(Struct, frozen=True):
    """What a step found in a row. Without a ``score``, ``error_message`` says why."""

    title: str
    primitive_type: str
    verdict: str
    score: float | None = None
    raw_value: Any = None
    error_message: str | None = None


def step_result(step: ScoringStep, read: Read, ask: Ask) -> StepResult:
    """Return what a step finds in a row."""
    about = step.title, step.primitive_type
    try:
        value = primitive(step.primitive_type, step.primitive_config, "").result(read, ask)
        score = score_of(value)
    except (NoResult, ModelError) as error:
        return StepResult(*about, ERROR, error_message=str(error))
    return StepResult(*about, step.thresholds.verdict(score), score, value)


def aggregate(
    steps: Sequence[ScoringStep], scores: Sequence[float | None], how: Aggregation
) -> tuple[float, str]:
    """Return the score and the verdict of a row, or of the sheet from the means of its steps.

    A step without a score counts as 0, and makes the verdict an error.
    """
    weights = [step.weight for step in steps]
    known = [score or 0.0 for score in scores]
    score = sum(weight * part for weight, part in zip(weights, known, strict=True)) / sum(weights)
    verdicts = [Thresholds(how.pass_threshold, how.warn_threshold).verdict(score)]
    for step, part in zip(steps, scores, strict=True):
        if part is None:
            verdicts.append(ERROR)
        elif step.required and step.thresholds.verdict(part) == FAIL:
            verdicts.append(how.required_step_failure_behavior)
    return score, max(verdicts, key=VERDICTS.index)
