"""Doing one thing to many at once, so that a stop in between leaves nothing half told and waits for nothing.

The threads are daemons: the interpreter waits for no request that a Ctrl-C has given up.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

CONNECTIONS = 8
"""How many requests are under way at most."""

_NOTICE = 0.1
"""Seconds after which Ctrl-C is noticed at the latest."""


def for_each(do: Callable[[_Item], None], items: Iterable[_Item], *, connections: int = CONNECTIONS) -> None:
    """Call ``do``, which writes, with each item, several at a time, and return when all are done.

    After the first exception, or Ctrl-C, what is under way is waited for and what has not begun never
    begins; a second Ctrl-C waits no longer. So ``do`` keeps what it did itself, where the caller finds it.
    """
    _run(do, list(items), connections, presses=2)


def mapped(
    do: Callable[[_Item], _Result], items: Iterable[_Item], *, connections: int = CONNECTIONS
) -> list[_Result]:
    """Return what ``do``, which only reads, returns for each item, in their order, several at a time.

    Ctrl-C ends that at once. After the first exception what has not begun never begins.
    """
    waiting = list(items)
    if len(waiting) < 2:
        return [do(item) for item in waiting]
    results: dict[int, _Result] = {}

    def one(number: int) -> None:
        results[number] = do(waiting[number])

    _run(one, range(len(waiting)), connections, presses=1)
    return [results[number] for number in range(len(waiting))]


def begun(do: Callable[[], _Result]) -> Callable[[], _Result]:
    """Begin with ``do`` beside the caller's own work; what is returned waits for its result."""
    finished: SimpleQueue[BaseException | None] = SimpleQueue()
    results: list[_Result] = []
    _start(lambda: results.append(do()), finished)

    def result() -> _Result:
        error = finished.get()
        if error is not None:
            raise error
        return results[0]

    return result


def _start(do: Callable[[], None], finished: SimpleQueue[BaseException | None]) -> None:
    def run() -> None:
        try:
            do()
        except BaseException as error:
            finished.put(error)
        else:
            finished.put(None)

    threading.Thread(target=run, daemon=True).start()


def _run(do: Callable[[_Item], None], items: Sequence[_Item], connections: int, *, presses: int) -> None:
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

    workers = min(connections, len(items))
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
    """Wait until every worker has ended, or until Ctrl-C was ``pressed`` so often; return the first error."""
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
