"""Replacing and removing files so that a crash, a full disk or a planted link harms nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from promptsync.errors import PromptsyncError, Refused
from promptsync.files.state.private import DIRECTORY, unfinished


def write(root: Path, path: str, text: str, *, within: str = "") -> None:
    """Replace or create a file; ``path`` is relative to ``root``, with ``/``.

    The file is complete on disk before it takes the old one's place, and keeps the old one's mode. ``within``
    is the directory, relative to ``root``, that the file must really be in, links followed: Refused if not.
    Raises PromptsyncError when the system does not let it, with the old file untouched.
    """
    with _explained("written", root / path):
        target = _inside(root, path, within)
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            _inside(root, path, within)
        _replace(target, text.encode(), unfinished(root))


def check_place(path: Path) -> None:
    """Make sure, before the work is done, that ``replace`` may write there. Raises PromptsyncError if not."""
    with _explained("written", path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a directory")
        handle, probe = _temporary(path.resolve())
        os.close(handle)
        probe.unlink()


def replace(path: Path, data: bytes) -> None:
    """Replace or create any file, whole as ``write`` does. Raises PromptsyncError."""
    with _explained("written", path):
        _replace(path.resolve(), data)


def delete(root: Path, path: str, *, within: str = "") -> None:
    """Remove a file, and the directories that it leaves empty; one that is not there is no error."""
    with _explained("removed", root / path):
        target = _inside(root, path, within)
        target.unlink(missing_ok=True)
        top = (root / within).resolve()
        for folder in target.parents:
            if folder == top or not folder.is_relative_to(top):
                break
            try:
                folder.rmdir()
            except OSError:
                break


def backup(root: Path, path: str, stamp: str) -> Path:
    """Copy a file to ``.promptsync/backup/STAMP/`` and return the copy; ``stamp`` is the caller's time."""
    copy = root / DIRECTORY / "backup" / stamp / path
    with _explained("backed up", root / path):
        _inside(root, path, "")
        copy.parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while copy.exists():
            number += 1
            copy = copy.with_name(f"{PurePosixPath(path).name}.{number}")
        shutil.copy2(root / path, copy)
    return copy


def _inside(root: Path, path: str, within: str) -> Path:
    """Return the real place of a path, or refuse when it is not where it should be."""
    top = (root / within).resolve()
    target = (root / path).resolve()
    if not target.is_relative_to(top) or target == top:
        bound = within or "the directory of promptsync.yaml"
        raise Refused(
            f"{path} is not written: it leads out of {bound}, to {target}",
            hint="remove the symbolic link, or rename the prompt.",
            code="outside",
        )
    return target


def _replace(target: Path, data: bytes, aside: Path | None = None) -> None:
    """Replace a file by way of a new one: ``aside``, where git does not look, or beside it."""
    is_near = aside is not None and aside.stat().st_dev == target.parent.stat().st_dev
    handle, temporary = _temporary(aside / target.name if aside is not None and is_near else target)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(target.stat().st_mode & 0o7777)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _temporary(target: Path) -> tuple[int, Path]:
    """Open a file beside another one; the caller closes and removes it."""
    temporary = target.with_name(f".{secrets.token_hex(6)}.tmp")
    # Opened like any new file, so that the umask decides about its mode.
    return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), temporary


@contextlib.contextmanager
def _explained(what: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PromptsyncError(
            f"{path} could not be {what}: {error.strerror or error}",
            hint="check the permissions of the directory and the space on the disk.",
            code="file-write",
        ) from error
