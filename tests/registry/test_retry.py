"""Which requests are sent again, how long the waits are, and how many are sent at once. Nobody waits."""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Sequence
from email.utils import formatdate
from random import Random
from typing import Any

import httpx
import pytest
from clock import Clock

from promptsync.registry.address import address
from promptsync.registry.promptlayer.http import DeadlinePassed, Sender, Throttle, retry_after
from promptsync.registry.protocol import Timeouts

Outcome = int | httpx.TransportError

LOST, SLOW = httpx.ReadError("lost"), httpx.ReadTimeout("slow")
REFUSED, CONNECT_TIMEOUT = httpx.ConnectError("refused"), httpx.ConnectTimeout("slow")
PROXY = httpx.ProxyError("403")
NO_TLS = httpx.ConnectError("[SSL: WRONG_VERSION_NUMBER] wrong version number")
OVER = DeadlinePassed("was not complete within 60 s")


class Line:
    """Gives the outcomes in order, the last one for ever, and writes down all that happens."""

    def __init__(self, *outcomes: Outcome, wait: str = "") -> None:
        self.outcomes = outcomes
        self.headers = [("Retry-After", wait)] if wait else []
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
        return httpx.Response(outcome, headers=self.headers, stream=httpx.ByteStream(b""))

    def sleep(self, seconds: float) -> None:
        self.paused.append(self.sender.throttle.pause())
        self.slept.append(seconds)

    def run(self, *, examining: bool = False, first_wait: float = 0.5, **options: Any) -> Outcome:
        """Send a request; return its status, or the error that it raised."""
        timeouts = Timeouts(first_retry=first_wait)
        self.sender = Sender(
            address("http://localhost"),
            timeouts.shortened() if examining else timeouts,
            transport=httpx.MockTransport(self.answer),
            on_wait=self.told.append,
            sleep=self.sleep,
        )
        self.sender.throttle._clock = lambda: sum(self.slept)
        request = httpx.Request("GET", "http://localhost/")
        try:
            response = self.sender.send(request, **{"is_repeatable": True, **options})
        except httpx.TransportError as error:
            return error
        return int(response.status_code)


ATTEMPTS: list[tuple[Sequence[Outcome], int, int, int]] = [
    # the outcomes, and the attempts if repeatable, if not repeatable, and if doctor examines a registry
    ((200, 404, 501, 505, NO_TLS, OVER), 1, 1, 1),
    ((500, 502, 503, 504, LOST), 6, 1, 2),
    ((429,), 6, 6, 2),
    ((SLOW,), 2, 1, 2),
    ((REFUSED, CONNECT_TIMEOUT, PROXY), 2, 2, 2),
]


def test_how_often_a_request_is_sent() -> None:
    for outcomes, *attempts in ATTEMPTS:
        for outcome in outcomes:
            ways: tuple[dict[str, Any], ...] = ({}, {"is_repeatable": False}, {"examining": True})
            for options, expected in zip(ways, attempts, strict=True):
                line = Line(outcome)
                assert line.run(**options) == outcome
                assert (line.sent, len(line.slept)) == (expected, expected - 1), (outcome, options)


def test_waits_double_with_jitter_from_half_a_second_up_to_a_minute() -> None:
    """After six 500s in a row, at least 14 seconds have passed, as with the vendor's SDK."""
    line, again, slow = Line(500), Line(500), Line(503)
    for each, first_wait in ((line, 0.5), (again, 0.5), (slow, 50)):
        each.run(first_wait=first_wait)
    assert all(0.5 * 2**n <= wait <= 0.625 * 2**n for n, wait in enumerate(line.slept))
    assert sum(line.slept) > 14
    assert again.slept != line.slept
    assert slow.slept[1:] == [60] * 4


WAITS: list[tuple[Outcome, str, bool, float | None, bool]] = [
    # what the registry says, whether doctor examines it, the wait, and whether all requests wait
    (429, "", False, 1, True),
    (429, "9", False, 9, True),
    (429, "3600", False, 60, True),
    (429, "3600", True, 10, True),
    (503, "7", False, 7, True),
    (503, "", False, None, False),
    (LOST, "", False, None, False),
]


