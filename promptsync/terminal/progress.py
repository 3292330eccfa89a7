"""A progress bar on stderr, for work that takes a while."""

from __future__ import annotations

import itertools
import sys
import threading
from typing import Any

import click

PATIENCE = 1.0
"""Seconds of work before a bar appears: one for a few milliseconds would only flicker."""

_CLEAR_LINE = "\r\x1b[K\x1b[?25h"


class Bar:
    """Shows how much of the current work is done, if ``shown``. May be called from several threads."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._timer: threading.Timer | None = None
        self._latest: tuple[str, int, int] | None = None
        self._bar: Any = None
        self._lock = threading.Lock()

    def __call__(self, what: str, position: int, total: int) -> None:
        """Show what is under way, how far it is, and how much there is (0: unknown)."""
        if not self._shown:
            return
        with self._lock:
            self._latest = (what, position, total)
            if self._timer is None:
                # The first response may take longer than that.
                self._timer = threading.Timer(PATIENCE, self._draw)
                self._timer.daemon = True
                self._timer.start()
            if not self._timer.is_alive():
                self._render()

    def _draw(self) -> None:
        with self._lock:
            self._render()

    def _render(self) -> None:
        if self._latest is None:
            return
        what, position, total = self._latest
        if self._bar is None or (self._bar.label, self._bar.length) != (what, total or None):
            self._clear()
            self._bar = click.progressbar(
                itertools.repeat(None),
                length=total or None,
                label=what,
                width=0,
                show_eta=False,
                show_pos=True,
                file=sys.stderr,
            )
            self._bar.render_progress()
        self._bar.update(position - self._bar.pos)

    def close(self) -> None:
        """Remove the bar."""
        with self._lock:
            self._clear()
            self._latest = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _clear(self) -> None:
        if self._bar is not None:
            click.echo(_CLEAR_LINE, err=True, nl=False)
            self._bar = None
