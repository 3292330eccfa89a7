"""The scorecard of a sheet: configuring it, calculating scores, and reading them row by row."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, to_builtins
from msgspec.structs import replace

from promptsync.server.http import Request, Response, RowIndex, malformed, not_found, read_id
from promptsync.server.store.database import Database, Row, decoded, encoded, now
from promptsync.server.tables import store
from promptsync.server.tables.primitives import primitive, references
from promptsync.server.tables.scoring import (
    VERDICTS,
    ScorecardBody,
    ScoringStep,
    score_next,
    scorecard_of,
    scores_of,
    start,
)
from promptsync.server.tables.store import SheetColumn


class _Scope(Struct, frozen=True):
    # Ignored by the recalculation, which always has all rows and steps.
    row_indices: list[RowIndex] | None = None
    step_ids: list[str] | None = None


class _Query(Struct, frozen=True):
    calculation_id: str | None = None
    verdict: Literal["pass", "warn", "fail", "error", "skipped"] | None = None
    cursor: RowIndex | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


def configure_scorecard(request: Request) -> Response:
    """Create or replace the scorecard. Steps that cannot run here are refused."""
    body = request.read(ScorecardBody)
    with request.store.write() as db:
        sheet = store.get_sheet(db, request.path)
        columns = store.columns_of(db, sheet["id"])
        steps = [_checked(step, place, columns) for place, step in enumerate(body.steps)]
        if len({step.id for step in steps}) < len(steps):
            raise malformed("steps: two of them have the same id.")
        rules = [[replace(step, id=None) for step in steps], body.aggregation, body.evaluated_column_ids]
        text = json.dumps(to_builtins(rules), sort_keys=True)
        body = replace(body, steps=steps, config_hash=hashlib.sha256(text.encode()).hexdigest())
        db.execute(
            "INSERT INTO scorecards (sheet_id, id, body, created_at, updated_at)"
            " VALUES (:sheet, :id, :body, :now, :now)"
            " ON CONFLICT (sheet_id) DO UPDATE SET body = :body, updated_at = :now",
            {"sheet": sheet["id"], "id": str(uuid.uuid4()), "body": encoded(to_builtins(body)), "now": now()},
        )
        version = store.touch(db, sheet["id"])
        scorecard, _ = _shown(db, request)
    return Response({"success": True, "scorecard": scorecard, "version": version})


def _checked(step: ScoringStep, place: int, columns: list[SheetColumn]) -> ScoringStep:
    where = f"steps[{place}].primitive_config"
    primitive(step.primitive_type, step.primitive_config, where)
    known = {name for column in columns for name in (column.id, column.title)}
    if missing := [name for name in references(step.primitive_config) if name not in known]:
        raise malformed(f"{where}: the sheet has no column {missing[0][:100]!r}.")
    if step.score_adapter:
        raise malformed(f"steps[{place}].score_adapter does not run in this registry.")
    return replace(step, id=step.id or str(uuid.uuid4()))


def get_scorecard(request: Request) -> Response:
    """Return the scorecard and its latest calculation, each ``null`` if there is none."""
    with request.store.read() as db:
        scorecard, latest = _shown(db, request)
        sql = (
            "SELECT count(verdict), count(*) FROM calculation_rows"
            " WHERE calculation = (SELECT number FROM calculations WHERE id = ?)"
        )
        scored, total = db.execute(sql, (latest and latest["id"],)).fetchone()
    answer = {"scorecard": scorecard, "latest_calculation": latest, "display_calculation": latest}
    progress = {"scored_rows": scored, "total_rows": total, "partial_score": None} if latest else None
    summaries = latest and latest["criterion_summaries"]
    answer |= {"criterion_summaries": summaries, "drift_summary": None, "progress": progress}
    return Response({"success": True, **answer})


def delete_scorecard(request: Request) -> Response:
    """Delete the scorecard and its calculations."""
    with request.store.write() as db:
        sheet = store.get_sheet(db, request.path)
        for table in ("calculations", "scorecards"):
            db.execute(f"DELETE FROM {table} WHERE sheet_id = ?", (sheet["id"],))
        store.touch(db, sheet["id"])
    return Response({"success": True})


def recalculate_scorecard(request: Request) -> Response:
    """Start a calculation: 202 with its id, which is polled."""
    request.read(_Scope)
    with request.store.write() as db:
        sheet = store.get_sheet(db, request.path)
        scorecard = _scorecard(db, sheet)
        if scorecard is None or not scorecard_of(scorecard).steps:
            raise malformed("The sheet has no scorecard with steps; configure one first.")
        _cancel(db, sheet)
        calculation_id = start(db, sheet, scorecard)
    request.runner.work_on(calculation_id, score_next)
    about = {"calculation_id": calculation_id, "status": "queued", "version": sheet["version_count"]}
    return Response({"success": True, **about}, 202)


def cancel_scorecard(request: Request) -> Response:
    """Cancel the calculation that is under way. An answer that is on its way is not counted."""
    if request.read(_Scope) != _Scope():
        raise malformed("row_indices, step_ids: a calculation is only cancelled as a whole.")
    with request.store.write() as db:
        sheet = store.get_sheet(db, request.path)
        scorecard = _scorecard(db, sheet)
        if scorecard is None:
            raise malformed("The sheet has no scorecard.")
        ids = _cancel(db, sheet)
    message = "Calculation cancelled." if ids else "No calculation is under way."
    answer = {"message": message, "scorecard": {"id": scorecard["id"]}, "cancelled_count": len(ids)}
    calculation_id = ids[0] if ids else None
    return Response({"success": True, **answer, "execution_ids": ids, "calculation_id": calculation_id})


def get_calculation(request: Request) -> Response:
    """Return a calculation, and work on it if it is under way."""
    with request.store.read() as db:
        row = _calculation(db, store.get_sheet(db, request.path), request.path["calculation_id"])
        calculation = _shown_calculation(request, row)
    summaries = calculation["criterion_summaries"]
    answer = {"calculation": calculation, "criterion_summaries": summaries, "drift_summary": None}
    return Response({"success": True, **answer})


def list_rows(request: Request) -> Response:
    """Return a page of the rows' scores and verdicts."""
    query, page, more, counts = request.parameters(_Query), [], [], dict.fromkeys(VERDICTS, 0)
    with request.store.read() as db:
        sheet = store.get_sheet(db, request.path)
        calculation = _calculation(db, sheet, query.calculation_id)
        if calculation is not None:
            after = -1 if query.cursor is None else query.cursor
            where = "verdict = ifnull(?, verdict) AND row_index > ? ORDER BY row_index LIMIT ?"
            rows = _rows(db, sheet, calculation, where, query.verdict, after, query.limit + 1)
            page, more = rows[: query.limit], rows[query.limit :]
            sql = (
                "SELECT verdict, count(*) FROM calculation_rows WHERE calculation = ? AND verdict IS NOT NULL"
            )
            counts |= dict(map(tuple, db.execute(f"{sql} GROUP BY verdict", (calculation["number"],))))
    for row in page:
        del row["step_results"], row["computed_at"]
    cursor = page[-1]["row_index"] if more else None
    answer = {"calculation_id": calculation and calculation["id"], "rows": page, "next_cursor": cursor}
    return Response({"success": True, **answer, "verdict_counts": counts})


