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
from registry_server import Caller

from promptsync.server.tracking import spans

TRACE, ROOT, CHILD = "d4b5e2a13c8f4e9ab7d61a2b3c4d5e6f", "00000000000000a1", "00000000000000b2"
SPAN = {
    "name": "llm_call",
    "context": {"trace_id": TRACE, "span_id": ROOT, "trace_state": "promptlayer=enabled"},
    "kind": "SpanKind.CLIENT",
    "parent_id": None,
    "start_time": 1767225600000000000,
    "end_time": 1767225601500000000,
    "status": {"status_code": "StatusCode.OK", "description": "fine"},
    "attributes": {"llm.model": "gpt-4o", "n": 3},
    "events": [{"name": "e", "timestamp": 1, "attributes": {"a": 1}}],
    "resource": {"attributes": {"service.name": "app"}, "schema_url": ""},
}


def trace(call, trace_id=TRACE):
    answer = call("GET", f"/api/public/v2/traces/{trace_id}")
    assert answer.status == 200
    assert answer.body["trace_id"] == trace_id
    return answer.body["spans"]


def request_of(call, request_id):
    return call("GET", f"/api/public/v2/requests/{request_id}").body


def test_spans_are_kept_and_read_by_trace(call):
    child = {**SPAN, "name": "first", "start_time": 1, "parent_id": "a1"}
    child["context"] = {**SPAN["context"], "span_id": CHILD}
    answer = call("POST", "/spans-bulk", {"spans": [SPAN, child], "close_after": False})
    assert answer.status == 201
    assert answer.body == {
        "success": True,
        "spans": [
            {"id": 1, "name": "llm_call", "span_id": ROOT},
            {"id": 2, "name": "first", "span_id": CHILD},
        ],
        "request_logs": [],
    }
    first, second = trace(call)
    # The id of the parent came as a number.
    assert (first["name"], first["parent_id"]) == ("first", ROOT)
    assert second == {
        "id": 1,
        "name": "llm_call",
        "trace_id": TRACE,
        "span_id": ROOT,
        "trace_state": "promptlayer=enabled",
        "parent_id": None,
        "kind": "SpanKind.CLIENT",
        "start_time": "2026-01-01T00:00:00.000000Z",
        "end_time": "2026-01-01T00:00:01.500000Z",
        "status": {"status_code": "StatusCode.OK", "description": "fine"},
        "attributes": {"llm.model": "gpt-4o", "n": 3},
        "events": SPAN["events"],
        "links": [],
        "resource": SPAN["resource"],
        "request_log_id": None,
    }


def test_null_counts_as_absent_and_a_span_that_is_sent_again_replaces_the_first(call):
    # Times may be written as text.
    times = {key: str(SPAN[key]) for key in ("start_time", "end_time")}
    sent = {**SPAN, **times, **dict.fromkeys(("events", "links", "parent_id", "log_request"))}
    for body in (SPAN, sent | {"name": "again"}):
        assert call("POST", "/spans-bulk", {"spans": [body]}).body["spans"][0]["id"] == 1
    (span,) = trace(call)
    assert [span[key] for key in ("name", "events", "links")] == ["again", [], []]
    assert span["end_time"] == "2026-01-01T00:00:01.500000Z"


@pytest.mark.parametrize("is_request_first", [True, False])
def test_a_tracked_request_belongs_to_its_span_and_to_spans_that_name_it(call, is_request_first):
    other = {**SPAN, "context": {**SPAN["context"], "span_id": CHILD}}
    other["attributes"] = {"promptlayer.request_log.span_id": ROOT, "promptlayer.request_log.managed": True}
    alone = {**SPAN, "context": {**SPAN["context"], "span_id": "00000000000000c3"}}
    sends = [
        ("/track-request", {"span_id": ROOT, "kwargs": {}}),
        ("/spans-bulk", {"spans": [SPAN, other, alone]}),
    ]
    for path, body in sends if is_request_first else sends[::-1]:
        assert call("POST", path, body).status == (201 if path == "/spans-bulk" else 200)
    assert [span["request_log_id"] for span in trace(call)] == [1, 1, None]
    assert request_of(call, 1)["trace_id"] == TRACE


def _with(**changes):
    return {"spans": [SPAN, {**SPAN, **changes}]}


