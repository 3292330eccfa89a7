"""Sends requests: with a throttle that adapts to the registry's limits, or into an embedded registry."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import httpx

from promptsync.registry.promptlayer.body import read_body
from promptsync.registry.promptlayer.deadline import within

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Failures after which the registry cannot have executed anything."""

TOO_MANY: Final = 429
"""The status of a registry that limits the rate of requests."""


class Throttle:
    """Limits how many requests are under way at once: halves that number after a 429, and recovers slowly."""

    def __init__(self, width: int) -> None:
        self._widest = float(max(1, width))
        self._width = self._widest
        self._inside = 0
        self._narrowings = 0
        self._closed_until = 0.0
        self._changed = threading.Condition()

    @property
    def width(self) -> int:
        """How many requests may be under way now."""
        return int(self._width)

    @contextmanager
    def passage(self) -> Iterator[int]:
        """Wait for a place and keep it. Pass the value to ``narrow``."""
        with self._changed:
            # A wait ends early when a place becomes free, so both conditions are checked again.
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
        """Halve the width, only once for all requests that were under way together."""
        with self._changed:
            if entered == self._narrowings:
                self._narrowings += 1
                self._width = max(1.0, self._width / 2)

    def widen(self) -> None:
        """Count a success. About ``width`` of them add one place."""
        with self._changed:
            self._width = min(self._widest, self._width + 1 / self._width)
            self._changed.notify()

    def close_for(self, seconds: float) -> bool:
        """Start no request for so long. Returns false if that was about to be so anyway."""
        with self._changed:
            until = time.monotonic() + seconds
            # Many requests run into the same limit at once, and only the first should be reported.
            is_news = until > self._closed_until + seconds / 2
            self._closed_until = max(self._closed_until, until)
            return is_news


class ThrottledTransport(httpx.BaseTransport):
    """Sends requests through a client and a throttle, and counts them.

    It reads each body to its end, so that a connection lost in the middle raises here, where it is retried.
    Each attempt may take ``seconds``, from connecting to the last byte.
    """

    def __init__(self, client: Callable[[], httpx.Client], throttle: Throttle, seconds: float) -> None:
        self._client = client
        self._throttle = throttle
        self._seconds = seconds
        self._count = threading.Lock()
        self.requests = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._throttle.passage() as entered:
            with self._count:
                self.requests += 1
            client = self._client()
            with within(self._seconds) as check:
                response = read_body(client.send(request, follow_redirects=False, stream=True), check)
        if response.status_code == TOO_MANY:
            self._throttle.narrow(entered)
        elif response.status_code < 500:
            self._throttle.widen()
        return response


class _WsgiTransport(httpx.BaseTransport):
    """httpx's WSGI transport, which keeps the path as it was sent: an encoded slash separates nothing."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raw = request.url.raw_path.decode("ascii")
        # WSGI wants the bytes of a path as Latin-1 text, whatever their encoding is.
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
    """Return a transport that calls ``app`` in this process, from many threads at once.

    ``REQUEST_URI`` and ``RAW_URI`` are the undecoded path and query, which servers such as waitress set too.
    Closing the transport calls ``app.close()`` if it exists.
    """
    return _WsgiTransport(app)


def local_transport(path: str, *, fixtures: str | None = None, model: Any = None) -> httpx.BaseTransport:
    """Return a transport to the embedded registry in the database file ``path``.

    ``fixtures`` is the path of a ``registry.yaml``. ``model`` responds in evaluations and agents, which get
    an echo without one.
    """
    from promptsync.server.app import create_app

    return wsgi_transport(create_app(path, fixtures=fixtures, model=model))
