"""The rows and cells of a sheet: what people write into them, and recalculating cells."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Collection
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace

from promptsync.server.http import Answer, ApiError, Request, Response, RowIndex, malformed, row_of
from promptsync.server.listing import CursorQuery
from promptsync.server.store.database import Database, Row, encoded, insert
from promptsync.server.tables import store
from promptsync.server.tables.store import COMPLETED, FAILED, QUEUED, STALE, TEXT, SheetCell

_RowCount = Annotated[int, Meta(ge=1, le=100)]


class _NewRows(Struct, frozen=True):
    count: _RowCount = 1
    values: list[dict[str, Any]] | None = None


class _DeletedRows(Struct, frozen=True):
    row_indices: Annotated[list[RowIndex], Meta(max_length=10_000)]


class _CellChange(Struct, frozen=True):
    value: Any = UNSET
    display_value: str | UnsetType | None = UNSET


class _Query(CursorQuery, frozen=True):
    limit: _RowCount = 100
    include_columns: bool | None = None
    include_row_count: bool = True


def list_rows(request: Request, db: Database, sheet: Row) -> Answer:
    """Return a page of the rows, each with its cells by the ids of their columns.

    The first page has the columns, too, unless ``include_columns`` says otherwise.
    """
    query = request.parameters(_Query)
    with_columns = query.cursor is None if query.include_columns is None else query.include_columns
    # Every row has a cell in the first column.
    first = "SELECT id FROM columns WHERE sheet_id = :sheet ORDER BY position_rank LIMIT 1"
    source = f"cells WHERE column_id = ({first}) AND sheet_id = :sheet"
    page = query.select(db, "row_index", source, "row_index", sheet=sheet["id"])
    rows = store.shown_rows(db, sheet["id"], [row["row_index"] for row in page["data"]])
    columns = [asdict(column) for column in store.columns_of(db, sheet["id"])] if with_columns else []
    count = {"row_count": sheet["row_count"]} if query.include_row_count else {}
    return {**page, "data": rows, "version": sheet["version_count"], "columns": columns, **count}


def add_rows(request: Request, db: Database, sheet: Row) -> Answer:
    """Append rows with values for text columns; computed cells are stale until they are recalculated."""
    body = request.read(_NewRows)
    # As documented, values beyond the count are ignored.
    values = (body.values or [])[: body.count]
    types = {column.id: column.type for column in store.columns_of(db, sheet["id"])}
    for position, row in enumerate(values):
        for column_id in row:
            if types.get(column_id) != TEXT:
                raise malformed(f"values[{position}]: the sheet has no text column {column_id[:100]!r}.")
    blank: list[dict[str, Any]] = [{}] * (body.count - len(values))
    indices = store.add_rows(db, sheet["id"], [*values, *blank])
    return {
        "rows_created": len(indices),
        "rows": store.shown_rows(db, sheet["id"], indices),
        "version": store.touch(db, sheet["id"]),
        "start_row_index": indices.start,
        "row_indices": list(indices),
        "cell_count": len(indices) * len(types),
        "row_count": sheet["row_count"] + len(indices),
    }


def delete_rows(request: Request, db: Database, sheet: Row) -> Answer:
    """Delete rows. The others keep their indices."""
    indices = encoded(request.read(_DeletedRows).row_indices)
    sql = "DELETE FROM cells WHERE sheet_id = ? AND row_index IN (SELECT value FROM json_each(?))"
    cells = db.execute(f"{sql} RETURNING row_index", (sheet["id"], indices)).fetchall()
    deleted = len({cell["row_index"] for cell in cells})
    db.execute("UPDATE sheets SET row_count = row_count - ? WHERE id = ?", (deleted, sheet["id"]))
    version = store.touch(db, sheet["id"]) if deleted else sheet["version_count"]
    return {"deleted_count": deleted, "row_count": sheet["row_count"] - deleted, "version": version}


def count_statuses(request: Request, db: Database, sheet: Row) -> Answer:
    """Return how many computed cells have each status."""
    counts = store.count_statuses(db, sheet["id"])
    return {"total_cells": sum(counts.values()), "status_counts": counts}


def get_cell(request: Request, db: Database, sheet: Row) -> Answer:
    """Return a cell."""
    return {"cell": _cell(db, request, sheet).shown()}


def update_cell(request: Request, db: Database, sheet: Row) -> Answer:
    """Edit a cell of a text column; what depends on it gets stale."""
    body = request.read(_CellChange)
    if body.value is UNSET and body.display_value is UNSET:
        raise malformed("value: required, or display_value.")
    value, cell = body.display_value if body.value is UNSET else body.value, _cell(db, request, sheet)
    if cell.column_id in _computed(db, sheet):
        raise malformed("Only cells of text columns can be edited; this one is computed.")
    version, stale = sheet["version_count"], 0
    if encoded(value) != encoded(cell.value):
        store.set_cells(db, [replace(cell, value=value)])
        stale = store.mark_stale(db, sheet["id"], [cell.column_id], [cell.row_index])
        version = store.touch(db, sheet["id"])
    return {"version": version, "stale_count": stale, "cell": _cell(db, request, sheet).shown()}


def _cell(db: Database, request: Request, sheet: Row) -> SheetCell:
    for cell in store.cells_of(db, sheet["id"], ids=[request.path["cell_id"]]):
        return cell
    raise ApiError(404, f"The sheet has no cell with the id {request.path['cell_id']!r}.")


# -- recalculating cells ------------------------------------------------------------------------------------

CONFIRMED: Final = 1000
"""Most cells that an operation may have without a confirmation."""


class _New(Struct, frozen=True):
    operation: Literal["recalculate"] = "recalculate"
    column_ids: list[str] | None = None
    row_ids: list[RowIndex] | None = None
    statuses: list[Literal["STALE", "QUEUED", "DISPATCHED", "RUNNING", "COMPLETED", "FAILED"]] | None = None
    confirmation_token: str | None = None


class _Selected(Struct, frozen=True):
    cell_ids: Annotated[list[str], Meta(max_length=10_000)]


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
    started = {"execution_id": operation_id, "execution_ids": [operation_id], "virtual_cell_count": 0}
    operation = _operation(db, sheet, operation_id)
    known = {key: operation[key] for key in ("operation", "operation_id", "cell_count", "status_url")}
    shown = [cell.shown() for cell in store.cells_of(db, sheet["id"], ids=ids[:100])]
    return {**known, **started, "version": sheet["version_count"], "cells": shown}


def recalculate_cells(request: Request, db: Database, sheet: Row) -> Answer | Response:
    """Recalculate the cell of the path, or those with the ids of the body."""
    one = request.path.get("cell_id")
    cell_ids = request.read(_Selected).cell_ids if one is None else [one]
    cells = list(store.cells_of(db, sheet["id"], ids=cell_ids))
    if missing := sorted(set(cell_ids) - {cell.id for cell in cells}):
        raise ApiError(404, f"The sheet has no cell with the id {missing[0][:100]!r}.")
    computed = _computed(db, sheet)
    ids = [cell.id for cell in cells if cell.column_id in computed]
    if not ids:
        return Response({"success": True, "message": "No computed cells were selected.", "cell_count": 0})
    counts = {"cell_count": len(ids), "selected_cell_count": len(cells)}
    return {"execution_id": _start(db, sheet, ids), **counts}


def get_operation(request: Request, db: Database, sheet: Row) -> Answer:
    """Return the progress of an operation."""
    return {"operation": _operation(db, sheet, request.path["operation_id"])}


def list_operations(request: Request, db: Database, sheet: Row) -> Answer:
    """List the operations that are under way, and how many cells of the sheet have which status."""
    counts = store.count_statuses(db, sheet["id"])
    sql = (
        "SELECT id FROM table_operations o WHERE sheet_id = ?"
        " AND EXISTS (SELECT 1 FROM cells WHERE operation_id = o.id AND status = 'QUEUED') ORDER BY rowid"
    )
    active = [_operation(db, sheet, row["id"]) for row in db.execute(sql, (sheet["id"],)).fetchall()]
    answer = {"sheet_id": sheet["id"], "version": sheet["version_count"], "total_cells": sum(counts.values())}
    return answer | {"status_counts": counts, "pending_count": counts[QUEUED], "active_operations": active}


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


def progress(db: Database, sheet_id: str) -> list[Answer]:
    """Return the newest operations of a sheet as in the messages of a WebSocket."""
    sheet = db.execute("SELECT * FROM sheets WHERE id = ?", (sheet_id,)).fetchone()
    sql = "SELECT id FROM table_operations WHERE sheet_id = ? ORDER BY rowid DESC LIMIT 10"
    operations = [_operation(db, sheet, row["id"]) for row in db.execute(sql, (sheet_id,)).fetchall()]
    names = {"completed": "completed_count", "failed": "failed_count", "total": "cell_count"}
    names |= {"execution_id": "operation_id", "status": "status"}
    return [{name: operation[key] for name, key in names.items()} for operation in operations]


def _operation(db: Database, sheet: Row, operation_id: str) -> Answer:
    """Return an operation as in a response; 404 if there is none with this id."""
    missing = f"The sheet has no operation with the id {operation_id[:100]!r}."
    sql = "SELECT * FROM table_operations WHERE id = ? AND sheet_id = ?"
    row = row_of(db, sql, (operation_id, sheet["id"]), missing)
    sql = "SELECT status, count(*) FROM cells WHERE operation_id = ? GROUP BY status"
    counts = Counter(dict(map(tuple, db.execute(sql, (operation_id,)))))
    place = f"/api/public/v2/tables/{sheet['table_id']}/sheets/{sheet['id']}/operations/{operation_id}"
    return {
        "operation_id": operation_id,
        "operation": "recalculate",
        "status": "cancelled" if row["cancelled"] else "running" if counts[QUEUED] else "completed",
        "status_counts": counts,
        "status_url": place,
        "cell_count": row["cell_count"],
        "completed_count": counts[COMPLETED],
        "failed_count": counts[FAILED],
        "pending_count": counts[QUEUED],
    }
