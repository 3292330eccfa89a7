from __future__ import annotations

import itertools
import time

from promptsync.checks.waiting import Patience, wait


def test_looks_become_rarer_and_end_when_done() -> None:
    looks: list[float] = []

    def look() -> bool:
        looks.append(time.monotonic())
        return len(looks) == 5

    assert wait(look, Patience(5, 0.01, 0.04))
    pauses = [after - before for before, after in itertools.pairwise(looks)]
    assert pauses[-1] > pauses[0]


def test_patience_ends_with_a_last_look_at_the_deadline() -> None:
    started = time.monotonic()
    looks: list[float] = []

    def look() -> bool:
        looks.append(time.monotonic() - started)
        return False

    assert not wait(look, Patience(0.1, 0.03))
    assert looks[-1] >= 0.1
    assert time.monotonic() - started < 1