BROKEN = [
    ({}, "spans: required"),
    ({"spans": [3]}, "spans[0]: expected object"),
    ({"spans": [SPAN], "close_after": True}, "does not close traces"),
    (_with(name=None), "spans[1].name"),
    (_with(context=None), "spans[1].context: expected object"),
    (_with(context={"trace_id": "a" * 129, "span_id": "a"}), "spans[1].context.trace_id"),
    (_with(kind="CLIENT"), "spans[1].kind: invalid enum value"),
    (_with(start_time=-1), "spans[1].start_time"),
    (_with(end_time="9" * 19), "spans[1].end_time"),
    (_with(end_time=2**63), "spans[1].end_time"),
    (_with(status={"status_code": "OK"}), "spans[1].status.status_code: invalid enum value"),
    (_with(events=[1]), "spans[1].events[0]"),
    (_with(resource={}), "spans[1].resource.attributes: required"),
    (_with(log_request={"provider": "openai"}), "spans[1].log_request: not supported by this registry"),
    (_with(attributes={"a": "x" * 1_000_001}), "longer than 1,000,000 characters"),
]


def test_one_bad_span_refuses_all_of_them(call):
    for body, said in BROKEN:
        answer = call("POST", "/spans-bulk", body)
        assert answer.status == 400, said
        assert said in answer.body["message"], said
        assert call("GET", f"/api/public/v2/traces/{TRACE}").status == 404, said


# -- OTLP ----------------------------------------------------------------------------------------------------

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
        {"key": "bytes", "value": {"bytesValue": "AAE="}},
        {"key": "none", "value": {}},
    ],
    "events": [{"timeUnixNano": "5", "name": "e", "attributes": []}],
    "links": [{"traceId": TRACE, "spanId": CHILD}],
    "status": {"code": 2, "message": "bad"},
    "a field of a later version": 1,
}
READ = {
    "name": "chat gpt-4",
    "trace_id": TRACE,
    "span_id": ROOT,
    "trace_state": "",
    "parent_id": CHILD,
    "kind": "SpanKind.CLIENT",
    "start_time": "2026-01-01T00:00:00.000000Z",
    "end_time": "2026-01-01T00:00:01.500000Z",
    "status": {"status_code": "StatusCode.ERROR", "description": "bad"},
    "attributes": {
        "text": "x",
        "count": 25,
        "half": 0.5,
        "flag": True,
        "list": ["a", 1],
        "map": {"k": "v"},
        "bytes": "AAE=",
        "none": None,
    },
    "events": [{"name": "e", "timestamp": 5, "attributes": {}}],
    "links": [{"context": {"trace_id": TRACE, "span_id": CHILD}, "attributes": {}}],
    "resource": {"attributes": {"service.name": "app"}, "schema_url": ""},
    "scope": {"name": "library", "version": "1"},
}


def otlp(*spans):
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "app"}}]}
    scopes = [{"scope": {"name": "library", "version": "1"}, "spans": list(spans)}]
    return {"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}


def message(*spans):
    """The same in protobuf, whose ids are bytes."""
    sent = ParseDict(otlp(*spans), ExportTraceServiceRequest(), ignore_unknown_fields=True)
    for span, written in zip(sent.resource_spans[0].scope_spans[0].spans, spans, strict=True):
        for part, origin in [(span, written), *zip(span.links, written.get("links", ()), strict=True)]:
            part.trace_id = bytes.fromhex(origin["traceId"])
            part.span_id = bytes.fromhex(origin["spanId"])
        span.parent_span_id = bytes.fromhex(written.get("parentSpanId", ""))
    return sent


def send(app, body, *, kind="application/x-protobuf", path="/v1/traces", **headers):
    return Caller(app)("POST", path, raw=body, content_type=kind, **headers)


def base64_ids(sent: str) -> str:
    """Return JSON with its ids in base64, as the SDK's hooks for Claude write them."""

    def written(id: re.Match[str]) -> str:
        return json.dumps(b64encode(bytes.fromhex(id[1])).decode())

    return re.sub('"([0-9a-f]{32}|[0-9a-f]{16})"', written, sent)


def test_otlp_spans_are_kept_whatever_their_encoding(app, call):
    for form in ("hexadecimal", "base64", "protobuf"):
        is_json, sent = form != "protobuf", json.dumps(otlp(OTLP_SPAN))
        kind = "application/json" if is_json else "application/x-protobuf"
        body = {"hexadecimal": sent, "base64": base64_ids(sent)}.get(form, "").encode()
        answer = send(app, body or message(OTLP_SPAN).SerializeToString(), kind=kind)
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind), form
        if is_json:
            assert answer.body == {"partialSuccess": None}, form
        else:
            assert answer.raw == b"", form
        assert trace(call) == [{"id": 1, **READ, "request_log_id": None}], form