def test_the_registry_says_how_long_to_wait_and_then_all_requests_wait() -> None:
    for outcome, header, examining, wait, is_for_all in WAITS:
        line = Line(outcome, 200, wait=header)
        assert line.run(examining=examining) == 200, outcome
        assert line.slept == [wait] if wait else 0.5 <= line.slept[0] <= 0.625, outcome
        assert line.paused == (line.slept if is_for_all else [0]), outcome


def test_a_long_wait_is_told_once_and_attempts_of_all_kinds_are_counted_together() -> None:
    line = Line(429, 429, 200, wait="50")
    line.run()
    assert line.told == ["http://localhost limits the rate of requests (429): trying again in 50 s"]
    assert Line(429, 503, LOST, 200).run() == 200
    assert Line(429, SLOW, 200).run() is SLOW


@pytest.mark.parametrize("failure", [SLOW, OVER, LOST, REFUSED, 429, 500])
def test_what_fails_halves_the_requests_at_once(failure: Outcome) -> None:
    line = Line(failure, 404)
    assert line.run() in (404, OVER)
    assert line.sender.throttle.width == 4


def test_before_repeat_is_called_after_the_wait_and_stops_the_request() -> None:
    line = Line(503)

    def is_not_moved() -> bool:
        assert len(line.slept) == line.sent
        if line.sent == 2:
            raise KeyError("another user moved it")
        return True

    with pytest.raises(KeyError):
        line.run(before_repeat=is_not_moved)
    assert line.sent == 2
    unknown = Line(503)
    assert unknown.run(before_repeat=lambda: False) == 503
    assert unknown.sent == 1


def test_a_failure_to_connect_does_not_hide_what_an_attempt_before_it_may_have_done() -> None:
    for outcome, last in ((LOST, LOST), (503, 503), (429, REFUSED)):
        assert Line(outcome, REFUSED).run() == last


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    for value, seconds in (("1", 1.0), (" 2 ", 2.0), ("1.5", 1.5), ("3600", 3600.0)):
        assert retry_after(value) == seconds
    for nonsense in ("9" * 400, "-5", "soon", "nan", "inf", "", "1, 2"):
        assert retry_after(nonsense) == 0, nonsense
    for zone in ("GMT", "-0000", "+0000"):
        for date in ("Fri, 01 Jan 99999 00:00:00", "Thu, 01 Jan 1970 00:00:00"):
            assert retry_after(f"{date} {zone}") == 0, date
        later = formatdate(time.time() + 3600, usegmt=True).replace("GMT", zone)
        assert 3000 < retry_after(later) <= 3600


# -- the throttle -------------------------------------------------------------------------------------------


LIMIT = 32
FIRST_RETRY = 0.5


def happened(throttle: Throttle, what: str, count: int) -> None:
    """Let that many requests succeed one after the other, or fail together."""
    if what == "succeed":
        for _ in range(count):
            throttle.leave(throttle.enter(), is_success=True)
        return
    together = [throttle.enter() for _ in range(min(count, throttle.width))]
    for entered in together:
        throttle.leave(entered, is_success=False)


def test_the_width_follows_what_happened() -> None:
    for events, width in (
        ("", 8),
        ("7 succeed", 8),
        ("8 succeed", 16),
        ("24 succeed", 32),
        ("500 succeed", 32),
        ("24 succeed, 1 fail", 16),
        ("24 succeed, 30 fail", 16),
        ("24 succeed, 1 fail, 1 fail", 8),
        ("24 succeed, 1 fail, 15 succeed", 16),
        ("24 succeed, 1 fail, 16 succeed", 24),
        ("24 succeed, 1 fail, 1000 succeed", 32),
        ("5 succeed, 1 fail, 3 succeed", 4),
        ("1 fail, 1 fail, 1 fail, 1 fail, 1 fail", 1),
        ("1 fail, 1 fail, 1 fail, 1 fail, 1 succeed", 2),
    ):
        throttle = Throttle(LIMIT)
        for count, what in (event.split() for event in filter(None, events.split(", "))):
            happened(throttle, what, int(count))
        assert throttle.width == width, events


