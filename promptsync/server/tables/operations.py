"""Operations on a sheet: recalculating its cells, watching that, and cancelling it."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Collection
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from promptsync.server.http import Request, Response, RowIndex, malformed, not_found, row_of
from promptsync.server.store.database import Database, Row, encoded, insert
from promptsync.server.tables import store
from promptsync.server.tables.store import COMPLETED, FAILED, QUEUED, STALE, TEXT, Answer

CONFIRMED: Final = 1000
"""Most cells that an operation may have without a confirmation."""

MAX_SHOWN: Final = 100
"""Most cells in a response."""


class _New(Struct, frozen=True):
    operation: Literal["recalculate"] = "recalculate"
    column_ids: list[str] | None = None
    row_ids: list[RowIndex] | None = None
    statuses: list[Literal["STALE", "QUEUED", "DISPATCHED", "RUNNING", "COMPLETED", "FAILED"]] | None = None
    confirmation_token: str | None = None


class _Selected(Struct, frozen=True):
    cell_ids: Annotated[list[str], Meta(max_length=10_000)]


@store.on_sheet("write", 202)
def create_operation(request: Request, db: Database, sheet: Row) -> Answer | Response:
    """Recalculate cells: 202 with an operation that is polled, or 200 with what has to be confirmed."""
    body, computed = request.read(_New), _computed(db, sheet)
    for column_id in body.column_ids or ():
        if column_id not in computed:
            raise malformed(f"column_ids: the sheet has no computed column {column_id[:100]!r}.")
    statuses = [STALE] if body.statuses is None else body.statuses or None
    columns = computed if body.column_ids is None else body.column_ids
    cells = store.cells_of(db, sheet["id"], rows=body.row_ids, columns=columns, statuses=statuses)
    ids = [cell.id for cell in cells]
    if not ids:
        return Response({"success": True, "cell_count": 0, "virtual_cell_count": 0, "cells": []})
    token = hashlib.sha256(encoded([sheet["version_count"], ids]).encode()).hexdigest()
    if len(ids) > CONFIRMED and body.confirmation_token != token:
        answer = {"success": False, "requires_confirmation": True, "confirmation_token": token}
        message = f"This recalculates {len(ids)} cells; send the confirmation_token to start it."
        return Response({**answer, "affected_cell_count": len(ids), "message": message})
    operation_id = _start(db, sheet, ids)
    shown = store.cells_of(db, sheet["id"], ids=ids[:MAX_SHOWN])
    return {
        "operation": "recalculate",
        "operation_id": operation_id,
        "execution_id": operation_id,
        "execution_ids": [operation_id],
        "cell_count": len(ids),
        "version": sheet["version_count"],
        "status_url": _url(sheet, operation_id),
        "virtual_cell_count": 0,
        "cells": [cell.shown() for cell in shown],
    }


@store.on_sheet("write", 202)
def recalculate_cells(request: Request, db: Database, sheet: Row) -> Answer | Response:
    """Recalculate the cell of the path, or those with the ids of the body."""
    one = request.path.get("cell_id")
    cell_ids = request.read(_Selected).cell_ids if one is None else [one]
    cells = list(store.cells_of(db, sheet["id"], ids=cell_ids))
    if missing := sorted(set(cell_ids) - {cell.id for cell in cells}):
        raise not_found(f"The sheet has no cell with the id {missing[0][:100]!r}.")
    computed = _computed(db, sheet)
    ids = [cell.id for cell in cells if cell.column_id in computed]
    if not ids:
        return Response({"success": True, "message": "No computed cells were selected.", "cell_count": 0})
    counts = {"cell_count": len(ids), "selected_cell_count": len(cells)}
    return {"execution_id": _start(db, sheet, ids), **counts}


@store.on_sheet("read")
def get_operation(request: Request, db: Database, sheet: Row) -> Answer:
    """Return the progress of an operation."""
    operation_id = request.path["operation_id"]
    sql = "SELECT * FROM table_operations WHERE id = ? AND sheet_id = ?"
    missing = f"The sheet has no operation with the id {operation_id[:100]!r}."
    return {"operation": _shown(db, sheet, row_of(db, sql, (operation_id, sheet["id"]), missing))}


@store.on_sheet("read")
def list_operations(request: Request, db: Database, sheet: Row) -> Answer:
    """List the operations that are under way, and how many cells of the sheet have which status."""
    counts = store.count_statuses(db, sheet["id"])
    sql = (
        "SELECT * FROM table_operations o WHERE sheet_id = ?"
        " AND EXISTS (SELECT 1 FROM cells WHERE operation_id = o.id AND status = 'QUEUED') ORDER BY rowid"
    )
    active = [_shown(db, sheet, row) for row in db.execute(sql, (sheet["id"],)).fetchall()]
    answer = {"sheet_id": sheet["id"], "version": sheet["version_count"], "total_cells": sum(counts.values())}
    return answer | {"status_counts": counts, "pending_count": counts[QUEUED], "active_operations": active}


@store.on_sheet("write")
def cancel_operation(request: Request, db: Database, sheet: Row) -> Answer:
    """Cancel an operation: what is queued gets stale. An answer that is on its way is not stored."""
    operation_id = request.path["operation_id"]
    sql = "UPDATE cells SET status = 'STALE' WHERE operation_id = ? AND sheet_id = ? AND status = 'QUEUED'"
    cancelled = db.execute(sql, (operation_id, sheet["id"])).rowcount
    if cancelled:
        db.execute("UPDATE table_operations SET cancelled = 1 WHERE id = ?", (operation_id,))
    message = "Operation cancelled." if cancelled else "No such operation is under way."
    about = {"operation_id": operation_id, "execution_ids": [operation_id] if cancelled else []}
    return {"message": message, **about, "cancelled_cell_count": cancelled}


def _computed(db: Database, sheet: Row) -> set[str]:
    return {column.id for column in store.columns_of(db, sheet["id"]) if column.type != TEXT}


def _start(db: Database, sheet: Row, cell_ids: Collection[str]) -> str:
    """Queue cells as an operation, and return its id."""
    operation_id = str(uuid.uuid4())
    insert(db, "table_operations", id=operation_id, sheet_id=sheet["id"], cell_count=len(cell_ids))
    db.execute(
        "UPDATE cells SET status = 'QUEUED', operation_id = ? WHERE id IN (SELECT value FROM json_each(?))",
        (operation_id, encoded(list(cell_ids))),
    )
    return operation_id


def _shown(db: Database, sheet: Row, row: Row) -> Answer:
    sql = "SELECT status, count(*) FROM cells WHERE operation_id = ? GROUP BY status"
    counts = Counter(dict(map(tuple, db.execute(sql, (row["id"],)))))
    status = "cancelled" if row["cancelled"] else "running" if counts[QUEUED] else "completed"
    return {
        "operation_id": row["id"],
        "operation": "recalculate",
        "status": status,
        "status_counts": counts,
        "cell_count": row["cell_count"],
        "completed_count": counts[COMPLETED],
        "failed_count": counts[FAILED],
        "pending_count": counts[QUEUED],
        "status_url": _url(sheet, row["id"]),
    }


def _url(sheet: Row, operation_id: str) -> str:
    return f"/api/public/v2/tables/{sheet['table_id']}/sheets/{sheet['id']}/operations/{operation_id}"
