"""``python -m benchmarks [OPTION]... [PART]...``: the budgets, measured."""

from __future__ import annotations

import argparse
import compileall
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import latency, limits, profile, scale, sidecar, startup, sync
from benchmarks.measure import ROOT
from benchmarks.table import Table, merged

PARTS = {
    "start": startup.rows,
    "sync": sync.rows,
    "latency": latency.rows,
    "scale": scale.rows,
    "limits": limits.rows,
    "sidecar": sidecar.rows,
    "profile": profile.rows,
}


def main() -> int:
    """Measure and print; 1 when ``--check`` was given and a budget is broken."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="|".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer files, commits and repetitions")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="repeat each part N times")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows to FILE")
    parser.add_argument("--check", action="store_true", help="end in 1 when a budget is broken")
    options = parser.parse_args()
    for package in ("promptsync", "benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=1)
    table = Table()
    table.head()
    with tempfile.TemporaryDirectory(prefix="promptsync-benchmark-") as folder:
        for part in options.parts or PARTS:
            _measure(table, part, Path(folder, part), quick=options.quick, runs=options.runs)
    if options.json is not None:
        table.save(options.json)
    return 1 if options.check and table.broken else 0


def _measure(table: Table, part: str, place: Path, *, quick: bool, runs: int) -> None:
    """Add the rows of a part: one by one as they are measured, or all at once after several runs."""
    taken = []
    for _ in range(runs):
        place.mkdir()
        rows = []
        for row in PARTS[part](place, quick=quick):
            rows.append(row)
            if runs == 1:
                table.add(row)
        shutil.rmtree(place)
        taken.append(rows)
    if runs > 1:
        for repeated in zip(*taken, strict=True):
            table.add(merged(repeated))


if __name__ == "__main__":
    sys.exit(main())
