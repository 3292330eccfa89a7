"""A progress bar on stderr, for work that takes a while."""

from __future__ import annotations

import threading
from typing import Any

PATIENCE = 0.6
"""Seconds of work before a bar appears."""


class Bar:
    """Shows how much of the current work is done, if ``shown``. May be called from several threads."""

    def __init__(self, *, shown: bool, plain: bool = False) -> None:
        self._shown = shown
        self._plain = plain
        self._timer: threading.Timer | None = None
        self._progress: Any = None
        self._task: Any = None
        self._what = ""
        self._now = "", 0, 0
        self._lock = threading.Lock()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show what is being done, how much of it is done, and how much there is (0: unknown)."""
        if not self._shown:
            return
        with self._lock:
            self._now = what, done, total
            if self._progress is not None:
                self._draw()
            elif self._timer is None:
                # A bar for a few milliseconds would only flicker. It appears even if nothing ends until then.
                self._timer = threading.Timer(PATIENCE, self._appear)
                self._timer.daemon = True
                self._timer.start()

    def wait(self, message: str) -> None:
        """Print that the registry requested a pause."""
        if self._shown:
            with self._lock:
                if self._progress is None:
                    self._start()
                self._progress.console.print(message, markup=False, highlight=False)

    def close(self) -> None:
        """Remove the bar."""
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
                self._progress = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _appear(self) -> None:
        with self._lock:
            if self._timer is not None and self._progress is None:
                self._start()
                self._draw()

    def _draw(self) -> None:
        what, done, total = self._now
        if what != self._what:
            self._what = what
            self._progress.reset(self._task, description=what, total=total or None)
        self._progress.update(self._task, completed=done, total=total or None)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            console=Console(stderr=True, no_color=self._plain or None),
            transient=True,
        )
        self._progress.start()
        self._task, self._what = self._progress.add_task("", total=None), ""
