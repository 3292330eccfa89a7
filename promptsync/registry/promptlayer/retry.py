"""Which requests are sent again, and how long to wait before that.

Repeatable requests are sent up to four times: after a 5xx or a lost connection, and once more after a timeout
or a refused connection. After a 429, every request is sent up to six times, because many clients may be
taking turns. A write that would create something twice is otherwise sent again only if there was no
connection. In both cases it was certainly not executed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Final

import httpx
from httpx_retries import Retry, RetryTransport

from promptsync.registry.promptlayer.deadline import DeadlinePassed
from promptsync.registry.promptlayer.failures import NO_TLS
from promptsync.registry.promptlayer.transport import TOO_MANY, UNSENT
from promptsync.registry.timeouts import Timeouts

ATTEMPTS: Final = 4
ATTEMPTS_IN_A_CROWD: Final = 6
"""How often a request is sent at most if the registry limits the rate of requests (429)."""

LONGEST_WAIT: Final = 60.0
"""Seconds. A longer ``Retry-After`` counts as this much."""

_FAILED: Final = (500, 502, 503, 504)
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_JITTER: Final = 0.25

OnWait = Callable[[float, "int | None"], None]
"""Called before each wait with its seconds and the status before it, ``None`` for a lost connection."""


class _Resumed(httpx.BaseTransport):
    """A transport that returns or raises ``first`` for its first request, which was sent already."""

    def __init__(self, first: httpx.Response | Exception, transport: httpx.BaseTransport) -> None:
        self._first: httpx.Response | Exception | None = first
        self._transport = transport

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        first, self._first = self._first, None
        if first is None:
            return self._transport.handle_request(request)
        if isinstance(first, Exception):
            raise first
        return first


def resume(
    request: httpx.Request,
    first: httpx.Response | Exception,
    transport: httpx.BaseTransport,
    backoff: Backoff,
) -> httpx.Response:
    """Continue after the first attempt of a request: wait and retry as ``backoff`` says."""
    resumed = _Resumed(first, transport)
    return RetryTransport(transport=resumed, retry=backoff).handle_request(request)


class Backoff(Retry):
    """``httpx_retries.Retry`` that calls ``on_wait`` before it waits, and ``before_repeat`` after that."""

    on_wait: OnWait | None = None
    before_repeat: Callable[[], None] | None = None

    def increment(self) -> Backoff:
        # The library makes a new object for each attempt, which lacks our attributes.
        following = super().increment()
        assert isinstance(following, Backoff)
        following.on_wait, following.before_repeat = self.on_wait, self.before_repeat
        return following

    def is_retryable_status_code(self, status_code: int) -> bool:
        is_left = status_code == TOO_MANY or self.attempts_made < ATTEMPTS - 1
        return is_left and super().is_retryable_status_code(status_code)

    def is_retryable_exception(self, exception: Exception) -> bool:
        if self.attempts_made >= ATTEMPTS - 1 or not super().is_retryable_exception(exception):
            return False
        if NO_TLS.search(str(exception)):
            return False  # a retry does not change the protocol that the server speaks
        if isinstance(exception, DeadlinePassed):
            return False  # the user would wait for twice the time that was set
        is_slow = isinstance(exception, httpx.TimeoutException | httpx.ConnectError)
        return not is_slow or self.attempts_made == 0

    def parse_retry_after(self, retry_after: str) -> float:
        """Return seconds or an HTTP date as seconds from now, 0 for anything else."""
        try:
            seconds = float(retry_after)
        except ValueError:
            try:
                seconds = super().parse_retry_after(retry_after)
            except (ValueError, OverflowError):
                return 0.0
        return seconds if math.isfinite(seconds) and seconds > 0 else 0.0

    def sleep(self, response: httpx.Response | Exception) -> None:
        seconds = self.wait_after(response)
        if self.on_wait is not None:
            self.on_wait(seconds, response.status_code if isinstance(response, httpx.Response) else None)
        time.sleep(seconds)
        if self.before_repeat is not None:
            self.before_repeat()

    def wait_after(self, response: httpx.Response | Exception) -> float:
        """Return the seconds to wait: ``Retry-After``, up to a limit, or longer with each attempt."""
        header = response.headers.get("Retry-After", "") if isinstance(response, httpx.Response) else ""
        asked = self.parse_retry_after(header)
        return min(asked or self.backoff_strategy(), self.max_backoff_wait)


def policy(repeatable: bool, *, timeouts: Timeouts | None = None, on_wait: OnWait | None = None) -> Backoff:
    """Return the rules for requests that are repeatable, or for those that are not."""
    rules: dict[str, Any] = (
        {"status_forcelist": (TOO_MANY, *_FAILED), "retry_on_exceptions": (httpx.TransportError,)}
        if repeatable
        else {"status_forcelist": (TOO_MANY,), "retry_on_exceptions": UNSENT}
    )
    backoff = Backoff(
        total=ATTEMPTS_IN_A_CROWD - 1,
        allowed_methods=_METHODS,
        # The library doubles the factor before the first wait already.
        backoff_factor=(timeouts or Timeouts()).first_retry / 2,
        backoff_jitter=_JITTER,
        max_backoff_wait=LONGEST_WAIT,
        **rules,
    )
    backoff.on_wait = on_wait
    return backoff
