"""Waitress, with a limit on everything that a client can keep open, and errors in JSON.

Waitress reads a request completely before a thread gets it, so slow clients only cost a connection. What it
lacks is a deadline for one request, a way to accept more clients while others only hold their connections,
errors in the registry's form, and WebSockets.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask
from waitress.utilities import BadRequest, ServerNotImplemented

from promptsync.server.http.answer import ApiError, malformed
from promptsync.server.http.guard import HEADERS
from promptsync.server.http.sockets import UPGRADE, SocketHandler, Sockets, UpgradedSocket

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

MAX_HEADER_BYTES: Final = 32 * 1024
MAX_HEADER_LINES: Final = 100
MAX_CHUNK_LINE: Final = 1024
"""Longest line that starts a chunk, and longest trailer, in bytes."""

MAX_BUFFERED: Final = 64 * 1024 * 1024
"""Longest body that is received, in bytes. The application has a lower limit of its own."""

_POLLS: Final = hasattr(select, "poll")  # select() fails for more connections; Windows has nothing else


@dataclass(frozen=True)
class Limits:
    """How many connections stay open, and for how many seconds.

    Beyond ``connections``, the one that has waited longest without a request is closed.
    """

    connections: int = 250
    request: float = 30.0
    """From the first byte of a request to its last one."""
    response: float = 60.0
    """For the client to read a response."""
    idle: float = 60.0
    """Without a request."""
    interval: float = 5.0
    """Between two looks for connections to close."""
    sockets: int = 50
    """Most open WebSockets. They do not count as connections."""


class _Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    path = ""  # waitress logs it even if there is none
    head = b""
    """The request line and the headers, as they arrived."""

    def __init__(self, adj: Any) -> None:
        super().__init__(adj)
        self.started = time.time()

    def received(self, data: bytes) -> int:
        try:
            consumed: int = super().received(data)
        except ValueError as error:  # from int() and urlsplit()
            self._refuse(str(error))
            return len(data)
        body = self.body_rcv
        if isinstance(body, ChunkedReceiver) and len(body.control_line + body.trailer) > MAX_CHUNK_LINE:
            self._refuse(f"a chunk has a line longer than {MAX_CHUNK_LINE:,} bytes")
        if isinstance(self.error, ServerNotImplemented):
            self._refuse("the only Transfer-Encoding is chunked")
        if self.completed:
            # Waitress would otherwise send "100 Continue" for a body that is missing or was refused.
            self.expect_continue = False
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        if header_plus.count(b"\r\n") > MAX_HEADER_LINES:
            raise ParsingError(f"it has more than {MAX_HEADER_LINES} lines of headers")
        super().parse_header(header_plus)
        self.head = header_plus

    def _refuse(self, reason: str) -> None:
        self.error = BadRequest(reason)
        self.completed = True


class _JsonErrorTask(ErrorTask):  # type: ignore[misc]
    def execute(self) -> None:
        error = self.request.error
        message = {
            413: f"The request body is larger than {MAX_BUFFERED:,} bytes.",
            431: f"The request headers are larger than {MAX_HEADER_BYTES:,} bytes.",
            500: "The registry failed; see its log.",
        }.get(error.code, f"The request is not valid HTTP: {error.body}.")
        response = ApiError(error.code, message).response()
        body = response.get_data()
        self.status = response.status
        self.response_headers.extend([("Content-Type", "application/json"), *HEADERS])
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Task(WSGITask):  # type: ignore[misc]
    def get_environment(self) -> dict[str, Any]:
        return {**super().get_environment(), UPGRADE: self._upgrade}

    def _upgrade(self, handler: SocketHandler) -> None:
        channel = self.channel
        with channel.requests_lock:  # held while bytes become requests
            is_alone = len(channel.requests) == 1 and channel.request is None
            if not is_alone or channel.total_outbufs_len:
                raise malformed(
                    "Send a WebSocket handshake alone: after all earlier responses, and nothing after it."
                )
            channel.upgraded = channel.server.sockets.accept(self.request.head, handler)

    def write(self, data: bytes) -> None:
        if self.channel.upgraded is None:  # an upgraded socket sends its own response
            with self.channel.in_one_piece():
                super().write(data)


class _Channel(HTTPChannel):  # type: ignore[misc]
    parser_class = _Parser
    task_class = _Task
    error_task_class = _JsonErrorTask
    connected: bool
    upgraded: UpgradedSocket | None = None
    _held: list[bytes] | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.since = time.time()
        """When the last response was written, or the connection was opened."""

    def write_soon(self, data: bytes) -> int:
        if self._held is not None:
            self._held.append(data)
            return len(data)
        self.since = time.time()
        return int(super().write_soon(data))

    @contextlib.contextmanager
    def in_one_piece(self) -> Iterator[None]:
        """Send what is written inside at once, because waitress sends the headers and the body separately."""
        held: list[bytes] = []
        self._held = held
        try:
            yield
        finally:
            self._held = None
        self.write_soon(b"".join(held))

    def readable(self) -> bool:
        return self.upgraded is None and bool(super().readable())

    def service(self) -> None:
        super().service()
        if self.upgraded is not None:
            self.server.trigger.pull_trigger(self._hand_over)

    def _hand_over(self) -> None:
        """Remove the connection from the server's loop, which calls this, and hand it to its socket."""
        if self.connected and self.upgraded is not None:
            self.del_channel()
            self.connected = False
            self.upgraded.serve(self.socket)

    @property
    def is_waiting(self) -> bool:
        """Whether the client has read all responses and has not sent another request."""
        return not (self.requests or self.total_outbufs_len or self.will_close)

    def is_overdue(self, now: float, limits: Limits) -> bool:
        waited = now - self.since
        if self.total_outbufs_len:
            return waited > limits.response
        if self.requests:
            return False  # a thread handles it
        if self.request is None:
            return waited > limits.idle
        # A pipelined request is not read until the response to the request before it was sent.
        return waited > limits.request and bool(now - self.request.started > limits.request)

    def close(self) -> None:
        """Close the connection, and the files that hold what was not sent or not received completely."""
        if self.request is not None:
            self.request.close()
        self.handle_close()

    def hang_up(self) -> None:
        self.will_close = True
        # Waitress closes a socket once it can be written to, and a client that does not read prevents that.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class _Server(TcpWSGIServer):  # type: ignore[misc]
    channel_class = _Channel

    def __init__(self, *arguments: Any, limits: Limits, **options: Any) -> None:
        self._limits = limits
        self.sockets = Sockets(limits.sockets)
        super().__init__(*arguments, **options)

    def maintenance(self, now: float) -> None:
        for channel in self.active_channels.values():
            if channel.is_overdue(now, self._limits):
                channel.hang_up()

    def handle_accept(self) -> None:
        super().handle_accept()
        if len(self.active_channels) <= self._limits.connections:
            return
        waiting = sorted(
            (channel for channel in self.active_channels.values() if channel.is_waiting),
            key=lambda channel: channel.since,
        )
        for channel in waiting[:-1][:1]:  # never the one that was just accepted
            channel.hang_up()


