"""Runs a function for many items at once, and stops cleanly on Ctrl-C.

For reads, there are enough threads for all requests that may be under way at once, and the client of the
registry decides how many of them really are. For writes, there are only as many as it allows, because an item
that waits for its turn could no longer be stopped.

The threads are daemons, so the interpreter does not wait for requests that Ctrl-C has abandoned.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

MOST_REQUESTS: Final = 32
"""Most requests to a registry that are under way at once."""

_WRITES: Final = 8
"""Most writes at once if the caller sets no width. A disk gains nothing from more."""

_NOTICE = 0.1
"""Seconds within which Ctrl-C is noticed."""


def for_each(
    do: Callable[[_Item], None],
    items: Iterable[_Item],
    *,
    width: Callable[[], int] = lambda: _WRITES,
    on_interrupt: Callable[[int], None] = lambda _: None,
) -> None:
    """Call ``do``, which may write, with each item, several at a time, and return when all are done.

    ``width`` returns how many may be under way by now, such as ``Registry.width``; at least one is.
    After the first exception or Ctrl-C, no further item is started, and those under way are waited for:
    ``on_interrupt`` gets their number. A second Ctrl-C does not wait. ``do`` must record what it did, so that
    the caller knows after an exception.
    """
    _run(do, list(items), width, presses=2, on_interrupt=on_interrupt)


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

    _run(one, range(len(waiting)), lambda: threads, presses=1)
    return [results[number] for number in range(len(waiting))]


@contextmanager
def in_background(do: Callable[[], _Result]) -> Iterator[Callable[[], _Result]]:
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


def _run(
    do: Callable[[_Item], None],
    items: Iterable[_Item],
    width: Callable[[], int],
    *,
    presses: int,
    on_interrupt: Callable[[int], None] = lambda _: None,
) -> None:
    workers = _Workers(do, items, width)
    with _held_back() as pressed:
        workers.start()
        error = workers.wait(pressed, presses, on_interrupt)
    if pressed:
        raise KeyboardInterrupt
    if error is not None:
        raise error


class _Workers(Generic[_Item]):
    """Threads that work on items, as many at once as ``width`` returns, but at least one."""

    def __init__(self, do: Callable[[_Item], None], items: Iterable[_Item], width: Callable[[], int]) -> None:
        self._do = do
        self._width = width
        self._waiting = deque(items)
        self._is_stopped = False
        self._started = 0
        self._live = 0
        self._changing = threading.Lock()
        self._finished: SimpleQueue[BaseException | None] = SimpleQueue()

    def start(self) -> None:
        """Start the threads that are missing."""
        with self._changing:
            missing = max(0, min(self._most() - self._live, len(self._waiting)))
            self._live += missing
            self._started += missing
        for left in range(missing, 0, -1):
            try:
                _start(self._work, self._finished)
            except RuntimeError:  # the system allows no more threads
                with self._changing:
                    self._live -= left
                    self._started -= left
                    is_alone = not self._live and bool(self._waiting)
                if is_alone:
                    raise
                return

    def wait(
        self, pressed: list[int], presses: int, on_interrupt: Callable[[int], None]
    ) -> BaseException | None:
        """Wait for all threads, or for that many presses of Ctrl-C. Return the first error."""
        first: BaseException | None = None
        ended = 0
        is_told = False
        # A thread starts others only before it ends, so once all have ended, there will be no more.
        while ended < self._started and len(pressed) < presses:
            with suppress(Empty):
                error = self._finished.get(timeout=_NOTICE)
                first = first or error
                ended += 1
            if first is not None or pressed:
                self._is_stopped = True
            if pressed and not is_told and self._live:
                is_told = True
                on_interrupt(self._live)
        self._is_stopped = True
        return first

    def _work(self) -> None:
        while taken := self._take():
            try:
                self._do(*taken)
            except BaseException:
                self._is_stopped = True
                raise
            self.start()

    def _take(self) -> list[_Item]:
        """Return the next item in a list. An empty one ends this thread."""
        with self._changing:
            if self._is_stopped or not self._waiting or self._live > self._most():
                self._live -= 1
                return []
            return [self._waiting.popleft()]

    def _most(self) -> int:
        return max(1, self._width())


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
