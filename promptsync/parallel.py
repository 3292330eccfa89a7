"""Runs a function for many items at once, and stops cleanly on Ctrl-C.

There are enough threads for all requests that may be under way at once. The client of the registry decides
how many of them really are.

The threads are daemons, so the interpreter does not wait for requests that Ctrl-C has abandoned.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

MOST_REQUESTS: Final = 32
"""Most requests to a registry that are under way at once."""

_NOTICE = 0.1
"""Seconds within which Ctrl-C is noticed."""


def for_each(do: Callable[[_Item], None], items: Iterable[_Item], *, threads: int = MOST_REQUESTS) -> None:
    """Call ``do``, which may write, with each item, several at a time, and return when all are done.

    After the first exception or Ctrl-C, no further item is started, and those under way are waited for. A
    second Ctrl-C does not wait. ``do`` must record what it did, so that the caller knows after an exception.
    """
    _run(do, list(items), threads, presses=2)


def mapped(
    do: Callable[[_Item], _Result], items: Iterable[_Item], *, threads: int = MOST_REQUESTS
) -> list[_Result]:
    """Return the results of ``do``, which only reads, in the order of the items; several run at a time.

    Ctrl-C stops at once. After the first exception, no further item is started.
    """
    waiting = list(items)
    if len(waiting) < 2:
        return [do(item) for item in waiting]
    results: dict[int, _Result] = {}

    def one(number: int) -> None:
        results[number] = do(waiting[number])

    _run(one, range(len(waiting)), threads, presses=1)
    return [results[number] for number in range(len(waiting))]


@contextmanager
def beside(do: Callable[[], _Result]) -> Iterator[Callable[[], _Result]]:
    """Run ``do`` in a thread while the block runs. Call the value, at most once, to wait for its result.

    The call raises what ``do`` raised. If the block fails, ``do`` is waited for, because the caller may close
    the connection that it uses. Ctrl-C does not wait.
    """
    finished: SimpleQueue[BaseException | None] = SimpleQueue()
    results: list[_Result] = []
    is_waited_for = False

    def result() -> _Result:
        nonlocal is_waited_for
        is_waited_for = True
        error = _next(finished)
        if error is not None:
            raise error
        return results[0]

    _start(lambda: results.append(do()), finished)
    try:
        yield result
    except Exception:
        if not is_waited_for:
            _next(finished)
        raise


def _next(finished: SimpleQueue[BaseException | None]) -> BaseException | None:
    """Wait for a thread to end. Ctrl-C ends the wait, also on Windows, where it interrupts no lock."""
    while True:
        with suppress(Empty):
            return finished.get(timeout=_NOTICE)


def _start(do: Callable[[], None], finished: SimpleQueue[BaseException | None]) -> None:
    def run() -> None:
        try:
            do()
        except BaseException as error:
            finished.put(error)
        else:
            finished.put(None)

    threading.Thread(target=run, daemon=True).start()


def _run(do: Callable[[_Item], None], items: Sequence[_Item], threads: int, *, presses: int) -> None:
    finished: SimpleQueue[BaseException | None] = SimpleQueue()
    waiting: SimpleQueue[_Item] = SimpleQueue()
    stopped = threading.Event()
    for item in items:
        waiting.put(item)

    def work() -> None:
        try:
            while not stopped.is_set():
                do(waiting.get_nowait())
        except Empty:
            pass

    workers = min(threads, len(items))
    with _held_back() as pressed:
        for _ in range(workers):
            _start(work, finished)
        error = _wait(finished, workers, stopped, pressed, presses)
    if pressed:
        raise KeyboardInterrupt
    if error is not None:
        raise error


def _wait(
    finished: SimpleQueue[BaseException | None],
    left: int,
    stopped: threading.Event,
    pressed: list[int],
    presses: int,
) -> BaseException | None:
    """Wait for all workers, or for that many presses of Ctrl-C. Return the first error."""
    first: BaseException | None = None
    while left and len(pressed) < presses:
        try:
            error = finished.get(timeout=_NOTICE)
            first = first or error
            left -= 1
        except Empty:
            pass
        if first is not None or pressed:
            stopped.set()
    stopped.set()
    return first


@contextmanager
def _held_back() -> Iterator[list[int]]:
    """Count Ctrl-C instead of raising it: raised inside a lock, it could leave the lock locked forever."""
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
