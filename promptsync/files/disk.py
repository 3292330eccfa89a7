"""Writing in a working copy so that a crash, a full disk, a second run or a planted link does no harm.

``.promptsync/`` is the private directory of a working copy: all of it but ``registry.db`` may be deleted.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from promptsync.errors import PromptsyncError, Refused

DIRECTORY: Final = ".promptsync"
"""The private directory; git ignores it."""


def real_path(path: str | os.PathLike[str]) -> Path:
    """Return where a path really is. A link that leads to itself stays, where ``resolve()`` may raise."""
    return Path(os.path.realpath(path))


def write(root: Path, path: str, text: str, *, within: str = "") -> None:
    """Replace or create a file; ``path`` is relative to ``root``, with ``/``.

    The file is complete on disk before it takes the old one's place, and keeps the old one's mode. ``within``
    is the directory, relative to ``root``, that the file must really be in, links followed: Refused if not.
    Raises PromptsyncError when the system does not allow it; the old file is then unchanged.
    """
    with explained("write", root / path):
        target = checked_place(root, path, within)
        if target.exists() and not target.is_file():  # a new file would take the place of /dev/null
            raise OSError("it is not a regular file")
        target.parent.mkdir(parents=True, exist_ok=True)
        # Where git does not list an unfinished file, if it can get from there in one step.
        private = root / DIRECTORY
        is_near = private.is_dir() and private.stat().st_dev == target.parent.stat().st_dev
        _replace(target, text.encode(), private if is_near else target.parent)


def delete(root: Path, path: str, *, within: str = "") -> None:
    """Remove a file, if it exists, and the directories that this leaves empty. Raises as ``write`` does."""
    with explained("remove", root / path):
        target = checked_place(root, path, within)
        target.unlink(missing_ok=True)
        top = real_path(root / within)
        with contextlib.suppress(OSError):
            for folder in target.parents:
                if folder == top or not folder.is_relative_to(top):
                    break
                folder.rmdir()


def present_text(root: Path, path: str) -> str | None:
    """Return the present content of a file, ``None`` if it does not exist. Raises PromptsyncError."""
    place = os.path.join(root, path)
    try:
        with open(place, "rb") as file:
            return file.read().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        is_missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        if is_missing and not os.path.islink(place):
            return None
        raise PromptsyncError(f"{path} cannot be read: {error}", code="file-read") from None


def check_unchanged(root: Path, path: str, text: str | None, command: str) -> None:
    """Raise Refused if a file has another content than ``text``; ``command`` is what to run again."""
    if present_text(root, path) != text:
        raise Refused(
            f"{path} changed since it was read and was not written", hint=command, code="file-changed"
        )


def checked_place(root: Path, path: str, within: str = "") -> Path:
    """Return where a path really is. Raises Refused when that is outside of ``within``."""
    top, target = real_path(root / within), real_path(root / path)
    if target == top or not target.is_relative_to(top):
        bound = within or "the directory of promptsync.yaml"
        raise Refused(
            f"{path} was not written: a symbolic link leads out of {bound}, to {target}",
            hint="remove the symbolic link, or rename the prompt",
            code="outside",
        )
    return target


def _replace(target: Path, data: bytes, folder: Path, *, sync: bool = True) -> None:
    """Replace a file by a new one that is written first, in ``folder``."""
    # The lock finds it by its name.
    temporary = folder / f".{os.urandom(6).hex()}.tmp"
    try:
        with temporary.open("xb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(target.stat().st_mode & 0o7777)
        temporary.replace(target)
    except BaseException:  # an interrupt too must not leave the file behind
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def explained(verb: str, path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into a ``PromptsyncError`` that names the failed action."""
    try:
        yield
    except OSError as error:
        raise PromptsyncError(
            f"could not {verb} {path}: {error.strerror or error}",
            hint=f"ls -ld {path.parent}; df {path.parent}",
            code="file-write",
        ) from error


# -- the private directory -----------------------------------------------------------------------------------


def private_directory(root: Path) -> Path:
    """Return the private directory below ``root``, created and ignored by git. Raises PromptsyncError."""
    check_private(root)
    directory = root / DIRECTORY
    ignore = directory / ".gitignore"
    with explained("write to", directory):
        directory.mkdir(exist_ok=True)
        if not ignore.exists():
            ignore.write_text("# private to this working copy\n*\n", "utf-8")
    return directory


def check_private(root: Path) -> None:
    """Raise Refused if the private directory, or anything in it, is a symbolic link.

    A repository could contain such a link to make promptsync write into any directory of the user.
    """
    private = root / DIRECTORY
    links = [private] if private.is_symlink() else []
    with contextlib.suppress(OSError), os.scandir(private) as entries:
        links += [private / entry.name for entry in entries if entry.is_symlink()]
    for link in sorted(links):
        raise Refused(
            f"{link} is a symbolic link, and private files are never read or written through one",
            hint=f"rm {shlex.quote(str(link))}",
            code="private-link",
        )


def read_private(root: Path, below: str) -> bytes | None:
    """Return the content of a private file, ``None`` if it cannot be read: all of them can be rebuilt."""
    try:
        return (root / DIRECTORY / below).read_bytes()
    except OSError:
        return None


def write_private(root: Path, below: str, data: bytes) -> None:
    """Write a private file, all of it or nothing. Raises ``OSError`` and ``PromptsyncError``."""
    path = private_directory(root) / below
    path.parent.mkdir(exist_ok=True)
    _replace(path, data, path.parent, sync=False)


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


def backup(root: Path, path: str, stamp: str) -> Path:
    """Copy a file to ``.promptsync/backup/STAMP/`` and return the copy."""
    copy = private_directory(root) / "backup" / stamp / path
    with explained("back up", root / path):
        copy.parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while copy.exists():
            number += 1
            copy = copy.with_name(f"{PurePosixPath(path).name}.{number}")
        shutil.copy2(root / path, copy)
    return copy
