"""Calculations of scorecards: scoring the rows of a sheet, and what the rows add up to."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from promptsync.server.checks.models import JUDGE, Models
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, Store, decoded, encoded, insert, storable
from promptsync.server.tables import store
from promptsync.server.tables.compute import BATCH, LOCAL, reader, results_of, rows_of
from promptsync.server.tables.scoring import (
    ERROR,
    SKIPPED,
    VERDICTS,
    ScorecardBody,
    aggregate,
    step_result,
)

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
