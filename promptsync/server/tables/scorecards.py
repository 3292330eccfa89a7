"""The scorecard of a sheet: configuring it, calculating scores, and reading them row by row.

A calculation is a sheet in no table. Its columns are the steps of the scorecard, which read the rows of the
sheet that they score; the scores and verdicts follow from its cells.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, convert, to_builtins
from msgspec.structs import asdict, replace

from promptsync.server.http import Answer, ApiError, Request, RowIndex, malformed, read_id
from promptsync.server.store.database import Database, Row, decoded, encoded, now
from promptsync.server.tables import store
from promptsync.server.tables.compute import (
    ScorecardBody,
    ScoringStep,
    SheetScorecard,
    row_score,
    summary,
    verdict_counts,
)
from promptsync.server.tables.primitives import PRIMITIVES, primitive, references
from promptsync.server.tables.store import COMPLETED, FAILED, QUEUED, STALE, SheetColumn

_KEPT: dict[tuple[str, int], list[dict[str, Any]]] = {}
"""The scores that were read last, by calculation and number of its cells that are done, which decide them."""

_MOST_KEPT: Final = 4


class _Scope(Struct, frozen=True):
    # Ignored by the recalculation, which always has all rows and steps.
    row_indices: list[RowIndex] | None = None
    step_ids: list[str] | None = None


class _Query(Struct, frozen=True):
    calculation_id: str | None = None
    verdict: Literal["pass", "warn", "fail", "error", "skipped"] | None = None
    cursor: Annotated[int, Meta(ge=-1)] = -1
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


def configure_scorecard(request: Request, db: Database, sheet: Row) -> Answer:
    """Create or replace the scorecard; 400 for steps with a wrong configuration."""
    body, moment = request.read(ScorecardBody), now()
    columns, old = store.columns_of(db, sheet["id"]), _scorecard(db, sheet["id"])
    steps = [_checked(step, place, columns) for place, step in enumerate(body.steps)]
    if len({step.id for step in steps}) < len(steps):
        raise malformed("steps: two of them have the same id.")
    rules = [[replace(step, id=None) for step in steps], body.aggregation, body.evaluated_column_ids]
    text = json.dumps(to_builtins(rules), sort_keys=True)
    scorecard = SheetScorecard(
        **asdict(replace(body, steps=steps)),
        id=old.id if old else str(uuid.uuid4()),
        config_hash=hashlib.sha256(text.encode()).hexdigest(),
        created_at=old.created_at if old else moment,
        updated_at=moment,
    )
    sql = "UPDATE sheets SET scorecard = ? WHERE id = ?"
    db.execute(sql, (encoded(to_builtins(scorecard)), sheet["id"]))
    version = store.touch(db, sheet["id"])
    shown, _ = _shown(db, store.get_sheet(db, request.path))
    return {"scorecard": shown, "version": version}


def _checked(step: ScoringStep, place: int, columns: list[SheetColumn]) -> ScoringStep:
    where = f"steps[{place}].primitive_config"
    # A step of another type is kept, and fails in each row.
    if step.primitive_type in PRIMITIVES:
        primitive(step.primitive_type, step.primitive_config, where)
    known = {name for column in columns for name in (column.id, column.title)}
    if missing := [name for name in references(step.primitive_config) if name not in known]:
        raise malformed(f"{where}: the sheet has no column {missing[0][:100]!r}.")
    if step.score_adapter:
        raise malformed(f"steps[{place}].score_adapter does not run in this registry.")
    return replace(step, id=step.id or str(uuid.uuid4()))


def get_scorecard(request: Request, db: Database, sheet: Row) -> Answer:
    """Return the scorecard and its latest calculation, each ``null`` if there is none."""
    scorecard, latest = _shown(db, sheet)
    sql = (
        "SELECT count(*) AS total_rows, ifnull(sum(is_scored), 0) AS scored_rows, NULL AS partial_score"
        " FROM (SELECT min(status IN ('COMPLETED', 'FAILED')) AS is_scored FROM cells WHERE sheet_id = ?"
        " GROUP BY row_index)"
    )
    progress = latest and dict(db.execute(sql, (latest["id"],)).fetchone())
    answer = {"scorecard": scorecard, "latest_calculation": latest, "display_calculation": latest}
    summaries = latest and latest["criterion_summaries"]
    return answer | {"criterion_summaries": summaries, "drift_summary": None, "progress": progress}


def delete_scorecard(request: Request, db: Database, sheet: Row) -> Answer:
    """Delete the scorecard and its calculations."""
    db.execute("DELETE FROM sheets WHERE source_id = ?", (sheet["id"],))
    db.execute("UPDATE sheets SET scorecard = NULL WHERE id = ?", (sheet["id"],))
    store.touch(db, sheet["id"])
    return {}


def recalculate_scorecard(request: Request, db: Database, sheet: Row) -> Answer:
    """Start a calculation: 202 with its id, which is polled."""
    request.read(_Scope)
    scorecard = _scorecard(db, sheet["id"])
    if scorecard is None or not scorecard.steps:
        raise malformed("The sheet has no scorecard with steps; configure one first.")
    _cancel(db, sheet["id"])
    calculation_id = store.add_sheet(db, None, scorecard.name)
    db.execute(
        "UPDATE sheets SET source_id = ?, scorecard = ?, source_version = ? WHERE id = ?",
        (sheet["id"], encoded(to_builtins(scorecard)), sheet["version_count"], calculation_id),
    )
    for step in scorecard.steps:
        column = SheetColumn(calculation_id, step.title, step.primitive_type, step.primitive_config)
        store.add_column(db, column)
    store.queue(db, calculation_id)
    return {"calculation_id": calculation_id, "status": "queued", "version": sheet["version_count"]}


def cancel_scorecard(request: Request, db: Database, sheet: Row) -> Answer:
    """Cancel the calculation that is under way. An answer that is on its way is not counted."""
    if request.read(_Scope) != _Scope():
        raise malformed("row_indices, step_ids: a calculation is only cancelled as a whole.")
    scorecard = _scorecard(db, sheet["id"])
    if scorecard is None:
        raise malformed("The sheet has no scorecard.")
    ids = _cancel(db, sheet["id"])
    message = "Calculation cancelled." if ids else "No calculation is under way."
    answer = {"message": message, "scorecard": {"id": scorecard.id}, "cancelled_count": len(ids)}
    return answer | {"execution_ids": ids, "calculation_id": ids[0] if ids else None}


def get_calculation(request: Request, db: Database, sheet: Row) -> Answer:
    """Return a calculation."""
    calculation = _shown_calculation(db, sheet, _calculation(db, sheet, request.path["calculation_id"]))
    summaries = calculation["criterion_summaries"]
    return {"calculation": calculation, "criterion_summaries": summaries, "drift_summary": None}


def list_rows(request: Request, db: Database, sheet: Row) -> Answer:
    """Return a page of the rows' scores and verdicts."""
    query = request.parameters(_Query)
    calculation = _calculation(db, sheet, query.calculation_id)
    scores = [] if calculation is None else _scores(db, sheet, calculation)
    rows = [row for row in scores if row["row_index"] > query.cursor]
    rows = [row for row in rows if query.verdict in (None, row["aggregate_verdict"])]
    page = [
        {key: value for key, value in row.items() if key not in ("step_results", "computed_at")}
        for row in rows[: query.limit]
    ]
    return {
        "calculation_id": calculation and calculation["id"],
        "rows": page,
        "next_cursor": page[-1]["row_index"] if len(rows) > len(page) else None,
        "verdict_counts": verdict_counts(row["aggregate_verdict"] for row in scores),
    }


