from __future__ import annotations

import itertools
import threading
import time

import pytest

from promptsync.checks.waiting import Patience, all_at_once, wait


def test_all_results_are_kept_in_the_order_of_the_items() -> None:
    kept: list[int] = []
    all_at_once(lambda number: number * 2, range(30), keep=kept.append)
    assert kept == [*range(0, 60, 2)]


def test_things_happen_at_the_same_time() -> None:
    meeting = threading.Barrier(8, timeout=5)
    all_at_once(lambda _: meeting.wait(), range(8), keep=lambda _: None)


def test_an_interruption_finishes_what_has_begun_and_begins_nothing() -> None:
    begun: list[int] = []
    kept: list[int] = []

    def action(number: int) -> int:
        begun.append(number)
        time.sleep(0.02)
        return number

    def keep(number: int) -> None:
        kept.append(number)
        if len(kept) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        all_at_once(action, range(100), keep=keep)
    assert sorted(kept) == sorted(begun)
    assert len(begun) < 100


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
