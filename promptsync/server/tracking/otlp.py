"""Spans sent with OTLP over HTTP, as protobuf or JSON."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from promptsync.server.http import PROTOBUF, ApiError, Request, Response, malformed
from promptsync.server.store.database import encoded
from promptsync.server.tracking.spans import (
    KINDS,
    MAX_SPAN,
    STATUS_CODES,
    TOO_LONG,
    Span,
    check_count,
    refuse_closing,
    save_span,
    timestamp,
)

MAX_TOTAL = 64_000_000
"""Most characters of the spans of one request together, in JSON, which can be much longer than protobuf."""

_MAX_BYTES = 4 * MAX_SPAN  # a character of UTF-8 has up to four bytes
_TRACE_ID, _SPAN_ID = re.compile(r"(?!0{32})[0-9a-f]{32}"), re.compile(r"(?!0{16})[0-9a-f]{16}")


class ClosingQuery(Struct, frozen=True):
    """The parameter that PromptLayer has besides those of OTLP."""

    close_after: bool = False


def ingest_traces(request: Request) -> Response:
    """Save spans. Each span with an invalid id or over the size limit is rejected on its own."""
    refuse_closing(request.parameters(ClosingQuery).close_after)
    is_binary = request.attached is not None
    message = _parsed(request)
    check_count(
        sum(len(scope.spans) for resource in message.resource_spans for scope in resource.scope_spans)
    )
    texts, reasons, total = [], [], 0
    for sent, common in _sent(message):
        # An empty event has two bytes, and takes hundreds once it is read.
        if sent.ByteSize() > _MAX_BYTES:
            reasons.append(TOO_LONG)
            continue
        # In JSON, OTLP writes ids as hexadecimal digits, but the library decodes all bytes as base64.
        span = _read(sent, bytes.hex if is_binary else lambda data: base64.b64encode(data).decode().lower())
        span |= common
        text = encoded(span)
        reason = TOO_LONG if len(text) > MAX_SPAN else None
        for name, pattern in (("span", _SPAN_ID), ("trace", _TRACE_ID)):
            if not pattern.fullmatch(span[f"{name}_id"]):
                reason = f"A span has an invalid {name} id."
        texts.append(text) if reason is None else reasons.append(reason)
        total += len(text)
        if total > MAX_TOTAL:
            raise ApiError(413, f"The spans are longer than {MAX_TOTAL:,} characters together.")
    with request.store.write() as db:
        for text in texts:
            save_span(db, text)
    return _answer(reasons, is_binary)


def _parsed(request: Request) -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    try:
        if request.attached is not None:
            message.ParseFromString(request.attached)
        else:
            ParseDict(dict(request.body), message, ignore_unknown_fields=True)
    except (DecodeError, ParseError, OverflowError) as error:
        raise malformed(f"The body is not an ExportTraceServiceRequest: {str(error)[:300]}") from error
    return message


def _answer(reasons: list[str], is_binary: bool) -> Response:
    message = "; ".join(dict.fromkeys(reasons[:10]))
    if not is_binary:
        partial = {"rejectedSpans": len(reasons), "errorMessage": message}
        return Response({"partialSuccess": partial if reasons else None})
    answer = ExportTraceServiceResponse()
    if reasons:
        answer.partial_success.rejected_spans = len(reasons)
        answer.partial_success.error_message = message
    return Response(answer.SerializeToString(), content_type=PROTOBUF)


def _sent(message: ExportTraceServiceRequest) -> Iterator[tuple[OtlpSpan, Span]]:
    """Yield each span with what it has in common with others."""
    for group in message.resource_spans:
        resource = {"attributes": _attributes(group.resource.attributes), "schema_url": group.schema_url}
        for scope in group.scope_spans:
            library = {"name": scope.scope.name, "version": scope.scope.version}
            for span in scope.spans:
                yield span, {"resource": resource, "scope": library}


def _read(span: OtlpSpan, read_id: Callable[[bytes], str]) -> Span:
    return {
        "name": span.name,
        "trace_id": read_id(span.trace_id),
        "span_id": read_id(span.span_id),
        "trace_state": span.trace_state,
        "parent_id": read_id(span.parent_span_id) or None,
        # An unknown number is the first word.
        "kind": dict(enumerate(KINDS)).get(span.kind - 1, KINDS[0]),
        "start_time": timestamp(span.start_time_unix_nano),
        "end_time": timestamp(span.end_time_unix_nano),
        "status": {
            "status_code": dict(enumerate(STATUS_CODES)).get(span.status.code, STATUS_CODES[0]),
            "description": span.status.message or None,
        },
        "attributes": _attributes(span.attributes),
        "events": [
            {
                "name": event.name,
                "timestamp": event.time_unix_nano,
                "attributes": _attributes(event.attributes),
            }
            for event in span.events
        ],
        "links": [
            {
                "context": {"trace_id": read_id(link.trace_id), "span_id": read_id(link.span_id)},
                "attributes": _attributes(link.attributes),
            }
            for link in span.links
        ],
    }


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    item = None if kind is None else getattr(value, kind)
    # Protobuf has infinities and NaN, JSON does not.
    return str(item) if isinstance(item, float) and not math.isfinite(item) else item
