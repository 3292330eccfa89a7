"""The throttle as pure code: simulated registries and a clock that only the test moves."""

from __future__ import annotations

import heapq
import threading
from collections import deque
from random import Random

import pytest
from clock import Clock

from promptsync.registry.promptlayer.http import Throttle
from promptsync.registry.protocol import Timeouts

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
