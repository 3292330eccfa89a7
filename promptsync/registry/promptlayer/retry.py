"""Which requests are sent again, and how long to wait before that.

A request that can be repeated is sent again after a 429, a 5xx or a lost connection, and once more after a
time-out or where nothing listens. A write that would create something twice is sent again only after a 429,
or if there was no connection: in both cases it was certainly not executed.
"""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
import msgspec

from promptsync.registry.promptlayer.failures import NO_TLS
from promptsync.registry.promptlayer.http import NOT_SENT, DeadlinePassed

TOO_MANY: Final = 429
"""The status of a registry that limits the rate of requests."""

ATTEMPTS: Final = 6
LONGEST_WAIT: Final = 60.0
"""Seconds. A longer ``Retry-After`` counts as this much."""

_JITTER: Final = 0.25

OnWait = Callable[[float, "int | None", bool], None]
"""Called before each wait with its seconds, the status before it, ``None`` for a lost connection, and whether
the registry wants all requests to wait."""


class Rules(msgspec.Struct, frozen=True):
    """The statuses and the failures after which a request is sent again, and how often it is sent at most."""

    statuses: frozenset[int]
    failures: tuple[type[httpx.TransportError], ...]
    attempts: int = ATTEMPTS
    longest_wait: float = LONGEST_WAIT


REPEATABLE: Final = Rules(frozenset({TOO_MANY, 500, 502, 503, 504}), (httpx.TransportError,))
NOT_REPEATABLE: Final = Rules(frozenset({TOO_MANY}), NOT_SENT)
# Somebody waits for the findings, and a registry that limits the rate is one of them.
EXAMINING: Final = Rules(frozenset({TOO_MANY}), (), attempts=2, longest_wait=10.0)


def send_with_retries(
    send: Callable[[bool], httpx.Response],
    rules: Rules,
    *,
    first_wait: float,
    on_wait: OnWait,
    before_repeat: Callable[[], bool] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> httpx.Response:
    """Call ``send`` as often as ``rules`` allow, and return its last response or raise its last failure.

    ``send`` gets whether the request is sent again. ``before_repeat`` is called after each wait, and raises
    if sending again would be wrong by then. If it returns false, that is unknown, and nothing is sent again.
    A failure to connect does not hide that an attempt before it may have been executed.
    """
    executed: httpx.Response | httpx.TransportError | None = None
    for attempt in itertools.count(1):
        outcome: httpx.Response | httpx.TransportError
        try:
            outcome = send(attempt > 1)
        except httpx.TransportError as failure:
            outcome = failure
        status = outcome.status_code if isinstance(outcome, httpx.Response) else None
        if not isinstance(outcome, NOT_SENT) and status != TOO_MANY:
            executed = outcome
        is_over = not _may_follow(outcome, attempt, rules)
        if not is_over:
            requested = 0.0
            if isinstance(outcome, httpx.Response):
                requested = retry_after(outcome.headers.get("Retry-After", ""))
            # By default this is at least a second: most registries count the requests of a second.
            least = 2 * first_wait if status == TOO_MANY else 0.0
            backoff = first_wait * 2 ** (attempt - 1) * random.uniform(1, 1 + _JITTER)
            seconds = min(requested or max(backoff, least), rules.longest_wait)
            on_wait(seconds, status, requested > 0 or status == TOO_MANY)
            sleep(seconds)
            is_over = before_repeat is not None and not before_repeat()
        if is_over:
            last = executed if executed is not None and isinstance(outcome, NOT_SENT) else outcome
            if isinstance(last, httpx.TransportError):
                raise last
            return last
    raise AssertionError("the number of attempts has a limit")


def _may_follow(outcome: httpx.Response | httpx.TransportError, attempt: int, rules: Rules) -> bool:
    """Whether another attempt follows this one."""
    if isinstance(outcome, httpx.Response):
        return outcome.status_code in rules.statuses and attempt < rules.attempts
    # Another attempt would take as long as the user allowed for all, and does not change the protocol.
    if isinstance(outcome, DeadlinePassed) or NO_TLS.search(str(outcome)):
        return False
    is_slow_or_closed = isinstance(outcome, (*NOT_SENT, httpx.TimeoutException))
    return isinstance(outcome, rules.failures) and attempt < (2 if is_slow_or_closed else rules.attempts)


def retry_after(value: str) -> float:
    """Return the seconds from now that a ``Retry-After`` header names, 0 if it is no number and no date."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
            # A date that ends in -0000 has no time zone in Python, and is UTC.
            seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0