def get_row(request: Request) -> Response:
    """Return the score of one row with the results of its steps."""
    query, index = request.parameters(_Query), read_id(request.path["row_index"])
    with request.store.read() as db:
        sheet = store.get_sheet(db, request.path)
        calculation = _calculation(db, sheet, query.calculation_id)
        where = "verdict IS NOT NULL AND row_index = ?"
        for row in _rows(db, sheet, calculation, where, index) if calculation is not None else ():
            about = {
                "id": str(uuid.uuid5(uuid.UUID(calculation["id"]), str(index))),
                "calculation_id": calculation["id"],
                "scorecard_id": calculation["scorecard_id"],
                "sheet_id": sheet["id"],
                "config_hash": scorecard_of(calculation).config_hash,
                "input_hash": None,
            }
            return Response({"success": True, **about, **row})
    raise not_found(f"There is no score for the row {request.path['row_index'][:20]}.")


def _rows(db: Database, sheet: Row, calculation: Row, where: str, *values: Any) -> list[dict[str, Any]]:
    stale = _stale_state(db, sheet, calculation)
    return [
        {"row_index": index, "drift_summary": None, "stale_state": stale, **scores}
        for index, scores in scores_of(db, calculation, where, *values)
    ]


def _scorecard(db: Database, sheet: Row) -> Row | None:
    row: Row | None = db.execute("SELECT * FROM scorecards WHERE sheet_id = ?", (sheet["id"],)).fetchone()
    return row


