"""A registry on a loopback socket that does what the test says, faults included."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from registry_server import chat

from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.protocol import Timeouts

KEY = "pl_4f9a1c77d0"


@dataclass(frozen=True)
class Seen:
    method: str
    target: str
    headers: Mapping[str, str]
    body: Any

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True)
class Reply:
    """An answer, or a fault.

    ``cut`` drops that many bytes of the body, ``dropped`` sends nothing at all. ``trickle`` is the pause
    after each byte of the body.
    """

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: int = 0
    dropped: bool = False
    trickle: float = 0.0

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


DROPPED = Reply(dropped=True)
HTML = Reply("<!DOCTYPE html><html><title>Sign in</title></html>", headers={"Content-Type": "text/html"})
EMPTY_LIST = Reply({"items": [], "page": 1, "pages": 1, "total": 0, "has_next": False})

React = Callable[[Seen], Reply]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(length)
        body = json.loads(sent) if sent[:1] in (b"{", b"[") else sent.decode() or None
        reply = self.server.react(Seen(self.command, self.path, dict(self.headers.items()), body))
        time.sleep(reply.delay)
        if reply.dropped:
            self._hang_up()
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        content = reply.content
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for byte in content if reply.trickle else ():
            self.wfile.write(bytes([byte]))
            time.sleep(reply.trickle)
        if not reply.trickle:
            self.wfile.write(content[: len(content) - reply.cut])
        if reply.cut:
            self._hang_up()

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = handle_any

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def __init__(self, react: React, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.react = react

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that time out leave: no news."""


class Scripted:
    """Answers with ``replies`` in order, the last one for ever; or with a function of what was asked."""

    def __init__(self, *replies: Reply, react: React | None = None) -> None:
        self.seen: list[Seen] = []
        self._replies = list(replies)
        self._react = react
        self._lock = threading.Lock()

    def __call__(self, seen: Seen) -> Reply:
        with self._lock:
            self.seen.append(seen)
            if self._react is None:
                return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return self._react(seen)


@contextmanager
def serving(react: React, port: int = 0) -> Iterator[str]:
    """The URL of a registry that reacts like this."""
    server = _Server(react, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


_IDLE: list[_Server] = []


@contextmanager
def reusing(react: React) -> Iterator[str]:
    """As ``serving``, with a server that other tests of this process had before and get again."""
    if not _IDLE:
        server = _Server(_leave)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _IDLE.append(server)
    server = _IDLE.pop()
    server.react = react
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.react = _leave
        _IDLE.append(server)


def _leave(seen: Seen) -> Reply:
    """Belongs to no test: a connection of a client that is left over."""
    return DROPPED


@contextmanager
def client(react: React, **options: Any) -> Iterator[PromptLayer]:
    """A client of such a registry that waits next to nothing between attempts."""
    settings: dict[str, Any] = {"timeouts": Timeouts(answer=5.0, first_retry=0.001), **options}
    with reusing(react) as url, PromptLayer(url, KEY, **settings) as registry:
        yield registry


def version(name: str = "greet", number: int = 1, template_id: int = 7, **more: Any) -> dict[str, Any]:
    """A raw answer."""
    about = {"success": True, "id": template_id, "prompt_name": name, "version": number, "workspace_id": 9}
    content = {"prompt_template": chat(), "metadata": None, "tags": [], "snippets": []}
    return {**about, **content, "commit_message": "first (v1)", **more}


def item(number: int, name: str | None = None, **more: Any) -> dict[str, Any]:
    """A list item."""
    about = {"id": number, "prompt_name": name or f"p{number}", "version": 1, "tags": []}
    return {**about, "prompt_template": chat(), **more}
