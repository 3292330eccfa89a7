"""Sends requests over the network: connections that are kept open and keep to deadlines, TLS, proxies."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from typing import Final
from urllib.parse import unquote, urlsplit

import httpcore

from promptsync.registry.address import Address
from promptsync.registry.promptlayer.body import read_body
from promptsync.registry.promptlayer.deadline import check, left
from promptsync.registry.promptlayer.exchange import (
    ConnectTimeout,
    HttpRequest,
    HttpResponse,
    NoConnection,
    ProxyFailed,
    TransportError,
    TransportTimeout,
    header,
)
from promptsync.registry.timeouts import Timeouts

_KEPT_FOR: Final = 5.0
"""Seconds for which a connection without a request stays open."""

_BLOCK: Final = 65_536
"""Bytes that are written before the deadline is checked again."""

_PROXY_SCHEMES: Final = ("http", "https", "socks5", "socks5h")
_FAILURES: Final[tuple[tuple[type[Exception], type[TransportError]], ...]] = (
    (httpcore.ConnectTimeout, ConnectTimeout),
    (httpcore.ConnectError, NoConnection),
    (httpcore.ProxyError, ProxyFailed),
    (httpcore.TimeoutException, TransportTimeout),
    (httpcore.NetworkError, TransportError),
    (httpcore.ProtocolError, TransportError),
    (httpcore.UnsupportedProtocol, TransportError),
    (UnicodeError, NoConnection),  # of a host that is no name
)
"""What the library raises, and what that means here; the first match wins."""

_LIBRARY_ERRORS: Final = tuple(error for error, _ in _FAILURES)


class NetworkTransport:
    """The connections to one registry; see ``Transport``.

    Raises ``OSError``, ``ValueError`` and ``ImportError`` if the environment names certificates or a proxy
    that cannot be used.
    """

    def __init__(self, address: Address, timeouts: Timeouts) -> None:
        host, connect = _encoded(address.host), timeouts.connect
        if address.is_loopback:
            connect = timeouts.connect_loopback
        self._scheme, self._host, self._port = address.scheme.encode("ascii"), host, address.port
        self._host_header = (b"Host", _host_header(address, host))
        answer = timeouts.answer
        limits = {"connect": min(answer, connect), "read": answer, "write": answer}
        self._extensions = {"timeout": limits}
        # Used only to open connections: choosing one would scan all of them twice for each request.
        self._opener = httpcore.ConnectionPool(
            # Plain http needs no certificates, and loading them takes longer than a request.
            ssl_context=_ssl_context() if address.scheme == "https" else None,
            proxy=_proxy(address),
            keepalive_expiry=_KEPT_FOR,
            network_backend=_Backend(),
        )
        self._origin = httpcore.Origin(self._scheme, host, address.port)
        self._idle: list[httpcore.ConnectionInterface] = []
        self._is_closed = False

    def handle_request(self, request: HttpRequest) -> HttpResponse:
        url = httpcore.URL(scheme=self._scheme, host=self._host, port=self._port, target=request.target)
        built = httpcore.Request(
            request.method,
            url,
            headers=[self._host_header, *request.headers],
            content=request.content,
            extensions=self._extensions,
        )
        connection = self._connection()
        try:
            response = connection.handle_request(built)
            try:
                content = read_body(response.iter_stream(), header(response.headers, "Content-Encoding"))
            finally:
                response.close()
        except _LIBRARY_ERRORS as error:
            failure = next(ours for theirs, ours in _FAILURES if isinstance(error, theirs))
            raise failure(str(error) or type(error).__name__) from error
        finally:
            self._release(connection)
        return HttpResponse(response.status, response.headers, content)

    def close(self) -> None:
        self._is_closed = True
        with suppress(IndexError):  # a thread that Ctrl-C abandoned may take one meanwhile
            while True:
                self._idle.pop().close()

    def _connection(self) -> httpcore.ConnectionInterface:
        """Return a connection that no other thread uses: the one that was idle for the shortest time."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._opener.create_connection(self._origin)
            # The registry may have closed it meanwhile.
            if not connection.has_expired():
                return connection
            connection.close()

    def _release(self, connection: httpcore.ConnectionInterface) -> None:
        """Keep a connection for the next request, if it can have one."""
        if connection.is_idle() and not connection.is_closed() and not self._is_closed:
            self._idle.append(connection)
        else:
            connection.close()


def _encoded(host: str) -> bytes:
    if host.isascii():
        return host.encode("ascii")
    import idna

    return idna.encode(host)


def _host_header(address: Address, host: bytes) -> bytes:
    if b":" in host:
        host = b"[" + host + b"]"
    is_default = address.port == (443 if address.scheme == "https" else 80)
    return host if is_default else b"%b:%d" % (host, address.port)


def _ssl_context() -> ssl.SSLContext:
    if file := os.environ.get("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    if folder := os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=folder)
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def _proxy(address: Address) -> httpcore.Proxy | None:
    """Return the proxy that the environment, or the settings of macOS or Windows, name for a registry."""
    is_set = any(name.lower().endswith("_proxy") for name in os.environ)
    # For requests to this machine, a proxy would only see the key.
    if address.is_loopback or not (is_set or sys.platform in ("darwin", "win32")):
        return None
    from urllib.request import getproxies, proxy_bypass

    found = getproxies()
    url = found.get(address.scheme) or found.get("all")
    # The standard library accepts * only as the whole value.
    is_off = "*" in [part.strip() for part in found.get("no", "").split(",")]
    if not url or is_off or proxy_bypass(f"{address.host}:{address.port}"):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in _PROXY_SCHEMES:
        raise ValueError(f"a proxy cannot have the scheme {parts.scheme!r}")
    if not parts.hostname:
        raise ValueError("the URL of the proxy has no host")
    if parts.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ImportError("for a SOCKS proxy, install the Python package socksio")
    auth = None
    if parts.username or parts.password:
        auth = (unquote(parts.username or "").encode(), unquote(parts.password or "").encode())
    proxy = httpcore.URL(scheme=parts.scheme, host=_encoded(parts.hostname), port=parts.port, target="/")
    return httpcore.Proxy(proxy, auth=auth)


class _Backend(httpcore.SyncBackend):
    """Opens connections that keep to the deadline of the thread that uses them."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(host, port, left(timeout), local_address, socket_options))


class _Stream(httpcore.NetworkStream):
    """A connection that keeps to deadlines."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self.close = stream.close  # type: ignore[method-assign]
        self.get_extra_info = stream.get_extra_info  # type: ignore[method-assign]

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        check()  # a registry may send interim responses without end
        return self._stream.read(max_bytes, left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _BLOCK):
            self._stream.write(buffer[start : start + _BLOCK], left(timeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left(timeout)))
