"""Writing in a working copy so that a crash, a full disk, a second run or a planted link does no harm.

``.promptsync/`` is the private directory of a working copy: all of it but ``registry.db`` may be deleted.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shlex
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

from promptsync.errors import PromptsyncError, Refused
from promptsync.prompt.depth import checked_depth

DIRECTORY: Final = ".promptsync"
"""The private directory; git ignores it."""

UNFINISHED: Final = "tmp"
"""Directory below it for files that are not complete yet: git would list them beside their targets."""


def real_path(path: str | os.PathLike[str]) -> Path:
    """Return where a path really is. A link that leads to itself stays, where ``resolve()`` may raise."""
    return Path(os.path.realpath(path))


def write(root: Path, path: str, text: str, *, within: str = "") -> None:
    """Replace or create a file; ``path`` is relative to ``root``, with ``/``.

    The file is complete on disk before it takes the old one's place, and keeps the old one's mode. ``within``
    is the directory, relative to ``root``, that the file must really be in, links followed: Refused if not.
    Raises PromptsyncError when the system does not allow it; the old file is then unchanged.
    """
    with _explained("write", root / path):
        target = _inside(root, path, within)
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            # Somebody may have put a symbolic link there since the first check.
            _inside(root, path, within)
        unfinished = root / DIRECTORY / UNFINISHED
        is_usable = unfinished.is_dir() and _linked(root, UNFINISHED) is None
        _replace(target, text.encode(), unfinished if is_usable else None)


def check_place(path: Path) -> None:
    """Check, before the work is done, that ``replace`` can write a file. Raises PromptsyncError if not."""
    with _explained("write", path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a directory")
        handle, probe = _temporary(real_path(path))
        os.close(handle)
        probe.unlink()


def replace(path: Path, data: bytes) -> None:
    """Replace or create any file, all of it or nothing. Raises PromptsyncError."""
    with _explained("write", path):
        _replace(real_path(path), data)


def delete(root: Path, path: str, *, within: str = "") -> None:
    """Remove a file, if it exists, and the directories that this leaves empty. Raises as ``write`` does."""
    with _explained("remove", root / path):
        target = _inside(root, path, within)
        target.unlink(missing_ok=True)
        top = real_path(root / within)
        with contextlib.suppress(OSError):
            for folder in target.parents:
                if folder == top or not folder.is_relative_to(top):
                    break
                folder.rmdir()


def present_text(root: Path, path: str) -> str | None:
    """Return the present content of a file, ``None`` if it does not exist. Raises PromptsyncError."""
    place = root / path
    try:
        return place.read_bytes().decode("utf-8") if place.exists() or place.is_symlink() else None
    except (OSError, UnicodeDecodeError) as error:
        raise PromptsyncError(f"{path} cannot be read: {error}", code="file-read") from None


def check_unchanged(root: Path, path: str, text: str | None, command: str) -> None:
    """Raise Refused if a file has another content than ``text``; ``command`` is what to run again."""
    if present_text(root, path) != text:
        raise Refused(
            f"{path} changed since it was read and was not written", hint=command, code="file-changed"
        )


def backup(root: Path, path: str, stamp: str) -> Path:
    """Copy a file to ``.promptsync/backup/STAMP/`` and return the copy; see ``new_stamp``."""
    private_directory(root)
    below = f"backup/{stamp}/{path}"
    copy = root / DIRECTORY / below
    with _explained("back up", root / path):
        _inside(root, path, "")
        _check_link(root, below)
        copy.parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while copy.exists():
            number += 1
            copy = copy.with_name(f"{PurePosixPath(path).name}.{number}")
        shutil.copy2(root / path, copy)
    return copy


def new_stamp() -> str:
    """Return the present time as the name of a directory for backups."""
    return f"{datetime.now():%Y%m%dT%H%M%S}"


def _inside(root: Path, path: str, within: str) -> Path:
    """Return where a path really is. Raises Refused when that is outside of ``within``."""
    top = real_path(root / within)
    target = real_path(root / path)
    if not target.is_relative_to(top) or target == top:
        bound = within or "the directory of promptsync.yaml"
        raise Refused(
            f"{path} was not written: a symbolic link leads out of {bound}, to {target}",
            hint="remove the symbolic link, or rename the prompt",
            code="outside",
        )
    return target


def _replace(target: Path, data: bytes, unfinished: Path | None = None, *, sync: bool = True) -> None:
    """Replace a file by a new one that is written first: in ``unfinished``, or beside it."""
    # A file can take another one's place in one step only on the same file system.
    is_near = unfinished is not None and unfinished.stat().st_dev == target.parent.stat().st_dev
    handle, temporary = _temporary(unfinished / target.name if unfinished is not None and is_near else target)
    try:
        with os.fdopen(handle, "wb") as file:
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


def _temporary(target: Path) -> tuple[int, Path]:
    """Open a new file beside another one; the caller closes and removes it. ``_sweep`` finds it by name."""
    temporary = target.with_name(f".{secrets.token_hex(6)}.tmp")
    # Opened like any new file, so that the umask determines its mode. Windows would change line ends.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.open(temporary, flags, 0o666), temporary


@contextlib.contextmanager
def _explained(verb: str, path: Path) -> Iterator[None]:
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
    with _explained("write to", directory):
        directory.mkdir(exist_ok=True)
        if not ignore.exists():
            ignore.write_text("# private to this working copy\n*\n", "utf-8")
    return directory


def check_private(root: Path) -> None:
    """Raise Refused if the private directory, or anything in it, is a symbolic link.

    A repository could contain such a link to make promptsync write into any directory of the user.
    """
    _check_link(root, "")
    with contextlib.suppress(OSError), os.scandir(root / DIRECTORY) as entries:
        for name in sorted(entry.name for entry in entries if entry.is_symlink()):
            _check_link(root, name)


def _check_link(root: Path, below: str) -> None:
    link = _linked(root, below)
    if link is not None:
        raise Refused(
            f"{link} is a symbolic link, and private files are never read or written through one",
            hint=f"rm {shlex.quote(str(link))}",
            code="private-link",
        )


def _linked(root: Path, below: str) -> Path | None:
    """Return the first symbolic link on the way to a private file, ``None`` if there is none."""
    place = root
    for part in PurePosixPath(DIRECTORY, below).parts:
        place /= part
        if os.path.islink(place):  # noqa: PTH114 -- a path that no file can have is no link
            return place
    return None


def read_json(root: Path, below: str) -> Any:
    """Return what a private JSON file contains, ``None`` when it is missing or damaged: it can be rebuilt."""
    try:
        _check_link(root, below)
        return checked_depth(json.loads((root / DIRECTORY / below).read_bytes()))
    except (OSError, ValueError, RecursionError, Refused):
        return None


def write_json(root: Path, below: str, value: Any) -> None:
    """Write a private JSON file, all of it or nothing. Raises ``OSError`` and ``Refused``."""
    _check_link(root, below)
    path = root / DIRECTORY / below
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, json.dumps(value, separators=(",", ":")).encode(), sync=False)
