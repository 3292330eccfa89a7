"""The throttle as pure code: simulated registries and a clock that only the test moves."""

from __future__ import annotations

import heapq
import random
import threading
from collections import deque
from dataclasses import dataclass, field

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
        self._count = count
        self._accepted: deque[float] = deque()

    def accepts(self, now: float) -> bool:
        while self._accepted and self._accepted[0] <= now - 1:
            self._accepted.popleft()
        if len(self._accepted) >= self._count:
            return False
        self._accepted.append(now)
        return True


@dataclass
class Simulation:
    """Threads that send requests to a registry that limits their rate, with a clock that takes no time."""

    limit: Window
    retry_after: float | None
    latency: float
    jitter: random.Random = field(default_factory=lambda: random.Random(1))
    clock: Clock = field(default_factory=Clock)
    most_attempts: int = 0

    def run(self, count: int) -> float:
        """Send that many requests until each has succeeded. Returns the seconds that this took."""
        throttle = Throttle(LIMIT, clock=self.clock)
        new, unsent = min(count, LIMIT), count - LIMIT
        repeats: list[int] = []  # how often each was rejected
        # When, the order, the number of the request or -1 for the end of a wait, rejections, and its outcome.
        events: list[tuple[float, int, int, int, bool]] = []
        successes = order = 0
        while successes < count:
            throttle._repeats = len(repeats)
            is_waiting = bool(repeats or new)
            pause = throttle.pause(is_repeat=bool(repeats)) if is_waiting else float("inf")
            order += 1
            if pause == 0:
                rejections = repeats.pop(self.jitter.randrange(len(repeats))) if repeats else 0
                new -= not rejections
                accepted = self.limit.accepts(self.clock.now + self.latency / 2)
                event = (
                    self.clock.now + self.latency,
                    order,
                    throttle.enter(is_repeat=True),
                    rejections,
                    accepted,
                )
                heapq.heappush(events, event)
                continue
            if not events or self.clock.now + pause < events[0][0]:
                self.clock.now += max(pause, 1e-9)  # adding less might change nothing
                continue
            self.clock.now, _, number, rejections, accepted = heapq.heappop(events)
            if number < 0:
                repeats.append(rejections)
                continue
            throttle.leave(number, is_success=accepted)
            if accepted:
                successes += 1
                new += unsent > 0
                unsent -= 1
                continue
            self.most_attempts = max(self.most_attempts, rejections + 2)
            backoff = FIRST_RETRY * 2**rejections * self.jitter.uniform(1, 1.25)
            wait = self.retry_after or max(2 * FIRST_RETRY, backoff)
            throttle.close_for(wait)
            heapq.heappush(events, (self.clock.now + wait, order, -1, rejections + 1, False))
        return self.clock.now


@pytest.mark.parametrize("latency", [0.001, 0.005, 0.02, 0.1, 0.5])
@pytest.mark.parametrize("retry_after", [1.0, 3.2, None])
def test_a_usual_rate_limit_fails_no_request_and_costs_little_of_its_own_time(
    retry_after: float | None, latency: float
) -> None:
    for rate in (10, 20, 50, 100, 200):
        simulation = Simulation(Window(rate), retry_after, latency)
        simulation.run(300)
        assert simulation.most_attempts <= Timeouts().attempts, rate
    if latency <= 0.1 and retry_after != 3.2:
        for count in (300, 3000):
            simulation = Simulation(Window(50), retry_after, latency)
            assert simulation.run(count) <= 1.4 * count / 50
            assert simulation.most_attempts == 2
