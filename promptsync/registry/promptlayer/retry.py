"""Which requests are sent again, and how long to wait before that.

Repeatable requests are sent up to four times: after a 5xx or a lost connection, and once more after a timeout
or a refused connection. After a 429, every request is sent up to six times, because many clients may be
taking turns. A write that would create something twice is otherwise sent again only if there was no
connection. In both cases it was certainly not executed.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from promptsync.registry.promptlayer.exchange import (
    DeadlinePassed,
    HttpResponse,
    NoConnection,
    ProxyFailed,
    TransportError,
    TransportTimeout,
)
from promptsync.registry.promptlayer.failures import NO_TLS
from promptsync.registry.promptlayer.transport import TOO_MANY

ATTEMPTS: Final = 4
ATTEMPTS_IN_A_CROWD: Final = 6
"""How often a request is sent at most if the registry limits the rate of requests (429)."""

LONGEST_WAIT: Final = 60.0
"""Seconds. A longer ``Retry-After`` counts as this much."""

_JITTER: Final = 0.25

OnWait = Callable[[float, "int | None"], None]
"""Called before each wait with its seconds and the status before it, ``None`` for a lost connection."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The statuses and the failures after which a request is sent again.

    ``in_a_crowd`` is how often it is sent at most after a 429, ``longest_wait`` the most seconds of a wait.
    """

    statuses: frozenset[int]
    failures: tuple[type[TransportError], ...]
    in_a_crowd: int = ATTEMPTS_IN_A_CROWD
    longest_wait: float = LONGEST_WAIT


REPEATABLE: Final = Rules(frozenset({TOO_MANY, 500, 502, 503, 504}), (TransportError,))
NOT_REPEATABLE: Final = Rules(frozenset({TOO_MANY}), (NoConnection,))
# Somebody waits for the findings, and a registry that limits the rate is one of them.
EXAMINING: Final = Rules(frozenset({TOO_MANY}), (), in_a_crowd=2, longest_wait=10.0)


def send_with_retries(
    send: Callable[[], HttpResponse],
    rules: Rules,
    *,
    first_wait: float,
    on_wait: OnWait,
    before_repeat: Callable[[], bool] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> HttpResponse:
    """Call ``send`` as often as ``rules`` allow, and return its last response or raise its last failure.

    ``before_repeat`` is called after each wait, and raises if sending again would be wrong by then. If it
    returns false, that is unknown, and nothing is sent again. A failure to connect does not hide that an
    attempt before it may have been executed.
    """
    attempt, unknown = 1, None
    while True:
        outcome = _outcome(send)
        if isinstance(outcome, TransportError):
            is_over, status, asked = not _follows_failure(outcome, attempt, rules), None, 0.0
        else:
            is_over, status = not _follows_status(outcome.status, attempt, rules), outcome.status
            asked = retry_after(outcome.header("Retry-After"))
        if not isinstance(outcome, NoConnection) and status != TOO_MANY:
            unknown = outcome
        if not is_over:
            seconds = min(asked or _backoff(attempt, first_wait), rules.longest_wait)
            on_wait(seconds, status)
            sleep(seconds)
            is_over = before_repeat is not None and not before_repeat()
        if is_over:
            last = unknown if unknown is not None and isinstance(outcome, NoConnection) else outcome
            if isinstance(last, TransportError):
                raise last
            return last
        attempt += 1


def _outcome(send: Callable[[], HttpResponse]) -> HttpResponse | TransportError:
    try:
        return send()
    except TransportError as failure:
        return failure


def _follows_status(status: int, attempt: int, rules: Rules) -> bool:
    """Whether another attempt follows one that got a response."""
    return status in rules.statuses and attempt < (rules.in_a_crowd if status == TOO_MANY else ATTEMPTS)


def _follows_failure(failure: TransportError, attempt: int, rules: Rules) -> bool:
    """Whether another attempt follows one that got no response."""
    if attempt >= ATTEMPTS or not isinstance(failure, rules.failures):
        return False
    if NO_TLS.search(str(failure)):
        return False  # a retry does not change the protocol that the server speaks
    if isinstance(failure, DeadlinePassed):
        return False  # the user would wait for twice the time that was set
    is_refused = isinstance(failure, NoConnection) and not isinstance(failure, ProxyFailed)
    return attempt == 1 or not (is_refused or isinstance(failure, TransportTimeout))


def _backoff(attempt: int, first_wait: float) -> float:
    longest: float = first_wait * 2 ** (attempt - 1)
    return longest * random.uniform(1 - _JITTER, 1)


def retry_after(value: str) -> float:
    """Return the seconds from now that a ``Retry-After`` header names, 0 if it is no number and no date."""
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value)
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def _until(date: str) -> float:
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    try:
        then = parsedate_to_datetime(date)
        # A date that ends in -0000 has no time zone in Python, and is UTC.
        return (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return 0.0
