from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from promptsync.checks import batch
from promptsync.checks.batch import Patience, wait


class Clock:
    """A clock that advances only in ``sleep``."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(batch, "time", clock)
    return clock


def looking(clock: Clock, looks: list[float], done_after: int) -> Callable[[], bool]:
    def look() -> bool:
        looks.append(clock.now)
        return len(looks) == done_after

    return look


def test_looks_become_rarer_up_to_the_longest_pause_and_end_when_done(clock: Clock) -> None:
    looks: list[float] = []
    assert wait(looking(clock, looks, done_after=6), Patience(50, 1, 4))
    pauses = [after - before for before, after in itertools.pairwise(looks)]
    assert pauses == [1, 1.5, 2.25, 3.375, 4]


def test_patience_ends_with_a_last_look_at_the_deadline(clock: Clock) -> None:
    looks: list[float] = []
    assert not wait(looking(clock, looks, done_after=-1), Patience(1, 0.3))
    assert looks[-1] == pytest.approx(1)
