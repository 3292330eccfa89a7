"""Starting things in a registry, all at once, and asking again until they have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE: Final = 8
_GROWTH: Final = 1.5

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are (0: not known yet)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait altogether, and between two looks: more each time. All in seconds."""

    timeout: float = 1800.0
    first: float = 0.1
    longest: float = 5.0


def all_at_once(action: Callable[[T], R], items: Sequence[T], *, keep: Callable[[R], object]) -> None:
    """Call ``action`` for each item from several threads, and ``keep`` with each result as it comes.

    When interrupted, what has begun is still finished and kept, and the rest not begun.
    """
    if not items:
        return
    pool = ThreadPoolExecutor(min(AT_ONCE, len(items)), thread_name_prefix="checks")
    futures = [pool.submit(action, item) for item in items]
    kept: set[Future[R]] = set()
    try:
        _keep(futures, kept, keep)
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        _keep([future for future in futures if not future.cancelled()], kept, keep)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _keep(futures: Iterable[Future[R]], kept: set[Future[R]], keep: Callable[[R], object]) -> None:
    for future in futures:
        if future not in kept:
            result = future.result()
            kept.add(future)
            keep(result)


def wait(look: Callable[[], bool], patience: Patience) -> bool:
    """Call ``look`` again and again until it says that all have ended; false when patience ends first."""
    deadline = time.monotonic() + patience.timeout
    pause = patience.first
    while not look():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(pause * _GROWTH, patience.longest)
    return True
