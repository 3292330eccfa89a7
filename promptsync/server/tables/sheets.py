"""Tables, their sheets, which may come from files and traces, and the columns of these.

An import is complete when its request is answered.
"""

from __future__ import annotations

import base64
import csv
import io
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace

from promptsync.prompt.limits import MAX_BODY_DEPTH, is_deeper
from promptsync.server.http import MAX_BODY, Answer, ApiError, Id, Request, Response, checked, malformed
from promptsync.server.listing import CursorQuery
from promptsync.server.prompts.folders import folder_by_id
from promptsync.server.store.database import Database, Row, encoded, insert, now
from promptsync.server.tables import store
from promptsync.server.tables.compute import COMPUTED
from promptsync.server.tables.primitives import references
from promptsync.server.tables.store import TEXT, SheetColumn
from promptsync.server.tracking.spans import Span, spans_of

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


def create_table(request: Request, db: Database) -> Answer:
    """Create a table, by default with a sheet that has a column and an empty row."""
    body, table_id, moment = request.read(_NewTable), str(uuid.uuid4()), now()
    if body.folder_id is not None:
        folder_by_id(db, body.folder_id)
    count = db.execute("SELECT ifnull(max(number), 0) FROM smart_tables").fetchone()[0]
    about = {"title": body.title or f"Untitled Table {count + 1}", "folder_id": body.folder_id}
    insert(db, "smart_tables", id=table_id, **about, created_at=moment, updated_at=moment)
    answer: Answer = {"message": "Table created."}
    if body.create_default_sheet:
        answer["default_sheet"] = add_blank_sheet(db, table_id, "Sheet 1")
    answer["table"] = dict(store.get_table(db, {"table_id": table_id}))
    return answer


def list_tables(request: Request, db: Database) -> Answer:
    """List tables, the newest first by default; ``name`` is a part of their titles."""
    query = request.parameters(_TablesQuery)
    source = (
        "smart_tables t WHERE (:folder IS NULL OR folder_id = :folder)"
        " AND instr(casefold(title), casefold(:name))"
    )
    return query.select(db, store.TABLE, source, "number", folder=query.folder_id, name=query.name or "")


def get(request: Request, db: Database, row: Row) -> Answer:
    """Return a sheet, or a table with the number of rows of each of its sheets."""
    return {"sheet" if "sheet_id" in request.path else "table": dict(row)}


def delete(request: Request, db: Database, row: Row) -> Answer:
    """Delete a sheet or a table with everything in it."""
    place = "sheets" if "sheet_id" in request.path else "smart_tables"
    db.execute(f"DELETE FROM {place} WHERE id = ?", (row["id"],))
    return {"message": "Deleted."}


def update_table(request: Request, db: Database, table: Row) -> Answer:
    """Rename a table, or move it to another folder or, with ``null``, to the root."""
    body = request.read(_TableChange)
    folder_id = table["folder_id"] if body.folder_id is UNSET else body.folder_id
    if folder_id is not None:
        folder_by_id(db, folder_id)
    sql = "UPDATE smart_tables SET title = ?, folder_id = ?, updated_at = ? WHERE id = ?"
    db.execute(sql, (body.title or table["title"], folder_id, now(), table["id"]))
    return {"table": dict(store.get_table(db, request.path))}


def list_sheets(request: Request, db: Database, table: Row) -> Answer:
    """List the sheets of a table, the oldest first by default."""
    query, source = request.parameters(_SheetsQuery), "sheets s WHERE table_id = :table"
    return query.select(db, store.SHEET, source, "number", table=table["id"])


def update_sheet(request: Request, db: Database, sheet: Row) -> Answer:
    """Rename a sheet. What it contains stays the same, and so does its version."""
    title = request.read(_SheetChange).title or sheet["title"]
    db.execute("UPDATE sheets SET title = ?, updated_at = ? WHERE id = ?", (title, now(), sheet["id"]))
    return {"sheet": dict(store.get_sheet(db, request.path)), "version": sheet["version_count"]}


def add_blank_sheet(db: Database, table_id: str, title: str | None) -> dict[str, Any]:
    """Add a sheet with a text column and an empty row, and return it as in a response."""
    sheet_id = store.add_sheet(db, table_id, title)
    store.add_column(db, SheetColumn(sheet_id, "Column A"))
    store.add_rows(db, sheet_id, [{}])
    return dict(store.get_sheet(db, {"table_id": table_id, "sheet_id": sheet_id}))


# A field can be as long as a body. The default of 131,072 characters is too short for a document.
csv.field_size_limit(MAX_BODY)


class _File(Struct, frozen=True, kw_only=True):
    type: Literal["file"] = "file"
    file_name: Title
    file_content_base64: str


class _NewSheet(Struct, frozen=True):
    title: Title | None = None
    source: _File | None = None
    # Refused, because the id of a sheet is also that of its import.
    operation_id: None = None
    # Refused, because the sheets of this registry are in the order of their creation.
    index: None = None


