"""Serving the registry over HTTP."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from promptsync.errors import UsageError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

MAX_BUFFERED = 2**30
"""Longest request body that waitress buffers, in bytes; the application's own limit is lower."""


def run_server(
    app: WSGIApplication,
    host: str,
    port: int,
    on_ready: Callable[[str], None],
    threads: int = 8,
) -> None:
    """Serve ``app`` until interrupted; ``on_ready`` gets the base URL once it accepts connections.

    Port 0 picks a free one. Raises ``UsageError`` if the address cannot be bound. The caller closes the
    application.
    """
    with listening(app, host, port, threads) as server:
        on_ready(base_url(host, server.effective_port))
        server.run()


@contextmanager
def listening(app: WSGIApplication, host: str, port: int, threads: int = 8) -> Iterator[Any]:
    """Yield a waitress server for ``app`` that accepts connections; close all that it opened at the end.

    ``server.run()`` blocks until interrupted; ``stop(server)`` ends it from another thread.
    """
    from waitress.server import create_server

    # It would warn whenever requests wait for a thread, which is what its queue is for.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    bound = _bind(host, port)
    try:
        server = create_server(app, sockets=[bound], threads=threads, max_request_body_size=MAX_BUFFERED)
    except BaseException:
        bound.close()
        raise
    try:
        yield server
    finally:
        _close(server)


def stop(server: Any) -> None:
    """Make ``server.run()`` in another thread return."""
    # The server's own loop closes it, because it would otherwise wait on closed descriptors. The loop may
    # wake up by itself and close the trigger before the byte that wakes it is written.
    with contextlib.suppress(OSError):
        server.trigger.pull_trigger(lambda: _close(server))


def _close(server: Any) -> None:
    from waitress import wasyncore

    server.task_dispatcher.shutdown()
    server.close()
    # Clients that keep their connections open would keep the loop running, too.
    wasyncore.close_all(server._map)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"cannot listen on {host} port {port}: {why}",
            hint="choose another --host or --port; --port 0 picks a free one",
        ) from error


def base_url(host: str, port: int) -> str:
    """Return ``http://host:port``, with an IPv6 address in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
