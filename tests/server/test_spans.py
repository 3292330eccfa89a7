"""Spans in both forms: what is kept of them, how they belong to requests, and what is refused."""

from __future__ import annotations

import gzip
import json
import math
import re
from base64 import b64encode

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from promptsync.server.tracking import spans

TRACE, ROOT, CHILD = "d4b5e2a13c8f4e9ab7d61a2b3c4d5e6f", "00000000000000a1", "00000000000000b2"
LINK = {"context": {"trace_id": TRACE, "span_id": CHILD}, "attributes": {}}
VALUES = {
    "text": "x",
    "count": 25,
    "half": 0.5,
    "flag": True,
    "list": ["a", 1],
    "map": {"k": "v"},
    "none": None,
}
SPAN = {
    "name": "chat gpt-4",
    "context": {"trace_id": TRACE, "span_id": ROOT, "trace_state": ""},
    "kind": "SpanKind.CLIENT",
    "parent_id": CHILD,
    "start_time": 1767225600000000000,
    "end_time": 1767225601500000000,
    "status": {"status_code": "StatusCode.ERROR", "description": "bad"},
    "attributes": {**VALUES, "bytes": "AAE="},
    "events": [{"name": "e", "timestamp": 5, "attributes": {}}],
    "links": [LINK],
    "resource": {"attributes": {"service.name": "app"}, "schema_url": ""},
}
TIMES = {"start_time": "2026-01-01T00:00:00.000000Z", "end_time": "2026-01-01T00:00:01.500000Z"}
READ = {key: value for key, value in SPAN.items() if key != "context"} | TIMES
READ |= {"trace_id": TRACE, "span_id": ROOT, "trace_state": "", "request_log_id": None}
SCOPE = {"name": "library", "version": "1"}
OTLP_SPAN = {
    "traceId": TRACE,
    "spanId": ROOT,
    "parentSpanId": CHILD,
    "name": "chat gpt-4",
    "kind": 3,
    "startTimeUnixNano": "1767225600000000000",
    "endTimeUnixNano": "1767225601500000000",
    "attributes": [
        {"key": "text", "value": {"stringValue": "x"}},
        {"key": "count", "value": {"intValue": "25"}},
        {"key": "half", "value": {"doubleValue": 0.5}},
        {"key": "flag", "value": {"boolValue": True}},
        {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": 1}]}}},
        {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "v"}}]}}},
        {"key": "none", "value": {}},
        {"key": "bytes", "value": {"bytesValue": "AAE="}},
    ],
    "events": [{"timeUnixNano": "5", "name": "e", "attributes": []}],
    "links": [{"traceId": TRACE, "spanId": CHILD}],
    "status": {"code": 2, "message": "bad"},
    "a field of a later version": 1,
}
BINARY = "application/x-protobuf"


def trace(call):
    answer = call("GET", f"/api/public/v2/traces/{TRACE}")
    return answer.body["spans"] if answer.status == 200 else []


def otlp(*spans):
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "app"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": SCOPE, "spans": list(spans)}]}]}


def message(*spans):
    """The same in protobuf, whose ids are bytes."""
    sent = ParseDict(otlp(*spans), ExportTraceServiceRequest(), ignore_unknown_fields=True)
    for span, written in zip(sent.resource_spans[0].scope_spans[0].spans, spans, strict=True):
        for part, origin in [(span, written), *zip(span.links, written.get("links", ()), strict=True)]:
            part.trace_id = bytes.fromhex(origin["traceId"])
            part.span_id = bytes.fromhex(origin["spanId"])
        span.parent_span_id = bytes.fromhex(written.get("parentSpanId", ""))
    return sent


def send(call, body, *, kind=BINARY, **headers):
    return call("POST", "/v1/traces", raw=body, content_type=kind, **headers)


