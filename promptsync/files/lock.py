"""The lock of a working copy, which keeps two runs from writing at the same time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from promptsync.errors import PromptsyncError, Refused
from promptsync.files.disk import private_directory


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Keep other processes from writing to a working copy; the system frees the lock of one that dies.

    Raises ``Refused`` immediately when another process has the lock.
    """
    from filelock import FileLock, Timeout

    directory = private_directory(root)
    lock = FileLock(directory / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise Refused(
            f"another promptsync is writing to {root}",
            hint="wait until it has finished, then run this again",
            code="locked",
        ) from None
    except (OSError, NotImplementedError) as error:
        why = getattr(error, "strerror", None) or error
        raise PromptsyncError(
            f"cannot lock {lock.lock_file}, so two runs could write at the same time: {why}",
            hint=f"ls -l {lock.lock_file}",
        ) from None
    try:
        # What killed runs left behind. What another run is writing to the cache right now costs it a request.
        with contextlib.suppress(OSError):
            for unfinished in (*directory.glob(".*.tmp"), *directory.glob("cache/.*.tmp")):
                unfinished.unlink(missing_ok=True)
        yield
    finally:
        lock.release()
