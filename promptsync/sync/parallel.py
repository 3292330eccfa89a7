"""Doing one thing to many prompts at once, so that a stop in between leaves nothing half told."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TypeVar

from promptsync.sync.gather import CONNECTIONS

_Item = TypeVar("_Item")

_NOTICE = 0.1
"""Seconds after which Ctrl-C is noticed at the latest."""


def for_each(do: Callable[[_Item], None], items: Iterable[_Item], *, connections: int = CONNECTIONS) -> None:
    """Call ``do`` with each item, several at a time, and return when all are done.

    After the first exception, or Ctrl-C, what is under way is waited for and what has not begun never
    begins; a second Ctrl-C waits no longer. So ``do`` keeps what it did itself, where the caller finds it.
    """
    finished: SimpleQueue[BaseException | None] = SimpleQueue()
    stopped = threading.Event()

    def one(item: _Item) -> None:
        try:
            if not stopped.is_set():
                do(item)
        except BaseException as error:
            finished.put(error)
        else:
            finished.put(None)

    waiting = list(items)
    with _held_back() as pressed:
        pool = ThreadPoolExecutor(connections)
        for item in waiting:
            pool.submit(one, item)
        error = _wait(finished, len(waiting), stopped, pressed)
        pool.shutdown(wait=False)
    if pressed:
        raise KeyboardInterrupt
    if error is not None:
        raise error


def _wait(
    finished: SimpleQueue[BaseException | None], left: int, stopped: threading.Event, pressed: list[int]
) -> BaseException | None:
    """Wait for what is to be done, and return the first error."""
    first: BaseException | None = None
    while left and len(pressed) < 2:
        try:
            error = finished.get(timeout=_NOTICE)
            first = first or error
            left -= 1
        except Empty:
            pass
        if first is not None or pressed:
            stopped.set()
    return first


@contextmanager
def _held_back() -> Iterator[list[int]]:
    """Count Ctrl-C instead of raising it: raised while a lock is taken, it would never be given back."""
    pressed: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield pressed
        return
    signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
