"""The rows and cells of a sheet: listing, adding and deleting rows, and editing what people write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from promptsync.server.http.answer import Response, malformed, not_found
from promptsync.server.http.fields import RowIndex
from promptsync.server.http.listing import CursorQuery
from promptsync.server.http.request import Request
from promptsync.server.store.database import Database, encoded
from promptsync.server.tables import store
from promptsync.server.tables.sheets import listed
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
        rows = shown_rows(indices, store.cells_of(db, sheet["id"], rows=indices))
        columns = [column.shown() for column in store.columns_of(db, sheet["id"])] if with_columns else []
    count = {"row_count": sheet["row_count"]} if query.include_row_count else {}
    return listed(rows, pagination, version=sheet["version_count"], columns=columns, **count)


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
        rows = shown_rows(indices, store.cells_of(db, sheet["id"], rows=indices))
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


def shown_rows(indices: Iterable[int], cells: Iterable[SheetCell]) -> list[dict[str, Any]]:
    """Return rows as in a response."""
    rows: dict[int, dict[str, Any]] = {index: {} for index in indices}
    for cell in cells:
        rows.setdefault(cell.row_index, {})[cell.column_id] = cell.shown()
    return [{"row_index": index, "cells": row} for index, row in rows.items()]


def _cell(db: Database, request: Request) -> SheetCell:
    sheet, cell_id = store.get_sheet(db, request.path), request.path["cell_id"]
    for cell in store.cells_of(db, sheet["id"], ids=[cell_id]):
        return cell
    raise not_found(f"The sheet has no cell with the id {cell_id!r}.")
