"""A clock for what waits: it advances only when it is told."""

from __future__ import annotations


class Clock:
    """Stands in for ``time``, or for a function that returns the time; ``pauses`` are all sleeps."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    monotonic = __call__

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)
