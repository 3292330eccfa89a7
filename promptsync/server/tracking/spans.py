"""Spans: saving them, linking them with requests, and reading them by trace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from promptsync.server.http.answer import ApiError, Response, malformed, not_found
from promptsync.server.http.fields import Fields
from promptsync.server.http.request import Request
from promptsync.server.store import clock
from promptsync.server.store.database import MAX_INTEGER, Database, decoded, encoded
from promptsync.server.tracking.log import check_log, save_log

MAX_SPANS = 10_000
"""Most spans in one request."""

MAX_SPAN = 1_000_000
"""Longest span, in characters of its JSON."""

MAX_ID = 128
LOG_SPAN_ID = "promptlayer.request_log.span_id"
"""The attribute of a span with the id of the span whose request it shares."""

KINDS = ("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUS_CODES = ("UNSET", "OK", "ERROR")

Span = dict[str, Any]


def create_spans(request: Request) -> Response:
    """Save spans and the requests in them, all or none."""
    body = request.body()
    refuse_closing(body.flag("close_after"))
    if body.get("spans") is None:
        raise body.fault("spans", "is required")
    sent = [(fields, _read(fields)) for fields in body.objects("spans")]
    check_count(len(sent))
    spans, logs = [], []
    with request.store.write() as db:
        for fields, span in sent:
            if (reason := too_large(span)) is not None:
                raise malformed(reason)
            span_id = span["span_id"]
            spans.append({"id": save_span(db, span), "name": span["name"], "span_id": span_id})
            request_id = _log(db, fields, span)
            if request_id is not None:
                logs.append({"id": request_id, "span_id": span_id})
    return Response({"success": True, "spans": spans, "request_logs": logs}, 201)


def get_trace(request: Request) -> Response:
    """Return the spans of a trace by start time; 404 if there are none."""
    trace_id = request.path["trace_id"]
    with request.store.read() as db:
        rows = db.execute(
            "SELECT id, body, (SELECT max(id) FROM requests WHERE span_id = s.log_span_id) AS request_log_id"
            " FROM spans s WHERE trace_id = ? ORDER BY id",
            (trace_id,),
        ).fetchall()
    if not rows:
        raise not_found(f"There is no trace with the id {trace_id[:MAX_ID]}.")
    spans = [
        {"id": row["id"], **decoded(row["body"]), "request_log_id": row["request_log_id"]} for row in rows
    ]
    spans.sort(key=lambda span: span["start_time"])
    return Response({"success": True, "trace_id": trace_id, "spans": spans})


def save_span(db: Database, span: Span) -> int:
    """Save a span and return its id. A span sent again replaces the saved one."""
    log_span_id = span["attributes"].get(LOG_SPAN_ID)
    values = {
        "trace_id": span["trace_id"],
        "span_id": span["span_id"],
        "log_span_id": log_span_id if isinstance(log_span_id, str) else span["span_id"],
        "body": encoded(span),
    }
    row = db.execute(
        "INSERT INTO spans (trace_id, span_id, log_span_id, body)"
        " VALUES (:trace_id, :span_id, :log_span_id, :body) ON CONFLICT (trace_id, span_id)"
        " DO UPDATE SET log_span_id = excluded.log_span_id, body = excluded.body RETURNING id",
        values,
    ).fetchone()
    return int(row["id"])


def check_count(count: int) -> None:
    """Raise a 413 for too many spans at once."""
    if count > MAX_SPANS:
        raise ApiError(413, f"The request has {count:,} spans; at most {MAX_SPANS:,} are allowed.")


def too_large(span: Span) -> str | None:
    """Return why a span is too large to save, or ``None``."""
    size = len(encoded(span))
    return f"The span {span['span_id']} is longer than {MAX_SPAN:,} characters." if size > MAX_SPAN else None


def refuse_closing(close_after: bool | None) -> None:
    """Raise a 400 for a request that wants its traces closed."""
    if close_after:
        raise malformed("close_after is not supported: this registry does not close traces.")


def moment(nanoseconds: int) -> str:
    """Return a timestamp for the time of a span."""
    return clock.parse(nanoseconds / 1e9)


def _read(span: Fields) -> Span:
    name, context = span.text("name"), _inner(span, "context")
    status, resource = _inner(span, "status"), _inner(span, "resource")
    return {
        "name": name,
        "trace_id": context.text("trace_id", least=1, most=MAX_ID),
        "span_id": context.text("span_id", least=1, most=MAX_ID),
        "trace_state": context.optional_text("trace_state") or "",
        "parent_id": _parent_id(span),
        "kind": _choice(span, "kind", [f"SpanKind.{kind}" for kind in KINDS]),
        **{key: moment(_nanoseconds(span, key)) for key in ("start_time", "end_time")},
        "status": {
            "status_code": _choice(status, "status_code", [f"StatusCode.{code}" for code in STATUS_CODES]),
            "description": status.optional_text("description"),
        },
        "attributes": _inner(span, "attributes").values,
        "events": [one.values for one in span.objects("events")],
        "links": [one.values for one in span.objects("links")],
        "resource": {
            "attributes": _inner(resource, "attributes").values,
            "schema_url": resource.optional_text("schema_url") or "",
        },
    }


def _choice(fields: Fields, name: str, choices: list[str]) -> str:
    fields.text(name)
    return fields.choice(name, choices) or ""


def _inner(fields: Fields, name: str) -> Fields:
    found = fields.object(name)
    if found is None:
        raise fields.fault(name, "is required")
    return fields.within(name, found)


def _nanoseconds(span: Fields, name: str) -> int:
    value = span.get(name)
    # 64-bit integers also come as text, because JavaScript cannot represent them.
    if isinstance(value, str) and re.fullmatch("[0-9]{1,19}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_INTEGER:
        raise span.fault(name, "must be nanoseconds since 1970")
    return value


def _parent_id(span: Fields) -> str | None:
    # A parent id may come as a hexadecimal number without leading zeros.
    found = span.optional_text("parent_id", most=MAX_ID)
    is_number = found is not None and all(digit in "0123456789abcdef" for digit in found)
    return found.zfill(16) if found and is_number else found or None


def _log(db: Database, fields: Fields, span: Span) -> int | None:
    """Log the request of a span once, and return its id, or ``None`` without a request or its prompt."""
    sent = fields.object("log_request")
    if sent is None:
        return None
    times: Mapping[str, Any] = {f"request_{key}": span[key] for key in ("start_time", "end_time")}
    body = fields.within("log_request", {**times, **sent})
    check_log(body)
    known = db.execute("SELECT id FROM requests WHERE span_id = ?", (span["span_id"],)).fetchone()
    if known is not None:
        return int(known["id"])
    try:
        return save_log(db, body, span["span_id"])
    except ApiError as error:
        if error.status == 404:
            return None
        raise
