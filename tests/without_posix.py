"""A pytest plugin that takes away what only POSIX has, to see on any system what still imports."""

from __future__ import annotations

# What the standard library imports takes these for granted on this system, so it comes first.
import asyncio  # noqa: F401
import fcntl
import importlib.abc
import multiprocessing  # noqa: F401
import os
import shutil  # noqa: F401
import signal
import subprocess  # noqa: F401
import sys
import tempfile  # noqa: F401
import types

MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"}
OF_OS = {"chown", "fork", "geteuid", "killpg", "mkfifo", "openpty", "setsid", "statvfs", "uname", "ST_NOEXEC"}
OF_OS |= {"O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK"}
OF_SIGNAL = {"SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGXFSZ", "alarm"}


class _Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


for _name in MODULES:
    sys.modules.pop(_name, None)
for _place, _names in ((os, OF_OS), (signal, OF_SIGNAL)):
    for _name in _names:
        if hasattr(_place, _name):
            delattr(_place, _name)
# What Windows has in its place, as far as promptsync uses it.
_flock, _EXCLUSIVE = fcntl.flock, fcntl.LOCK_EX | fcntl.LOCK_NB
_msvcrt = types.ModuleType("msvcrt")
vars(_msvcrt).update(LK_NBLCK=2, locking=lambda handle, mode, size: _flock(handle, _EXCLUSIVE))
sys.modules.setdefault("msvcrt", _msvcrt)
sys.meta_path.insert(0, _Missing())