def get_row(request: Request, db: Database, sheet: Row) -> Answer:
    """Return the score of one row with the results of its steps."""
    query, index = request.parameters(_Query), read_id(request.path["row_index"])
    calculation = _calculation(db, sheet, query.calculation_id)
    scores = [] if calculation is None else _scores(db, sheet, calculation)
    row = next((row for row in scores if row["row_index"] == index), None)
    if row is None:
        raise ApiError(404, f"There is no score for the row {request.path['row_index'][:20]}.")
    scorecard = _stored(calculation["scorecard"])
    row_id = str(uuid.uuid5(uuid.UUID(calculation["id"]), str(index)))
    about = {"id": row_id, "calculation_id": calculation["id"], "scorecard_id": scorecard.id}
    return about | {"sheet_id": sheet["id"], "config_hash": scorecard.config_hash, "input_hash": None} | row


def _scores(db: Database, sheet: Row, calculation: Row) -> list[dict[str, Any]]:
    """Return the rows that a calculation has scored, as in a response."""
    counts = store.count_statuses(db, calculation["id"])
    key = calculation["id"], counts[COMPLETED] + counts[FAILED]
    scores = _KEPT.get(key)
    if scores is None:
        scorecard, columns = _stored(calculation["scorecard"]), store.columns_of(db, calculation["id"])
        scores = [
            {"row_index": index, **row_score(scorecard, [cells[column.id] for column in columns])}
            for index, cells in store.rows_of(db, calculation["id"]).items()
            if cells and all(cell.status in (COMPLETED, FAILED) for cell in cells.values())
        ]
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        _KEPT[key] = scores
    about = {"drift_summary": None, "stale_state": _stale_state(db, sheet, calculation)}
    return [score | about for score in scores]


