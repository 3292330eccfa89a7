"""A total deadline for a request: from connecting to the last byte of the response.

The time-outs of a network library are for single steps, and start again with each byte that arrives.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from promptsync.registry.promptlayer.exchange import DeadlinePassed, TransportTimeout


class _Current(threading.local):
    """The deadline of the request that this thread sends, as a time, and as the seconds that were set."""

    until: float | None = None
    seconds = 0.0


_current = _Current()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limit how long the request may take that this thread sends. Raises ``DeadlinePassed``."""
    _current.until, _current.seconds = time.monotonic() + seconds, seconds
    try:
        yield
    except TransportTimeout:
        check()
        raise
    finally:
        _current.until = None


def check() -> None:
    """Raise ``DeadlinePassed`` if this thread's request has no time left."""
    if _current.until is not None and time.monotonic() >= _current.until:
        raise DeadlinePassed(f"was not complete within {_current.seconds:g} s")


def left(timeout: float | None) -> float | None:
    """Return the shorter of a time-out and the time until the deadline."""
    if _current.until is None:
        return timeout
    # A socket takes 0 for "do not wait at all", which would end in another error.
    remaining = max(_current.until - time.monotonic(), 0.001)
    return remaining if timeout is None else min(timeout, remaining)