class _TraceImport(Struct, frozen=True):
    trace_id: str
    smart_table_id: str
    sheet_id: str
    span_id: str | None = None


def create_sheet(request: Request, db: Database, table: Row) -> Answer | Response:
    """Create a blank sheet, or one with the rows of a file."""
    body = request.read(_NewSheet)
    if body.source is None:
        sheet = add_blank_sheet(db, table["id"], body.title)
        return Response({"success": True, "sheet": sheet}, 201)
    titles, *rows = _lines(body.source)
    sheet_id = store.add_sheet(db, table["id"], body.title or body.source.file_name)
    ids = [store.add_column(db, SheetColumn(sheet_id, title)).id for title in titles]
    store.add_rows(db, sheet_id, [dict(zip(ids, row, strict=False)) for row in rows])
    sheet = dict(store.get_sheet(db, {"table_id": table["id"], "sheet_id": sheet_id}))
    return {"message": "Imported.", "operation_id": sheet_id, "operation": _operation(sheet), "sheet": sheet}


def get_operation(request: Request, db: Database, table: Row) -> Answer:
    """Return what became of an import, whose id is that of the sheet."""
    sheet = store.get_sheet(db, {**request.path, "sheet_id": request.path["operation_id"]})
    return {"operation": _operation(sheet)}


def _operation(sheet: Mapping[str, Any] | Row) -> Answer:
    state = {"source": "file", "status": "completed", "progress": 100, "row_count": sheet["row_count"]}
    times = {key: sheet[key] for key in ("created_at", "updated_at")}
    return {"operation_id": sheet["id"], **state, **times}


def add_trace(request: Request, db: Database) -> Answer:
    """Append a row with a trace, or the part of it below a span, as the value of the column ``Trace``."""
    body = request.read(_TraceImport)
    sheet = store.get_sheet(db, {"table_id": body.smart_table_id, "sheet_id": body.sheet_id})
    trace = _tree(spans_of(db, body.trace_id), body.span_id)
    columns = {column.title: column for column in store.columns_of(db, sheet["id"])}
    column = columns.get("Trace") or store.add_column(db, SheetColumn(sheet["id"], "Trace"))
    if column.type != TEXT:
        raise malformed("The column 'Trace' is computed, so an import cannot fill it.")
    indices = store.add_rows(db, sheet["id"], [{column.id: trace}])
    store.touch(db, sheet["id"])
    (row,) = store.shown_rows(db, sheet["id"], indices)
    mode = "trace" if body.span_id is None else "span"
    return {"mode": mode, "row_index": row["row_index"], "row": row}


def _lines(file: _File) -> list[list[str]]:
    """Return the titles and then the rows of a file; 400 for one that cannot be read."""
    if not file.file_name.lower().endswith(".csv"):
        raise malformed("file_name: this registry imports only .csv files.")
    lines: list[list[str]] = []
    try:
        text = base64.b64decode(file.file_content_base64, validate=True).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        for line in filter(None, reader):
            lines.append(line)
            if len(line) > len(lines[0]):
                raise csv.Error(f"{len(line)} values for {len(lines[0])} columns")
    except csv.Error as error:
        raise malformed(f"file_content_base64: line {reader.line_num} is not CSV: {error}.") from None
    except ValueError as error:
        raise malformed(f"file_content_base64: it is not base64 of UTF-8 text ({error}).") from None
    titles = [title.strip() for title in lines[0]] if lines else []
    if not titles or "" in titles or len(set(titles)) < len(titles):
        raise malformed("file_content_base64: each column needs a title of its own.")
    return [titles, *lines[1:]]


def _tree(spans: Sequence[Span], span_id: str | None) -> dict[str, Any]:
    """Return a span, by default the first without a parent, with those below it as its children."""
    nodes: dict[str, dict[str, Any]] = {
        span["span_id"]: {
            **{key: span[key] for key in ("name", "span_id", "attributes", "request_log_id")},
            "start": span["start_time"],
            "end": span["end_time"],
            "input": span["attributes"].get("function_input"),
            "output": span["attributes"].get("function_output"),
            "children": [],
        }
        for span in spans
    }
    for span in spans:
        if span["parent_id"] in nodes and span["span_id"] != span_id:
            nodes[span["parent_id"]]["children"].append(nodes[span["span_id"]])
    roots = [span["span_id"] for span in spans if span["parent_id"] not in nodes]
    root = nodes.get(span_id or next(iter(roots), ""))
    if root is None:
        missing = f"span {span_id[:128]!r}" if span_id else "root"
        raise ApiError(404, f"The trace has no {missing}.")
    if is_deeper(root, MAX_BODY_DEPTH):
        raise malformed("The spans of the trace nest too deeply for a cell.")
    return root


