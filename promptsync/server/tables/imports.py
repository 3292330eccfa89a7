"""Creating sheets, and importing files and traces. An import is complete when its request is answered."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from promptsync.prompt.limits import MAX_BODY_DEPTH, is_deeper
from promptsync.server.http.answer import Response, malformed, not_found
from promptsync.server.http.body import MAX_BODY
from promptsync.server.http.request import Request
from promptsync.server.tables import store
from promptsync.server.tables.rows import shown_rows
from promptsync.server.tables.sheets import Title, add_blank_sheet, add_sheet
from promptsync.server.tables.store import TEXT, SheetColumn
from promptsync.server.tracking.spans import Span, spans_of

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


def create_sheet(request: Request) -> Response:
    """Create a blank sheet, or one with the rows of a file."""
    body, table_id = request.read(_NewSheet), request.path["table_id"]
    lines = body.source and _lines(body.source)
    with request.store.write() as db:
        store.get_table(db, table_id)
        if not body.source or not lines:
            sheet = add_blank_sheet(db, table_id, body.title)
            return Response({"success": True, "sheet": sheet}, 201)
        sheet_id = add_sheet(db, table_id, body.title or body.source.file_name)
        titles, *rows = lines
        ids = [store.add_column(db, SheetColumn(sheet_id, title)).id for title in titles]
        store.add_rows(db, sheet_id, [dict(zip(ids, row, strict=False)) for row in rows])
        sheet = dict(store.get_sheet(db, {"table_id": table_id, "sheet_id": sheet_id}))
    return Response({**_started(sheet), "sheet": sheet}, 202)


def get_operation(request: Request) -> Response:
    """Return what became of an import, whose id is that of the sheet."""
    with request.store.read() as db:
        sheet = dict(store.get_sheet(db, {**request.path, "sheet_id": request.path["operation_id"]}))
    return Response({"success": True, "operation": _started(sheet)["operation"]})


def add_trace(request: Request) -> Response:
    """Append a row with a trace, or the part of it below a span, as the value of the column ``Trace``."""
    body = request.read(_TraceImport)
    with request.store.write() as db:
        sheet = store.get_sheet(db, {"table_id": body.smart_table_id, "sheet_id": body.sheet_id})
        trace = _tree(spans_of(db, body.trace_id), body.span_id)
        columns = {column.title: column for column in store.columns_of(db, sheet["id"])}
        column = columns.get("Trace") or store.add_column(db, SheetColumn(sheet["id"], "Trace"))
        if column.type != TEXT:
            raise malformed("The column 'Trace' is computed, so an import cannot fill it.")
        indices = store.add_rows(db, sheet["id"], [{column.id: trace}])
        store.touch(db, sheet["id"])
        (row,) = shown_rows(indices, store.cells_of(db, sheet["id"], rows=indices))
    mode = "trace" if body.span_id is None else "span"
    return Response({"success": True, "mode": mode, "row_index": row["row_index"], "row": row}, 201)


def _started(sheet: dict[str, Any]) -> dict[str, Any]:
    times = {key: sheet[key] for key in ("created_at", "updated_at")}
    state = {"source": "file", "status": "completed", "progress": 100, "row_count": sheet["row_count"]}
    operation = {"operation_id": sheet["id"], **state, **times}
    return {"success": True, "message": "Imported.", "operation_id": sheet["id"], "operation": operation}


def _lines(file: _File) -> list[list[str]]:
    """Return the titles and then the rows of a file; 400 for one that cannot be read."""
    try:
        text = base64.b64decode(file.file_content_base64, validate=True).decode("utf-8-sig")
    except ValueError as error:
        raise malformed(f"file_content_base64: it is not base64 of UTF-8 text ({error}).") from None
    if not file.file_name.lower().endswith(".csv"):
        raise malformed("file_name: this registry imports only .csv files.")
    titles, *rows = _csv(text)
    titles = [title.strip() for title in titles]
    if not titles or "" in titles or len(set(titles)) < len(titles):
        raise malformed("file_content_base64: each column needs a title of its own.")
    return [titles, *rows]


def _csv(text: str) -> list[list[str]]:
    lines: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for line in reader:
            lines += [line] if line else []
            if len(line) > len(lines[0] if lines else []):
                raise csv.Error(f"{len(line)} values for {len(lines[0])} columns")
    except csv.Error as error:
        raise malformed(f"file_content_base64: line {reader.line_num} is not CSV: {error}.") from None
    return lines or [[]]


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
        raise not_found(f"The trace has no span {span_id[:128]!r}." if span_id else "The trace has no root.")
    if is_deeper(root, MAX_BODY_DEPTH):
        raise malformed("The spans of the trace nest too deeply for a cell.")
    return root
