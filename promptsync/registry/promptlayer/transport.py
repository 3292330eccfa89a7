"""Sends requests: with a throttle that adapts to the registry's limits, or into an embedded registry."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from promptsync.registry.promptlayer.body import read_body
from promptsync.registry.promptlayer.deadline import within
from promptsync.registry.promptlayer.exchange import HttpRequest, HttpResponse, Transport, header
from promptsync.registry.promptlayer.throttle import Throttle

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

TOO_MANY: Final = 429
"""The status of a registry that limits the rate of requests."""

MISSING: Final = 501
"""The status of a registry that does not have an operation. This is not a failure."""


class ThrottledTransport:
    """Sends requests through a transport and a throttle, and counts them.

    Each attempt may take ``seconds``, from connecting to the last byte.
    """

    def __init__(self, connect: Callable[[], Transport], throttle: Throttle, seconds: float) -> None:
        self._connect = connect
        self._throttle = throttle
        self._seconds = seconds
        self._count = threading.Lock()
        self.requests = 0

    def handle_request(self, request: HttpRequest, operation: str) -> HttpResponse:
        """Send a request; responses to the same ``operation`` should take the same time."""
        transport = self._connect()
        with self._throttle.passage() as number:
            with self._count:
                self.requests += 1
            clock = _Clock()
            with within(self._seconds):
                response = transport.handle_request(request)
            seconds = clock.seconds()
        if response.status == TOO_MANY:
            self._throttle.reject(number)
        elif response.status >= 500 and response.status != MISSING:
            self._throttle.fail(number)
        else:
            self._throttle.succeed(number, operation, seconds)
        return response


class _Clock:
    """Measures how long a registry takes: without the processor time that this process used meanwhile.

    Many threads wait for each other, and a fast registry must not look slow to a busy client.
    """

    def __init__(self) -> None:
        self._began = time.monotonic() - time.process_time()

    def seconds(self) -> float:
        return max(0.0, time.monotonic() - time.process_time() - self._began)


class _WsgiTransport:
    """Calls a WSGI application in this process."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def handle_request(self, request: HttpRequest) -> HttpResponse:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None
        ) -> Callable[[bytes], object]:
            if exc_info is not None and exc_info[1] is not None:
                raise exc_info[1]
            started.append((status, headers))
            return lambda written: None

        body = self._app(_environ(request), start_response)
        try:
            status, headers = started[-1]
            answered = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers]
            content = read_body(body, header(answered, "Content-Encoding"))
        finally:
            if (close := getattr(body, "close", None)) is not None:
                close()
        return HttpResponse(int(status[:3]), answered, content)

    def close(self) -> None:
        close: Any = getattr(self._app, "close", None)
        if close is not None:
            close()


def _environ(request: HttpRequest) -> WSGIEnvironment:
    path, _, query = request.target.partition("?")
    environ: WSGIEnvironment = {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.content),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        # WSGI wants the bytes of a path as Latin-1 text, whatever their encoding is.
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        # An encoded slash separates nothing, so the path is also there as it was sent.
        "REQUEST_URI": request.target,
        "RAW_URI": request.target,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
    }
    for key, value in request.headers:
        name = key.decode("ascii").upper().replace("-", "_")
        prefix = "" if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_"
        environ[prefix + name] = value.decode("latin-1")
    return environ


def wsgi_transport(app: WSGIApplication) -> Transport:
    """Return a transport that calls ``app`` in this process, from many threads at once.

    ``REQUEST_URI`` and ``RAW_URI`` are the undecoded path and query, which servers such as waitress set too.
    Closing the transport calls ``app.close()`` if it exists.
    """
    return _WsgiTransport(app)


def local_transport(path: str, *, fixtures: str | None = None, model: Any = None) -> Transport:
    """Return a transport to the embedded registry in the database file ``path``.

    ``fixtures`` is the path of a ``registry.yaml``. ``model`` responds in evaluations and agents, which get
    an echo without one.
    """
    from promptsync.server.app import create_app

    return wsgi_transport(create_app(path, fixtures=fixtures, model=model))
