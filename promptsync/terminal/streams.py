"""The standard streams of the process, and the pager."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import stat
import sys
from typing import TextIO


def use_utf8() -> None:
    """Print UTF-8 on Windows as well. Characters that another encoding lacks are escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if sys.platform == "win32":  # a pipe has an old encoding there, and other line ends
                stream.reconfigure(encoding="utf-8", newline="\n")
            if stream.errors == "strict":
                stream.reconfigure(errors="backslashreplace")


def open_closed() -> None:
    """Open the null device in place of a stdin, stdout or stderr that the caller closed.

    Otherwise the next file that is opened, such as a database, would get its number, and all output.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123


def close_stdout() -> None:
    """Discard the rest of stdout, so that Python does not fail again when it closes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_file(stream: TextIO) -> bool:
    """Whether a stream is redirected to a file, and not a terminal or a log."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def columns(variable: str) -> int | None:
    """Return the width of the terminal that stdout is, ``None`` for anything else or an unknown width."""
    if not sys.stdout.isatty():
        return None
    if variable.isdecimal() and int(variable):
        return int(variable)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except OSError:
        return None


def page(text: str, command: str) -> bool:
    """Show a text in a pager, a shell command as in ``PAGER``. Return whether it worked."""
    import subprocess

    # the same defaults as git's: quit if it fits on one screen, keep colors, keep the text on the screen
    script = f'export LESS="${{LESS-FRX}}" LV="${{LV--c}}"; {command}'
    try:
        pager = subprocess.Popen(script, shell=True, stdin=subprocess.PIPE)
    except OSError:
        return False
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pager
    try:
        with contextlib.suppress(BrokenPipeError):  # the user quit the pager before the end
            pager.communicate(text.encode("utf-8", "backslashreplace"))
        return pager.wait() in (0, -signal.SIGINT, 128 + signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
