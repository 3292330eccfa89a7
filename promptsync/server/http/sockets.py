"""WebSockets on connections that waitress accepted, each served by a thread of its own.

Waitress has no WebSockets. ``websockets`` does the handshake and the frames without any input or output of
its own, so it works on an open connection. It is loaded for the first socket.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Protocol

from promptsync.server.http.answer import ApiError, malformed

if TYPE_CHECKING:
    from websockets.server import ServerProtocol

UPGRADE: Final = "promptsync.upgrade"
"""Key of the WSGI environment: a function that serves a ``SocketHandler`` instead of sending the response."""

MAX_MESSAGE: Final = 64 * 1024
"""Longest message from a client, in bytes."""

TICK_SECONDS: Final = 0.2
"""Longest time between two checks for something to send."""

_SEND_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class SocketClosed(Exception):
    """Raised by a ``SocketHandler`` to close its socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class SocketHandler(Protocol):
    """The conversation on one socket. The methods return the messages to send."""

    def receive(self, message: bytes) -> Iterable[str]:
        """Handle a message."""
        ...

    def tick(self) -> Iterable[str]:
        """Send what is due. Called after every message and every ``TICK_SECONDS``."""
        ...


class Sockets:
    """The WebSockets of one server, at most ``most`` at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._open: set[UpgradedSocket] = set()
        self.stopping = False

    def accept(self, head: bytes, handler: SocketHandler) -> UpgradedSocket:
        """Return the socket for the request ``head``; 400 for an invalid handshake, 503 if all are in use."""
        upgraded = UpgradedSocket(self, _shake_hands(head), handler)
        with self._lock:
            if len(self._open) >= self._most:
                message = f"All {self._most} WebSockets of this registry are in use; try again later."
                raise ApiError(503, message, headers={"Retry-After": "1"})
            self._open.add(upgraded)
        return upgraded

    def discard(self, upgraded: UpgradedSocket) -> None:
        """Make room for another socket."""
        with self._lock:
            self._open.discard(upgraded)

    def close(self) -> None:
        """Close every socket, and return when their threads have ended."""
        self.stopping = True
        with self._lock:
            found = [upgraded for upgraded in self._open if upgraded.is_alive()]
        for upgraded in found:
            upgraded.join(TICK_SECONDS + _CLOSE_SECONDS)
            upgraded.cut()
        for upgraded in found:
            upgraded.join()


def _shake_hands(head: bytes) -> ServerProtocol:
    from websockets.http11 import Request
    from websockets.server import ServerProtocol

    protocol = ServerProtocol(max_size=MAX_MESSAGE)
    protocol.receive_data(head)
    for request in protocol.events_received():
        assert isinstance(request, Request)  # frames follow only after the response
        # Some clients send an empty list of subprotocols. That is invalid but harmless: none is ever chosen.
        if "Sec-WebSocket-Protocol" in request.headers:
            del request.headers["Sec-WebSocket-Protocol"]
        response = protocol.accept(request)
        if response.status_code == 101:
            protocol.send_response(response)
            return protocol
    raise malformed(f"The WebSocket handshake is not valid: {protocol.handshake_exc}.")


class UpgradedSocket(threading.Thread):
    """One WebSocket. It begins with the response to the handshake."""

    def __init__(self, sockets: Sockets, protocol: ServerProtocol, handler: SocketHandler) -> None:
        super().__init__(name="registry-socket", daemon=True)
        self._sockets = sockets
        self._protocol = protocol
        self._handler = handler
        self._parts = bytearray()
        self._socket: socket.socket

    def serve(self, connection: socket.socket) -> None:
        """Serve ``connection`` on this thread, and close it at the end."""
        self._socket = connection
        self.start()

    def cut(self) -> None:
        """Interrupt the thread if it waits for its client."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        """Serve the socket until one side closes it."""
        try:
            self._flush()
            while self._is_open:
                self._step()
                self._flush()
            self._wait_for_close()
        except OSError as error:
            _log.debug("The client of a WebSocket is gone: %s", error)
        finally:
            self._socket.close()
            self._sockets.discard(self)

    @property
    def _is_open(self) -> bool:
        from websockets.protocol import State

        return self._protocol.state is State.OPEN

    def _step(self) -> None:
        messages = self._received()
        try:
            for message in messages:
                self._send(self._handler.receive(message))
            self._send(self._handler.tick())
            if self._sockets.stopping:
                raise SocketClosed(1001, "the server is stopping")
        except SocketClosed as closed:
            self._close(closed.code, closed.reason)
        except Exception:
            _log.exception("A WebSocket failed")
            self._close(1011, "the registry failed; see its log")

    def _received(self) -> list[bytes]:
        from websockets.frames import Frame, Opcode

        self._socket.settimeout(TICK_SECONDS)
        try:
            data = self._socket.recv(MAX_MESSAGE)
        except TimeoutError:
            return []
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        messages = []
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame) and frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
                self._parts += frame.data
                if frame.fin:
                    messages.append(bytes(self._parts))
                    self._parts.clear()
        return messages

    def _send(self, messages: Iterable[str]) -> None:
        for message in messages:
            if self._is_open:
                self._protocol.send_text(message.encode())

    def _close(self, code: int, reason: str) -> None:
        if self._is_open:
            self._protocol.send_close(code, reason)

    def _flush(self) -> None:
        self._socket.settimeout(_SEND_SECONDS)
        self._socket.sendall(b"".join(self._protocol.data_to_send()))

    def _wait_for_close(self) -> None:
        # Closing at once would lose the last messages if the client has sent anything in the meantime.
        self._socket.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + _CLOSE_SECONDS
        self._socket.settimeout(_CLOSE_SECONDS)
        while time.monotonic() < deadline and self._socket.recv(MAX_MESSAGE):
            pass
