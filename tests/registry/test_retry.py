"""Which requests are sent again, and how long the waits are. Nothing is sent and nobody waits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.utils import formatdate

import httpx
import pytest

from promptsync.registry.promptlayer.http import DeadlinePassed
from promptsync.registry.promptlayer.retry import (
    EXAMINING,
    NOT_REPEATABLE,
    REPEATABLE,
    Rules,
    retry_after,
    send_with_retries,
)

Outcome = int | httpx.TransportError

LOST, SLOW = httpx.ReadError("lost"), httpx.ReadTimeout("slow")
REFUSED, CONNECT_TIMEOUT = httpx.ConnectError("refused"), httpx.ConnectTimeout("slow")
PROXY = httpx.ProxyError("403")
NO_TLS = httpx.ConnectError("[SSL: WRONG_VERSION_NUMBER] wrong version number")
OVER = DeadlinePassed("was not complete within 60 s")


class Line:
    """Gives the outcomes in order, the last one for ever, and writes down all that happens."""

    def __init__(self, outcomes: Sequence[Outcome], headers: Sequence[tuple[str, str]] = ()) -> None:
        self.outcomes, self.headers = list(outcomes), headers
        self.sent = 0
        self.waits: list[tuple[float, int | None, bool]] = []
        self.slept: list[float] = []

    def send(self, is_repeat: bool) -> httpx.Response:
        assert is_repeat == bool(self.sent)
        outcome = self.outcomes[min(self.sent, len(self.outcomes) - 1)]
        self.sent += 1
        if isinstance(outcome, httpx.TransportError):
            raise outcome
        return httpx.Response(outcome, headers=list(self.headers))

    def run(self, rules: Rules, first_wait: float = 0.5) -> httpx.Response:
        return send_with_retries(
            self.send,
            rules,
            first_wait=first_wait,
            on_wait=lambda seconds, status, for_all: self.waits.append((seconds, status, for_all)),
            sleep=self.slept.append,
        )


ATTEMPTS: list[tuple[Outcome, int, int, int]] = [
    # the outcome, and the attempts if repeatable, if not repeatable, and if doctor examines a registry
    (200, 1, 1, 1),
    (404, 1, 1, 1),
    (429, 6, 6, 2),
    (500, 6, 1, 1),
    (501, 1, 1, 1),
    (502, 6, 1, 1),
    (503, 6, 1, 1),
    (504, 6, 1, 1),
    (505, 1, 1, 1),
    (LOST, 6, 1, 1),
    (SLOW, 2, 1, 1),
    (REFUSED, 2, 2, 1),
    (CONNECT_TIMEOUT, 2, 2, 1),
    (PROXY, 2, 2, 1),
    (NO_TLS, 1, 1, 1),
    (OVER, 1, 1, 1),
]


@pytest.mark.parametrize(("outcome", "repeatable", "write", "probe"), ATTEMPTS, ids=lambda one: repr(one))
def test_how_often_a_request_is_sent(outcome: Outcome, repeatable: int, write: int, probe: int) -> None:
    for rules, expected in ((REPEATABLE, repeatable), (NOT_REPEATABLE, write), (EXAMINING, probe)):
        line = Line([outcome])
        if isinstance(outcome, int):
            assert line.run(rules).status_code == outcome
        else:
            with pytest.raises(type(outcome)) as caught:
                line.run(rules)
            assert caught.value is outcome
        assert line.sent == expected
        assert len(line.slept) == expected - 1


def test_attempts_of_all_kinds_are_counted_together() -> None:
    assert Line([429, 503, LOST, 200]).run(REPEATABLE).status_code == 200
    with pytest.raises(httpx.TimeoutException):
        Line([429, SLOW, 200]).run(REPEATABLE)


def test_each_wait_is_told_with_the_status_before_it_and_then_waited() -> None:
    line = Line([503, LOST, 429, 200])
    assert line.run(REPEATABLE).status_code == 200
    assert [(status, for_all) for _, status, for_all in line.waits] == [
        (503, False),
        (None, False),
        (429, True),
    ]
    assert [seconds for seconds, _, _ in line.waits] == line.slept


def test_doctor_waits_ten_seconds_at_most() -> None:
    line = Line([429], headers=[("Retry-After", "3600")])
    assert line.run(EXAMINING).status_code == 429
    assert line.slept == [10]


def test_waits_double_with_jitter_up_to_a_minute() -> None:
    line = Line([503])
    line.run(REPEATABLE)
    assert all(0.5 * 2**n <= wait <= 0.625 * 2**n for n, wait in enumerate(line.slept))
    assert sum(line.slept) > 14
    line = Line([503])
    line.run(REPEATABLE, first_wait=50)
    assert line.slept[1:] == [60] * 4


def test_after_a_429_at_least_a_second_passes() -> None:
    line = Line([429, 200])
    line.run(NOT_REPEATABLE)
    assert line.slept == [1]


def test_waits_before_the_same_attempt_differ() -> None:
    waits = set()
    for _ in range(20):
        line = Line([503, 200])
        line.run(REPEATABLE)
        waits.add(line.slept[0])
    assert len(waits) > 1


def test_retry_after_counts_for_every_status_that_is_retried() -> None:
    for name in ("Retry-After", "retry-after"):
        line = Line([503, 200], headers=[(name, "7")])
        line.run(REPEATABLE)
        assert line.slept == [7]
        assert line.waits == [(7, 503, True)]
    line = Line([429, 200], headers=[("Retry-After", "3600")])
    line.run(NOT_REPEATABLE)
    assert line.slept == [60]


def test_before_repeat_is_called_after_the_wait_and_stops_the_request() -> None:
    line = Line([503])

    def is_not_moved() -> bool:
        assert len(line.slept) == line.sent
        if line.sent == 2:
            raise KeyError("somebody else moved it")
        return True

    with pytest.raises(KeyError):
        send_with_retries(
            line.send,
            REPEATABLE,
            first_wait=0.5,
            on_wait=lambda *wait: None,
            before_repeat=is_not_moved,
            sleep=line.slept.append,
        )
    assert line.sent == 2


@pytest.mark.parametrize(
    ("outcomes", "last"), [([LOST, REFUSED], LOST), ([503, REFUSED], 503), ([429, REFUSED], REFUSED)]
)
def test_a_failure_to_connect_does_not_hide_what_an_attempt_before_it_may_have_done(
    outcomes: list[Outcome], last: Outcome
) -> None:
    line = Line(outcomes)
    if isinstance(last, int):
        assert line.run(REPEATABLE).status_code == last
    else:
        with pytest.raises(httpx.TransportError) as caught:
            line.run(REPEATABLE)
        assert caught.value is last


VALUES = [
    ("1", 1.0),
    (" 2 ", 2.0),
    ("1.5", 1.5),
    ("3600", 3600.0),
    ("9" * 400, 0.0),
    ("-5", 0.0),
    ("soon", 0.0),
    ("nan", 0.0),
    ("inf", 0.0),
    ("0", 0.0),
    ("", 0.0),
    ("1, 2", 0.0),
    ("Fri, 01 Jan 99999 00:00:00 GMT", 0.0),
    ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ("Thu, 01 Jan 1970 00:00:00 -0000", 0.0),
]


@pytest.mark.parametrize(("value", "seconds"), VALUES)
def test_retry_after_is_read_as_seconds(value: str, seconds: float) -> None:
    assert retry_after(value) == seconds


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000"])
def test_retry_after_is_read_as_a_date(zone: str) -> None:
    date = formatdate(time.time() + 3600, usegmt=True).replace("GMT", zone)
    assert 3000 < retry_after(date) <= 3600
