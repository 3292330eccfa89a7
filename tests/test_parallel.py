"""Doing one thing to many at once."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptsync.parallel import beside, for_each, mapped


def test_results_come_in_the_order_of_the_items() -> None:
    later = threading.Event()

    def do(number: int) -> int:
        if number == 0:
            later.wait(20)  # the first ends last
        if number == 9:
            later.set()
        return number * number

    assert mapped(do, range(10), threads=10) == [number * number for number in range(10)]
    assert mapped(do, []) == []
    assert mapped(do, [3]) == [9]


@pytest.mark.parametrize(
    "work", [partial(for_each, width=lambda: 1), partial(mapped, threads=1)], ids=["for_each", "mapped"]
)
def test_after_the_first_error_nothing_is_started(work: Callable[..., object]) -> None:
    done: list[int] = []

    def do(number: int) -> None:
        if number == 3:
            raise ValueError(f"number {number}")
        done.append(number)

    with pytest.raises(ValueError, match="number 3"):
        work(do, range(1000))
    assert done == [0, 1, 2]


def test_no_more_are_under_way_than_threads() -> None:
    inside, most = 0, 0
    lock = threading.Lock()

    def do(number: int) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.001)
        with lock:
            inside -= 1

    for_each(do, range(60), width=lambda: 4)
    assert 0 < most <= 4


def test_more_are_under_way_as_soon_as_there_may_be() -> None:
    allowed = 1
    three = threading.Barrier(3)

    def do(number: int) -> None:
        nonlocal allowed
        if number == 0:
            allowed = 3
        else:
            three.wait(20)

    for_each(do, range(7), width=lambda: allowed)


@given(st.lists(st.integers(0, 9), min_size=1), st.integers(0, 40))
def test_each_item_is_done_once_however_the_width_changes(widths: list[int], count: int) -> None:
    turn = itertools.cycle(widths)
    lock = threading.Lock()
    done: list[int] = []

    def width() -> int:
        with lock:
            return next(turn)

    for_each(done.append, range(count), width=width)
    assert sorted(done) == list(range(count))


def test_work_in_a_thread_can_use_threads_again() -> None:
    assert mapped(lambda base: sum(mapped(lambda one: base + one, range(5))), range(3)) == [10, 15, 20]


def test_work_beside_a_block_is_waited_for() -> None:
    go = threading.Event()
    with beside(lambda: go.wait(20) and "done") as result:
        go.set()
        assert result() == "done"


def test_what_runs_beside_a_block_that_fails_is_waited_for() -> None:
    inside, done = threading.Event(), threading.Event()

    def work() -> None:
        inside.set()
        time.sleep(0.05)
        done.set()

    with pytest.raises(ValueError, match="block"), beside(work):
        inside.wait()
        raise ValueError("block")
    assert done.is_set()


def test_an_error_beside_a_block_is_raised_where_its_result_is_used() -> None:
    def work() -> int:
        raise LookupError("beside")

    with pytest.raises(LookupError, match="beside"), beside(work) as result:
        result()
