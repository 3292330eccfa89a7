"""Runs a function for many items at once, and stops cleanly on Ctrl-C.

For reads, there are enough threads for all requests that may be under way at once, and the client of the
registry decides how many of them really are. For writes, there are only as many as it allows, because an item
that waits for its turn could no longer be stopped.

The threads are daemons, which those of an executor are not, so that the interpreter does not wait for
requests that Ctrl-C has abandoned.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

MOST_REQUESTS: Final = 32
"""Most requests to a registry that are under way at once."""

_WRITES: Final = 8
"""Most writes at once if the caller sets no width. A disk gains nothing from more."""

_NOTICE = 0.1
"""Seconds within which Ctrl-C is noticed, also on Windows, where it interrupts no lock."""


def mapped(do: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Return the results of ``do``, which only reads, in the order of the items; several run at a time.

    Ctrl-C stops at once. After the first exception, no further item is started.
    """
    waiting = list(items)
    if len(waiting) < 2:
        return [do(item) for item in waiting]
    results: dict[int, _Result] = {}

    def keep(number: int) -> None:
        results[number] = do(waiting[number])

    for_each(keep, range(len(waiting)), width=lambda: MOST_REQUESTS, presses=1)
    return [results[number] for number in range(len(waiting))]


def for_each(
    do: Callable[[_Item], None],
    items: Iterable[_Item],
    *,
    width: Callable[[], int] = lambda: _WRITES,
    on_interrupt: Callable[[int], None] | None = None,
    presses: int = 2,
) -> None:
    """Call ``do``, which may write, with each item, several at a time, and return when all have ended.

    ``width`` returns how many may be under way by now, such as ``Registry.width``; at least one is.
    After the first exception or Ctrl-C, no further item is started, and those under way are waited for:
    ``on_interrupt`` gets their number. Ctrl-C for the second time, or as often as ``presses`` says, does not
    wait. ``do`` must record what it did, so that the caller knows after an exception. The error of the first
    item that failed is raised, whichever thread was faster.
    """
    waiting, handed = deque(enumerate(items)), SimpleQueue[tuple[int, _Item] | None]()
    ended = SimpleQueue[tuple[int, BaseException] | None]()
    failures: list[tuple[int, BaseException]] = []
    threads = under_way = 0

    def work() -> None:
        while pair := handed.get():
            try:
                do(pair[1])
                ended.put(None)
            except BaseException as error:
                ended.put((pair[0], error))

    with _held_back() as pressed:
        while (waiting or under_way) and len(pressed) < presses:
            while waiting and under_way < max(1, width()):
                if under_way == threads:
                    try:
                        threading.Thread(target=work, daemon=True).start()
                    except RuntimeError:  # the system allows no more threads
                        if not threads:
                            raise
                        break
                    threads += 1
                handed.put(waiting.popleft())
                under_way += 1
            with suppress(Empty):
                failure = ended.get(timeout=_NOTICE)
                under_way -= 1
                failures += [failure] if failure is not None else []
            if failures or pressed:
                waiting.clear()
            if pressed and under_way and on_interrupt is not None:
                on_interrupt(under_way)
                on_interrupt = None
    for _ in range(threads):
        handed.put(None)
    if pressed:
        raise KeyboardInterrupt
    if failures:
        raise min(failures, key=lambda failure: failure[0])[1]


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
