"""Spans: saving them, also those of OTLP, and reading them by trace, each with its request."""

from __future__ import annotations

import base64
import math
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from msgspec import Meta, Struct, to_builtins

from promptsync.server.http import PROTOBUF, Answer, ApiError, Request, Response, malformed
from promptsync.server.store.database import MAX_INTEGER, Database, encoded, parse_time

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

MAX_SPANS = 10_000
"""Most spans in one request."""

MAX_SPAN = 1_000_000
"""Longest span, in characters of its JSON."""

MAX_TOTAL = 64_000_000
"""Most characters of the spans of one request together, in JSON, which can be much longer than protobuf."""

_MAX_BYTES = 4 * MAX_SPAN  # a character of UTF-8 has up to four bytes
_TRACE_ID, _SPAN_ID = re.compile(r"(?!0{32})[0-9a-f]{32}"), re.compile(r"(?!0{16})[0-9a-f]{16}")

_TOO_LONG = f"A span is longer than {MAX_SPAN:,} characters."

Kind = Literal[
    "SpanKind.INTERNAL", "SpanKind.SERVER", "SpanKind.CLIENT", "SpanKind.PRODUCER", "SpanKind.CONSUMER"
]
StatusCode = Literal["StatusCode.UNSET", "StatusCode.OK", "StatusCode.ERROR"]
_KINDS: tuple[Kind, ...] = get_args(Kind)
_STATUS_CODES: tuple[StatusCode, ...] = get_args(StatusCode)

SpanId = Annotated[str, Meta(min_length=1, max_length=128)]
# JavaScript sends 64-bit integers as text. As text they are limited to the year 2255.
Nanoseconds = Annotated[int, Meta(ge=0, le=MAX_INTEGER)] | Annotated[str, Meta(pattern="^[0-8]?[0-9]{1,18}$")]
Span = dict[str, Any]


class _Context(Struct, frozen=True):
    trace_id: SpanId
    span_id: SpanId
    trace_state: str | None = ""


class _Status(Struct, frozen=True):
    status_code: StatusCode
    description: str | None = None


class _Resource(Struct, frozen=True):
    attributes: dict[str, Any]
    schema_url: str | None = ""


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
    # Refused, because requests are logged on their own, and so are those of both SDKs.
    log_request: None = None

    def stored(self) -> Span:
        """Return the span as it is stored and read, without its request."""
        span, parent_id = to_builtins(self), self.parent_id or None
        del span["log_request"]
        if parent_id is not None and set(parent_id) <= set("0123456789abcdef"):
            # It may come as a hexadecimal number without leading zeros.
            parent_id = parent_id.zfill(16)
        times = {key: parse_time(int(span[key]) / 1e9) for key in ("start_time", "end_time")}
        lists = {key: span[key] or [] for key in ("events", "links")}
        return {**span.pop("context"), **span, **times, **lists, "parent_id": parent_id}


class _Spans(Struct, frozen=True):
    spans: list[_Span]
    close_after: bool | None = None


def create_spans(request: Request, db: Database) -> Answer:
    """Save spans, all or none."""
    body = request.read(_Spans)
    _check(len(body.spans), body.close_after)
    spans = []
    for sent in body.spans:
        span = sent.stored()
        text = encoded(span)
        if len(text) > MAX_SPAN:
            raise malformed(_TOO_LONG)
        spans.append({"id": _save(db, text), "name": span["name"], "span_id": span["span_id"]})
    return {"success": True, "spans": spans, "request_logs": []}


def get_trace(request: Request, db: Database) -> Answer:
    """Return the spans of a trace by start time; 404 if there are none."""
    trace_id = request.path["trace_id"]
    return {"trace_id": trace_id, "spans": spans_of(db, trace_id)}


def spans_of(db: Database, trace_id: str) -> list[Span]:
    """Return the spans of a trace by start time, each with the id of its request; 404 if there are none."""
    rows = db.execute(
        """SELECT id, body AS "body [json]",
        (SELECT max(id) FROM requests WHERE span_id = s.log_span_id) AS request_log_id
        FROM spans s WHERE trace_id = ? ORDER BY json_extract(body, '$.start_time'), id""",
        (trace_id,),
    ).fetchall()
    if not rows:
        raise ApiError(404, f"There is no trace with the id {trace_id[:128]}.")
    return [{"id": row["id"], **row["body"], "request_log_id": row["request_log_id"]} for row in rows]


def _save(db: Database, text: str) -> int:
    """Save a span, which is JSON, and return its id. A span sent again replaces the saved one."""
    row = db.execute(
        "INSERT INTO spans (body) VALUES (?)"
        " ON CONFLICT (trace_id, span_id) DO UPDATE SET body = excluded.body RETURNING id",
        (text,),
    ).fetchone()
    # Spans without a request are not deleted with one.
    limit = "SELECT 10 * requests_kept FROM registry"
    db.execute(f"DELETE FROM spans WHERE id <= ? - ({limit})", (row["id"],))
    return int(row["id"])


