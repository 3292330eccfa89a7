"""Scoring the rows of a sheet by its scorecard: steps, scores, verdicts, and what the rows add up to."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

from promptsync.server.checks.models import JUDGE, ModelError, Models
from promptsync.server.http import Name
from promptsync.server.store.database import Database, Row, Store, decoded, encoded, insert, now, storable
from promptsync.server.tables import store
from promptsync.server.tables.compute import BATCH, LOCAL, reader, results_of, rows_of
from promptsync.server.tables.primitives import Ask, NoResult, Read, primitive, score_of

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


Scores = dict[str, Any]
"""What a calculation found in a row, as in the API: above all ``step_results`` by the ids of the steps."""


def scorecard_of(row: Row) -> ScorecardBody:
    """Return the scorecard that is stored in a row of scorecards or calculations."""
    return msgspec.convert(decoded(row["body"]), ScorecardBody)


def scores_of(db: Database, calculation: Row, where: str = "1", *values: Any) -> Iterator[tuple[int, Scores]]:
    """Yield the scores of a calculation by row."""
    sql = f"SELECT row_index, result FROM calculation_rows WHERE calculation = ? AND {where}"
    for row in db.execute(sql, (calculation["number"], *values)).fetchall():
        yield row["row_index"], decoded(row["result"])


def start(db: Database, sheet: Row, scorecard: Row) -> str:
    """Store a calculation of the sheet's rows, and return its id."""
    calculation_id = str(uuid.uuid4())
    about = {"id": calculation_id, "sheet_id": sheet["id"], "scorecard_id": scorecard["id"]}
    version = sheet["version_count"]
    number = insert(db, "calculations", **about, body=scorecard["body"], revision=version, started_at=now())
    sql = "INSERT INTO calculation_rows (calculation, row_index) SELECT DISTINCT ?, row_index FROM cells"
    db.execute(f"{sql} WHERE sheet_id = ?", (number, sheet["id"]))
    return calculation_id


def score_next(registry: Store, models: Models, calculation_id: str) -> bool:
    """Score the next rows of a calculation, and complete it after the last ones; false if none are left."""
    with registry.read() as db:
        sql = "SELECT * FROM calculations WHERE id = ? AND status = 'queued'"
        calculation = db.execute(sql, (calculation_id,)).fetchone()
        if calculation is None:
            return False
        scorecard, ask = scorecard_of(calculation), models.judge
        asks = any(step.primitive_type == "LLM_ASSERTION" for step in scorecard.steps)
        is_local = not asks or models.called(JUDGE).name in LOCAL
        most = BATCH if is_local else models.parallel
        sql = "SELECT row_index FROM calculation_rows WHERE calculation = ? AND verdict IS NULL"
        values = calculation["number"], most
        pending = [index for (index,) in db.execute(f"{sql} ORDER BY row_index LIMIT ?", values)]
        columns = store.columns_of(db, calculation["sheet_id"])
        rows = rows_of(db, calculation["sheet_id"], pending)

    def score(index: int) -> tuple[str, str, int, int]:
        read = reader(columns, rows[index])
        results = {step.id: step_result(step, read, ask) for step in scorecard.steps}
        scores = [result["score"] for result in results.values()]
        total, verdict = aggregate(scorecard.steps, scores, scorecard.aggregation)
        errors = [
            f"{result['title']}: {result['error_message']}"
            for result in results.values()
            if result["error_message"]
        ]
        summary = {"aggregate_score": total, "aggregate_verdict": verdict, "computed_at": now()}
        summary |= {"error_summary": "; ".join(errors) or None}
        return verdict, storable(encoded({"step_results": results, **summary})), calculation["number"], index

    scored = results_of(score, pending, is_local=is_local)
    with registry.write() as db:
        sql = "UPDATE calculation_rows SET verdict = ?, result = ? WHERE calculation = ? AND row_index = ?"
        # If two processes work on one calculation, the results that are stored first stay.
        db.executemany(f"{sql} AND verdict IS NULL", scored)
        if len(pending) < most:
            _complete(db, calculation, scorecard)
    return len(pending) == most


def _complete(db: Database, calculation: Row, scorecard: ScorecardBody) -> None:
    """Store what the rows add up to. A calculation that was cancelled stays so."""
    scores, summaries, means = list(scores_of(db, calculation)), {}, []
    for step in scorecard.steps:
        results = [row["step_results"][step.id] for _, row in scores]
        # A row without a score counts as 0, because otherwise errors would raise the mean.
        means.append(sum(result["score"] or 0 for result in results) / max(1, len(results)))
        verdicts = Counter(result["verdict"] for result in results)
        counts = {f"{verdict}_count": verdicts[verdict] for verdict in VERDICTS}
        about = {"title": step.title, "average_score": means[-1], "total_count": len(results)}
        summaries[step.id] = about | counts
    total, verdict = aggregate(scorecard.steps, means, scorecard.aggregation)
    if any(row["error_summary"] for _, row in scores):
        verdict = ERROR
    summary: dict[str, Any] = {"criterion_summaries": summaries}
    summary |= {
        "aggregate_score": total if scores else None,
        "aggregate_verdict": verdict if scores else SKIPPED,
    }
    sql = "SELECT 1 FROM cells WHERE sheet_id = ? AND model = 'echo' LIMIT 1"
    if db.execute(sql, (calculation["sheet_id"],)).fetchone():
        summary |= {"model": "echo"}
    db.execute(
        "UPDATE calculations SET status = 'completed', summary = ?, completed_at = ?"
        " WHERE number = ? AND status = 'queued'",
        (encoded(summary), now(), calculation["number"]),
    )
