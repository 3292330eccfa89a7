"""How requests travel: a gate that adapts to the registry's limits, and calls into an embedded registry."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import httpx

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Failures after which nothing can have been executed."""

TOO_MANY: Final = 429
"""The status of a registry that is asked too much."""


class Gate:
    """Lets at most ``width`` requests through at once; halves that when told so, and recovers slowly."""

    def __init__(self, width: int) -> None:
        self._widest = float(max(1, width))
        self._width = self._widest
        self._inside = 0
        self._narrowings = 0
        self._closed_until = 0.0
        self._changed = threading.Condition()

    @property
    def width(self) -> int:
        """How many requests may be under way at present."""
        return int(self._width)

    @contextmanager
    def passage(self) -> Iterator[int]:
        """Wait for a place and hold it. The value goes back to ``narrow``."""
        with self._changed:
            while (pause := self._closed_until - time.monotonic()) > 0 or self._inside >= int(self._width):
                self._changed.wait(pause if pause > 0 else None)
            self._inside += 1
            entered = self._narrowings
        try:
            yield entered
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def narrow(self, entered: int) -> None:
        """Halve the width, once for all the requests that were under way together."""
        with self._changed:
            if entered == self._narrowings:
                self._narrowings += 1
                self._width = max(1.0, self._width / 2)

    def widen(self) -> None:
        """One request went well: about ``width`` of these add one place."""
        with self._changed:
            self._width = min(self._widest, self._width + 1 / self._width)
            self._changed.notify()

    def close_for(self, seconds: float) -> bool:
        """Let nobody in for so long. False when it was closed for about as long already."""
        with self._changed:
            until = time.monotonic() + seconds
            is_news = until > self._closed_until + seconds / 2
            self._closed_until = max(self._closed_until, until)
            return is_news


class GatedTransport(httpx.BaseTransport):
    """Sends through ``client`` under a gate and counts what is sent.

    The body is read before the gate opens again, so that a connection lost in the middle of it is an error
    here, below the retries, and not somewhere above them.
    """

    def __init__(self, client: Callable[[], httpx.Client], gate: Gate) -> None:
        self._client = client
        self._gate = gate
        self._count = threading.Lock()
        self.requests = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._gate.passage() as entered:
            with self._count:
                self.requests += 1
            response = self._client().send(request, follow_redirects=False)
        if response.status_code == TOO_MANY:
            self._gate.narrow(entered)
        elif response.status_code < 500:
            self._gate.widen()
        return response


class _WsgiTransport(httpx.BaseTransport):
    """httpx's own WSGI transport, with the path as it was sent: an encoded slash is no separator."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raw = request.url.raw_path.decode("ascii")
        path = unquote_to_bytes(raw.partition("?")[0]).decode("latin-1")

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            environ.update(REQUEST_URI=raw, RAW_URI=raw, PATH_INFO=path)
            return self._app(environ, start_response)

        return httpx.WSGITransport(app=app).handle_request(request)

    def close(self) -> None:
        close: Any = getattr(self._app, "close", None)
        if close is not None:
            close()


def wsgi_transport(app: WSGIApplication) -> httpx.BaseTransport:
    """A transport that calls ``app`` in this process, from many threads at once.

    ``REQUEST_URI`` and ``RAW_URI`` hold the undecoded path and query, as servers such as waitress pass them.
    Closing the transport calls ``app.close()`` where there is one.
    """
    return _WsgiTransport(app)


def local_transport(
    path: str, *, fixtures: str | None = None, model: Any = None, latency: float = 0.0
) -> httpx.BaseTransport:
    """A transport to the embedded registry in the database file ``path``.

    ``fixtures`` is the path of a ``registry.yaml``; ``model`` answers in evaluations and agents, an echo if
    ``None``; ``latency`` is added to each answer, in seconds.
    """
    from promptsync.server.app import create_app

    options: dict[str, Any] = {} if fixtures is None else {"fixtures": fixtures}
    return wsgi_transport(create_app(path, latency=latency, model=model, **options))