def _calculation(db: Database, sheet: Row, calculation_id: str | None) -> Any:
    """Return a calculation, 404 if there is none with this id; without an id the latest, if there is one."""
    sql = "SELECT * FROM calculations WHERE sheet_id = ? AND id = ifnull(?, id) ORDER BY number DESC LIMIT 1"
    row = db.execute(sql, (sheet["id"], calculation_id)).fetchone()
    if row is None and calculation_id is not None:
        raise not_found(f"The sheet has no calculation with the id {calculation_id[:100]!r}.")
    return row


def _cancel(db: Database, sheet: Row) -> list[str]:
    """Cancel what is under way, and return the ids of the calculations."""
    sql = "UPDATE calculations SET status = 'cancelled' WHERE sheet_id = ? AND status = 'queued' RETURNING id"
    return [row["id"] for row in db.execute(sql, (sheet["id"],)).fetchall()]


def _stale_state(db: Database, sheet: Row, calculation: Row | None) -> dict[str, Any]:
    """Return whether the sheet or its scorecard changed since a calculation started."""
    scorecard, reasons = _scorecard(db, sheet), []
    if calculation is not None and (scorecard is None or scorecard["body"] != calculation["body"]):
        reasons.append("scorecard_changed")
    if calculation is not None and calculation["revision"] != sheet["version_count"]:
        reasons.append("sheet_changed")
    return {"is_stale": bool(reasons), "reasons": reasons}


def _shown_calculation(request: Request, row: Row) -> dict[str, Any]:
    """Return a calculation as in a response, and work on it if it is under way."""
    if row["status"] == "queued":
        request.runner.work_on(row["id"], score_next)
    about = ("id", "sheet_id", "scorecard_id", "status", "started_at", "completed_at")
    return {
        **{key: row[key] for key in about},
        "workspace_id": request.store.workspace_id,
        "sheet_revision": str(row["revision"]),
        "config_hash": scorecard_of(row).config_hash,
        **dict.fromkeys(("aggregate_score", "aggregate_verdict", "drift_summary", "error_summary")),
        "criterion_summaries": {},
        **decoded(row["summary"]),
    }


def _shown(db: Database, request: Request) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the scorecard of a sheet and its latest calculation as in a response."""
    sheet = store.get_sheet(db, request.path)
    row, latest = _scorecard(db, sheet), _calculation(db, sheet, None)
    if row is None:
        return None, None
    body, stale = decoded(row["body"]), _stale_state(db, sheet, latest)
    status = "ready" if body["steps"] else "needs_setup"
    if latest is not None and latest["status"] != "cancelled":
        status = "stale" if latest["status"] == "completed" and stale["is_stale"] else latest["status"]
    scorecard = {
        **dict(row),
        **body,
        "workspace_id": request.store.workspace_id,
        "smart_table_id": sheet["table_id"],
        "status": status,
        "stale_state": stale,
        "latest_calculation_id": latest and latest["id"],
    }
    del scorecard["body"]
    return scorecard, latest and _shown_calculation(request, latest)
