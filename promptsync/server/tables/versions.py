"""Saved versions of a sheet: its columns and rows under a name."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from msgspec import Struct

from promptsync.server.http.answer import Response, row_of
from promptsync.server.http.fields import Name
from promptsync.server.http.listing import CursorQuery
from promptsync.server.http.request import Request
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, encoded, insert
from promptsync.server.tables import store
from promptsync.server.tables.rows import shown_rows

_VERSION = "id, sheet_id, number AS version_number, name, created_at"


class _New(Struct, frozen=True):
    name: Name
    # Restoring a version is refused, because this registry lacks it.
    source_version_id: None = None


class _Query(CursorQuery, frozen=True):
    order: Literal["asc", "desc"] = "desc"


def list_versions(request: Request) -> Response:
    """List the saved versions of a sheet without what is in them, the newest first by default."""
    query = request.parameters(_Query)
    with request.store.read() as db:
        sheet, source = store.get_sheet(db, request.path), "sheet_versions WHERE sheet_id = :sheet"
        versions, pagination = query.select(db, _VERSION, source, "number", {"sheet": sheet["id"]})
    answer = {"data": versions, "pagination": pagination, "filters": {}, "count": len(versions)}
    return Response({"success": True, **answer})


def create_version(request: Request) -> Response:
    """Save the columns and the rows of a sheet as its next version."""
    name, version_id = request.read(_New).name, str(uuid.uuid4())
    with request.store.write() as db:
        sheet = store.get_sheet(db, request.path)
        columns = [column.shown() for column in store.columns_of(db, sheet["id"])]
        rows = shown_rows((), store.cells_of(db, sheet["id"]))
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
