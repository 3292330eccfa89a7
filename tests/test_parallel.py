"""Doing one thing to many at once."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptsync.parallel import for_each, mapped


def test_results_come_in_the_order_of_the_items() -> None:
    later = threading.Event()

    def do(number: int) -> int:
        if number == 0:
            later.wait(120)  # the first ends last
        if number == 9:
            later.set()
        return number * number

    assert mapped(do, range(10)) == [number * number for number in range(10)]
    assert mapped(do, []) == []
    assert mapped(do, [3]) == [9]


@pytest.mark.parametrize("work", [partial(for_each, width=lambda: 1), mapped], ids=["for_each", "mapped"])
def test_after_the_first_error_nothing_is_started(
    work: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptsync.parallel.MOST_REQUESTS", 1)
    done: list[int] = []

    def do(number: int) -> None:
        if number == 3:
            raise ValueError(f"number {number}")
        done.append(number)

    with pytest.raises(ValueError, match="number 3"):
        work(do, range(1000))
    assert done == [0, 1, 2]


def test_the_first_item_that_failed_is_reported_whichever_thread_was_faster() -> None:
    together, later = threading.Barrier(3), threading.Event()

    def do(number: int) -> None:
        together.wait(120)
        if number == 0:
            later.wait(120)
        else:
            later.set()
        raise ValueError(f"number {number}")

    with pytest.raises(ValueError, match="number 0"):
        mapped(do, range(3))


def test_more_are_under_way_as_soon_as_there_may_be() -> None:
    allowed = 1
    three = threading.Barrier(3)

    def do(number: int) -> None:
        nonlocal allowed
        if number == 0:
            allowed = 3
        else:
            three.wait(120)

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


@pytest.mark.parametrize("most", [0, 2])
def test_workers_go_on_if_the_system_allows_no_more_threads_and_none_is_an_error(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    done: list[int] = []
    started = 0
    start = threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        nonlocal started
        started += 1
        if started > most:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    if most:
        for_each(done.append, range(9), width=lambda: 2 if started < 2 else 4)
        assert sorted(done) == list(range(9))
    else:
        with pytest.raises(RuntimeError, match="new thread"):
            for_each(print, range(9))