def base64_ids(sent: str) -> str:
    """Return JSON with its ids in base64, as the SDK's hooks for Claude write them."""

    def written(id: re.Match[str]) -> str:
        return json.dumps(b64encode(bytes.fromhex(id[1])).decode())

    return re.sub('"([0-9a-f]{32}|[0-9a-f]{16})"', written, sent)


# -- what is kept --------------------------------------------------------------------------------------------


def test_a_span_is_kept_whatever_its_form_and_one_that_is_sent_again_replaces_it(call):
    # Times may be written as text, and the id of the parent as a number.
    as_text = {key: str(SPAN[key]) for key in ("start_time", "end_time")} | {"parent_id": "b2"}
    for sent in (SPAN, SPAN | as_text):
        answer = call("POST", "/spans-bulk", {"spans": [sent], "close_after": False})
        shown = {"id": 1, "name": "chat gpt-4", "span_id": ROOT}
        assert (answer.status, answer.body) == (201, {"success": True, "spans": [shown], "request_logs": []})
        assert trace(call) == [{"id": 1, **READ}]
    text = json.dumps(otlp(OTLP_SPAN))
    for body, kind, said in (
        (text.encode(), "application/json", {"partialSuccess": None}),
        (base64_ids(text).encode(), "application/json", {"partialSuccess": None}),
        (message(OTLP_SPAN).SerializeToString(), BINARY, None),
    ):
        answer = send(call, body, kind=kind)
        assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, kind, said)
        assert trace(call) == [{"id": 1, **READ, "scope": SCOPE}]


def test_null_counts_as_absent_and_spans_are_in_the_order_of_their_times(call):
    nothing = dict.fromkeys(("events", "links", "parent_id", "log_request"))
    first = {**SPAN, **nothing, "name": "first", "start_time": 1, "context": LINK["context"]}
    assert call("POST", "/spans-bulk", {"spans": [SPAN, first]}).status == 201
    assert [span["name"] for span in trace(call)] == ["first", "chat gpt-4"]
    assert [trace(call)[0][key] for key in ("events", "links", "parent_id")] == [[], [], None]


@pytest.mark.parametrize("is_request_first", [True, False])
def test_a_tracked_request_belongs_to_its_span_and_to_spans_that_name_it(call, is_request_first):
    other = {**SPAN, "context": LINK["context"], "attributes": {"promptlayer.request_log.span_id": ROOT}}
    alone = {**SPAN, "context": {**SPAN["context"], "span_id": "00000000000000c3"}}
    sends = [
        ("/track-request", {"span_id": ROOT, "kwargs": {}}),
        ("/spans-bulk", {"spans": [SPAN, other, alone]}),
    ]
    for path, body in sends if is_request_first else sends[::-1]:
        assert call("POST", path, body).status < 300
    assert [span["request_log_id"] for span in trace(call)] == [1, 1, None]
    assert call("GET", "/api/public/v2/requests/1").body["trace_id"] == TRACE


def test_numbers_that_json_does_not_have_are_kept_as_text(call):
    sent = message({**OTLP_SPAN, "attributes": []})
    span = sent.resource_spans[0].scope_spans[0].spans[0]
    for key, value in (("a", math.inf), ("b", math.nan)):
        span.attributes.add(key=key).value.double_value = value
    span.kind, span.status.code = 99, 99
    span.start_time_unix_nano = 2**64 - 1
    assert send(call, sent.SerializeToString()).status == 200
    (stored,) = trace(call)
    assert stored["attributes"] == {"a": "inf", "b": "nan"}
    assert (stored["kind"], stored["status"]["status_code"]) == ("SpanKind.INTERNAL", "StatusCode.UNSET")


# -- what is refused -----------------------------------------------------------------------------------------


