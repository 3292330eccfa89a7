"""The embedded registry for tests: served over loopback, or called in-process."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from promptsync.server.serve import THREADS, base_url, bind, make_server


@contextmanager
def running(app: Any, threads: int = THREADS, host: str = "127.0.0.1", **options: Any) -> Iterator[str]:
    """Serve ``app`` on a free port; the value is its base URL. The application stays open.

    The server stops in the background, because uvicorn takes a fifth of a second.
    """
    bound = bind(host, 0)
    url = base_url(host, bound.getsockname()[1])
    server = make_server(app, bound, threads=threads, **options)
    threading.Thread(target=server.run, args=([bound],), name="registry", daemon=True).start()
    try:
        yield url
    finally:
        server.should_exit = True


@dataclass
class Answer:
    """What came back: ``body`` is the parsed JSON, ``None`` when there was none."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None


class Caller:
    """Calls a WSGI application without a network, as raw as it gets."""

    def __init__(self, app: Any, key: str | None = "pl_test") -> None:
        self.app = app
        self.key = key

    def __call__(
        self, method: str, target: str, body: Any = None, *, raw: bytes | None = None, **headers: str
    ) -> Answer:
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        path, _, query = target.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "REQUEST_URI": target,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.input": io.BytesIO(data),
        }
        if self.key is not None:
            environ["HTTP_X_API_KEY"] = self.key
        for name, value in headers.items():
            environ["CONTENT_TYPE" if name == "content_type" else f"HTTP_{name.upper()}"] = value
        caught: dict[str, Any] = {}

        def start_response(status: str, response_headers: list[tuple[str, str]]) -> None:
            caught.update(status=int(status.split()[0]), headers=dict(response_headers))

        chunks = b"".join(self.app(environ, start_response))
        return Answer(caught["status"], caught["headers"], chunks)

    def expect(self, *rows: tuple[Any, ...]) -> None:
        """Send each row, a method, a target and a body; its status and words of the message follow them."""
        for method, target, body, status, *words in rows:
            answer = self(method, target, body)
            assert answer.status == status, (method, target, body, answer.body)
            assert all(word in answer.body["message"] for word in words), (body, answer.body)


def chat(text: str = "Hello {name}", **more: Any) -> dict[str, Any]:
    """A small chat template."""
    message = {"role": "user", "content": [{"type": "text", "text": text}]}
    return {"type": "chat", "messages": [message], **more}


def completion(text: str, **more: Any) -> dict[str, Any]:
    """A small completion template, which others can reference."""
    return {"type": "completion", "content": [{"type": "text", "text": text}], **more}


def log_of(text: str = "Hi", answer: str = "Hello", **more: Any) -> dict[str, Any]:
    """The body that logs a request of 1.5 s."""
    message = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
    return {
        "provider": "openai",
        "model": "gpt-4o",
        "input": chat(text),
        "output": {"type": "chat", "messages": [message]},
        "request_start_time": "2026-01-01T00:00:00Z",
        "request_end_time": 1767225601.5,
        **more,
    }


def flat(name: str, template: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The customer's flat publish body."""
    return {"prompt_name": name, "prompt_template": template or chat(), **more}
