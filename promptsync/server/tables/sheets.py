"""Tables and their sheets: creating, listing, renaming and deleting them."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from promptsync.server.http.answer import Response
from promptsync.server.http.fields import Id
from promptsync.server.http.listing import CursorQuery
from promptsync.server.http.request import Request
from promptsync.server.prompts.folders import folder_by_id
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, insert
from promptsync.server.tables import store
from promptsync.server.tables.store import SheetColumn

Title = Annotated[str, Meta(min_length=1, max_length=1000)]


class _NewTable(Struct, frozen=True):
    title: Title | None = None
    folder_id: Id | None = None
    create_default_sheet: bool = True


class _TableChange(Struct, frozen=True):
    title: Title | None = None
    folder_id: Id | UnsetType | None = UNSET


class _SheetChange(Struct, frozen=True):
    title: Title | None = None
    # Refused, because the sheets of this registry are in the order of their creation.
    index: None = None


class _SheetsQuery(CursorQuery, frozen=True):
    # Selecting by the prompts of columns is refused, because this registry lacks it.
    prompt_id: None = None
    prompt_version_id: None = None
    prompt_label_id: None = None


class _TablesQuery(_SheetsQuery, frozen=True):
    order: Literal["asc", "desc"] = "desc"
    folder_id: Id | None = None
    name: str | None = None


def create_table(request: Request) -> Response:
    """Create a table, by default with a sheet that has a column and an empty row."""
    body, table_id, moment = request.read(_NewTable), str(uuid.uuid4()), now()
    with request.store.write() as db:
        if body.folder_id is not None:
            folder_by_id(db, body.folder_id)
        count = db.execute("SELECT ifnull(max(number), 0) FROM smart_tables").fetchone()[0]
        about = {"title": body.title or f"Untitled Table {count + 1}", "folder_id": body.folder_id}
        insert(db, "smart_tables", id=table_id, **about, created_at=moment, updated_at=moment)
        answer = {"success": True, "message": "Table created."}
        if body.create_default_sheet:
            answer["default_sheet"] = add_blank_sheet(db, table_id, "Sheet 1")
        answer["table"] = dict(store.get_table(db, table_id))
    return Response(answer, 201)


def list_tables(request: Request) -> Response:
    """List tables, the newest first by default; ``name`` is a part of their titles."""
    query = request.parameters(_TablesQuery)
    source = (
        "smart_tables t WHERE (:folder IS NULL OR folder_id = :folder)"
        " AND instr(casefold(title), casefold(:name))"
    )
    values = {"folder": query.folder_id, "name": query.name or ""}
    with request.store.read() as db:
        rows, pagination = query.select(db, store.TABLE, source, "number", values)
    return listed(rows, pagination)


def get_table(request: Request) -> Response:
    """Return a table with the number of rows of each of its sheets."""
    with request.store.read() as db:
        table = dict(store.get_table(db, request.path["table_id"]))
    return Response({"success": True, "table": table})


def update_table(request: Request) -> Response:
    """Rename a table, or move it to another folder or, with ``null``, to the root."""
    body, table_id = request.read(_TableChange), request.path["table_id"]
    with request.store.write() as db:
        table = store.get_table(db, table_id)
        folder_id = table["folder_id"] if body.folder_id is UNSET else body.folder_id
        if folder_id is not None:
            folder_by_id(db, folder_id)
        sql = "UPDATE smart_tables SET title = ?, folder_id = ?, updated_at = ? WHERE id = ?"
        db.execute(sql, (body.title or table["title"], folder_id, now(), table_id))
        answer = {"success": True, "table": dict(store.get_table(db, table_id))}
    return Response(answer)


def delete_table(request: Request) -> Response:
    """Delete a table with everything in it."""
    with request.store.write() as db:
        store.get_table(db, request.path["table_id"])
        db.execute("DELETE FROM smart_tables WHERE id = ?", (request.path["table_id"],))
    return Response({"success": True, "message": "Table deleted."})


def list_sheets(request: Request) -> Response:
    """List the sheets of a table, the oldest first by default."""
    query, table_id = request.parameters(_SheetsQuery), request.path["table_id"]
    with request.store.read() as db:
        store.get_table(db, table_id)
        source = "sheets s WHERE table_id = :table"
        rows, pagination = query.select(db, store.SHEET, source, "number", {"table": table_id})
    return listed(rows, pagination)


def get_sheet(request: Request) -> Response:
    """Return a sheet."""
    with request.store.read() as db:
        sheet = dict(store.get_sheet(db, request.path))
    return Response({"success": True, "sheet": sheet})


def update_sheet(request: Request) -> Response:
    """Rename a sheet. What it contains stays the same, and so does its version."""
    body = request.read(_SheetChange)
    with request.store.write() as db:
        sheet = store.get_sheet(db, request.path)
        sql = "UPDATE sheets SET title = ?, updated_at = ? WHERE id = ?"
        db.execute(sql, (body.title or sheet["title"], now(), sheet["id"]))
        shown = dict(store.get_sheet(db, request.path))
    return Response({"success": True, "sheet": shown, "version": shown["version_count"]})


def delete_sheet(request: Request) -> Response:
    """Delete a sheet with everything in it."""
    with request.store.write() as db:
        sheet = store.get_sheet(db, request.path)
        db.execute("DELETE FROM sheets WHERE id = ?", (sheet["id"],))
    return Response({"success": True, "message": "Sheet deleted."})


def add_sheet(db: Database, table_id: str | None, title: str | None) -> str:
    """Add a sheet without columns to a table, or to none, and return its id."""
    sheet_id, moment = str(uuid.uuid4()), now()
    count = db.execute("SELECT count(*) FROM sheets WHERE table_id = ?", (table_id,)).fetchone()[0]
    about = {"title": title or f"Sheet {count + 1}", "created_at": moment, "updated_at": moment}
    insert(db, "sheets", id=sheet_id, table_id=table_id, **about)
    return sheet_id


def add_blank_sheet(db: Database, table_id: str, title: str | None) -> dict[str, Any]:
    """Add a sheet with a text column and an empty row, and return it as in a response."""
    sheet_id = add_sheet(db, table_id, title)
    store.add_column(db, SheetColumn(sheet_id, "Column A"))
    store.add_rows(db, sheet_id, [{}])
    return dict(store.get_sheet(db, {"table_id": table_id, "sheet_id": sheet_id}))


def listed(items: list[dict[str, Any]], pagination: dict[str, Any], **more: Any) -> Response:
    """Return a page of a list. It says twice how it goes on: the vendor's SDKs and specification differ."""
    again = {key: pagination[key] for key in ("next_cursor", "has_more")}
    return Response({"success": True, "data": items, **again, "pagination": pagination, **more})
