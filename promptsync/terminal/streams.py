"""What the process was given to read from and to print to."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from typing import TextIO

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def use_utf8() -> None:
    """Start the program again in Python's UTF-8 mode where the locale makes Python read names as ASCII.

    Under ``LC_ALL=C PYTHONUTF8=0`` arguments and file names would come in as bytes that nothing can decode.
    """
    if sys.getfilesystemencoding() == "ascii":
        with contextlib.suppress(OSError):
            os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def open_closed() -> None:
    """Put the null device where the caller closed stdin, stdout or stderr.

    Else the next file that is opened, such as a database, would get the number of one of them, and what is
    printed.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123


def close_stdout() -> None:
    """Keep Python from complaining once more while it closes stdout."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_full(error: Exception) -> bool:
    """Whether a device took no more, so that what was to be written is lost."""
    return isinstance(error, OSError) and error.errno in _FULL


def is_file(stream: TextIO) -> bool:
    """Whether a stream goes into a file, for somebody to read later, and not to a terminal or a log."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def columns(given: str) -> int | None:
    """How wide the terminal is to which stdout goes, ``None`` when it goes elsewhere or does not tell."""
    if not sys.stdout.isatty():
        return None
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except OSError:
        return None
