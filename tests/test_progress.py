"""The bar on stderr: after a second of work, as wide as the terminal, and gone without a trace."""

from __future__ import annotations

import io
import sys
import time

import pytest

from promptsync.terminal.progress import PATIENCE, Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("COLUMNS", "60")
    return stderr


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time by which the clock is late, to be changed."""
    late = [0.0]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + late[0])
    return late


def test_a_bar_appears_after_a_second_and_is_removed(
    monkeypatch: pytest.MonkeyPatch, seconds: list[float]
) -> None:
    stderr = terminal(monkeypatch)
    bar = Bar(shown=True)
    bar("reading", 0, 4)
    assert stderr.getvalue() == ""
    seconds[0] = PATIENCE
    bar("reading", 2, 4)
    assert "reading" in stderr.getvalue() and "2/4" in stderr.getvalue()
    assert max(map(len, stderr.getvalue().split("\r"))) <= 60 + len("\x1b[?25l")
    bar("reading", 3, 4)
    assert "3/4" in stderr.getvalue()
    bar("writing", 1, 0)
    assert "writing" in stderr.getvalue()
    bar.wait("trying again in 2 s")
    bar.close()
    assert stderr.getvalue().endswith("\r\x1b[K\x1b[?25htrying again in 2 s\n")


def test_a_bar_that_is_not_shown_prints_nothing(
    monkeypatch: pytest.MonkeyPatch, seconds: list[float]
) -> None:
    stderr = terminal(monkeypatch)
    bar = Bar(shown=False)
    bar("reading", 0, 4)
    seconds[0] = 9.0
    bar("reading", 2, 4)
    bar.wait("trying again in 2 s")
    bar.close()
    assert stderr.getvalue() == ""
