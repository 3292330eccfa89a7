"""The application over HTTP."""

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
"""Bytes of a request body that are buffered before the application, whose own limit is lower, sees it."""


def run_server(
    app: WSGIApplication,
    host: str,
    port: int,
    on_ready: Callable[[str], None],
    threads: int = 8,
) -> None:
    """Serve ``app`` and return when interrupted; ``on_ready`` gets the base URL once it accepts connections.

    Port 0 takes a free one. Raises ``UsageError`` when the address cannot be bound. Closing the application
    is the caller's business.
    """
    with listening(app, host, port, threads) as server:
        on_ready(base_url(host, server.effective_port))
        server.run()


@contextmanager
def listening(app: WSGIApplication, host: str, port: int, threads: int = 8) -> Iterator[Any]:
    """A waitress server for ``app`` that accepts connections; everything it opened is closed at the end.

    ``server.run()`` blocks until interrupted; ``stop(server)`` ends it from another thread.
    """
    from waitress.server import create_server

    # It would warn whenever more requests wait than there are threads, which is what its queue is for.
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
    # Done by its own loop, which would otherwise wait on descriptors that are gone. The loop may wake by
    # itself and close them between being told and being woken.
    with contextlib.suppress(OSError):
        server.trigger.pull_trigger(lambda: _close(server))


def _close(server: Any) -> None:
    from waitress import wasyncore

    server.task_dispatcher.shutdown()
    server.close()
    # Clients that keep their connections alive would keep the loop alive, too.
    wasyncore.close_all(server._map)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"cannot listen on {host} port {port}: {why}",
            hint="choose another --host or --port; --port 0 takes a free one",
        ) from error


def base_url(host: str, port: int) -> str:
    """``http://host:port``, with an IPv6 address in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
