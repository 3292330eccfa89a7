"""Spans: saving them, linking them with requests, and reading them by trace."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct, to_builtins
from msgspec.structs import replace

from promptsync.server.http import ApiError, Request, Response, malformed, not_found
from promptsync.server.store.database import MAX_INTEGER, Database, encoded, parse_time
from promptsync.server.tracking.log import save_log
from promptsync.server.tracking.logged import Log

MAX_SPANS = 10_000
"""Most spans in one request."""

MAX_SPAN = 1_000_000
"""Longest span, in characters of its JSON."""

TOO_LONG = f"A span is longer than {MAX_SPAN:,} characters."

Kind = Literal[
    "SpanKind.INTERNAL", "SpanKind.SERVER", "SpanKind.CLIENT", "SpanKind.PRODUCER", "SpanKind.CONSUMER"
]
StatusCode = Literal["StatusCode.UNSET", "StatusCode.OK", "StatusCode.ERROR"]
KINDS: tuple[str, ...] = get_args(Kind)
STATUS_CODES: tuple[str, ...] = get_args(StatusCode)

SpanId = Annotated[str, Meta(min_length=1, max_length=128)]
# JavaScript sends 64-bit integers as text. As text they are limited to the year 2255.
Nanoseconds = Annotated[int, Meta(ge=0, le=MAX_INTEGER)] | Annotated[str, Meta(pattern="^[0-8]?[0-9]{1,18}$")]
Span = dict[str, Any]


class _Context(Struct, frozen=True):
    trace_id: SpanId
    span_id: SpanId
    trace_state: str | None = None


class _Status(Struct, frozen=True):
    status_code: StatusCode
    description: str | None = None


class _Resource(Struct, frozen=True):
    attributes: dict[str, Any]
    schema_url: str | None = None


class _Span(Struct, frozen=True):
    name: str
    context: _Context
    kind: Kind
    start_time: Nanoseconds
    end_time: Nanoseconds
    status: _Status
    attributes: dict[str, Any]
    resource: _Resource
    parent_id: Annotated[str, Meta(max_length=128)] | None = None
    events: list[dict[str, Any]] | None = None
    links: list[dict[str, Any]] | None = None
    log_request: Log | None = None

    def stored(self) -> Span:
        """Return the span as it is stored and read, without its request."""
        context, resource, parent_id = self.context, self.resource, self.parent_id or None
        if parent_id is not None and set(parent_id) <= set("0123456789abcdef"):
            # It may come as a hexadecimal number without leading zeros.
            parent_id = parent_id.zfill(16)
        return {
            "name": self.name,
            "trace_id": context.trace_id,
            "span_id": context.span_id,
            "trace_state": context.trace_state or "",
            "parent_id": parent_id,
            "kind": self.kind,
            "start_time": timestamp(int(self.start_time)),
            "end_time": timestamp(int(self.end_time)),
            "status": to_builtins(self.status),
            "attributes": self.attributes,
            "events": self.events or [],
            "links": self.links or [],
            "resource": {"attributes": resource.attributes, "schema_url": resource.schema_url or ""},
        }


class _Spans(Struct, frozen=True):
    spans: list[_Span]
    close_after: bool | None = None


def create_spans(request: Request) -> Response:
    """Save spans and the requests in them, all or none."""
    body = request.read(_Spans)
    refuse_closing(body.close_after)
    check_count(len(body.spans))
    spans, logs = [], []
    with request.store.write() as db:
        for sent in body.spans:
            span = sent.stored()
            text, span_id = encoded(span), span["span_id"]
            if len(text) > MAX_SPAN:
                raise malformed(TOO_LONG)
            spans.append({"id": save_span(db, text), "name": span["name"], "span_id": span_id})
            if sent.log_request is not None and (request_id := _log(db, sent.log_request, span)) is not None:
                logs.append({"id": request_id, "span_id": span_id})
    return Response({"success": True, "spans": spans, "request_logs": logs}, 201)


def get_trace(request: Request) -> Response:
    """Return the spans of a trace by start time; 404 if there are none."""
    trace_id = request.path["trace_id"]
    with request.store.read() as db:
        spans = spans_of(db, trace_id)
    return Response({"success": True, "trace_id": trace_id, "spans": spans})


def spans_of(db: Database, trace_id: str) -> list[Span]:
    """Return the spans of a trace by start time, each with the id of its request; 404 if there are none."""
    rows = db.execute(
        """SELECT id, body AS "body [json]",
        (SELECT max(id) FROM requests WHERE span_id = s.log_span_id) AS request_log_id
        FROM spans s WHERE trace_id = ? ORDER BY json_extract(body, '$.start_time'), id""",
        (trace_id,),
    ).fetchall()
    if not rows:
        raise not_found(f"There is no trace with the id {trace_id[:128]}.")
    return [{"id": row["id"], **row["body"], "request_log_id": row["request_log_id"]} for row in rows]


def save_span(db: Database, text: str) -> int:
    """Save a span, which is JSON, and return its id. A span sent again replaces the saved one."""
    row = db.execute(
        "INSERT INTO spans (body) VALUES (?)"
        " ON CONFLICT (trace_id, span_id) DO UPDATE SET body = excluded.body RETURNING id",
        (text,),
    ).fetchone()
    # Spans without a request are not deleted with one.
    limit = "SELECT 10 * requests FROM request_limits"
    db.execute(f"DELETE FROM spans WHERE id <= ? - ({limit})", (row["id"],))
    return int(row["id"])


def check_count(count: int) -> None:
    """Raise a 413 for too many spans at once."""
    if count > MAX_SPANS:
        raise ApiError(413, f"The request has {count:,} spans; at most {MAX_SPANS:,} are allowed.")


def refuse_closing(close_after: bool | None) -> None:
    """Raise a 400 for a request that wants its traces closed."""
    if close_after:
        raise malformed("close_after is not supported: this registry does not close traces.")


def timestamp(nanoseconds: int) -> str:
    """Return a timestamp for the time of a span."""
    return parse_time(nanoseconds / 1e9)


def _log(db: Database, sent: Log, span: Span) -> int | None:
    """Log the request of a span once, and return its id, or ``None`` if its prompt does not exist."""
    known = db.execute("SELECT id FROM requests WHERE span_id = ?", (span["span_id"],)).fetchone()
    if known is not None:
        return int(known["id"])
    log = replace(
        sent,
        request_start_time=sent.request_start_time or span["start_time"],
        request_end_time=sent.request_end_time or span["end_time"],
    )
    try:
        return save_log(db, log, log.exchange(), span["span_id"])
    except ApiError as error:
        if error.status == 404:
            return None
        raise
