"""Creating sheets, and importing files and traces. An import is complete when its request is answered."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from promptsync.prompt.limits import MAX_BODY_DEPTH, is_deeper
from promptsync.server.http.answer import Response, malformed, not_found
from promptsync.server.http.request import Request
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, insert
from promptsync.server.tables import store
from promptsync.server.tables.files import read_file
from promptsync.server.tables.rows import shown_rows
from promptsync.server.tables.sheets import Title, add_blank_sheet, add_sheet, shown_sheet
from promptsync.server.tables.store import TEXT, SheetColumn
from promptsync.server.tracking.spans import Span, spans_of


class _File(Struct, frozen=True):
    file_name: Title
    file_content_base64: str


class _Source(_File, frozen=True):
    type: Literal["file"] = "file"


class _NewSheet(Struct, frozen=True):
    title: Title | None = None
    # Refused, because the sheets of this registry are in the order of their creation.
    index: None = None
    operation_id: Title | None = None
    source: _Source | None = None


class _Import(_File, frozen=True):
    operation_id: Title | None = None


class _TraceImport(Struct, frozen=True):
    trace_id: str
    smart_table_id: str
    sheet_id: str
    span_id: str | None = None


def create_sheet(request: Request) -> Response:
    """Create a blank sheet, or one from a file. An ``operation_id`` that is sent again changes nothing."""
    body, table_id = request.read(_NewSheet), request.path["table_id"]
    source = body.source
    lines = source and read_file(source.file_name, source.file_content_base64)
    with request.store.write() as db:
        store.get_table(db, table_id)
        if not source or not lines:
            if body.operation_id is not None:
                raise malformed("operation_id: only an import has one; add a source.")
            sheet = shown_sheet(db, add_blank_sheet(db, table_id, body.title))
            return Response({"success": True, "sheet": sheet}, 201)
        operation = _operation(db, table_id, body.operation_id)
        if operation is None:
            sheet_id = add_sheet(db, table_id, body.title or source.file_name)
            operation = _import(db, sheet_id, lines, source.file_name, body.operation_id)
        sheet = shown_sheet(db, operation["sheet_id"])
    return Response({**_started(operation), "sheet": sheet}, 202)


def import_file(request: Request) -> Response:
    """Append the rows of a file to a sheet; columns that the sheet lacks are added."""
    body, table_id = request.read(_Import), request.path["table_id"]
    lines = read_file(body.file_name, body.file_content_base64)
    with request.store.write() as db:
        sheet = store.get_sheet(db, request.path)
        operation = _operation(db, table_id, body.operation_id)
        if operation is None:
            operation = _import(db, sheet["id"], lines, body.file_name, body.operation_id)
            store.touch(db, sheet["id"])
    url = f"/api/public/v2/tables/{table_id}/sheets/operations/{operation['operation_id']}"
    return Response({**_started(operation), "status_url": url}, 202)


def get_operation(request: Request) -> Response:
    """Return what became of an import."""
    with request.store.read() as db:
        store.get_table(db, request.path["table_id"])
        operation = _operation(db, request.path["table_id"], request.path["operation_id"])
    if operation is None:
        raise not_found(f"The table has no import with the id {request.path['operation_id']!r}.")
    return Response({"success": True, "operation": _started(operation)["operation"]})


def add_trace(request: Request) -> Response:
    """Append a row with a trace, or the part of it below a span, as the value of the column ``Trace``."""
    body = request.read(_TraceImport)
    with request.store.write() as db:
        sheet = store.get_sheet(db, {"table_id": body.smart_table_id, "sheet_id": body.sheet_id})
        trace = _tree(spans_of(db, body.trace_id), body.span_id)
        column = _text_column(db, sheet["id"], "Trace")
        indices = store.add_rows(db, sheet["id"], [{column.id: trace}])
        store.touch(db, sheet["id"])
        (row,) = shown_rows(indices, store.cells_of(db, sheet["id"], rows=indices))
    mode = "trace" if body.span_id is None else "span"
    return Response({"success": True, "mode": mode, "row_index": row["row_index"], "row": row}, 201)


def _import(
    db: Database, sheet_id: str, lines: Sequence[Sequence[str]], file_name: str, operation_id: str | None
) -> Mapping[str, Any]:
    titles, *rows = lines
    ids = [_text_column(db, sheet_id, title).id for title in titles]
    store.add_rows(db, sheet_id, [dict(zip(ids, row, strict=False)) for row in rows])
    about = {"operation_id": operation_id or str(uuid.uuid4()), "sheet_id": sheet_id, "file_name": file_name}
    counts = {"rows_added": len(rows), "row_count": shown_sheet(db, sheet_id)["row_count"]}
    operation = {**about, **counts, "created_at": now()}
    insert(db, "table_imports", **operation)
    return operation


def _text_column(db: Database, sheet_id: str, title: str) -> SheetColumn:
    """Return the text column with this title, which is created if there is none."""
    for column in store.columns_of(db, sheet_id):
        if column.title == title:
            if column.type != TEXT:
                raise malformed(f"The column {title[:100]!r} is computed, so an import cannot fill it.")
            return column
    return store.add_column(db, SheetColumn(sheet_id, title))


def _operation(db: Database, table_id: str, operation_id: str | None) -> Mapping[str, Any] | None:
    sql = "SELECT * FROM table_imports WHERE sheet_id IN (SELECT id FROM sheets WHERE table_id = ?)"
    row = db.execute(f"{sql} AND operation_id = ?", (table_id, operation_id)).fetchone()
    return None if row is None else dict(row)


def _started(operation: Mapping[str, Any]) -> dict[str, Any]:
    state = {"source": "file", "status": "completed", "progress": 100, "updated_at": operation["created_at"]}
    operation_id = operation["operation_id"]
    answer = {"success": True, "message": "Import started.", "operation_id": operation_id}
    return {**answer, "operation": {**operation, **state, "message": None, "error_message": None}}


def _tree(spans: Sequence[Span], span_id: str | None) -> dict[str, Any]:
    """Return a span, by default the first without a parent, with those below it as its children."""
    nodes = {}
    for span in spans:
        nodes[span["span_id"]] = {
            "name": span["name"],
            "span_id": span["span_id"],
            "start": span["start_time"],
            "end": span["end_time"],
            "input": span["attributes"].get("function_input"),
            "output": span["attributes"].get("function_output"),
            "attributes": span["attributes"],
            "request_log_id": span["request_log_id"],
            "children": [],
        }
    roots = [span["span_id"] for span in spans if span["parent_id"] not in nodes]
    # A trace whose spans are each other's parents has no root.
    root = span_id or (roots or [spans[0]["span_id"]])[0]
    for span in spans:
        if span["parent_id"] in nodes and span["span_id"] != root:
            nodes[span["parent_id"]]["children"].append(nodes[span["span_id"]])
    if root not in nodes:
        raise not_found(f"The trace has no span with the id {root[:128]!r}.")
    if is_deeper(nodes[root], MAX_BODY_DEPTH):
        raise malformed("The spans of the trace nest too deeply for a cell.")
    return nodes[root]
