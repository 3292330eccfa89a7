"""Processes that render, each one text at a time; the parent stops one that takes too much."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from promptsync.prompt.limits import MEGABYTES, SECONDS

ENFORCED: Final = sys.platform == "linux"
"""Whether the system enforces a limit of memory. macOS ignores it and Windows has none, so there the parent
measures the process."""

_GRACE = 2.0
"""Seconds after the limit at which a process stops by itself, if its parent has not stopped it."""
_LOOK = 0.05
"""Seconds between two looks at a process."""
_LONGEST = 64 * 2**20
"""Longest answer, in bytes."""
_AT_ONCE = 2

READY: Final = {"ready": True}
"""What a process says first."""
_KEPT: Final = frozenset(
    [
        *("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP"),
    ]
)
"""Variables that Python may need to start. API keys are in others, and templates are not trusted."""


class OutOfTime(Exception):
    """A text took longer to render than it may."""


class OutOfMemory(Exception):
    """A text needed more memory than it may."""


class Broken(Exception):
    """The rendering process did not start, or crashed."""


def ask(request: dict[str, Any], seconds: float, spend: Callable[[float], None]) -> dict[str, Any]:
    """Return the answer of a rendering process to a request.

    ``spend`` is called with the time that it took, without the time until a process was free and started.
    Raises ``OutOfTime``, ``OutOfMemory`` and ``Broken``, and ``ValueError`` for values that JSON cannot hold.
    """
    line = json.dumps(request).encode() + b"\n"
    with _borrowed() as process:
        began = time.monotonic()
        try:
            return process.ask(line, seconds)
        finally:
            spend(time.monotonic() - began)


class _Process:
    """One rendering process. After an exception it is gone."""

    def __init__(self) -> None:
        module = ["-P", "-m", "promptsync.rendering.child"]
        megabytes = MEGABYTES if ENFORCED else 0
        command = [sys.executable, *module, str(megabytes), str(SECONDS + _GRACE)]
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )
        except (OSError, TypeError) as error:  # a program that embeds Python may have no sys.executable
            raise Broken(f"the process that renders cannot be started: {error}") from error
        try:
            is_ready = self._read() == READY
        except ValueError:  # another program answers
            is_ready = False
        if not is_ready:
            self.stop()
            raise Broken("the process that renders does not start")

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    def ask(self, line: bytes, seconds: float) -> dict[str, Any]:
        assert self._popen.stdin is not None
        done = threading.Event()
        excess: list[Exception] = []
        watch = threading.Thread(target=self._watch, args=(done, seconds, excess), daemon=True)
        watch.start()
        try:
            with contextlib.suppress(OSError):
                self._popen.stdin.write(line)
                self._popen.stdin.flush()
            answer = self._read()
        finally:
            done.set()
            watch.join()
        if excess:
            raise excess[0]
        if "out_of_memory" in answer:
            raise OutOfMemory
        if not answer:
            # Python cannot always report that memory ran out.
            raise OutOfMemory if self._popen.wait() < 0 else Broken("the process that renders stopped")
        return answer

    def stop(self) -> None:
        """End the process and wait for it."""
        self._popen.kill()
        self._popen.wait()
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not written yet has no reader
                    stream.close()

    def _read(self) -> dict[str, Any]:
        """Return the next answer, an empty one if the process ended."""
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline(_LONGEST)
        if not line.endswith(b"\n"):
            return {}
        found: dict[str, Any] = json.loads(line.decode("utf-8", "surrogatepass"))
        return found

    def _watch(self, done: threading.Event, seconds: float, excess: list[Exception]) -> None:
        end = time.monotonic() + seconds
        while not done.wait(min(_LOOK, max(end - time.monotonic(), 0))):
            if time.monotonic() >= end:
                excess.append(OutOfTime())
            elif not ENFORCED and _megabytes(self._popen) > MEGABYTES:
                excess.append(OutOfMemory())
            if excess:
                self._popen.kill()
                return


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.upper() in _KEPT}


_idle: list[_Process] = []
_turns = threading.BoundedSemaphore(_AT_ONCE)


@contextmanager
def _borrowed() -> Iterator[_Process]:
    """Yield a process that nobody else uses; starting one takes as long as loading jinja2."""
    with _turns:
        process = _idle.pop() if _idle else None
        if process is not None and not process.is_running:
            process.stop()
            process = None
        process = process or _Process()
        try:
            yield process
        except BaseException:
            process.stop()
            raise
        _idle.append(process)


@atexit.register
def _stop_all() -> None:
    while _idle:
        _idle.pop().stop()


def _megabytes(process: subprocess.Popen[bytes]) -> float:
    """Return the memory that a process uses now, 0 if that is unknown."""
    if sys.platform == "win32":
        return _megabytes_on_windows(process)
    command = ["ps", "-o", "rss=", "-p", str(process.pid)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(done.stdout.strip() or 0) / 1024


def _megabytes_on_windows(process: subprocess.Popen[bytes]) -> float:
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        _fields_ = [
            ("size", wintypes.DWORD),
            ("faults", wintypes.DWORD),
            *((name, ctypes.c_size_t) for name in ("peak", "now", "a", "b", "c", "d", "pagefile", "e")),
        ]

    counters = Counters(size=ctypes.sizeof(Counters))
    read = ctypes.windll.kernel32.K32GetProcessMemoryInfo  # type: ignore[attr-defined]
    read.argtypes = [wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD]
    found = read(int(process._handle), ctypes.byref(counters), counters.size)  # type: ignore[attr-defined]
    return float(counters.pagefile) / 2**20 if found else 0.0
