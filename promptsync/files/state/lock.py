"""The lock of a working copy, which keeps two runs from writing at once."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from promptsync.errors import PromptsyncError, Refused
from promptsync.files.state.disk import DIRECTORY, UNFINISHED, check_private, private_directory

_TAKEN: Final = frozenset({errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK})
"""What the system says when another process has a lock."""


def is_locked(root: Path) -> bool:
    """Whether another process is writing to the working copy. Unlike taking the lock this writes nothing."""
    try:
        import fcntl
    except ImportError:  # outside POSIX only taking the lock would show it
        return False
    try:
        check_private(root)
        with (root / DIRECTORY / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, Refused):
        return False
    return False


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Keep other processes from writing to a working copy; the system frees the lock of one that dies.

    Raises ``Refused`` at once when another process has the lock.
    """
    directory = private_directory(root)
    lock = directory / "lock"
    try:
        handle = _take(lock)
    except OSError as error:
        raise PromptsyncError(
            f"cannot lock {lock}, so two runs could write at once: {error.strerror or error}",
            hint=f"ls -l {lock}",
        ) from None
    if handle is None:
        raise Refused(
            f"another promptsync is writing to {root}",
            hint="wait until it has finished, then run this again",
            code="locked",
        )
    try:
        _clear(directory)
        yield
    finally:
        with contextlib.suppress(OSError):
            (directory / UNFINISHED).rmdir()
        os.close(handle)


def _take(path: Path) -> int | None:
    """Return the open file that holds the lock, ``None`` if another process has it. Raises ``OSError``."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    try:
        # Somebody may have removed the file since it was opened, and another run may have locked a new one.
        is_ours = _lock(handle) and os.fstat(handle).st_nlink > 0
    except BaseException:
        os.close(handle)
        raise
    if is_ours:
        return handle
    os.close(handle)
    return None


def _lock(handle: int) -> bool:
    try:
        try:
            import fcntl
        except ImportError:
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def _clear(directory: Path) -> None:
    """Create the directory for unfinished files, and remove what killed runs left behind.

    Where that fails, files are written beside their targets. Another process may be writing to the cache at
    this very moment; what it loses costs a request.
    """
    with contextlib.suppress(OSError):
        (directory / UNFINISHED).mkdir(exist_ok=True)
        _sweep(directory)
        _sweep(directory / UNFINISHED)
        _sweep(directory / "cache")


def _sweep(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.name.endswith(".tmp"):
                Path(entry.path).unlink(missing_ok=True)
