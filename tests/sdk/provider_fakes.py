"""One server for every provider: it keeps the requests, and answers the least that the clients accept."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
_CHUNK = {
    "id": "c1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "system_fingerprint": "f",
}
_CHAT = {
    **_CHUNK,
    "object": "chat.completion",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}],
    "usage": _USAGE,
}
_CLAUDE: dict[str, Any] = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
_GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
}
_CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    "metrics": {"latencyMs": 1},
}
_RESPONSE = {
    "id": "r1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "m",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "output": [
        {
            "id": "o1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
        }
    ],
}
_ANSWERS = (
    ("/token", {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}),
    ("/chat/completions", _CHAT),
    (
        "/completions",
        {**_CHUNK, "choices": [{"index": 0, "text": "Hello", "finish_reason": "stop"}], "usage": _USAGE},
    ),
    ("/responses", _RESPONSE),
    ("/images/generations", {"created": 1, "data": [{"b64_json": "aGk="}]}),
    ("/images", {"created": 1, "data": [{"b64_json": "aGk="}]}),
    ("/messages", _CLAUDE),
    ("/invoke", _CLAUDE),
    (":rawPredict", _CLAUDE),
    (":generateContent", _GEMINI),
    ("/converse", _CONVERSE),
)


def _openai_stream() -> list[tuple[str, Any]]:
    delta = {"index": 0, "delta": {"role": "assistant", "content": "Hello"}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    chunks = [
        {**_CHUNK, "choices": [delta]},
        {**_CHUNK, "choices": [end]},
        {**_CHUNK, "choices": [], "usage": _USAGE},
    ]
    return [("", chunk) for chunk in chunks]


def _anthropic_stream() -> list[tuple[str, Any]]:
    block = {"type": "text", "text": ""}
    events = (
        {"type": "message_start", "message": {**_CLAUDE, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 1},
        },
        {"type": "message_stop"},
    )
    return [(event["type"], event) for event in events]


@dataclass
class ProviderFake:
    """``requests`` are the paths and bodies that arrived, except those for access tokens."""

    url: str = ""
    requests: list[tuple[str, Any]] = field(default_factory=list)

    def taken(self) -> list[tuple[str, Any]]:
        """Return the requests since the last call."""
        taken, self.requests = self.requests, []
        return taken


@contextmanager
def provider_fake() -> Iterator[ProviderFake]:
    """Serve on a free port of the loopback address."""
    fake = ProviderFake()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            if path == "/token":
                return self._send(b"application/json", json.dumps(_ANSWERS[0][1]).encode())
            body = json.loads(data)
            fake.requests.append((self.path, body))
            if body.get("stream"):
                events = _anthropic_stream() if path.endswith("/messages") else _openai_stream()
                lines = [
                    f"event: {name}\n" * bool(name) + f"data: {json.dumps(one)}\n\n" for name, one in events
                ]
                done = "" if path.endswith("/messages") else "data: [DONE]\n\n"
                return self._send(b"text/event-stream", "".join([*lines, done]).encode())
            answer = next((answer for end, answer in _ANSWERS if path.endswith(end)), None)
            self._send(b"application/json", json.dumps(answer).encode(), 404 if answer is None else 200)

        def _send(self, kind: bytes, data: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind.decode())
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
