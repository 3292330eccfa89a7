"""Serving the registry over HTTP, with uvicorn."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from promptsync.errors import UsageError
from promptsync.server.http.guard import HEADERS, Hosts, is_address, is_loopback

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from uvicorn import Server

THREADS = 32
"""How many requests are handled at once. Others wait, which adds up where responses are delayed."""

CONNECTIONS = 500
"""Most connections; beyond them, requests get 503."""

OPEN_FILES = 1024
"""How many files and sockets the process may open, if the system allows it; macOS starts with 256."""

MAX_HEADER_BYTES = 32 * 1024
MAX_MESSAGE = 64 * 1024
"""Longest message over a WebSocket, in bytes."""

_KEEP_ALIVE_SECONDS = 60
"""How long a connection stays open without a whole head of a request."""
_LOOK_SECONDS = 5
"""How long between two looks for connections to close."""
_STOP_SECONDS = 2
"""How long requests may take to finish after the server was told to stop."""


def run_server(
    app: WSGIApplication,
    bound: socket.socket,
    on_ready: Callable[[int], None],
    allowed: Iterable[str] = (),
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

    from promptsync.server.http.gateway import Gateway

    # It warns of each message to a client that is gone.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    since: dict[tuple[Any, Any], float] = {}

    async def close_silent() -> None:
        # uvicorn only closes connections that had a request. Each request is a cycle of its protocol.
        nonlocal since
        now = time.monotonic()
        waiting = {
            (connection, connection.cycle)
            for connection in server.server_state.connections
            if hasattr(connection, "cycle") and getattr(connection.cycle, "response_complete", True)
        }
        since = {key: since.get(key, now) for key in waiting}
        for (connection, _), start in since.items():
            if now - start > _KEEP_ALIVE_SECONDS:
                connection.transport.close()

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
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        ws_max_size=MAX_MESSAGE,
        ws_per_message_deflate=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        timeout_notify=_LOOK_SECONDS,
        callback_notify=close_silent,
    )
    config.load()
    server = Server(config)
    return server


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


def _raise_open_files() -> None:
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def base_url(host: str, port: int) -> str:
    """Return the URL for clients on this machine: with an IPv6 address in brackets, and no wildcard."""
    if is_address(host) and ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
