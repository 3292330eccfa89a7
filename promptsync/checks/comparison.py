"""Compares the rows of two runs, and says whether a version is worse, as far as the rows can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from promptsync.prompt.evaluation import enough_rows

_DOUBT: Final = 0.05
"""How often a verdict may be wrong: each bound of the drop is exceeded that often at most."""
_CERTAIN_RUNS: Final = 3
"""Repeats from which a row whose repeats all agree is no accident."""


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


_Pair = tuple[RowResult, RowResult]
"""A row of the live version, and of the new one."""


class Comparison(Struct, frozen=True):
    """How the rows of a new version compare with those of the live one.

    ``worse`` and ``better`` are the rows that changed sides, each as live and new. ``least`` and ``most`` are
    by how many points the share of rows that pass has dropped, negative if it rose. ``verdict`` is that on
    ``max_drop``; ``reason`` says in a sentence what it is based on.
    """

    rows: int
    worse: tuple[_Pair, ...] = ()
    better: tuple[_Pair, ...] = ()
    least: float = 0
    most: float = 0
    verdict: Literal["pass", "fail", "cannot tell"] = "pass"
    reason: str = ""


def compare(
    live: Sequence[RowResult], candidate: Sequence[RowResult], runs: int, max_drop: float | None
) -> Comparison:
    """Compare two runs of the same inputs: all of them in order, ``runs`` times.

    A row passes if more than half of its repeats do. From ``runs`` of 3 on, a changed row whose repeats all
    agree counts as it is. Any other could have changed by chance: an exact binomial interval says how many of
    them got worse. Rows without a verdict on a repeat are not compared.
    """
    inputs = [row.inputs for row in live]
    if inputs != [row.inputs for row in candidate] or len(inputs) % runs:
        return Comparison(0, verdict="cannot tell", reason="the two runs do not have the same rows")
    count = len(inputs) // runs
    worse, better, chances = list[_Pair](), list[_Pair](), [0, 0]
    rows = 0
    for index in range(count):
        sides = live[index::count], candidate[index::count]
        # A row that the scorecard skips for only one of the versions has changed, so it is compared.
        if any(row.verdict == "error" for side in sides for row in side) or all(
            row.verdict == "skipped" for side in sides for row in side
        ):
            continue
        rows += 1
        before, now = (sum(row.passed for row in side) for side in sides)
        if (2 * before > runs) == (2 * now > runs):
            continue
        is_better = now > before
        pair = _example(sides[0], index, passed=before > now), _example(sides[1], index, passed=is_better)
        (better if is_better else worse).append(pair)
        chances[is_better] += runs < _CERTAIN_RUNS or abs(before - now) < runs
    certain = len(worse) - chances[0] - len(better) + chances[1]
    least, most = (_points(certain + rest, rows) for rest in _interval(*chances))
    comparison = Comparison(rows, tuple(worse), tuple(better), least, most)
    return comparison if max_drop is None else _judged(comparison, runs, max_drop)


class Noise(Struct, frozen=True):
    """How far repeats of one version differ by themselves.

    ``scores`` are those of the repeats, 0 to 100. ``moved`` are the rows, from 0, that did not always get the
    same verdict. ``share`` is how many rows differ between two runs, 0 to 1.
    """

    rows: int
    scores: tuple[float, ...]
    moved: tuple[int, ...]
    share: float

    def max_drop(self, rows: int) -> int:
        """Return the smallest ``max_drop`` that an unchanged prompt passes in four of five runs."""
        changed = math.ceil(rows * self.share)
        # So many of the changed rows, or fewer, get worse by chance in four of five runs.
        ways = accumulate(math.comb(changed, worse) for worse in range(changed + 1))
        worse = next(number for number, sum_ in enumerate(ways) if 5 * sum_ >= 4 * 2**changed)
        _, most = _interval(worse, changed - worse)
        return math.ceil(max(_points(most, rows), 100 / rows))

    def rows_for(self, max_drop: float) -> int | None:
        """Return how many rows it takes for a ``max_drop``, ``None`` if that is more than ten thousand."""
        sizes = (size * 10**power for power in range(1, 4) for size in (1, 2, 3, 5, 7))
        return next((rows for rows in sizes if self.max_drop(rows) <= max_drop), None)


def noise(rows: Sequence[RowResult], runs: int) -> Noise:
    """Return how far ``runs`` repeats of some rows differ; they follow one another, each in order."""
    count = len(rows) // runs
    repeats = [rows[run * count : (run + 1) * count] for run in range(runs)]
    passed = [sum(row.passed for row in rows[index::count]) for index in range(count)]
    # Each row differs in so many of all pairs of runs.
    differing = sum(number * (runs - number) for number in passed) / (runs * (runs - 1) / 2)
    return Noise(
        count,
        tuple(round(100 * sum(row.score or 0 for row in repeat) / count, 2) for repeat in repeats),
        tuple(index for index, number in enumerate(passed) if 0 < number < runs),
        differing / count,
    )


def _example(repeats: Sequence[RowResult], index: int, *, passed: bool) -> RowResult:
    return replace(next(row for row in repeats if row.passed is passed), index=index)


def _judged(comparison: Comparison, runs: int, max_drop: float) -> Comparison:
    rows, least, most = comparison.rows, comparison.least, comparison.most
    changed = f"{len(comparison.worse)} of {rows} rows got worse and {len(comparison.better)} better"
    reason = f"{changed}: the share that passes has {_movement(least, most)}; max_drop is {max_drop:g}"
    if least > max_drop and rows >= enough_rows(0):
        return replace(comparison, verdict="fail", reason=reason)
    if rows < enough_rows(max_drop):
        few = "1 row is" if rows == 1 else f"{rows} rows are"
        reason = f"{few} too few to judge max_drop {max_drop:g}"
        return replace(
            comparison, verdict="cannot tell", reason=f"{reason}; it takes {enough_rows(max_drop)}"
        )
    if most <= max_drop or not comparison.worse:
        return replace(comparison, verdict="pass", reason=reason)
    more = "more rows" if runs >= _CERTAIN_RUNS else f"more rows, or runs: {_CERTAIN_RUNS}"
    return replace(comparison, verdict="cannot tell", reason=f"{reason}; to tell takes {more}")


def _movement(least: float, most: float) -> str:
    low, high = (f"{abs(points):.1f}".removesuffix(".0") for points in (least, most))
    if least == most:
        return "not changed" if not most else f"{'dropped' if most > 0 else 'risen'} by {high} points"
    if least >= 0:
        return f"dropped by {low} to {high} points"
    if most <= 0:
        return f"risen by {high} to {low} points"
    return f"dropped by at most {high} points or risen by at most {low}"


def _points(rows: float, of: int) -> float:
    return round(100 * rows / of, 6) if of else 0.0


def _interval(worse: int, better: int) -> tuple[float, float]:
    """Return the least and the most that worse rows outnumber better ones by: a Clopper-Pearson interval."""
    changed = worse + better
    least, most = _least_share(worse, changed), 1 - _least_share(better, changed)
    return (2 * least - 1) * changed, (2 * most - 1) * changed


def _least_share(hits: int, trials: int) -> float:
    """Return the smallest chance of a hit at which that many hits are likely enough."""
    if not hits:
        return 0.0
    # Logarithms, because the numbers of ways are too large for floats from a thousand trials on.
    ways = [
        math.lgamma(trials + 1) - math.lgamma(number + 1) - math.lgamma(trials - number + 1)
        for number in range(hits, trials + 1)
    ]
    low, high = 0.0, 1.0
    for _ in range(40):
        chance = (low + high) / 2
        hit, miss = math.log(chance), math.log1p(-chance)
        terms = (way + number * hit + (trials - number) * miss for number, way in enumerate(ways, hits))
        low, high = (chance, high) if math.fsum(map(math.exp, terms)) < _DOUBT else (low, chance)
    return low
