"""How many requests may be under way at once, and for how long none may start."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
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
        self._inside = self._repeats = self._successes = self._halvings = 0
        self._opens_at = -math.inf
        self._clock = clock
        self._changed = threading.Condition()

    def pause(self, *, is_repeat: bool = False) -> float:
        """Return the seconds until a request may start, infinity if another one has to start or end first."""
        if self._inside >= self.width or (self._repeats and not is_repeat):
            return math.inf
        return max(0.0, self._opens_at - self._clock())

    def enter(self, *, is_repeat: bool = False) -> int:
        """Wait until a request may start. ``leave`` needs the result."""
        with self._changed:
            self._repeats += is_repeat
            try:
                while (pause := self.pause(is_repeat=is_repeat)) > 0:
                    self._changed.wait(None if pause == math.inf else pause)
            finally:
                self._repeats -= is_repeat
                if is_repeat:
                    self._changed.notify_all()
            self._inside += 1
            return self._halvings

    def leave(self, entered: int, *, is_success: bool) -> None:
        """End a request, and learn from what became of it."""
        with self._changed:
            self._inside -= 1
            self._successes = self._successes + 1 if is_success else 0
            if self._successes >= self.width:
                grown = self.width + max(1, self.width // 2) if self._halvings else 2 * self.width
                self.width, self._successes = min(self._limit, grown), 0
            if not is_success and entered == self._halvings:
                self._halvings += 1
                self.width = max(1, self.width // 2)
            self._changed.notify_all()

    def close_for(self, seconds: float) -> None:
        """Start no request for this many seconds."""
        with self._changed:
            self._opens_at = max(self._opens_at, self._clock() + seconds)
