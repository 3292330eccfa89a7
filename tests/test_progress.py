"""The bar on stderr: after a second of work, as wide as the terminal, and gone without a trace."""

from __future__ import annotations

import io
import sys

import pytest

from promptsync.terminal import progress
from promptsync.terminal.progress import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("COLUMNS", "60")
    return stderr


def test_a_bar_appears_by_itself_and_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    stderr = terminal(monkeypatch)
    bar = Bar(shown=True)
    bar("reading", 0, 4)
    assert bar._timer is not None
    bar._timer.join()
    assert "reading" in stderr.getvalue() and "0/4" in stderr.getvalue()
    assert max(map(len, stderr.getvalue().split("\r"))) <= 60 + len("\x1b[?25l")
    bar("reading", 3, 4)
    assert "3/4" in stderr.getvalue()
    bar("writing", 1, 0)
    assert "writing" in stderr.getvalue()
    bar.close()
    assert stderr.getvalue().endswith("\r\x1b[K\x1b[?25h")


@pytest.mark.parametrize(("patience", "shown"), [(3600.0, True), (0.0, False)])
def test_short_work_shows_no_bar_and_neither_does_a_run_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, patience: float, shown: bool
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", patience)
    stderr = terminal(monkeypatch)
    bar = Bar(shown=shown)
    bar("reading", 0, 4)
    bar("reading", 4, 4)
    bar.close()
    assert stderr.getvalue() == ""
