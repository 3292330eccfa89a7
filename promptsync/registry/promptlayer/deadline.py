"""A total deadline for a request: from connecting to the last byte of the response.

The time-outs of httpx are for single steps, and start again with each byte that arrives.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import httpx

if TYPE_CHECKING:
    import ssl

_current: Final = threading.local()
_BLOCK: Final = 65_536
"""Bytes that are written before the deadline is checked again."""


class DeadlinePassed(httpx.TimeoutException):
    """A request took too long as a whole, although bytes were still arriving."""


@contextmanager
def within(seconds: float) -> Iterator[Callable[[], None]]:
    """Limit how long the requests that this thread sends may take.

    Yields a function that raises ``DeadlinePassed`` when the time is over. Connections observe the limit only
    after ``keep_to_deadlines``.
    """
    until = time.monotonic() + seconds

    def check() -> None:
        if time.monotonic() >= until:
            raise DeadlinePassed(f"was not complete within {seconds:g} s")

    _current.until = until
    try:
        yield check
    except httpx.TimeoutException:
        check()
        raise
    finally:
        _current.until = None


def keep_to_deadlines(client: httpx.Client) -> None:
    """Make all connections of a client keep to the deadline of the thread that uses them."""
    # httpx has no parameter for this, and its pools, which do, are private attributes.
    for transport in (client._transport, *client._mounts.values()):
        pool: Any = getattr(transport, "_pool", None)
        if pool is not None and hasattr(pool, "_network_backend"):
            pool._network_backend = _Backend(pool._network_backend)


def _left(timeout: float | None) -> float | None:
    """Return the shorter of a time-out and the time until the deadline."""
    until: float | None = getattr(_current, "until", None)
    if until is None:
        return timeout
    # A socket takes 0 for "do not wait at all", which would end in another error.
    left = max(until - time.monotonic(), 0.001)
    return left if timeout is None else min(timeout, left)


class _Backend:
    """A network backend of httpcore that opens connections which keep to deadlines."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.sleep = backend.sleep

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> _Stream:
        return _Stream(self._backend.connect_tcp(host, port, timeout=_left(timeout), **options))


class _Stream:
    """A connection that keeps to deadlines."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.close = stream.close
        self.get_extra_info = stream.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        received: bytes = self._stream.read(max_bytes, timeout=_left(timeout))
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _BLOCK):
            self._stream.write(buffer[start : start + _BLOCK], timeout=_left(timeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> _Stream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout=_left(timeout)))
