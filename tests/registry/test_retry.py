"""Which requests are sent again, and how long the waits are. No socket is opened and nobody waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from promptsync.registry.address import address
from promptsync.registry.promptlayer.http import DeadlinePassed, Sender, retry_after
from promptsync.registry.protocol import Timeouts

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
        self.told: list[str] = []
        self.slept: list[float] = []
        self.paused: list[float] = []
        """For how long no other request could start, before each wait."""
        self.sender: Any = None

    def answer(self, request: httpx.Request) -> httpx.Response:
        outcome = self.outcomes[min(self.sent, len(self.outcomes) - 1)]
        self.sent += 1
        if isinstance(outcome, httpx.TransportError):
            raise outcome
        return httpx.Response(outcome, headers=list(self.headers), stream=httpx.ByteStream(b""))

    def sleep(self, seconds: float) -> None:
        self.paused.append(self.sender.throttle.pause())
        self.slept.append(seconds)

    def run(
        self,
        *,
        is_repeatable: bool = True,
        examining: bool = False,
        first_wait: float = 0.5,
        before_repeat: Callable[[], bool] | None = None,
    ) -> int:
        timeouts = Timeouts(first_retry=first_wait)
        self.sender = Sender(
            address("https://registry.example"),
            timeouts.shortened() if examining else timeouts,
            transport=httpx.MockTransport(self.answer),
            on_wait=self.told.append,
            sleep=self.sleep,
        )
        self.sender.throttle._clock = lambda: sum(self.slept)
        request = httpx.Request("GET", "https://registry.example/")
        response = self.sender.send(request, is_repeatable=is_repeatable, before_repeat=before_repeat)
        return int(response.status_code)


ATTEMPTS: list[tuple[Outcome, int, int, int]] = [
    # the outcome, and the attempts if repeatable, if not repeatable, and if doctor examines a registry
    (200, 1, 1, 1),
    (404, 1, 1, 1),
    (429, 6, 6, 2),
    (500, 6, 1, 2),
    (501, 1, 1, 1),
    (502, 6, 1, 2),
    (503, 6, 1, 2),
    (504, 6, 1, 2),
    (505, 1, 1, 1),
    (LOST, 6, 1, 2),
    (SLOW, 2, 1, 2),
    (REFUSED, 2, 2, 2),
    (CONNECT_TIMEOUT, 2, 2, 2),
    (PROXY, 2, 2, 2),
    (NO_TLS, 1, 1, 1),
    (OVER, 1, 1, 1),
]


@pytest.mark.parametrize(("outcome", "repeatable", "write", "probe"), ATTEMPTS, ids=repr)
def test_how_often_a_request_is_sent(outcome: Outcome, repeatable: int, write: int, probe: int) -> None:
    ways = ({}, {"is_repeatable": False}, {"examining": True})
    for options, expected in zip(ways, (repeatable, write, probe), strict=True):
        line = Line([outcome])
        if isinstance(outcome, int):
            assert line.run(**options) == outcome
        else:
            with pytest.raises(type(outcome)) as caught:
                line.run(**options)
            assert caught.value is outcome
        assert line.sent == expected
        assert len(line.slept) == expected - 1


def test_waits_double_with_jitter_from_half_a_second_up_to_a_minute() -> None:
    """After six 500s in a row, at least 14 seconds have passed, as with the vendor's SDK."""
    line = Line([500])
    assert line.run() == 500
    assert all(0.5 * 2**n <= wait <= 0.625 * 2**n for n, wait in enumerate(line.slept))
    assert sum(line.slept) > 14
    again = Line([500])
    again.run()
    assert again.slept != line.slept
    slow = Line([503])
    slow.run(first_wait=50)
    assert slow.slept[1:] == [60] * 4


def test_the_registry_says_how_long_to_wait() -> None:
    for status, header, examining, waited in (
        (429, "", False, 1),
        (429, "3600", False, 60),
        (429, "3600", True, 10),
        (503, "7", False, 7),
    ):
        line = Line([status, 200], [("retry-after", header)] if header else [])
        assert line.run(examining=examining) == 200, status
        assert line.slept == [waited], status


def test_all_requests_wait_if_the_registry_wants_it() -> None:
    for outcome, header, is_for_all in (
        (429, "", True),
        (429, "9", True),
        (503, "9", True),
        (503, "", False),
        (LOST, "", False),
    ):
        line = Line([outcome, 200], [("Retry-After", header)] if header else [])
        assert line.run() == 200, outcome
        assert line.paused == (line.slept if is_for_all else [0]), outcome


def test_a_long_wait_is_told_once_and_attempts_of_all_kinds_are_counted_together() -> None:
    line = Line([429, 429, 200], [("Retry-After", "50")])
    line.run()
    assert line.told == ["https://registry.example limits the rate of requests (429): trying again in 50 s"]
    assert Line([429, 503, LOST, 200]).run() == 200
    with pytest.raises(httpx.TimeoutException):
        Line([429, SLOW, 200]).run()


@pytest.mark.parametrize("failure", [SLOW, OVER, LOST, REFUSED, 429, 500])
def test_what_fails_halves_the_requests_at_once(failure: Outcome) -> None:
    line = Line([failure, 404])
    with suppress(DeadlinePassed):
        assert line.run() == 404
    assert line.sender.throttle.width == 4


def test_before_repeat_is_called_after_the_wait_and_stops_the_request() -> None:
    line = Line([503])

    def is_not_moved() -> bool:
        assert len(line.slept) == line.sent
        if line.sent == 2:
            raise KeyError("another user moved it")
        return True

    with pytest.raises(KeyError):
        line.run(before_repeat=is_not_moved)
    assert line.sent == 2
    unknown = Line([503])
    assert unknown.run(before_repeat=lambda: False) == 503
    assert unknown.sent == 1


@pytest.mark.parametrize(
    ("outcomes", "last"), [([LOST, REFUSED], LOST), ([503, REFUSED], 503), ([429, REFUSED], REFUSED)]
)
def test_a_failure_to_connect_does_not_hide_what_an_attempt_before_it_may_have_done(
    outcomes: list[Outcome], last: Outcome
) -> None:
    line = Line(outcomes)
    if isinstance(last, int):
        assert line.run() == last
    else:
        with pytest.raises(httpx.TransportError) as caught:
            line.run()
        assert caught.value is last


def test_retry_after_is_read_as_seconds() -> None:
    for value, seconds in (
        ("1", 1.0),
        (" 2 ", 2.0),
        ("1.5", 1.5),
        ("3600", 3600.0),
        ("9" * 400, 0.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("nan", 0.0),
        ("inf", 0.0),
        ("", 0.0),
        ("1, 2", 0.0),
        ("Fri, 01 Jan 99999 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 -0000", 0.0),
    ):
        assert retry_after(value) == seconds, value


def test_retry_after_is_read_as_a_date() -> None:
    date = formatdate(time.time() + 3600, usegmt=True)
    for zone in ("GMT", "-0000", "+0000"):
        assert 3000 < retry_after(date.replace("GMT", zone)) <= 3600
