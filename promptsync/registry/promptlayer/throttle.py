"""How many requests may be under way at once, and for how long none may start."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

START: Final = 8
"""How many requests are under way at once before anything is known about the registry."""


class Throttle:
    """Adapts the number of requests at once, its ``width``, to the registry.

    After as many successes as it is wide, the width doubles, or grows by half once something has failed. A
    failure halves it, once for all requests that were under way together. A request that is sent again goes
    before those that were never sent, so that a rate limit does not hit the same one over and over.
    """

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = max(1, limit)
        self.width = min(START, self._limit)
        self._inside = 0
        self._repeats = 0
        self._successes = 0
        self._halvings = 0
        self._opens_at = -math.inf
        self._clock = clock
        self._changed = threading.Condition()

    @contextmanager
    def passage(self, *, is_repeat: bool = False) -> Iterator[int]:
        """Wait for a place and keep it. The value identifies the request for ``fail``."""
        with self._changed:
            self._repeats += is_repeat
            while (pause := self.pause(is_repeat=is_repeat)) > 0:
                self._changed.wait(None if pause == math.inf else pause)
            self._repeats -= is_repeat
            halvings = self.begin()
        try:
            yield halvings
        finally:
            self.end()

    def pause(self, *, is_repeat: bool = False) -> float:
        """Return the seconds until a request may start, infinity if another one has to start or end first."""
        if self._inside >= self.width or (self._repeats and not is_repeat):
            return math.inf
        return max(0.0, self._opens_at - self._clock())

    def begin(self) -> int:
        with self._changed:
            self._inside += 1
            self._wake()
            return self._halvings

    def end(self) -> None:
        with self._changed:
            self._inside -= 1
            self._wake()

    def succeed(self) -> None:
        with self._changed:
            self._successes += 1
            if self._successes >= self.width:
                grown = self.width + max(1, self.width // 2) if self._halvings else 2 * self.width
                self.width, self._successes = min(self._limit, grown), 0
                self._wake()

    def fail(self, halvings: int) -> None:
        """Halve the width, unless that was done since the request began."""
        with self._changed:
            self._successes = 0
            if halvings == self._halvings:
                self._halvings += 1
                self.width = max(1, self.width // 2)

    def close_for(self, seconds: float) -> None:
        """Start no request for this many seconds."""
        with self._changed:
            self._opens_at = max(self._opens_at, self._clock() + seconds)

    def _wake(self) -> None:
        # A single call could wake one that has to let others go first.
        if self._repeats:
            self._changed.notify_all()
        else:
            self._changed.notify()
