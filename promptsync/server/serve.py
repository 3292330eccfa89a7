"""Serving an application over HTTP with uvicorn.

``Gateway`` is the ASGI application in front of it: the guard, complete bodies, and the WebSocket.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

import werkzeug

from promptsync.errors import UsageError
from promptsync.server.guard import HEADERS, Hosts, check, is_address, is_loopback
from promptsync.server.http import MAX_BODY, ApiError, malformed, too_large

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from uvicorn import Server

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

THREADS = 32
"""How many requests are handled at once. Others wait, which adds up where responses are delayed."""

CONNECTIONS = 500
"""Most connections; beyond them, requests get 503."""

OPEN_FILES = 1024
"""How many files and sockets the process may open, if the system allows it; macOS starts with 256."""

WEBSOCKET: Final = "/connection/websocket"
"""The path of the WebSocket. The token in its first message replaces the key."""

MAX_SOCKETS = 50
"""Most WebSockets that are open at once."""

BODY_SECONDS = 30.0
"""How long a client may take to send a body."""

_log = logging.getLogger(__name__)


def run_server(
    app: WSGIApplication, bound: socket.socket, on_ready: Callable[[int], None], allowed: Iterable[str] = ()
) -> None:
    """Serve ``app`` on ``bound`` until interrupted; ``on_ready`` gets the port once it accepts connections.

    ``allowed`` are host names, besides the addresses of this machine, that requests may be sent to. The
    caller closes the application.
    """
    _raise_open_files()
    port: int = bound.getsockname()[1]
    # It is interrupted again after uvicorn stopped.
    with bound, contextlib.suppress(KeyboardInterrupt):
        server = make_server(app, bound, threads=getattr(app, "threads", THREADS), allowed=allowed)
        on_ready(port)
        try:
            server.run(sockets=[bound])
        finally:
            gateway: Any = server.config.app
            gateway.close()


def make_server(
    app: WSGIApplication, bound: socket.socket, *, threads: int = THREADS, allowed: Iterable[str] = ()
) -> Server:
    """Return a server whose ``run(sockets=[bound])`` serves ``app`` until its ``should_exit`` is true."""
    from uvicorn import Config, Server

    # It warns of each message to a client that is gone.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    address, port = bound.getsockname()[:2]
    hosts = Hosts(port, is_loopback(address), frozenset(name.lower() for name in allowed))
    config = Config(
        Gateway(app, hosts, threads),
        loop="asyncio",
        http="h11",
        ws="wsproto",  # others refuse the handshake of the official SDK
        lifespan="off",
        headers=list(HEADERS),
        server_header=False,
        proxy_headers=False,
        log_config=None,
        log_level="critical",
        access_log=False,
        limit_concurrency=CONNECTIONS,
        h11_max_incomplete_event_size=32 * 1024,
        ws_max_size=64 * 1024,
        ws_per_message_deflate=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=2,
    )
    return Server(config)


def bind(host: str, port: int, *, loopback_only: bool = False) -> socket.socket:
    """Return a socket that listens on ``host``; port 0 picks a free one.

    Raises ``UsageError`` if the address cannot be bound, and as ``resolve`` does.
    """
    family, address = resolve(host, port, loopback_only=loopback_only)
    try:
        bound = socket.create_server(address, family=family)
        # Accepted connections inherit it. Otherwise a response waits until its headers are confirmed.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return bound
    except OSError as error:
        raise _cannot_listen(host, port, error) from error


def _raise_open_files() -> None:
    # Without a file for it, a connection is neither accepted nor refused.
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def resolve(host: str, port: int, *, loopback_only: bool) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """Return the address to listen on.

    Raises ``UsageError`` if there is none, and with ``loopback_only`` if other machines reach it. That is
    judged by the address, because a name such as ``localhost`` is whatever the machine resolves.
    """
    if not host:
        raise UsageError("--host is empty", hint="pass an address, or leave out --host")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise _cannot_listen(host, port, error) from error
    if loopback_only and not is_loopback(str(address[0])):
        raise UsageError(
            f"{host} can be reached from other machines, which requires --api-key",
            hint="add --api-key KEY, or leave out --host to serve this machine only",
        )
    return family, (str(address[0]), port)


def _cannot_listen(host: str, port: int, error: Exception) -> UsageError:
    # Python adds the address in brackets, which the message has already.
    why = str(getattr(error, "strerror", None) or error).partition(" (")[0]
    return UsageError(
        f"cannot listen on {host} port {port}: {why}",
        hint="choose another --host or --port; --port 0 picks a free one",
    )


def base_url(host: str, port: int) -> str:
    """Return the URL for clients on this machine: with an IPv6 address in brackets, and no wildcard."""
    if is_address(host) and ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


# -- the ASGI application ------------------------------------------------------------------------------------


class Gateway:
    """Calls the WSGI application ``app`` on one of ``threads`` threads for what the guard accepts.

    An application that ``is_signed`` has no guard, because no web page can sign. It may have a ``max_body``.
    """

    def __init__(self, app: WSGIApplication, hosts: Hosts, threads: int) -> None:
        self._app = app
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="registry")
        self._registry: Any = app if hasattr(app, "store") else None
        self._hosts = hosts
        self._sockets = 0

    def close(self) -> None:
        """Start no more requests, and wait for those that a thread handles."""
        self._threads.shutdown(cancel_futures=True)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one request or one WebSocket."""
        is_socket = scope["type"] == "websocket"
        try:
            headers = _headers(scope)
            if not getattr(self._app, "is_signed", False):
                check(scope.get("method", "GET"), _target(scope), headers, self._hosts)
            if is_socket:
                await self._converse(scope, receive, send)
                return
            response = await self._response(scope, headers, receive)
        except ApiError as error:
            response = error.response()
        kind = "websocket.http.response" if is_socket else "http.response"
        fields = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
        await send({"type": f"{kind}.start", "status": response.status_code, "headers": fields})
        await send({"type": f"{kind}.body", "body": response.get_data()})

    async def _response(
        self, scope: Message, headers: Mapping[str, str], receive: Receive
    ) -> werkzeug.Response:
        limit: int = getattr(self._app, "max_body", MAX_BODY)
        # Of what is refused, no body is read.
        if int(headers.get("content-length", 0)) > limit:
            raise too_large(limit)
        if self._registry is not None and "x-api-key" in headers:
            self._registry.check_key(headers["x-api-key"].encode("latin-1"))
        body = await _complete_body(receive, limit)
        # Its length is known now, however it was sent.
        environ = _environ(scope, {**headers, "transfer-encoding": ""}, body)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: werkzeug.Response.from_app(self._app, environ, buffered=True)
        )

    async def _converse(self, scope: Message, receive: Receive, send: Send) -> None:
        from promptsync.server.checks.agents import SocketClosed, converse

        if scope["path"] != WEBSOCKET or self._registry is None:
            raise ApiError(404, f"The only WebSocket of this registry is {WEBSOCKET}.")
        if self._sockets >= MAX_SOCKETS:
            message = f"All {MAX_SOCKETS} WebSockets of this registry are in use; try again later."
            raise ApiError(503, message, headers={"Retry-After": "1"})
        self._sockets += 1
        try:
            await receive()
            await send({"type": "websocket.accept"})
            await converse(self._registry.store, self._registry.runner, receive, send)
        except SocketClosed as closed:
            code, reason = closed.args
            await send({"type": "websocket.close", "code": code, "reason": reason})
        except OSError as error:
            _log.debug("The client of a WebSocket is gone: %s", error)
        except Exception:
            _log.exception("A WebSocket failed")
            reason = "the registry failed; see its log"
            await send({"type": "websocket.close", "code": 1011, "reason": reason})
        finally:
            self._sockets -= 1


def _target(scope: Message) -> str:
    """Return the path, percent-encoded, and the query, as they were sent."""
    query = scope["query_string"]
    return str((scope["raw_path"] + (b"?" + query if query else b"")).decode("ascii"))


def _headers(scope: Message) -> dict[str, str]:
    """Return the headers; the values of a repeated one are joined, which no check accepts."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _environ(scope: Message, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return the parts of a WSGI environment that our applications read."""
    return {
        "REQUEST_METHOD": scope["method"],
        # The decoded path cannot tell a slash in a name from one between segments.
        "REQUEST_URI": _target(scope),
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
        "CONTENT_TYPE": headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }


async def _complete_body(receive: Receive, limit: int) -> bytes:
    """Return the body, which so holds no thread while it arrives."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while (message := await receive())["type"] == "http.request":
                body += message["body"]
                if len(body) > limit:
                    raise too_large(limit)
                if not message["more_body"]:
                    return bytes(body)
            raise malformed("The connection was closed before the body was complete.")
    except TimeoutError:
        reason = f"The request body was not complete within {BODY_SECONDS:g} s."
        raise ApiError(408, reason, headers={"Connection": "close"}) from None