def test_nothing_starts_while_the_throttle_is_closed_or_full() -> None:
    clock = Clock()
    throttle = Throttle(LIMIT, clock=clock)
    assert throttle.pause() == 0
    throttle.close_for(9)
    throttle.close_for(2)
    assert throttle.pause() == throttle.pause(is_repeat=True) == 9
    clock.now += 9
    assert throttle.pause() == 0
    throttle = Throttle(1)
    entered = throttle.enter()
    assert throttle.pause() == float("inf")
    throttle.leave(entered, is_success=False)
    assert throttle.pause() == 0


def test_a_request_that_is_sent_again_goes_first() -> None:
    throttle = Throttle(1)
    order: list[bool] = []

    def pass_through(is_repeat: bool) -> None:
        entered = throttle.enter(is_repeat=is_repeat)
        order.append(is_repeat)
        throttle.leave(entered, is_success=True)

    threads = [threading.Thread(target=pass_through, args=(repeat,)) for repeat in (False, False, True)]
    entered = throttle.enter()
    for thread in threads:
        thread.start()
    while not throttle._repeats:
        pass
    throttle.leave(entered, is_success=True)
    for thread in threads:
        thread.join(120)
    assert order == [True, False, False]


# -- rate limits ----------------------------------------------------------------------------------------


class Window:
    """Accepts ``count`` requests in any second."""

    def __init__(self, count: int) -> None:
        self._accepted: deque[float] = deque([-1.0] * count, count)

    def accepts(self, now: float) -> bool:
        is_free = self._accepted[0] <= now - 1
        if is_free:
            self._accepted.append(now)
        return is_free


def simulated(limit: Window, retry_after: float | None, latency: float, count: int) -> tuple[float, int]:
    """Send requests to a registry that limits their rate, until each has succeeded; nobody waits.

    Returns the seconds that this took, and the most attempts of one request.
    """
    jitter, clock, most = Random(1), Clock(), 0
    throttle = Throttle(LIMIT, clock=clock)
    new, unsent = min(count, LIMIT), count - LIMIT
    repeats: list[int] = []  # how often each was rejected
    # When, the order, the number of the request or -1 for the end of a wait, rejections, and its outcome.
    events: list[tuple[float, int, int, int, bool]] = []
    successes = order = 0
    while successes < count:
        throttle._repeats = len(repeats)
        pause = throttle.pause(is_repeat=bool(repeats)) if repeats or new else float("inf")
        order += 1
        if pause == 0:
            rejections = repeats.pop(jitter.randrange(len(repeats))) if repeats else 0
            new -= not rejections
            accepted = limit.accepts(clock.now + latency / 2)
            number = throttle.enter(is_repeat=True)
            heapq.heappush(events, (clock.now + latency, order, number, rejections, accepted))
            continue
        if not events or clock.now + pause < events[0][0]:
            clock.now += max(pause, 1e-9)  # adding less might change nothing
            continue
        clock.now, _, number, rejections, accepted = heapq.heappop(events)
        if number < 0:
            repeats.append(rejections)
            continue
        throttle.leave(number, is_success=accepted)
        if accepted:
            successes += 1
            new += unsent > 0
            unsent -= 1
            continue
        most = max(most, rejections + 2)
        backoff = FIRST_RETRY * 2**rejections * jitter.uniform(1, 1.25)
        wait = retry_after or max(2 * FIRST_RETRY, backoff)
        throttle.close_for(wait)
        heapq.heappush(events, (clock.now + wait, order, -1, rejections + 1, False))
    return clock.now, most


@pytest.mark.parametrize("retry_after", [1.0, 3.2, None])
def test_a_usual_rate_limit_fails_no_request_and_costs_little_of_its_own_time(
    retry_after: float | None,
) -> None:
    for latency in (0.001, 0.02, 0.1, 0.5):
        for rate in (10, 20, 50, 100, 200):
            _, most = simulated(Window(rate), retry_after, latency, 300)
            assert most <= Timeouts().attempts, (latency, rate)
        if latency <= 0.1 and retry_after != 3.2:
            for count in (300, 3000):
                seconds, most = simulated(Window(50), retry_after, latency, count)
                assert (seconds <= 1.4 * count / 50, most) == (True, 2), (latency, count)
