"""The rows and cells of a sheet, what people write into them, and saved versions of all rows."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace

from promptsync.server.http import Name, Request, RowIndex, malformed, not_found, row_of
from promptsync.server.listing import CursorQuery
from promptsync.server.store.database import Database, Row, encoded, insert, now
from promptsync.server.tables import store
from promptsync.server.tables.store import TEXT, Answer, SheetCell

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


@store.on_sheet("read")
def list_rows(request: Request, db: Database, sheet: Row) -> Answer:
    """Return a page of the rows, each with its cells by the ids of their columns.

    The first page has the columns, too, unless ``include_columns`` says otherwise.
    """
    query = request.parameters(_Query)
    with_columns = query.cursor is None if query.include_columns is None else query.include_columns
    # Every row has a cell in the first column.
    first = "SELECT id FROM columns WHERE sheet_id = :sheet ORDER BY position_rank LIMIT 1"
    source = f"cells WHERE column_id = ({first}) AND sheet_id = :sheet"
    page, pagination = query.select(db, "row_index", source, "row_index", {"sheet": sheet["id"]})
    rows = store.shown_rows(db, sheet["id"], [row["row_index"] for row in page])
    columns = [asdict(column) for column in store.columns_of(db, sheet["id"])] if with_columns else []
    count = {"row_count": sheet["row_count"]} if query.include_row_count else {}
    return store.listed(rows, pagination, version=sheet["version_count"], columns=columns, **count)


@store.on_sheet("write", 201)
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


@store.on_sheet("write")
def delete_rows(request: Request, db: Database, sheet: Row) -> Answer:
    """Delete rows. The others keep their indices."""
    deleted = store.delete_rows(db, sheet["id"], request.read(_DeletedRows).row_indices)
    version = store.touch(db, sheet["id"]) if deleted else sheet["version_count"]
    return {"deleted_count": deleted, "row_count": sheet["row_count"] - deleted, "version": version}


@store.on_sheet("read")
def count_statuses(request: Request, db: Database, sheet: Row) -> Answer:
    """Return how many computed cells have each status."""
    counts = store.count_statuses(db, sheet["id"])
    return {"total_cells": sum(counts.values()), "status_counts": counts}


@store.on_sheet("read")
def get_cell(request: Request, db: Database, sheet: Row) -> Answer:
    """Return a cell."""
    return {"cell": _cell(db, request, sheet).shown()}


@store.on_sheet("write")
def update_cell(request: Request, db: Database, sheet: Row) -> Answer:
    """Edit a cell of a text column; what depends on it gets stale."""
    body = request.read(_CellChange)
    if body.value is UNSET and body.display_value is UNSET:
        raise malformed("value: required, or display_value.")
    value, cell = body.display_value if body.value is UNSET else body.value, _cell(db, request, sheet)
    types = {column.id: column.type for column in store.columns_of(db, sheet["id"])}
    if types[cell.column_id] != TEXT:
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
    raise not_found(f"The sheet has no cell with the id {request.path['cell_id']!r}.")


# -- saved versions -----------------------------------------------------------------------------------------

_VERSION = "id, sheet_id, number AS version_number, name, created_at"


class _NewVersion(Struct, frozen=True):
    name: Name
    # Restoring a version is refused, because this registry lacks it.
    source_version_id: None = None


class _VersionsQuery(CursorQuery, frozen=True):
    order: Literal["asc", "desc"] = "desc"


@store.on_sheet("read")
def list_versions(request: Request, db: Database, sheet: Row) -> Answer:
    """List the saved versions of a sheet without what is in them, the newest first by default."""
    query, source = request.parameters(_VersionsQuery), "sheet_versions WHERE sheet_id = :sheet"
    versions, pagination = query.select(db, _VERSION, source, "number", {"sheet": sheet["id"]})
    return {"data": versions, "pagination": pagination, "filters": {}, "count": len(versions)}


@store.on_sheet("write", 201)
def create_version(request: Request, db: Database, sheet: Row) -> Answer:
    """Save the columns and the rows of a sheet as its next version."""
    name, version_id = request.read(_NewVersion).name, str(uuid.uuid4())
    columns = [asdict(column) for column in store.columns_of(db, sheet["id"])]
    snapshot = encoded({"columns": columns, "rows": store.shown_rows(db, sheet["id"])})
    sql = "SELECT ifnull(max(number), 0) + 1 FROM sheet_versions WHERE sheet_id = ?"
    number = db.execute(sql, (sheet["id"],)).fetchone()[0]
    about = {"id": version_id, "sheet_id": sheet["id"], "number": number, "name": name}
    insert(db, "sheet_versions", **about, snapshot=snapshot, created_at=now())
    return {"version": _version(db, sheet, version_id)}


@store.on_sheet("read")
def get_version(request: Request, db: Database, sheet: Row) -> Answer:
    """Return a saved version with its columns and rows."""
    return {"version": _version(db, sheet, request.path["version_id"])}


def _version(db: Database, sheet: Row, version_id: str) -> Answer:
    columns = f'{_VERSION}, snapshot AS "snapshot [json]"'
    sql = f"SELECT {columns} FROM sheet_versions WHERE sheet_id = ? AND id = ?"
    missing = f"The sheet has no version with the id {version_id!r}."
    return dict(row_of(db, sql, (sheet["id"], version_id), missing))
