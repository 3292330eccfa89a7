"""``python -m benchmarks.noise [TRIALS]``: how often verdicts on ``max_drop`` are wrong, by simulation.

Two rules judge the same runs: the difference of the mean scores, and ``compare`` with one run and with three.
A row scores 100 or 0. The moving rows pass with any chance, the same in both texts; ``moves`` is the share of
rows that differ between two runs of one text. The new text fails rows that the live one passes, so that the
share that passes drops by exactly ``drop`` points in the long run. A verdict is wrong if it is pass although
the drop is above ``max_drop``, or fail although it is not.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product

from promptsync.checks.comparison import RowResult, compare

MAX_DROP = 5
MOVES, ROWS, DROPS = (0, 5, 15), (20, 50, 200), (0, 3, 5, 10, 20)
RULES = ("mean score", "one run", "three runs")


def chances(rows: int, moves: int, drop: int, source: random.Random) -> tuple[list[float], list[float]]:
    """Return with which chance each row passes: live, and with the new text."""
    # Two runs of a row that passes with any chance differ in a third of all cases.
    moving = 3 * moves / 100
    live = [
        source.random() if source.random() < moving else float(source.random() < 0.9) for _ in range(rows)
    ]
    now, left = list(live), drop * rows / 100
    for index in sorted(range(rows), key=lambda index: -live[index]):
        lost = min(now[index], left)
        now[index], left = now[index] - lost, left - lost
    return live, now


def run(passing: Sequence[float], runs: int, source: random.Random) -> list[RowResult]:
    """Return the rows of a run of a scripted model."""
    verdicts = ["pass" if source.random() < chance else "fail" for _ in range(runs) for chance in passing]
    return [
        RowResult(index, {"row": str(index % len(passing))}, "", float(verdict == "pass"), verdict)
        for index, verdict in enumerate(verdicts)
    ]


def verdicts(rows: int, moves: int, drop: int, source: random.Random) -> Iterator[tuple[str, str]]:
    """Yield the verdict of each rule on one pair of texts."""
    live, now = chances(rows, moves, drop, source)
    for rule, runs in (("one run", 1), ("three runs", 3)):
        sides = run(live, runs, source), run(now, runs, source)
        yield rule, compare(*sides, runs, MAX_DROP).verdict
        if runs == 1:
            means = [100 * sum(row.passed for row in side) / rows for side in sides]
            yield "mean score", "fail" if round(means[0] - means[1], 6) > MAX_DROP else "pass"


def shares(rows: int, moves: int, drop: int, trials: int, seed: str = "") -> dict[str, tuple[float, float]]:
    """Return for each rule the percentages of wrong verdicts and of those that cannot tell."""
    source = random.Random(f"{seed} {rows} {moves} {drop}")
    counts: Counter[tuple[str, str]] = Counter()
    for _ in range(trials):
        counts.update(verdicts(rows, moves, drop, source))
    wrong = "pass" if drop > MAX_DROP else "fail"
    return {
        rule: (100 * counts[rule, wrong] / trials, 100 * counts[rule, "cannot tell"] / trials)
        for rule in RULES
    }


def main(trials: int) -> None:
    """Print the table."""
    heads = ["rows that move", "rows", "true drop", "mean score: wrong"]
    heads += [f"{rule}: {what}" for rule in RULES[1:] for what in ("wrong", "cannot tell")]
    _line(heads)
    _line(["---:"] * len(heads))
    for moves, rows, drop in product(MOVES, ROWS, DROPS):
        (wrong, _), *others = shares(rows, moves, drop, trials).values()
        numbers = [wrong, *(number for pair in others for number in pair)]
        _line([f"{moves} %", str(rows), str(drop), *(f"{number:.0f} %" for number in numbers)])


def _line(cells: Sequence[str]) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
