"""The rows and cells of a sheet, what people write into them, and saved versions of all rows."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from promptsync.server.http import Name, Request, Response, RowIndex, malformed, not_found, row_of
from promptsync.server.listing import CursorQuery
from promptsync.server.store.database import Database, encoded, insert, now
from promptsync.server.tables import store
from promptsync.server.tables.store import QUEUED, TEXT, SheetCell

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


def list_rows(request: Request) -> Response:
    """Return a page of the rows, each with its cells by the ids of their columns.

    The first page has the columns, too, unless ``include_columns`` says otherwise.
    """
    query = request.parameters(_Query)
    with_columns = query.cursor is None if query.include_columns is None else query.include_columns
    with request.store.read() as db:
        sheet = store.get_sheet(db, request.path)
        # Every row has a cell in the first column.
        first = "SELECT id FROM columns WHERE sheet_id = :sheet ORDER BY rank LIMIT 1"
        source = f"cells WHERE column_id = ({first}) AND sheet_id = :sheet"
        page, pagination = query.select(db, "row_index", source, "row_index", {"sheet": sheet["id"]})
        indices = [row["row_index"] for row in page]
        rows = store.shown_rows(db, sheet["id"], indices)
        columns = [column.shown() for column in store.columns_of(db, sheet["id"])] if with_columns else []
    count = {"row_count": sheet["row_count"]} if query.include_row_count else {}
    return store.listed(rows, pagination, version=sheet["version_count"], columns=columns, **count)


def add_rows(request: Request) -> Response:
    """Append rows with values for text columns; computed cells are stale until they are recalculated."""
    body = request.read(_NewRows)
    # As documented, values beyond the count are ignored.
    values = (body.values or [])[: body.count]
    with request.store.write() as db:
        sheet = store.get_sheet(db, request.path)
        types = {column.id: column.type for column in store.columns_of(db, sheet["id"])}
        for position, row in enumerate(values):
            for column_id in row:
                if types.get(column_id) != TEXT:
                    raise malformed(f"values[{position}]: the sheet has no text column {column_id[:100]!r}.")
        blank: list[dict[str, Any]] = [{}] * (body.count - len(values))
        indices = store.add_rows(db, sheet["id"], [*values, *blank])
        version = store.touch(db, sheet["id"])
        rows = store.shown_rows(db, sheet["id"], indices)
    answer = {"success": True, "rows_created": len(rows), "rows": rows, "version": version}
    answer |= {"start_row_index": indices.start, "row_indices": list(indices)}
    answer |= {"cell_count": len(rows) * len(types), "row_count": sheet["row_count"] + len(rows)}
    return Response(answer, 201)


def delete_rows(request: Request) -> Response:
    """Delete rows. The others keep their indices."""
    indices = request.read(_DeletedRows).row_indices
    with request.store.write() as db:
        sheet = store.get_sheet(db, request.path)
        deleted = store.delete_rows(db, sheet["id"], indices)
        version = store.touch(db, sheet["id"]) if deleted else sheet["version_count"]
    answer = {"deleted_count": deleted, "row_count": sheet["row_count"] - deleted, "version": version}
    return Response({"success": True, **answer})


def count_statuses(request: Request) -> Response:
    """Return how many computed cells have each status."""
    with request.store.read() as db:
        sheet_id = store.get_sheet(db, request.path)["id"]
        counts = store.count_statuses(db, sheet_id)
    if counts[QUEUED]:
        request.runner.work_on(sheet_id)
    return Response({"success": True, "total_cells": sum(counts.values()), "status_counts": counts})


def get_cell(request: Request) -> Response:
    """Return a cell."""
    with request.store.read() as db:
        cell = _cell(db, request)
    return Response({"success": True, "cell": cell.shown()})


def update_cell(request: Request) -> Response:
    """Edit a cell of a text column; what depends on it gets stale."""
    body = request.read(_CellChange)
    if body.value is UNSET and body.display_value is UNSET:
        raise malformed("value: required, or display_value.")
    value = body.display_value if body.value is UNSET else body.value
    with request.store.write() as db:
        sheet, cell = store.get_sheet(db, request.path), _cell(db, request)
        types = {column.id: column.type for column in store.columns_of(db, sheet["id"])}
        if types[cell.column_id] != TEXT:
            raise malformed("Only cells of text columns can be edited; this one is computed.")
        answer = {"version": sheet["version_count"], "stale_count": 0}
        if encoded(value) != encoded(cell.value):
            store.set_cells(db, [replace(cell, value=value)])
            stale = store.mark_stale(db, sheet["id"], [cell.column_id], [cell.row_index])
            answer = {"version": store.touch(db, sheet["id"]), "stale_count": stale}
        answer["cell"] = _cell(db, request).shown()
    return Response({"success": True, **answer})


def _cell(db: Database, request: Request) -> SheetCell:
    sheet, cell_id = store.get_sheet(db, request.path), request.path["cell_id"]
    for cell in store.cells_of(db, sheet["id"], ids=[cell_id]):
        return cell
    raise not_found(f"The sheet has no cell with the id {cell_id!r}.")


_VERSION = "id, sheet_id, number AS version_number, name, created_at"


class _NewVersion(Struct, frozen=True):
    name: Name
    # Restoring a version is refused, because this registry lacks it.
    source_version_id: None = None


class _VersionsQuery(CursorQuery, frozen=True):
    order: Literal["asc", "desc"] = "desc"


def list_versions(request: Request) -> Response:
    """List the saved versions of a sheet without what is in them, the newest first by default."""
    query = request.parameters(_VersionsQuery)
    with request.store.read() as db:
        sheet, source = store.get_sheet(db, request.path), "sheet_versions WHERE sheet_id = :sheet"
        versions, pagination = query.select(db, _VERSION, source, "number", {"sheet": sheet["id"]})
    answer = {"data": versions, "pagination": pagination, "filters": {}, "count": len(versions)}
    return Response({"success": True, **answer})


def create_version(request: Request) -> Response:
    """Save the columns and the rows of a sheet as its next version."""
    name, version_id = request.read(_NewVersion).name, str(uuid.uuid4())
    with request.store.write() as db:
        sheet = store.get_sheet(db, request.path)
        columns = [column.shown() for column in store.columns_of(db, sheet["id"])]
        rows = store.shown_rows(db, sheet["id"])
        sql = "SELECT ifnull(max(number), 0) + 1 FROM sheet_versions WHERE sheet_id = ?"
        number = db.execute(sql, (sheet["id"],)).fetchone()[0]
        about = {"id": version_id, "sheet_id": sheet["id"], "number": number, "name": name}
        snapshot = encoded({"columns": columns, "rows": rows})
        insert(db, "sheet_versions", **about, snapshot=snapshot, created_at=now())
        version = _version(db, sheet["id"], version_id)
    return Response({"success": True, "version": version}, 201)


def get_version(request: Request) -> Response:
    """Return a saved version with its columns and rows."""
    with request.store.read() as db:
        sheet = store.get_sheet(db, request.path)
        version = _version(db, sheet["id"], request.path["version_id"])
    return Response({"success": True, "version": version})


def _version(db: Database, sheet_id: str, version_id: str) -> dict[str, Any]:
    sql = (
        f'SELECT {_VERSION}, snapshot AS "snapshot [json]" FROM sheet_versions WHERE sheet_id = ? AND id = ?'
    )
    missing = f"The sheet has no version with the id {version_id!r}."
    return dict(row_of(db, sql, (sheet_id, version_id), missing))
