"""Runs promptsync and measures where its time goes: ``main(FILE, ARGUMENT...)`` in a new Python.

Functions of promptsync are wrapped as their modules are loaded, in the order in which promptsync loads them.
Only modules that every start of Python loads are imported before, so that the measuring hides no import.
"""

from __future__ import annotations

import _thread
import os
import sys
import time

from benchmarks.launch import STARTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

PHASES = {
    "the registry": ["registry.promptlayer.connection:Connection.call"],
    "parsing responses": ["registry.promptlayer.responses:version_of"],
    "reading files": ["files.prompt_file:scan"],
    "comparing": ["compare.gather:gather"],
    "git": ["files.git.repository:GitProgram._execute"],
    "rendering": ["files.prompt_file:render_new", "files.prompt_file:render_edit"],
    "writing": [
        "files.disk:write",
        "files.disk:write_private",
        "files.disk:write_private",
    ],
    "showing": ["cli:_show"],
}
"""The functions that belong to each phase. What they call counts for the phase of the innermost one."""

_START = "starting Python"
_OWN, _LIBRARIES, _STANDARD = "importing promptsync", "importing libraries", "importing the standard library"


class Clock:
    """Counts, for each phase, its calls, its processor time and the time in which any thread was in it.

    A thread is in one phase at a time: while it is in an inner one, it is not in the outer one.
    """

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}
        self.cpu: dict[str, float] = {}
        self.wall: dict[str, float] = {}
        self._inside: dict[str, int] = {}
        self._since: dict[str, float] = {}
        self._lock = _thread.allocate_lock()
        self._local = _thread._local()

    def timed(self, phase: str, do: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Return the result of a call that belongs to a phase."""
        outer = getattr(self._local, "phase", None)
        self._change(outer, phase)
        try:
            return do(*arguments, **named)
        finally:
            self._change(phase, outer)
            with self._lock:
                self.calls[phase] = self.calls.get(phase, 0) + 1

    def _change(self, old: str | None, new: str | None) -> None:
        """Take this thread from one phase to another."""
        cpu, now = time.thread_time(), time.perf_counter()
        with self._lock:
            if old is not None:
                self.cpu[old] = self.cpu.get(old, 0.0) + cpu - self._local.since
                self._inside[old] -= 1
                if self._inside[old] == 0:
                    self.wall[old] = self.wall.get(old, 0.0) + now - self._since[old]
            if new is not None:
                self._inside[new] = self._inside.get(new, 0) + 1
                if self._inside[new] == 1:
                    self._since[new] = now
        self._local.phase, self._local.since = new, cpu


def main(file: str, *arguments: str) -> None:
    """Run promptsync, and write what was measured to a file."""
    started = float(os.environ[STARTED])
    clock = Clock()
    clock.calls[_START] = 1
    clock.cpu[_START] = time.process_time()
    clock.wall[_START] = time.monotonic() - started
    _wrap_imports(clock)
    sys.argv = ["promptsync", *arguments]
    try:
        clock.timed("all else in the main thread, and its waiting", _promptsync)
    except SystemExit as end:
        if end.code:
            raise
    wall = time.monotonic() - started
    import json
    from pathlib import Path

    phases = [[name, clock.calls[name], clock.cpu[name], clock.wall[name]] for name in clock.calls]
    Path(file).write_text(json.dumps({"wall": wall, "phases": phases}), "utf-8")


def _promptsync() -> None:
    from promptsync.__main__ import main

    main()


def _wrap_imports(clock: Clock) -> None:
    """Measure each import, and wrap the functions of the phases before anybody else gets them."""
    bootstrap: Any = sys.modules["_frozen_importlib"]
    find_and_load = bootstrap._find_and_load
    wanted: dict[str, list[tuple[str, str]]] = {}
    for phase, functions in PHASES.items():
        for function in functions:
            module, _, name = function.partition(":")
            wanted.setdefault(f"promptsync.{module}", []).append((phase, name))

    def load(name: str, import_: Any) -> Any:
        module = clock.timed(_group(name), find_and_load, name, import_)
        for phase, function in wanted.pop(name, ()):
            _wrap(clock, phase, module, function.split("."))
        return module

    bootstrap._find_and_load = load


def _group(name: str) -> str:
    top = name.partition(".")[0]
    if top == "promptsync":
        return _OWN
    return _STANDARD if top in sys.stdlib_module_names else _LIBRARIES


def _wrap(clock: Clock, phase: str, owner: Any, path: Sequence[str]) -> None:
    *classes, name = path
    for one in classes:
        owner = getattr(owner, one)
    function = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        return clock.timed(phase, function, *arguments, **named)

    setattr(owner, name, wrapped)
