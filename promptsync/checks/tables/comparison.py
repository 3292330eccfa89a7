"""Compares the rows of two runs, and says whether a text is worse, as far as the rows can tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct


class RowResult(Struct, frozen=True):
    """One row of a run. ``score`` is 0 to 1, ``index`` counts from 0.

    ``verdict`` is ``pass``, ``warn``, ``fail``, ``error`` or ``skipped``. ``failed_steps`` are titles of
    steps of the scorecard, as far as they were read.
    """

    index: int
    inputs: Mapping[str, str]
    output: str
    score: float | None
    verdict: str
    failed_steps: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it passed; a warning does."""
        return self.verdict in ("pass", "warn")


class Comparison(Struct, frozen=True):
    """How the rows of a new text compare with those of the live one.

    ``worse`` and ``better`` are the rows that changed sides, each as live and new. ``least`` and ``most`` are
    by how many points the share of rows that pass has dropped, negative if it rose. ``verdict`` is that on
    ``max_drop``; ``reason`` says why it cannot be told.
    """

    rows: int
    worse: tuple[tuple[RowResult, RowResult], ...] = ()
    better: tuple[tuple[RowResult, RowResult], ...] = ()
    least: float = 0
    most: float = 0
    verdict: Literal["pass", "fail", "cannot tell"] = "pass"
    reason: str = ""
