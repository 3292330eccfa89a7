"""``python -m benchmarks [--quick] [--check] [start|sync|scale]...``: the budgets, measured."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import scale, startup, sync
from benchmarks.measure import Table

_PARTS = {"start": startup.rows, "sync": sync.rows, "scale": scale.rows}


def main() -> int:
    """Measure and print; 1 when ``--check`` was given and a budget is broken."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*_PARTS, []], metavar="|".join(_PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer files, commits and repetitions")
    parser.add_argument("--check", action="store_true", help="end in 1 when a budget is broken")
    options = parser.parse_args()
    table = Table()
    table.head()
    with tempfile.TemporaryDirectory(prefix="promptsync-benchmark-") as folder:
        for part in options.parts or _PARTS:
            place = Path(folder, part)
            place.mkdir()
            for row in _PARTS[part](place, quick=options.quick):
                table.add(row)
    return 1 if options.check and table.broken else 0


if __name__ == "__main__":
    sys.exit(main())
