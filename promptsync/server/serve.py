"""Serving the registry over HTTP."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from promptsync.errors import UsageError
from promptsync.server.http.guard import Guard, Hosts, is_loopback

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from promptsync.server.http.connections import Limits

THREADS = 32
"""How many requests are handled at once. Others wait, which adds up where responses are delayed."""

OPEN_FILES = 1024
"""How many files and sockets the process may open, if the system allows it; macOS starts with 256."""


def run_server(
    app: WSGIApplication,
    bound: socket.socket,
    on_ready: Callable[[int], None],
    *,
    threads: int = THREADS,
    allowed: Iterable[str] = (),
) -> None:
    """Serve ``app`` on ``bound`` until interrupted; ``on_ready`` gets the port once it accepts connections.

    ``allowed`` are host names, besides the addresses of this machine, that requests may be sent to. The
    caller closes the application.
    """
    _raise_open_files()
    with listening(app, bound, threads=threads, allowed=allowed) as server:
        on_ready(server.effective_port)
        server.run()


@contextmanager
def listening(
    app: WSGIApplication,
    bound: socket.socket,
    *,
    threads: int = THREADS,
    allowed: Iterable[str] = (),
    limits: Limits | None = None,
) -> Iterator[Any]:
    """Yield a waitress server for ``app`` that accepts connections; close all that it opened at the end.

    ``server.run()`` blocks until interrupted; ``connections.stop(server)`` ends it from another thread.
    """
    from promptsync.server.http import connections

    # It would warn whenever requests wait for a thread, which is what its queue is for.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    address, port = bound.getsockname()[:2]
    hosts = Hosts(port, is_loopback(address), frozenset(name.lower() for name in allowed))
    try:
        server = connections.create_server(Guard(app, hosts), bound, threads, limits or connections.Limits())
    except BaseException:
        bound.close()
        raise
    try:
        yield server
    finally:
        connections.close(server)


def bind(host: str, port: int, *, loopback_only: bool = False) -> socket.socket:
    """Return a socket that listens on ``host``; port 0 picks a free one.

    Raises ``UsageError`` if the address cannot be bound, and with ``loopback_only`` if other machines reach
    it. That is judged by the address, because a name such as ``localhost`` is whatever the machine resolves.
    """
    if not host:
        raise UsageError("--host is empty", hint="pass an address, or leave out --host")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if loopback_only and not is_loopback(str(address[0])):
            raise UsageError(
                f"{host} can be reached from other machines, which requires --api-key",
                hint="add --api-key KEY, or leave out --host to serve this machine only",
            )
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        # Python adds the address in brackets, which the message has already.
        why = str(getattr(error, "strerror", None) or error).partition(" (")[0]
        raise UsageError(
            f"cannot listen on {host} port {port}: {why}",
            hint="choose another --host or --port; --port 0 picks a free one",
        ) from error


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
    """Return ``http://host:port``, with an IPv6 address in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