def test_one_bad_span_refuses_all_of_them(call):
    for change, said in (
        ({"context": None}, "spans[1].context: expected object"),
        ({"kind": "CLIENT"}, "spans[1].kind: invalid enum value"),
        ({"start_time": -1}, "spans[1].start_time"),
        ({"end_time": "9" * 19}, "spans[1].end_time"),
        ({"end_time": 2**63}, "spans[1].end_time"),
        ({"resource": {}}, "spans[1].resource.attributes: required"),
        ({"log_request": {"provider": "openai"}}, "spans[1].log_request: not supported by this registry"),
        ({"attributes": {"a": "x" * 1_000_001}}, "longer than 1,000,000 characters"),
    ):
        status = 400 if said.startswith("longer") else 422
        call.expect(("POST", "/spans-bulk", {"spans": [SPAN, SPAN | change]}, status, said))
        assert trace(call) == [], said


def test_a_span_of_otlp_with_a_bad_id_or_too_much_in_it_is_rejected_by_itself(call):
    bad = [{**OTLP_SPAN, "spanId": "00"}, {**OTLP_SPAN, "traceId": "0" * 32}]
    big = {**OTLP_SPAN, "name": "x" * 1_000_001}
    partial = call("POST", "/v1/traces", otlp(OTLP_SPAN, *bad, big)).body["partialSuccess"]
    assert partial["rejectedSpans"] == 3
    for said in ("invalid span id", "invalid trace id", "longer than 1,000,000"):
        assert said in partial["errorMessage"]
    # This one is not even read.
    huge = {**OTLP_SPAN, "name": "x" * 4_000_001}
    binary = send(call, message(bad[0], huge, OTLP_SPAN).SerializeToString())
    rejected = ExportTraceServiceResponse.FromString(binary.raw).partial_success
    assert rejected.rejected_spans == 2
    for said in ("invalid span id", "longer than 1,000,000 characters"):
        assert said in rejected.error_message
    assert len(trace(call)) == 1


def test_a_body_that_is_broken_or_could_take_gigabytes_is_refused(call):
    good, attribute = message(OTLP_SPAN).SerializeToString(), {"key": "a", "value": {"doubleValue": 10**400}}
    for body, kind, headers, status in (
        (b"\xff\xff", BINARY, {}, 400),
        (good[:-3], BINARY, {}, 400),
        (b"\n\x00" * (4 * 1024 * 1024 + 1), BINARY, {}, 413),
        (b"[]", "application/json", {}, 422),
        (b'{"resourceSpans": 3}', "application/json", {}, 400),
        (json.dumps({"resourceSpans": [{"resource": {"attributes": [attribute]}}]}).encode(), "", {}, 400),
        (gzip.compress(good), BINARY, {"content_encoding": "gzip"}, 415),
    ):
        assert send(call, body, kind=kind, **headers).status == status, body[:99]
        assert trace(call) == [], body[:99]
    # Protobuf is for traces only.
    answer = call("POST", "/track-request", raw=good, content_type=BINARY)
    assert (answer.status, "must be application/json" in answer.body["message"]) == (415, True)


def test_the_spans_of_one_request_are_limited_together_and_no_trace_is_closed(call, monkeypatch):
    monkeypatch.setattr(spans, "MAX_TOTAL", 10_000)
    # What they share counts for each of them.
    shared = otlp(*[{**OTLP_SPAN, "spanId": f"{number:016x}"} for number in range(1, 6)])
    shared["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"] = "x" * 2000
    monkeypatch.setattr(spans, "MAX_SPANS", 5)
    call.expect(
        ("POST", "/v1/traces", shared, 413, "10,000 characters together"),
        ("POST", "/spans-bulk", {"spans": [SPAN] * 6}, 413, "at most 5 are allowed"),
        ("POST", "/v1/traces", otlp(*[OTLP_SPAN] * 6), 413, "at most 5 are allowed"),
        ("POST", "/v1/traces?close_after=true", otlp(OTLP_SPAN), 400, "does not close traces"),
    )
    assert trace(call) == []
    assert call("POST", "/v1/traces?close_after=false", otlp(OTLP_SPAN)).status == 200
