"""The rows of the table, and whether each keeps its budget."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.measure import Run

_WIDTHS = {"work": 50, "measured": 46, "compared with": 66, "budget": 36}


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a run may take. ``rule`` says what the seconds were computed from."""

    seconds: float | None = None
    requests: float | None = None
    megabytes: float | None = None
    rule: str = ""

    def allows(self, run: Run) -> bool:
        """Whether a run keeps the budget."""
        pairs = (
            (run.seconds, self.seconds),
            (run.requests, self.requests),
            (run.megabytes, self.megabytes),
        )
        return all(most is None or value <= most for value, most in pairs)

    def __str__(self) -> str:
        time = "" if self.seconds is None else seconds(self.seconds)
        parts = [": ".join(filter(None, [self.rule, time]))]
        if self.requests is not None:
            parts.append(f"{int(self.requests):,} requests")
        if self.megabytes is not None:
            parts.append(f"{self.megabytes:.0f} MB")
        return ", ".join(filter(None, parts))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``kept`` is ``None`` for what has no budget.

    ``run`` and ``ratio`` are the figures in the texts. ``repeats`` has those of each run of the part.
    """

    work: str
    measured: str
    compared: str = ""
    budget: str = ""
    kept: bool | None = None
    run: Run | None = None
    ratio: float | None = None
    repeats: str = ""

    @property
    def figures(self) -> Mapping[str, Any]:
        """Everything in the row, for JSON."""
        found = {name: getattr(self, name) for name in ("work", "measured", "compared", "budget", "kept")}
        if self.ratio is not None:
            found["ratio"] = round(self.ratio, 4)
        if self.run is not None:
            figures = ("seconds", "cpu", "megabytes", "requests", "reads", "registry_cpu")
            found |= {name: round(getattr(self.run, name), 4) for name in figures}
        return found | ({"repeats": self.repeats} if self.repeats else {})


def judged(work: str, run: Run, budget: Budget, compared: str, ratio: float | None = None) -> Row:
    """Return the row of a run of promptsync."""
    return Row(work, described(run), compared, str(budget), budget.allows(run), run, ratio)


def described(run: Run) -> str:
    """Return what a run took, for people."""
    requests = f", {run.requests:,} requests" if run.requests else ""
    return f"{seconds(run.seconds)} (CPU {seconds(run.cpu)}){requests}, {run.megabytes:.0f} MB"


def merged(rows: Sequence[Row]) -> Row:
    """Return the median of the rows that repeated runs gave for one work, with the figures of all."""
    if len(rows) == 1:
        return rows[0]

    # Those that keep the budget come first, so that the one in the middle has the verdict of most.
    def rank(row: Row) -> tuple[bool, float]:
        return row.kept is False, row.run.seconds if row.run else 0

    middle = sorted(rows, key=rank)[len(rows) // 2]
    texts = [
        " / ".join(seconds(row.run.seconds) for row in rows if row.run),
        " / ".join(f"{row.ratio:.2f} x" for row in rows if row.ratio is not None),
    ]
    return replace(middle, repeats="; ".join(filter(None, texts)))


@dataclass
class Table:
    """Rows, printed as they come in."""

    rows: list[Row] = field(default_factory=list)

    def head(self) -> None:
        """Print the head."""
        self._print(*_WIDTHS, "verdict")
        self._print(*("-" * width for width in _WIDTHS.values()), "-------")

    def add(self, row: Row) -> None:
        """Add a row, and print it."""
        self.rows.append(row)
        verdict = {True: "kept", False: "BROKEN", None: ""}[row.kept]
        self._print(row.work, row.measured, row.compared, row.budget, verdict)
        if row.repeats:
            self._print(f"    {row.repeats}")

    def save(self, path: Path) -> None:
        """Write all rows as JSON."""
        path.write_text(json.dumps([row.figures for row in self.rows], indent=1) + "\n", "utf-8")

    @property
    def broken(self) -> list[Row]:
        """The rows whose budget is broken."""
        return [row for row in self.rows if row.kept is False]

    def _print(self, *cells: str) -> None:
        padded = [cell.ljust(width) for cell, width in zip(cells, [*_WIDTHS.values(), 0], strict=False)]
        sys.stdout.write("  ".join(padded).rstrip() + "\n")
        sys.stdout.flush()


def seconds(value: float) -> str:
    """Return a time for people."""
    return f"{value:.2f} s" if value >= 0.1 else f"{value * 1000:.0f} ms"
