"""Sends requests with httpx: time-outs, a deadline for a whole response, and a limit for its size."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import httpx

from promptsync.registry.address import Address
from promptsync.registry.timeouts import Timeouts

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_BYTES: Final = 64 * 1024 * 1024
"""The largest response that is read, before and after decoding: what was compressed can be far larger."""

ENCODING: Final = "gzip"
"""The encoding that is accepted. A second one around it would multiply what a few bytes decode to."""

NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
"""The failures after which the registry cannot have executed anything."""

_TOO_LARGE: Final = f"is larger than {MAX_BYTES // 1024**2} MB"
_KEPT_FOR: Final = 5.0
"""Seconds for which a connection without a request stays open."""


class DeadlinePassed(httpx.ReadTimeout):
    """The response took too long as a whole, although bytes were still arriving."""


def open_client(
    address: Address, timeouts: Timeouts, connections: int, transport: httpx.BaseTransport | None
) -> httpx.Client:
    """Return a client for one registry, which uses ``transport`` if there is one.

    Raises ``OSError``, ``ValueError``, ``ImportError`` and ``httpx.InvalidURL`` if the environment names
    certificates or a proxy that cannot be used.
    """
    connect = timeouts.connect_loopback if address.is_loopback else timeouts.connect
    answer = timeouts.answer
    return httpx.Client(
        transport=transport,
        # Plain http, which is for this machine alone, needs no certificates, and loading them takes long.
        verify=address.scheme == "https" and httpx.create_ssl_context(),
        # For requests to this machine, a proxy would only see the key.
        trust_env=not address.is_loopback,
        timeout=httpx.Timeout(answer, connect=min(answer, connect), pool=None),
        limits=httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=_KEPT_FOR,
        ),
    )


def send(client: httpx.Client, request: httpx.Request, seconds: float) -> httpx.Response:
    """Return the response to a request, with its decoded body, which must be complete within ``seconds``.

    Raises ``httpx.TransportError`` if there is no complete response, and ``httpx.DecodingError`` if its body
    is too large or cannot be decoded.
    """
    deadline = time.monotonic() + seconds
    try:
        response = client.send(request, stream=True)
    except UnicodeError as error:  # of a host that is no name
        raise httpx.ConnectError(str(error)) from None
    parts, size = [], 0
    try:
        for part in response.iter_raw():
            parts.append(part)
            size += len(part)
            if size > MAX_BYTES:
                raise httpx.DecodingError(_TOO_LARGE)
            if time.monotonic() >= deadline:
                raise DeadlinePassed(f"was not complete within {seconds:g} s")
    finally:
        response.close()
    content = _decoded(b"".join(parts), response.headers.get("Content-Encoding", "").strip().lower())
    kept = [(name, value) for name, value in response.headers.multi_items() if name != "content-encoding"]
    return httpx.Response(response.status_code, headers=kept, content=content)


def _decoded(content: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity") or not content:
        return content
    if encoding != ENCODING:
        raise httpx.DecodingError(f"is encoded as {encoding!r}, and only {ENCODING!r} was accepted")
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        decoded = decoder.decompress(content, MAX_BYTES + 1)
    except zlib.error as error:
        raise httpx.DecodingError(f"cannot be decoded: {error}") from None
    if not decoder.eof:
        raise httpx.DecodingError(_TOO_LARGE if len(decoded) > MAX_BYTES else "ends early")
    return decoded


class LocalTransport(httpx.BaseTransport):
    """Calls a WSGI application in this process, from many threads at once."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        # An encoded slash separates nothing, so the application needs the path as it was sent.
        target = request.url.raw_path.decode("ascii")

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            return self._app({**environ, "REQUEST_URI": target}, start_response)

        return httpx.WSGITransport(app).handle_request(request)

    def close(self) -> None:
        """Call ``close`` of the application if it has one."""
        getattr(self._app, "close", lambda: None)()


def local_transport(path: str, *, fixtures: str | None = None, model: Any = None) -> LocalTransport:
    """Return a transport to the embedded registry in the database file ``path``.

    ``fixtures`` is the path of a ``registry.yaml``. ``model`` responds in evaluations and agents, which get
    an echo without one.
    """
    from promptsync.server.app import create_app

    return LocalTransport(create_app(path, fixtures=fixtures, model=model))
