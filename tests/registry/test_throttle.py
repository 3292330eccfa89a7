"""The throttle as pure code: simulated registries and a clock that only the test moves."""

from __future__ import annotations

import heapq
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptsync.registry.promptlayer.throttle import START, Throttle

LIMIT = 32
FIRST_RETRY = 0.5


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def throttle_of(limit: int = LIMIT, clock: Callable[[], float] | None = None) -> Throttle:
    return Throttle(limit, pause=1.0, clock=clock or Clock())


def respond(throttle: Throttle, seconds: Callable[[int], float], count: int, operation: str = "read") -> None:
    """Let that many requests succeed one after the other, as slowly as the width says."""
    for _ in range(count):
        number = throttle.begin()
        throttle.end()
        throttle.succeed(number, operation, seconds(throttle.width))


def fail_together(throttle: Throttle, how: str, count: int) -> None:
    numbers = [throttle.begin() for _ in range(count)]
    for number in numbers:
        throttle.end()
        getattr(throttle, how)(number)


def steady(_: int) -> float:
    return 0.02


def proportional(width: int) -> float:
    return 0.02 * width


@pytest.mark.parametrize(
    ("events", "width"),
    [
        ("", 8),
        ("7 fast", 8),
        ("8 fast", 16),
        ("24 fast", 32),
        ("500 fast", 32),
        ("8 fast, 16 slow", 12),
        ("8 fast, 16 slow, 12 fast", 13),
        ("8 fast, 500 slow", 8),
        ("24 fast, 1 fail", 16),
        ("24 fast, 1 reject", 16),
        ("24 fast, 30 fail", 16),
        ("24 fast, 30 reject", 16),
        ("24 fast, 1 fail, 1 reject", 8),
        ("24 fast, 1 fail, 16 fast", 17),
        ("24 fast, 1 fail, 1000 fast", 32),
        ("1 reject, 1 reject, 1 reject, 1 reject, 1 reject", 1),
        ("1 fail, 1 fail, 1 fail, 1 fail, 8 fast", 4),
        ("1 fail, 500 slow", 32),
    ],
)
def test_the_width_follows_what_happened(events: str, width: int) -> None:
    throttle = throttle_of()
    for count, what in (event.split() for event in filter(None, events.split(", "))):
        if what in {"fail", "reject"}:
            fail_together(throttle, what, int(count))
        else:
            respond(throttle, lambda _, what=what: 0.02 if what == "fast" else 0.2, int(count))  # type: ignore[misc]
    assert throttle.width == width


def test_responses_are_compared_with_those_of_the_same_operation() -> None:
    throttle = throttle_of()
    respond(throttle, steady, 8, "read")
    respond(throttle, lambda _: 2.0, 16, "list")
    assert throttle.width == 32


def test_a_request_that_began_before_the_width_changed_does_not_count() -> None:
    throttle = throttle_of()
    old = [throttle.begin() for _ in range(8)]
    for _ in old:
        throttle.end()
    respond(throttle, steady, 8)
    for number in old:
        throttle.succeed(number, "read", 9.0)
    respond(throttle, steady, 16)
    assert throttle.width == 32


Events = st.lists(
    st.tuples(st.sampled_from(["succeed", "fail", "reject"]), st.floats(0, 100), st.integers(1, 40))
)


@given(st.integers(-1, 40), Events)
def test_the_width_is_always_within_its_limits(limit: int, events: list[tuple[str, float, int]]) -> None:
    throttle = throttle_of(limit)
    for what, seconds, count in events:
        if what == "succeed":
            respond(throttle, lambda _, seconds=seconds: seconds, count)  # type: ignore[misc]
        else:
            fail_together(throttle, what, count)
        assert 1 <= throttle.width <= max(1, limit)