def test_a_span_with_a_bad_id_is_rejected_by_itself(app, call):
    bad = [{**OTLP_SPAN, "spanId": "00"}, {**OTLP_SPAN, "traceId": "0" * 32}]
    big = {**OTLP_SPAN, "name": "x" * 1_000_001}
    answer = call("POST", "/v1/traces", otlp(OTLP_SPAN, *bad, big))
    partial = answer.body["partialSuccess"]
    assert partial["rejectedSpans"] == 3
    for said in ("invalid span id", "invalid trace id", "longer than 1,000,000"):
        assert said in partial["errorMessage"]
    # This one is not even read.
    bad[1] = {**OTLP_SPAN, "name": "x" * 4_000_001}
    binary = send(app, message(*bad, OTLP_SPAN).SerializeToString())
    partial = ExportTraceServiceResponse.FromString(binary.raw).partial_success
    assert (partial.rejected_spans, "invalid span id" in partial.error_message) == (2, True)
    assert "longer than 1,000,000 characters" in partial.error_message
    assert len(trace(call)) == 1


def test_numbers_that_json_does_not_have_are_kept_as_text(app, call):
    sent = message({**OTLP_SPAN, "attributes": []})
    span = sent.resource_spans[0].scope_spans[0].spans[0]
    for key, value in (("a", math.inf), ("b", math.nan)):
        span.attributes.add(key=key).value.double_value = value
    span.kind, span.status.code = 99, 99
    span.start_time_unix_nano = 2**64 - 1
    assert send(app, sent.SerializeToString()).status == 200
    stored = trace(call)[0]
    assert stored["attributes"] == {"a": "inf", "b": "nan"}
    assert (stored["kind"], stored["status"]["status_code"]) == ("SpanKind.INTERNAL", "StatusCode.UNSET")


GOOD = message(OTLP_SPAN).SerializeToString()
HUGE = json.dumps(
    {"resourceSpans": [{"resource": {"attributes": [{"key": "a", "value": {"doubleValue": 10**400}}]}}]}
).encode()


def test_a_broken_body_is_refused(app, call):
    for body, kind, headers, status in (
        (b"\xff\xff", "application/x-protobuf", {}, 400),
        (GOOD[:-3], "application/x-protobuf", {}, 400),
        (b"{", "application/json", {}, 400),
        (b"[]", "application/json", {}, 400),
        (b'{"resourceSpans": 3}', "application/json", {}, 400),
        (b'{"resourceSpans": [{"resource": 3}]}', "application/json", {}, 400),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 3}]}]}]}', "application/json", {}, 400),
        (HUGE, "application/json", {}, 400),
        (gzip.compress(GOOD), "application/x-protobuf", {"content_encoding": "gzip"}, 415),
    ):
        answer = send(app, body, kind=kind, **headers)
        assert answer.status == status, body
        assert answer.body["success"] is False, body
        assert call("GET", f"/api/public/v2/traces/{TRACE}").status == 404, body


def test_protobuf_is_for_traces_only_and_what_could_take_gigabytes_is_not_parsed(app):
    for path, body, status, says in (
        ("/v1/traces", b"\n\x00" * (4 * 1024 * 1024 + 1), 413, "8,388,608 bytes"),
        ("/track-request", GOOD, 415, "must be application/json"),
    ):
        answer = send(app, body, path=path)
        assert (answer.status, says in answer.body["message"]) == (status, True)


def test_what_spans_share_counts_for_each_of_them(app, call):
    sent = message(*[{**OTLP_SPAN, "spanId": f"{number:016x}"} for number in range(1, 101)])
    sent.resource_spans[0].resource.attributes[0].value.string_value = "x" * 900_000
    answer = send(app, sent.SerializeToString())
    assert (answer.status, "64,000,000 characters together" in answer.body["message"]) == (413, True)
    assert call("GET", f"/api/public/v2/traces/{TRACE}").status == 404


def test_closing_traces_and_too_many_spans_are_refused(call, monkeypatch):
    monkeypatch.setattr(spans, "MAX_SPANS", 1)
    for path, body in (("/spans-bulk", {"spans": [SPAN] * 2}), ("/v1/traces", otlp(OTLP_SPAN, OTLP_SPAN))):
        answer = call("POST", path, body)
        assert (answer.status, "at most 1 are allowed" in answer.body["message"]) == (413, True)
    assert call("GET", f"/api/public/v2/traces/{TRACE}").status == 404
    answer = call("POST", "/v1/traces?close_after=true", otlp(OTLP_SPAN))
    assert (answer.status, "does not close traces" in answer.body["message"]) == (400, True)
    assert call("POST", "/v1/traces?close_after=false", otlp(OTLP_SPAN)).status == 200
