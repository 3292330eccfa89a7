"""The lock of a working copy, which keeps two runs from writing at once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from promptsync.errors import PromptsyncError, Refused
from promptsync.files.disk import UNFINISHED, private_directory


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Keep other processes from writing to a working copy; the system frees the lock of one that dies.

    Raises ``Refused`` at once when another process has the lock.
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
            f"cannot lock {lock.lock_file}, so two runs could write at once: {why}",
            hint=f"ls -l {lock.lock_file}",
        ) from None
    try:
        _clear(directory)
        yield
    finally:
        with contextlib.suppress(OSError):
            (directory / UNFINISHED).rmdir()
        lock.release()


def _clear(directory: Path) -> None:
    """Create the directory for unfinished files, and remove what killed runs left behind.

    Where that fails, files are written beside their targets. Another process may be writing to the cache at
    this very moment; what it loses costs a request.
    """
    with contextlib.suppress(OSError):
        (directory / UNFINISHED).mkdir(exist_ok=True)
        for folder in (directory, directory / UNFINISHED, directory / "cache"):
            with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") and entry.name.endswith(".tmp"):
                        Path(entry.path).unlink(missing_ok=True)