@given(st.integers(1, LIMIT), st.integers(0, 500), st.integers(1, 40), st.sampled_from(["fail", "reject"]))
def test_failures_that_were_under_way_together_halve_the_width_once(
    limit: int, successes: int, failures: int, how: str
) -> None:
    throttle = throttle_of(limit)
    respond(throttle, steady, successes)
    before = throttle.width
    fail_together(throttle, how, failures)
    assert throttle.width == max(1, before // 2)


@given(st.integers(1, LIMIT), st.floats(0.0001, 10))
def test_steady_responses_reach_the_limit_within_30(limit: int, seconds: float) -> None:
    throttle = throttle_of(limit)
    respond(throttle, lambda _: seconds, 30)
    assert throttle.width == limit


@given(st.floats(0.01, 1))
def test_a_registry_that_only_gets_slower_is_not_pushed_further(seconds: float) -> None:
    throttle, widths = throttle_of(), set()
    for _ in range(1000):
        respond(throttle, lambda width: seconds * width, 1)
        widths.add(throttle.width)
    assert max(widths) <= 2 * START
    assert throttle.width >= START


@given(st.floats(0.1, 60), st.integers(0, 30))
def test_nothing_starts_while_the_throttle_is_closed(seconds: float, before: int) -> None:
    clock = Clock()
    throttle = throttle_of(clock=clock)
    respond(throttle, steady, before)
    throttle.close_for(seconds)
    assert throttle.pause() == seconds
    clock.now += seconds
    assert throttle.pause() == 0


def test_waits_side_by_side_are_worth_one_message() -> None:
    clock = Clock()
    throttle = throttle_of(clock=clock)
    assert throttle.is_news(4)
    clock.now += 0.5
    assert not throttle.is_news(4)
    assert not throttle.is_news(2)
    clock.now += 3.5
    assert throttle.is_news(4)
    assert throttle.is_news(30)  # much longer than what was announced


def test_a_shorter_wait_does_not_open_the_throttle_earlier() -> None:
    throttle = throttle_of()
    throttle.close_for(9)
    throttle.close_for(2)
    assert throttle.pause() == 9


def test_a_full_throttle_waits_for_a_request_to_end() -> None:
    throttle = throttle_of(1)
    throttle.begin()
    assert throttle.pause() == float("inf")
    throttle.end()
    assert throttle.pause() == 0


def test_requests_pass_when_a_closed_throttle_opens() -> None:
    throttle = Throttle(2, pause=1.0)
    started = time.monotonic()
    throttle.close_for(0.15)
    with throttle.passage():
        assert time.monotonic() - started > 0.1


def test_a_failed_request_frees_its_place() -> None:
    throttle = throttle_of(1)
    for _ in range(3):
        with pytest.raises(KeyError), throttle.passage():
            raise KeyError
    with throttle.passage():
        pass


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


class Bucket:
    """Holds up to ``size`` tokens, gets ``rate`` of them in a second, and takes one for each request."""

    def __init__(self, rate: float, size: float) -> None:
        self._rate, self._size = rate, size
        self._tokens, self._filled = size, 0.0

    def accepts(self, now: float) -> bool:
        self._tokens = min(self._size, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass
class Simulation:
    """Threads that send requests to a registry that limits their rate, with a clock that takes no time."""

    limit: Window | Bucket
    retry_after: float | None
    latency: float
    jitter: random.Random = field(default_factory=lambda: random.Random(1))
    clock: Clock = field(default_factory=Clock)
    most_attempts: int = 0
    rejected: int = 0

    def run(self, count: int) -> float:
        """Send that many requests until each has succeeded. Returns the seconds that this took."""
        throttle = throttle_of(clock=self.clock)
        waiting = [0] * min(count, LIMIT)  # how often each was rejected
        unsent = count - len(waiting)
        events: list[tuple[float, int, int, bool]] = []  # when, the request or 0 for a retry, and its outcome
        done = 0
        while done < count:
            while waiting and throttle.pause() == 0:
                rejections = waiting.pop(self.jitter.randrange(len(waiting)))
                accepted = self.limit.accepts(self.clock.now + self.latency / 2)
                event = (self.clock.now + self.latency, throttle.begin(), rejections, accepted)
                heapq.heappush(events, event)
            pause = throttle.pause() if waiting else float("inf")
            if not events or self.clock.now + pause < events[0][0]:
                self.clock.now += max(pause, 1e-9)  # adding less might change nothing
                continue
            self.clock.now, number, rejections, accepted = heapq.heappop(events)
            if not number:
                waiting.append(rejections)
                continue
            throttle.end()
            if accepted:
                throttle.succeed(number, "read", self.latency)
                done += 1
                waiting += [0] if unsent > 0 else []
                unsent -= 1
            else:
                throttle.reject(number)
                self.rejected += 1
                self.most_attempts = max(self.most_attempts, rejections + 2)
                wait = self.retry_after or FIRST_RETRY * 2**rejections * self.jitter.uniform(0.75, 1)
                throttle.close_for(wait)
                heapq.heappush(events, (self.clock.now + wait, 0, rejections + 1, False))
        return self.clock.now


@pytest.mark.parametrize("latency", [0.005, 0.02, 0.1])
@pytest.mark.parametrize("retry_after", [1.0, None])
@pytest.mark.parametrize("limit", [lambda: Window(50), lambda: Bucket(50, 50)], ids=["window", "bucket"])
@pytest.mark.parametrize("count", [300, 3000])
def test_a_rate_limit_costs_at_most_a_fifth_of_its_own_time(
    count: int, limit: Callable[[], Window | Bucket], retry_after: float | None, latency: float
) -> None:
    simulation = Simulation(limit(), retry_after, latency)
    assert simulation.run(count) <= 1.2 * count / 50
    # All that are under way are rejected together once, and later one or a few now and then.
    assert simulation.rejected <= 2 * LIMIT + count / 20
    assert simulation.most_attempts <= 3


def test_a_low_estimate_of_the_rate_is_soon_corrected() -> None:
    # The bucket is so small that its size says little about the rate.
    simulation = Simulation(Bucket(50, 10), 1.0, 0.02)
    assert simulation.run(3000) <= 1.35 * 3000 / 50


class Random:
    """Rejects requests for another reason than their number."""

    def __init__(self, part: float) -> None:
        self._part = part
        self._random = random.Random(1)

    def accepts(self, now: float) -> bool:
        return self._random.random() >= self._part


@pytest.mark.parametrize(("part", "seconds"), [(0.02, 120), (0.05, 200), (0.2, 800)])
def test_rejections_that_the_rate_does_not_cause_do_not_stop_everything(part: float, seconds: int) -> None:
    simulation = Simulation(Random(part), None, 0.05)
    assert simulation.run(1000) <= seconds
