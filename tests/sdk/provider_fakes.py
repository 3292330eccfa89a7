"""One server for every provider: it keeps the requests, and answers the least that the clients accept."""

from __future__ import annotations

import json
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_BODIES = json.loads("""{
"chat": {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "system_fingerprint": "f",
  "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}],
  "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}},
"claude": {"id": "m1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
  "content": [{"type": "text", "text": "Hello"}], "stop_sequence": null,
  "usage": {"input_tokens": 1, "output_tokens": 1}},
"gemini": {
  "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}],
  "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}},
"converse": {"output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
  "stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
  "metrics": {"latencyMs": 1}},
"response": {"id": "r1", "object": "response", "created_at": 1, "status": "completed", "model": "m",
  "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
  "output": [{"id": "o1", "type": "message", "role": "assistant", "status": "completed",
    "content": [{"type": "output_text", "text": "Hello", "annotations": []}]}]},
"image": {"created": 1, "data": [{"b64_json": "aGk="}]},
"token": {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}
}""")
_CHAT, _CLAUDE, _RESPONSE = _BODIES["chat"], _BODIES["claude"], _BODIES["response"]
_ANSWERS = (
    ("/chat/completions", _CHAT),
    ("/completions", {**_CHAT, "choices": [{"index": 0, "text": "Hello", "finish_reason": "stop"}]}),
    ("/responses", _RESPONSE),
    ("/images/generations", _BODIES["image"]),
    ("/images", _BODIES["image"]),
    ("/messages", _CLAUDE),
    ("/invoke", _CLAUDE),
    (":rawPredict", _CLAUDE),
    (":generateContent", _BODIES["gemini"]),
    ("/converse", _BODIES["converse"]),
)


def _sse(*events: Any, named: bool = False, end: str = "") -> tuple[str, bytes]:
    names = [f"event: {event['type']}\n" if named else "" for event in events]
    lines = [f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(names, events, strict=True)]
    return "text/event-stream", "".join([*lines, end]).encode()


def _aws(**events: Any) -> tuple[str, bytes]:
    """Return events in Amazon's binary form: lengths, headers, JSON and checksums."""
    frames = []
    for event, value in events.items():
        payload, headers = json.dumps(value).encode(), b""
        for name, kind in ((":message-type", "event"), (":event-type", event)):
            headers += struct.pack("!B", len(name)) + name.encode()
            headers += struct.pack("!BH", 7, len(kind)) + kind.encode()
        frame = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
        frame += struct.pack("!I", zlib.crc32(frame)) + headers + payload
        frames.append(frame + struct.pack("!I", zlib.crc32(frame)))
    return "application/vnd.amazon.eventstream", b"".join(frames)


_CHUNK = {**_CHAT, "object": "chat.completion.chunk"}
del _CHUNK["usage"]


def _chunk(**choice: Any) -> dict[str, Any]:
    return {**_CHUNK, "choices": [{"index": 0, "finish_reason": None, **choice}]}


_MESSAGE = _RESPONSE["output"][0]
_PLACE = {"item_id": "o1", "output_index": 0, "content_index": 0, "sequence_number": 1}
_TEXT = {"type": "output_text", "text": "", "annotations": []}
_IMAGE = {"type": "image_generation.completed", "b64_json": "aGk=", "created_at": 1, "output_format": "webp"}
_BLOCK = {"index": 0, "content_block": {"type": "text", "text": ""}}
_STOP = {"stop_reason": "end_turn", "stop_sequence": None}
_CHUNKS = (
    _chunk(delta={"role": "assistant", "content": "Hel"}),
    _chunk(delta={"content": "lo"}),
    _chunk(delta={}, finish_reason="stop"),
    {**_CHUNK, "choices": [], "usage": _CHAT["usage"]},
)
_RESPONSES = (
    {"type": "response.created", "response": {**_RESPONSE, "output": []}, "sequence_number": 0},
    {"type": "response.output_item.added", "item": {**_MESSAGE, "content": []}, **_PLACE},
    {"type": "response.content_part.added", "part": _TEXT, **_PLACE},
    {"type": "response.output_text.delta", "delta": "Hello", "logprobs": [], **_PLACE},
    {"type": "response.output_text.done", "text": "Hello", "logprobs": [], **_PLACE},
    {"type": "response.output_item.done", "item": _MESSAGE, **_PLACE},
    {"type": "response.completed", "response": _RESPONSE, "sequence_number": 2},
)
_MESSAGES = (
    {"type": "message_start", "message": {**_CLAUDE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", **_BLOCK},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": _STOP, "usage": {"output_tokens": 1}},
    {"type": "message_stop"},
)
_CONVERSED = {
    "messageStart": {"role": "assistant"},
    "contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hello"}},
    "contentBlockStop": {"contentBlockIndex": 0},
    "messageStop": {"stopReason": "end_turn"},
}
_STREAMS = (
    ("/chat/completions", _sse(*_CHUNKS, end="data: [DONE]\n\n")),
    ("/responses", _sse(*_RESPONSES, named=True)),
    ("/images/generations", _sse(_IMAGE, named=True)),
    ("/messages", _sse(*_MESSAGES, named=True)),
    (":streamGenerateContent", _sse(_BODIES["gemini"])),
    ("/converse-stream", _aws(**_CONVERSED)),
)


@dataclass
class ProviderFake:
    """``requests`` are the paths and bodies that arrived, except those for access tokens."""

    url: str = ""
    requests: list[tuple[str, Any]] = field(default_factory=list)


@contextmanager
def provider_fake() -> Iterator[ProviderFake]:
    """Serve on a free port of the loopback address."""
    fake = ProviderFake()

    class Handler(BaseHTTPRequestHandler):
        # An answer leaves in one write: the SDK's asynchronous client for Amazon closes its connections
        # before it reads a stream, so it gets only what arrived with the headers.
        wbufsize = -1

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            if path == "/token":
                return self._send("application/json", json.dumps(_BODIES["token"]).encode())
            body = json.loads(data)
            fake.requests.append((self.path, body))
            if body.get("stream") or path.endswith((":streamGenerateContent", "/converse-stream")):
                return self._send(*next(stream for end, stream in _STREAMS if path.endswith(end)))
            answer = next((answer for end, answer in _ANSWERS if path.endswith(end)), None)
            self._send("application/json", json.dumps(answer).encode(), 404 if answer is None else 200)

        def _send(self, kind: str, data: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="providers", daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
