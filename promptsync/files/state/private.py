"""``.promptsync/``: what a working copy keeps for itself. Everything but ``registry.db`` may be deleted."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from promptsync.errors import PromptsyncError, Refused

DIRECTORY = ".promptsync"
"""Directory for what belongs to this working copy alone; git ignores it."""
_UNFINISHED = "tmp"


def private_directory(root: Path) -> Path:
    """Return the private directory below ``root``, made and hidden from git where it was not there."""
    directory = root / DIRECTORY
    ignore = directory / ".gitignore"
    try:
        directory.mkdir(exist_ok=True)
        if not ignore.exists():
            ignore.write_text("# private to this working copy\n*\n", "utf-8")
    except OSError as error:
        raise PromptsyncError(
            f"cannot write to {directory}: {error.strerror}", hint="check its permissions and the free space"
        ) from None
    return directory


def unfinished(root: Path) -> Path | None:
    """Return where files are written before they take their place; ``None`` where no run holds the lock.

    What a killed run left there is removed by the next one.
    """
    directory = root / DIRECTORY / _UNFINISHED
    return directory if directory.is_dir() else None


def _begin_anew(directory: Path) -> None:
    """Make the directory for unfinished files, and remove what killed runs left there and in the cache.

    Where that cannot be, files are written elsewhere. Somebody may be writing to the cache at this very
    moment: what is not kept there costs requests only.
    """
    with contextlib.suppress(OSError):
        (directory / _UNFINISHED).mkdir(exist_ok=True)
        _sweep(directory)
        _sweep(directory / _UNFINISHED)
        _sweep(directory / "cache", deep=True)


def _sweep(folder: Path, *, deep: bool = False) -> None:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.name.endswith(".tmp"):
                Path(entry.path).unlink(missing_ok=True)
            elif deep and entry.is_dir(follow_symlinks=False):
                _sweep(Path(entry.path))


def read_json(path: Path) -> Any:
    """Return what a private JSON file holds, ``None`` when it is missing or damaged: it can be made anew."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def write_json(path: Path, value: Any) -> None:
    """Write a private JSON file whole or not at all. Raises ``OSError``."""
    try:
        handle, name = _temporary(path.parent)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = _temporary(path.parent)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            # in one piece: what writes in pieces is Python, not C
            file.write(json.dumps(value, separators=(",", ":")))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _temporary(directory: Path) -> tuple[int, str]:
    return tempfile.mkstemp(dir=directory, prefix=".", suffix=".tmp")


def is_locked(root: Path) -> bool:
    """Whether another process writes to the working copy now. Writes nothing, unlike taking the lock."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system: only taking the lock would tell
        return False
    try:
        with (root / DIRECTORY / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Keep a second process from writing to the same working copy; the system frees it when one dies.

    Raises ``Refused`` at once when another holds it.
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
    except OSError as error:
        raise PromptsyncError(
            f"cannot lock {lock.lock_file}: {error.strerror or error}",
            hint="check its permissions; without the lock two runs could write at once",
        ) from None
    try:
        _begin_anew(directory)
        yield
    finally:
        with contextlib.suppress(OSError):
            (directory / _UNFINISHED).rmdir()
        lock.release()
