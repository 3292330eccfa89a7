"""The application over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

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
    """Serve ``app`` and return when interrupted; ``on_ready`` gets the base URL once it accepts
    connections.

    Port 0 takes a free one. Raises ``UsageError`` when the address cannot be bound. Closing the application
    is the caller's business.
    """
    from waitress.server import create_server

    try:
        server = create_server(app, host=host, port=port, threads=threads, max_request_body_size=MAX_BUFFERED)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"Cannot listen on {host} port {port}: {error}.", hint="Choose another --host or --port."
        ) from error
    try:
        # A name may stand for several addresses, and then there are several sockets.
        port = server.effective_listen[0][1] if hasattr(server, "effective_listen") else server.effective_port
        on_ready(base_url(host, port))
        server.run()
    finally:
        server.close()


def base_url(host: str, port: int) -> str:
    """``http://host:port``, with an IPv6 address in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
