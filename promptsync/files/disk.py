"""Writing in a working copy so that a crash, a full disk, a second run or a planted link does no harm.

``.promptsync/`` is the private directory of a working copy: all of it but ``registry.db`` may be deleted.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from promptsync.errors import PromptsyncError, Refused

DIRECTORY: Final = ".promptsync"
"""The private directory; git ignores it."""

UNFINISHED: Final = "tmp"
"""Directory below it for files that are not complete yet: git would list them beside their targets."""

_WRITTEN: Final = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
"""How files are opened; without O_BINARY, Windows would change line ends."""


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
        target = check_inside(root, path, within)
        folder = os.path.dirname(target)
        if not os.path.isdir(folder):
            os.makedirs(folder, exist_ok=True)
            # Somebody may have put a symbolic link there since the first check.
            check_inside(root, path, within)
        _replace(target, text.encode(), _folder_for_unfinished(root, folder))


def delete(root: Path, path: str, *, within: str = "") -> None:
    """Remove a file, if it exists, and the directories that this leaves empty. Raises as ``write`` does."""
    with explained("remove", root / path):
        target = Path(check_inside(root, path, within))
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


def check_inside(root: Path, path: str, within: str) -> str:
    """Return where a path really is. Raises Refused when that is outside of ``within``."""
    top = os.path.realpath(os.path.join(root, within))
    target = os.path.realpath(os.path.join(root, path))
    if not os.path.normcase(target).startswith(os.path.join(os.path.normcase(top), "")):
        bound = within or "the directory of promptsync.yaml"
        raise Refused(
            f"{path} was not written: a symbolic link leads out of {bound}, to {target}",
            hint="remove the symbolic link, or rename the prompt",
            code="outside",
        )
    return target


def _folder_for_unfinished(root: Path, folder: str) -> str:
    """Return where to write a file that ends up in ``folder``."""
    private = os.path.join(root, DIRECTORY)
    unfinished = os.path.join(private, UNFINISHED)
    try:
        info = os.lstat(unfinished)
        is_own = stat.S_ISDIR(info.st_mode) and not os.path.islink(private)
        # A file can take another one's place in one step only on the same file system.
        return unfinished if is_own and info.st_dev == os.stat(folder).st_dev else folder
    except OSError:
        return folder


def _replace(target: str, data: bytes, folder: str, *, sync: bool = True) -> None:
    """Replace a file by a new one that is written first, in ``folder``."""
    # The lock finds it by its name. Opened like any new file, so that the umask determines its mode.
    temporary = os.path.join(folder, f".{os.urandom(6).hex()}.tmp")
    handle = os.open(temporary, _WRITTEN | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(temporary, os.stat(target).st_mode & 0o7777)
        os.replace(temporary, target)
    except BaseException:  # an interrupt too must not leave the file behind
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def explained(verb: str, path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into a ``PromptsyncError`` that says what could not be done."""
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
    check_link(root, "")
    with contextlib.suppress(OSError), os.scandir(root / DIRECTORY) as entries:
        for name in sorted(entry.name for entry in entries if entry.is_symlink()):
            check_link(root, name)


def check_link(root: Path, below: str) -> None:
    """Raise Refused if there is a symbolic link on the way to a private file."""
    link = os.fspath(root)
    for part in (DIRECTORY, *filter(None, below.split("/"))):
        link = os.path.join(link, part)
        if os.path.islink(link):
            raise Refused(
                f"{link} is a symbolic link, and private files are never read or written through one",
                hint=f"rm {shlex.quote(link)}",
                code="private-link",
            )


def read_private(root: Path, below: str) -> bytes | None:
    """Return what a private file contains, ``None`` when it cannot be read: all of them can be rebuilt."""
    try:
        check_link(root, below)
        with open(os.path.join(root, DIRECTORY, below), "rb") as file:
            return file.read()
    except (OSError, Refused):
        return None


def write_private(root: Path, below: str, data: bytes) -> None:
    """Write a private file, all of it or nothing. Raises ``OSError`` and ``Refused``."""
    check_link(root, below)
    path = os.path.join(root, DIRECTORY, below)
    _replace(path, data, os.path.dirname(path), sync=False)


def overwrite_private(root: Path, below: str, data: bytes) -> None:
    """Write a private file that may be lost. Raises ``OSError`` and ``Refused``.

    It is cheaper than ``write_private``. After a crash, and while another run writes it, part of the file may
    be missing; no part of a JSON object is one.
    """
    check_link(root, below)
    path = os.path.join(root, DIRECTORY, below)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with os.fdopen(os.open(path, _WRITTEN | os.O_TRUNC, 0o666), "wb") as file:
        file.write(data)
