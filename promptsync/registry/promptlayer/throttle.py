"""How many requests may be under way at once, and when the next one may start."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

START: Final = 8
"""How many requests are under way at once before anything is known about the registry."""

_SLOWER: Final = 1.5
_NOISE: Final = 0.01
"""A round is slower if it takes more than this factor times the best one, plus this many seconds."""

_BELOW: Final = 0.9
"""After a 429, requests start at this fraction of the rate that was accepted."""

_LEAST: Final = 0.5
"""Requests a second. The registry may reject requests for another reason than their number."""

_SLOW: Final = 0.01
_FAST: Final = 0.5
"""What each success adds to the rate: slow is about 1% in a second, fast is more than half."""

_NEAR: Final = 0.8
"""Below this fraction of the most that the registry has accepted in a second, the rate grows fast."""

_CALM: Final = 8.0
"""After this many seconds without a 429, the growth of the rate doubles each second."""

_DOUBLINGS: Final = 5.0
"""How often the growth doubles at most."""


class Throttle:
    """Adapts the requests at once, its width, to the registry.

    The width doubles after each good round. A round that is clearly slower than the best one of its operation
    cuts it by a quarter, a 429 or 5xx halves it, and after either, a good round adds one. A round is as many
    responses as the width, to requests that began since it last changed. After a 429, nothing starts for
    ``pause`` seconds, and then requests start evenly, at 0.9 of the rate that the registry accepted before,
    which each success raises. A rate far below what the registry accepted in some second is not its reason.
    """

    def __init__(self, limit: int, *, pause: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = max(1, limit)
        self._start = min(START, self._limit)
        self._width = self._start
        self._doubles = True
        self._inside = 0
        self._started = 0
        # The last request that began before the width changed, and before it was halved.
        self._changed_at = 0
        self._halved_at = 0
        self._rounds: dict[str, list[float]] = {}
        self._best: dict[str, float] = {}
        self._pace = _Pace()
        self._pause = pause
        self._announced_until = -math.inf
        self._clock = clock
        self._changed = threading.Condition()

    @property
    def width(self) -> int:
        """How many requests may be under way now."""
        return self._width

    @contextmanager
    def passage(self) -> Iterator[int]:
        """Wait for a place and keep it. The value identifies the request to the other methods."""
        with self._changed:
            while (pause := self.pause()) > 0:
                self._changed.wait(None if pause == math.inf else pause)
            number = self.begin()
            # A single thread waits for the time of the next start, and it wakes its successor.
            if self._inside < self._width:
                self._changed.notify()
        try:
            yield number
        finally:
            self.end()

    def pause(self) -> float:
        """Return the seconds until a request may start, infinity if another one has to end first."""
        with self._changed:
            if self._inside >= self._width:
                return math.inf
            return max(0.0, self._pace.next_start - self._clock())

    def begin(self) -> int:
        """Take a place; ``pause`` must have returned 0. Returns the number of the request."""
        with self._changed:
            self._inside += 1
            self._started += 1
            self._pace.begin(self._clock())
            return self._started

    def end(self) -> None:
        """Free the place of a request."""
        with self._changed:
            self._inside -= 1
            self._changed.notify()

    def succeed(self, number: int, operation: str, seconds: float) -> None:
        """Learn from a successful response, which took this many seconds."""
        with self._changed:
            self._pace.succeed(self._clock())
            if number <= self._changed_at:
                return
            times = self._rounds.setdefault(operation, [])
            times.append(seconds)
            if len(times) >= self._width:
                self._judge(operation, sum(times) / len(times))
                times.clear()

    def fail(self, number: int) -> None:
        """Learn from a 5xx: halve the width, once for all requests that were under way together."""
        with self._changed:
            if number > self._halved_at:
                self._halved_at = self._started
                self._doubles = False
                self._set_width(self._width // 2)

    def reject(self, number: int) -> None:
        """Learn from a 429: do what ``fail`` does, start nothing for a while, and then start evenly."""
        with self._changed:
            now = self._clock()
            if number > self._halved_at:
                self._pace.reject(now)
            self.fail(number)
            self._pace.close(now + self._pause)

    def close_for(self, seconds: float) -> None:
        """Start no request for this many seconds."""
        with self._changed:
            self._pace.close(self._clock() + seconds)

    def is_news(self, seconds: float) -> bool:
        """Whether this wait should be announced: many requests fail at once, and wait side by side."""
        with self._changed:
            until = self._clock() + seconds
            is_news = until > self._announced_until + seconds / 2
            self._announced_until = max(self._announced_until, until)
            return is_news

    def _judge(self, operation: str, mean: float) -> None:
        best = self._best[operation] = min(mean, self._best.get(operation, mean))
        if mean <= _SLOWER * best + _NOISE:
            self._set_width(self._width * 2 if self._doubles else self._width + 1)
        elif self._width > self._start:
            self._doubles = False
            # Responses that are only slow never take the width below where it started.
            self._set_width(max(self._start, self._width * 3 // 4))

    def _set_width(self, width: int) -> None:
        width = min(self._limit, max(1, width))
        if width != self._width:
            self._width = width
            self._changed_at = self._started
            self._rounds.clear()
            self._changed.notify()


class _Pace:
    """The rate at which requests start. There is none before the first 429."""

    def __init__(self) -> None:
        self._rate = math.inf
        self._accepted: deque[float] = deque()
        self._most = 0
        self._is_rejected = False
        self._rejected_at = -math.inf
        self.next_start = -math.inf

    def close(self, until: float) -> None:
        self.next_start = max(self.next_start, until)

    def begin(self, now: float) -> None:
        if self._is_rejected:
            # By now, the requests that were under way beside the rejected one have their responses.
            self._is_rejected = False
            self._slow_down()
        # A thread that wakes up late does not delay all that follow.
        self.next_start = max(self.next_start, now - 1 / self._rate) + 1 / self._rate

    def succeed(self, now: float) -> None:
        self._accepted.append(now)
        if not self._is_rejected:
            self._forget(now)
            self._most = max(self._most, len(self._accepted))
        self._rate += self._growth(now)

    def reject(self, now: float) -> None:
        self._is_rejected = True
        self._forget(now)
        self._rejected_at = now

    def _growth(self, now: float) -> float:
        if self._is_low():
            return _FAST
        calm = now - self._rejected_at - _CALM
        return min(_FAST, _SLOW * 2 ** max(0.0, min(calm, _DOUBLINGS)))

    def _slow_down(self) -> None:
        if self._is_low():
            return
        before = self._rate if self._rate < math.inf else max(START / 2, len(self._accepted))
        self._rate = max(_LEAST, _BELOW * before)

    def _is_low(self) -> bool:
        """Whether the registry has accepted clearly more in a second, and so does not reject this rate."""
        return self._rate < _NEAR * self._most

    def _forget(self, now: float) -> None:
        while self._accepted and self._accepted[0] <= now - 1:
            self._accepted.popleft()
