"""Where the time of a no-op status and of a cold pull goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import world
from benchmarks.instrument import PHASES
from benchmarks.measure import Run, python
from benchmarks.registry import counted
from benchmarks.sync import Place, pushed
from benchmarks.table import Row

_SCRIPT = "import sys; from benchmarks.instrument import main; main(*sys.argv[1:])"


def rows(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Yield a row for each phase of the quickest run.

    Wall time is that in which any thread was in the phase, and threads overlap. The processor times add up.
    """
    rounds = 1 if quick else 5
    with pushed(folder / "a", 0.02, rounds, 0) as place:
        roots = [world.working_copy(folder / f"pull-{number}", place.url) for number in range(rounds)]
        for root in roots:
            world.commit_all(root, "Start")
        yield from _phases(place, "status", [place.root] * rounds)
        yield from _phases(place, "pull", roots)


def _phases(place: Place, verb: str, roots: list[Path]) -> Iterator[Row]:
    run, found = min((_measured(place, verb, root) for root in roots), key=lambda pair: pair[0].seconds)
    yield Row(f"{verb}: all", _times(run.seconds, run.cpu), run=run)
    others = run.cpu
    for name, calls, cpu, wall in sorted(found["phases"], key=lambda phase: -phase[2]):
        others -= cpu
        yield Row(f"{verb}: {name}", _times(wall, cpu), f"{calls:,} {_unit(name)}" if calls > 1 else "")
    ending = run.seconds - found["wall"]
    yield Row(f"{verb}: all else: ending, other threads, git", _times(ending, others))
    yield Row(f"{verb}: (the process of the registry)", _times(run.seconds, run.registry_cpu))


def _measured(place: Place, verb: str, root: Path) -> tuple[Run, dict[str, Any]]:
    file = place.folder / "phases.json"
    run = counted(place.url, partial(python, "-c", _SCRIPT, str(file), "-C", str(root), verb))
    return run, json.loads(file.read_text("utf-8"))


def _times(wall: float, cpu: float) -> str:
    return f"{wall * 1000:7.0f} ms wall {cpu * 1000:7.0f} ms CPU"


def _unit(name: str) -> str:
    return "calls" if name in PHASES else "modules"
