"""Running child processes and judging what they took."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

KEY = {"PROMPTLAYER_API_KEY": "pl_benchmark"}
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Run:
    """One child process: seconds, peak memory in megabytes, stdout."""

    seconds: float
    megabytes: float
    out: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``kept`` is ``None`` for what has no budget."""

    work: str
    measured: str
    compared: str = ""
    budget: str = ""
    kept: bool | None = None


Measure = Callable[[], Run]


def python(*arguments: str, codes: Sequence[int] = (0,)) -> Run:
    """Run this Python with arguments. Raises ``RuntimeError`` when it ends in any other code."""
    environ = {**os.environ, **KEY, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, text=True
    )
    assert child.stdout is not None and child.stderr is not None
    with child.stdout, child.stderr:
        out, err = child.stdout.read(), child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in codes:
        raise RuntimeError(f"{' '.join(arguments)} ended in {child.returncode}:\n{out}{err}")
    return Run(seconds, usage.ru_maxrss / 1024, out)


def promptsync(root: Path, *arguments: str, codes: Sequence[int] = (0,)) -> Run:
    """Run promptsync, as its console script would, in a directory."""
    script = "import sys; from promptsync.cli import main; main(sys.argv[1:])"
    return python("-c", script, "-C", str(root), *arguments, codes=codes)


def best(times: int, *measures: Measure) -> list[Run]:
    """Take the measures in turn, several times; return the quickest run of each: noise only ever adds."""
    taken: list[list[Run]] = [[] for _ in measures]
    for _ in range(times):
        for runs, measure in zip(taken, measures, strict=True):
            runs.append(measure())
    return [min(runs, key=lambda run: run.seconds) for runs in taken]


@dataclass
class Table:
    """Rows, printed as they come in."""

    rows: list[Row] = field(default_factory=list)
    widths: Mapping[str, int] = field(
        default_factory=lambda: {"work": 60, "measured": 28, "compared": 52, "budget": 28}
    )

    def head(self) -> None:
        self._print("work", "measured", "compared with", "budget", "verdict")
        self._print(*("-" * width for width in self.widths.values()), "-------")

    def add(self, row: Row) -> None:
        self.rows.append(row)
        verdict = {True: "kept", False: "BROKEN", None: ""}[row.kept]
        self._print(row.work, row.measured, row.compared, row.budget, verdict)

    @property
    def broken(self) -> list[Row]:
        return [row for row in self.rows if row.kept is False]

    def _print(self, *cells: str) -> None:
        padded = [cell.ljust(width) for cell, width in zip(cells, [*self.widths.values(), 0], strict=True)]
        sys.stdout.write("  ".join(padded).rstrip() + "\n")
        sys.stdout.flush()


def seconds(value: float) -> str:
    """Return a time for people."""
    return f"{value:.2f} s" if value >= 0.1 else f"{value * 1000:.0f} ms"