def create_server(app: WSGIApplication, bound: socket.socket, threads: int, limits: Limits) -> Any:
    """Return a waitress server that accepts connections on ``bound``, and closes it in the end."""
    settings = Adjustments(
        sockets=[bound],
        threads=threads,
        max_request_header_size=MAX_HEADER_BYTES,
        max_request_body_size=MAX_BUFFERED,
        # The server makes room before waitress would stop accepting connections.
        connection_limit=2 * limits.connections,
        asyncore_use_poll=_POLLS,
        log_socket_errors=False,
    )
    settings.cleanup_interval = limits.interval  # waitress would round it
    dispatcher = ThreadedTaskDispatcher()
    dispatcher.set_thread_count(threads)
    address = (bound.family, bound.type, bound.proto, bound.getsockname())
    return _Server(
        app,
        {},
        _sock=bound,
        dispatcher=dispatcher,
        adj=settings,
        sockinfo=address,
        bind_socket=False,
        limits=limits,
    )


def stop(server: Any) -> None:
    """Make ``server.run()`` in another thread return."""
    # The server's own loop closes it, because it would otherwise wait on closed descriptors. The loop may
    # wake up by itself and close the trigger before the byte that wakes it is written.
    with contextlib.suppress(OSError):
        server.trigger.pull_trigger(lambda: close(server))


def close(server: Any) -> None:
    """Stop the threads of ``server`` and close all its sockets."""
    server.task_dispatcher.shutdown()
    server.close()
    # Clients that keep their connections open would keep the loop running, too.
    wasyncore.close_all(server._map)
    server.sockets.close()
