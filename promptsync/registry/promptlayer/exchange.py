"""One request and its response, what sends them, and what can go wrong on the way.

ExchangeFailed
├── Undecodable             the body cannot be decoded
└── TransportError          there is no complete response
    ├── TransportTimeout    bytes did not arrive or leave in time
    │   └── DeadlinePassed  bytes still moved, but the request as a whole took too long
    └── NoConnection        the registry cannot have executed anything
        ├── ConnectTimeout  connecting took too long
        └── ProxyFailed     the proxy refused
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """``target`` is the path and the query, percent-encoded. The transport adds the header ``Host``."""

    method: str
    target: str
    headers: Headers = ()
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """``content`` is the whole body, decoded."""

    status: int
    headers: Headers = ()
    content: bytes = b""

    def header(self, name: str) -> str:
        """Return the values of all headers with this name, joined by commas, ``""`` without one."""
        return header(self.headers, name)


class Transport(Protocol):
    """Sends requests to one registry, from many threads at once. Raises ``ExchangeFailed``."""

    def handle_request(self, request: HttpRequest) -> HttpResponse: ...
    def close(self) -> None: ...


class ExchangeFailed(Exception):
    """A request got no complete response that can be read."""


class Undecodable(ExchangeFailed):
    """The body of a response cannot be decoded."""


class TransportError(ExchangeFailed):
    """A request got no complete response."""


class TransportTimeout(TransportError):
    """No byte arrived, or none could be sent, for too long."""


class DeadlinePassed(TransportTimeout):
    """A request took too long as a whole, although bytes were still arriving."""


class NoConnection(TransportError):
    """There was no connection, so the registry cannot have executed anything."""


class ConnectTimeout(NoConnection, TransportTimeout):
    """Connecting took too long."""


class ProxyFailed(NoConnection):
    """The proxy did not connect to the registry."""


def header(headers: Headers, name: str) -> str:
    """Return the values of all headers with a name in any case, joined by commas."""
    wanted = name.lower().encode("ascii")
    values = [value for key, value in headers if key.lower() == wanted]
    return b", ".join(values).decode("utf-8", "replace")