class _Change(Struct, frozen=True):
    title: Title | None = None
    type: str | None = None
    config: dict[str, Any] | None = None
    is_output_column: bool | None = None


class _New(_Change, frozen=True, kw_only=True):
    title: Title
    type: str


class _Query(CursorQuery, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 100


def list_columns(request: Request, db: Database, sheet: Row) -> Answer:
    """List the columns of a sheet in their order."""
    query, source = request.parameters(_Query), "columns WHERE sheet_id = :sheet"
    return query.select(db, store.COLUMN, source, "position_rank", sheet=sheet["id"])


def create_column(request: Request, db: Database, sheet: Row) -> Answer:
    """Add a column at the end, with a cell in every row; the response has the first of these cells."""
    body = request.read(_New)
    draft = SheetColumn(sheet["id"], body.title, _stored_type(body.type))
    column = store.add_column(db, _changed(draft, body, store.columns_of(db, sheet["id"])))
    cells = store.cells_of(db, sheet["id"], columns=[column.id], most=100)
    answer = {"column": asdict(column), "cells": [cell.shown() for cell in cells]}
    return answer | {"version": store.touch(db, sheet["id"])}


def update_column(request: Request, db: Database, sheet: Row) -> Answer:
    """Change a column. Its cells, and what depends on them, get stale if they are now computed otherwise."""
    body = request.read(_Change)
    old, others = _column(db, request, sheet)
    if body.type is not None and _stored_type(body.type) != old.type:
        raise malformed("type: the type of a column cannot be changed; delete it and create another one.")
    new = _changed(old, body, others)
    recalculate = (new.config, new.dependencies) != (old.config, old.dependencies)
    db.execute(
        "UPDATE columns SET title = ?, config = ?, dependencies = ?, is_output_column = ? WHERE id = ?",
        (new.title, encoded(new.config), encoded(new.dependencies), new.is_output_column, new.id),
    )
    affected = set()
    if recalculate:
        affected = {new.id} | store.dependents([*others, new], [new.id])
        db.execute("UPDATE cells SET status = 'STALE' WHERE column_id = ?", (new.id,))
        store.mark_stale(db, new.sheet_id, [new.id])
    answer = {"column": asdict(new), "version": store.touch(db, new.sheet_id)}
    return answer | {"requires_recalculation": recalculate, "affected_column_ids": sorted(affected)}


def delete_column(request: Request, db: Database, sheet: Row) -> Answer:
    """Delete a column and its cells; what depends on it gets stale. A sheet keeps its last column."""
    column, others = _column(db, request, sheet)
    if not others:
        raise malformed("The last column of a sheet cannot be deleted.")
    store.mark_stale(db, sheet["id"], [column.id])
    db.execute("DELETE FROM columns WHERE id = ?", (column.id,))
    stale = store.count_statuses(db, sheet["id"])[store.STALE]
    return {"message": "Column deleted.", "stale_count": stale, "version": store.touch(db, sheet["id"])}


def _stored_type(sent: str) -> str:
    return {"COMPARISON": "COMPARE"}.get(sent.upper(), sent.upper())


def _changed(old: SheetColumn, change: _Change, others: Sequence[SheetColumn]) -> SheetColumn:
    """Return a column after a change, whose dependencies are all that it reads; 400 for an invalid one."""
    new = replace(
        old,
        title=change.title or old.title,
        config=old.config if change.config is None else change.config,
        is_output_column=old.is_output_column if change.is_output_column is None else change.is_output_column,
    )
    if new.title in {other.title for other in others}:
        raise malformed(f"title: the sheet already has a column called {new.title!r}.")
    if new.title != old.title and any(old.title in references(other.config) for other in others):
        raise malformed(f"title: other columns read {old.title!r} under this title.")
    if new.type == TEXT:
        return new
    if new.type in COMPUTED:
        checked(new.config, COMPUTED[new.type], "config", status=400)
    known = {name: other.id for other in others for name in (other.title, other.id)}
    sources = references(new.config)
    for name in sources:
        if name not in known and new.type in COMPUTED:
            raise malformed(f"The sheet has no other column {name[:100]!r}, which {new.title!r} reads.")
    read = sorted({known[name] for name in sources if name in known})
    new = replace(new, dependencies=[{"column_id": column_id} for column_id in read])
    if new.id in store.dependents([*others, new], [new.id]):
        raise malformed(f"config: the column {new.title!r} would depend on itself.")
    return new


def _column(db: Database, request: Request, sheet: Row) -> tuple[SheetColumn, list[SheetColumn]]:
    """Return the column of a path, and the others of its sheet; 404 if there is none with this id."""
    columns = {column.id: column for column in store.columns_of(db, sheet["id"])}
    column = columns.pop(request.path["column_id"], None)
    if column is None:
        raise ApiError(404, f"The sheet has no column with the id {request.path['column_id']!r}.")
    return column, list(columns.values())