def _check(count: int, close_after: bool | None) -> None:
    """Raise a 413 for too many spans at once, and a 400 for a request that wants its traces closed."""
    if close_after:
        raise malformed("close_after is not supported: this registry does not close traces.")
    if count > MAX_SPANS:
        raise ApiError(413, f"The request has {count:,} spans; at most {MAX_SPANS:,} are allowed.")


# -- OTLP over HTTP, as protobuf or JSON --------------------------------------------------------------------


class _ClosingQuery(Struct, frozen=True):
    close_after: bool = False


def ingest_traces(request: Request, db: Database) -> Response:
    """Save spans. Each span with an invalid id or over the size limit is rejected on its own."""
    sent = [
        (span, group, scope.scope)
        for group in _parsed(request).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    _check(len(sent), request.parameters(_ClosingQuery).close_after)
    texts, reasons, total = [], [], 0
    for otlp, group, scope in sent:
        # An empty event has two bytes, and takes hundreds once it is read.
        if otlp.ByteSize() > _MAX_BYTES:
            reasons.append(_TOO_LONG)
            continue
        resource = _Resource(_attributes(group.resource), group.schema_url)
        span = _read(otlp, resource) | {"scope": {"name": scope.name, "version": scope.version}}
        text = encoded(span)
        reason = _TOO_LONG if len(text) > MAX_SPAN else None
        for name, pattern in (("span", _SPAN_ID), ("trace", _TRACE_ID)):
            if not pattern.fullmatch(span[f"{name}_id"]):
                reason = f"A span has an invalid {name} id."
        texts.append(text) if reason is None else reasons.append(reason)
        total += len(text)
        if total > MAX_TOTAL:
            raise ApiError(413, f"The spans are longer than {MAX_TOTAL:,} characters together.")
    for text in texts:
        _save(db, text)
    return _answer(reasons, is_binary=request.attached is not None)


def _parsed(request: Request) -> ExportTraceServiceRequest:
    from google.protobuf.json_format import ParseDict, ParseError
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    message = ExportTraceServiceRequest()
    try:
        if request.attached is not None:
            message.ParseFromString(request.attached)
        else:
            ParseDict(dict(request.body), message, ignore_unknown_fields=True)
    except (DecodeError, ParseError, OverflowError) as error:
        raise malformed(f"The body is not an ExportTraceServiceRequest: {str(error)[:300]}") from error
    return message


def _answer(reasons: list[str], *, is_binary: bool) -> Response:
    message = "; ".join(dict.fromkeys(reasons[:10]))
    if not is_binary:
        partial = {"rejectedSpans": len(reasons), "errorMessage": message}
        return Response({"partialSuccess": partial if reasons else None})
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    answer = ExportTraceServiceResponse()
    if reasons:
        answer.partial_success.rejected_spans = len(reasons)
        answer.partial_success.error_message = message
    return Response(answer.SerializeToString(), content_type=PROTOBUF)


def _read(span: OtlpSpan, resource: _Resource) -> Span:
    """Return a span of OTLP as it is stored."""
    # An unknown number is the first word.
    kind = dict(enumerate(_KINDS)).get(span.kind - 1, _KINDS[0])
    status = dict(enumerate(_STATUS_CODES)).get(span.status.code, _STATUS_CODES[0])
    return _Span(
        name=span.name,
        context=_Context(_id(span.trace_id), _id(span.span_id), span.trace_state),
        kind=kind,
        start_time=span.start_time_unix_nano,
        end_time=span.end_time_unix_nano,
        status=_Status(status, span.status.message or None),
        attributes=_attributes(span),
        resource=resource,
        parent_id=_id(span.parent_span_id),
        events=[
            {"name": event.name, "timestamp": event.time_unix_nano, "attributes": _attributes(event)}
            for event in span.events
        ],
        links=[
            {
                "context": {"trace_id": _id(link.trace_id), "span_id": _id(link.span_id)},
                "attributes": _attributes(link),
            }
            for link in span.links
        ],
    ).stored()


def _id(data: bytes) -> str:
    """Return an id as hexadecimal digits: in JSON, OTLP writes it so, but the library expects base64."""
    return data.hex() if len(data) in (8, 16) else base64.b64encode(data).decode().lower()


def _attributes(part: OtlpSpan | OtlpSpan.Event | OtlpSpan.Link | Resource) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in part.attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    item = None if kind is None else getattr(value, kind)
    # Protobuf has infinities and NaN, JSON does not.
    return str(item) if isinstance(item, float) and not math.isfinite(item) else item
