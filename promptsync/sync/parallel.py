"""Doing one thing to many prompts at once, so that a stop in between leaves nothing half told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TypeVar

from promptsync.sync.gather import CONNECTIONS

_Item = TypeVar("_Item")


def for_each(do: Callable[[_Item], None], items: Iterable[_Item], *, connections: int = CONNECTIONS) -> None:
    """Call ``do`` with each item, several at a time, and return when all are done.

    After the first exception, or Ctrl-C, what is under way is waited for and what has not begun never
    begins; a second Ctrl-C waits no longer. So ``do`` keeps what it did itself, where the caller finds it.
    """
    pool = ThreadPoolExecutor(connections)
    futures: list[Future[None]] = []
    try:
        futures += (pool.submit(do, item) for item in items)
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        with suppress(KeyboardInterrupt):
            # a cancelled future that never ran is never reported as done
            wait([future for future in futures if not future.cancelled()])
        raise
    finally:
        pool.shutdown(wait=False)
