"""The main rows of ``sync`` with a registry that is near, and with one that is far away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.sync import COUNT, PAGES, no_op, pull, push, pushed
from benchmarks.table import Budget, Row


def rows(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Yield the rows. How long they may take depends on the latency, so only requests have a budget."""
    # At 100 ms, the whole loop over the SDK would take a minute.
    rounds, sample = (1, COUNT // 20) if quick else (3, COUNT // 5)
    for latency in (0.005, 0.1):
        with pushed(folder / f"{latency}", latency, rounds, sample) as place:
            yield from no_op(place, Budget(requests=PAGES + 1))
            yield from pull(place, Budget(requests=1.02 * COUNT))
            yield push(place, Budget(requests=COUNT + 8))