def _stored(text: str) -> SheetScorecard:
    return convert(decoded(text), SheetScorecard)


def _scorecard(db: Database, sheet_id: str) -> SheetScorecard | None:
    (text,) = db.execute("SELECT scorecard FROM sheets WHERE id = ?", (sheet_id,)).fetchone()
    return None if text is None else _stored(text)


def _calculation(db: Database, sheet: Row, calculation_id: str | None) -> Any:
    """Return a calculation, 404 if there is none with this id; without an id the latest, if there is one."""
    sql = "SELECT * FROM sheets WHERE source_id = ? AND id = ifnull(?, id) ORDER BY number DESC LIMIT 1"
    row = db.execute(sql, (sheet["id"], calculation_id)).fetchone()
    if row is None and calculation_id is not None:
        raise ApiError(404, f"The sheet has no calculation with the id {calculation_id[:100]!r}.")
    return row


def _cancel(db: Database, sheet_id: str) -> list[str]:
    """Cancel what is under way, and return the ids of the calculations."""
    sql = (
        "UPDATE cells SET status = 'STALE' WHERE status = 'QUEUED'"
        " AND sheet_id IN (SELECT id FROM sheets WHERE source_id = ?) RETURNING sheet_id"
    )
    return sorted({row["sheet_id"] for row in db.execute(sql, (sheet_id,)).fetchall()})


def _stale_state(db: Database, sheet: Row, calculation: Row | None) -> dict[str, Any]:
    """Return whether the sheet or its scorecard changed since a calculation started."""
    scorecard, reasons = _scorecard(db, sheet["id"]), []
    if calculation is not None:
        was = _stored(calculation["scorecard"])
        if scorecard is None or scorecard.config_hash != was.config_hash:
            reasons.append("scorecard_changed")
        if calculation["source_version"] != sheet["version_count"]:
            reasons.append("sheet_changed")
    return {"is_stale": bool(reasons), "reasons": reasons}


def _shown_calculation(db: Database, sheet: Row, calculation: Row) -> Answer:
    """Return a calculation as in a response."""
    scorecard, counts = _stored(calculation["scorecard"]), store.count_statuses(db, calculation["id"])
    status = "queued" if counts[QUEUED] else "cancelled" if counts[STALE] else "completed"
    results: dict[str, Any] = {}
    if status == "completed":
        results = {"completed_at": calculation["updated_at"]}
        results |= summary(scorecard, _scores(db, sheet, calculation))
        sql = "SELECT 1 FROM cells WHERE sheet_id = ? AND model = 'echo' LIMIT 1"
        results |= {"model": "echo"} if db.execute(sql, (sheet["id"],)).fetchone() else {}
    return {
        "id": calculation["id"],
        "sheet_id": calculation["source_id"],
        "scorecard_id": scorecard.id,
        "status": status,
        "started_at": calculation["created_at"],
        "completed_at": None,
        "workspace_id": sheet["workspace_id"],
        "sheet_revision": str(calculation["source_version"]),
        "config_hash": scorecard.config_hash,
        **dict.fromkeys(("aggregate_score", "aggregate_verdict", "drift_summary", "error_summary")),
        "criterion_summaries": {},
        **results,
    }


def _shown(db: Database, sheet: Row) -> tuple[Answer | None, Answer | None]:
    """Return the scorecard of a sheet and its latest calculation as in a response."""
    stored, row = _scorecard(db, sheet["id"]), _calculation(db, sheet, None)
    if stored is None:
        return None, None
    stale, latest = _stale_state(db, sheet, row), row and _shown_calculation(db, sheet, row)
    status = "ready" if stored.steps else "needs_setup"
    if latest is not None and latest["status"] != "cancelled":
        status = "stale" if latest["status"] == "completed" and stale["is_stale"] else latest["status"]
    place = {"sheet_id": sheet["id"], "smart_table_id": sheet["table_id"]}
    state = {"status": status, "stale_state": stale, "latest_calculation_id": latest and latest["id"]}
    return {**to_builtins(stored), **place, "workspace_id": sheet["workspace_id"], **state}, latest
