"""The comparison of rows: which of them changed sides, and what that says of a drop."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from benchmarks import noise as simulation
from promptsync.checks.comparison import Comparison, Noise, RowResult, compare, noise
from promptsync.prompt.evaluation import enough_rows


def rows(verdicts: str, *, inputs: int | None = None) -> list[RowResult]:
    """Rows by a letter each: pass, warn, fail, error, skipped; ``inputs`` are repeated."""
    words = {"p": "pass", "w": "warn", "f": "fail", "e": "error", "s": "skipped"}
    every = inputs or len(verdicts)
    return [
        RowResult(index, {"question": f"q{index % every}"}, f"answer {index} {letter}", None, words[letter])
        for index, letter in enumerate(verdicts)
    ]


def changed(worse: int, better: int, total: int, runs: int = 1, max_drop: float | None = 5) -> Comparison:
    live = "p" * worse + "f" * better + "p" * (total - worse - better)
    now = "f" * worse + "p" * better + "p" * (total - worse - better)
    return compare(rows(live * runs, inputs=total), rows(now * runs, inputs=total), runs, max_drop)


def test_the_verdict() -> None:
    for worse, better, total, runs, verdict in (
        (1, 0, 20, 1, "pass"),  # at most 5 points
        (2, 0, 20, 1, "cannot tell"),
        (15, 3, 50, 1, "fail"),
        (25, 25, 1000, 1, "pass"),
        (3000, 1000, 10_000, 1, "fail"),
        (9, 0, 9, 1, "cannot tell"),
        # All repeats of each row agree: nothing is left to chance.
        (1, 0, 20, 3, "pass"),
        (2, 0, 20, 3, "fail"),
        (3, 0, 50, 2, "cannot tell"),
    ):
        comparison = changed(worse, better, total, runs)
        assert (len(comparison.worse), len(comparison.better), comparison.rows) == (worse, better, total)
        assert comparison.verdict == verdict, (worse, total, runs)


def test_the_reason() -> None:
    for comparison, reason in (
        (changed(15, 3, 50), "has dropped by 8.9 to 32.6 points; max_drop is 5"),
        (
            changed(3, 2, 50),
            "has dropped by at most 8.5 points or risen by at most 6.2; max_drop is 5; "
            "to tell takes more rows, or runs: 3",
        ),
        (changed(3, 0, 50, 3), "has dropped by 6 points; max_drop is 5"),
        (changed(1, 19, 50), "has risen by 22.7 to 39.8 points; max_drop is 5"),
        (changed(0, 0, 1), "1 row is too few to judge max_drop 5; it takes 20"),
        (changed(2, 0, 50, max_drop=None), ""),
    ):
        sides = f"{len(comparison.worse)} of 50 rows got worse and {len(comparison.better)} better"
        start = f"{sides}: the share that passes " if reason.startswith("has") else ""
        assert comparison.reason == start + reason


@pytest.mark.parametrize(("max_drop", "enough"), [(0, 10), (20, 10), (3, 34), (0.5, 200)])
def test_enough_rows(max_drop: float, enough: int) -> None:
    assert enough_rows(max_drop) == enough
    assert changed(0, 0, enough, max_drop=max_drop).verdict == "pass"
    assert changed(0, 0, enough - 1, max_drop=max_drop).verdict == "cannot tell"


def test_a_warning_passes_and_rows_without_a_verdict_are_not_compared() -> None:
    comparison = compare(rows("pwfpsep"), rows("wpwesps"), 1, None)
    assert comparison.rows == 4
    # One text alone cannot get rid of a row by being skipped.
    assert [(before.index, now.index) for before, now in comparison.worse] == [(6, 6)]
    assert [(before.index, now.index) for before, now in comparison.better] == [(2, 2)]


def test_most_repeats_decide_and_examples_are_from_the_repeats_that_did() -> None:
    # Row 0: two of three passed, now one. Row 1: unchanged by most.
    live, now = rows("pffppp", inputs=2), rows("fpfppf", inputs=2)
    comparison = compare(live, now, 3, None)
    ((before, after),) = comparison.worse
    assert (before.index, before.output, before.inputs) == (0, "answer 0 p", {"question": "q0"})
    assert (after.index, after.output) == (0, "answer 0 f")
    assert not comparison.better


def test_other_rows_cannot_be_compared() -> None:
    two, three = rows("pp"), rows("ppp")
    for live, now, runs in ((two, two[:1], 1), (two, two[::-1], 1), (three, three, 2)):
        assert compare(live, now, runs, 5).reason == "the two runs do not have the same rows"


@pytest.mark.parametrize("drop", simulation.DROPS)
def test_few_verdicts_are_wrong(drop: int) -> None:
    """A small part of what ``python -m benchmarks.noise`` measures."""
    _, *others = (wrong for wrong, _ in simulation.shares(50, 5, drop, 60, seed="suite").values())
    assert max(others) <= 5


def test_repeats_say_which_rows_move_by_themselves() -> None:
    # Rows 0 and 3 always pass; row 1 passes in two of three runs, row 2 in one.
    repeats = [replace(row, score=float(row.passed)) for row in rows("ppfp" + "pfpp" + "ppfp", inputs=4)]
    measured = noise(repeats, 3)
    assert (measured.rows, measured.scores, measured.moved) == (4, (75, 75, 75), (1, 2))
    # Two of three pairs of runs differ in a row that moves once.
    assert measured.share == pytest.approx(2 * (2 / 3) / 4)


def test_the_max_drop_that_noise_allows() -> None:
    """It falls with more rows, but one row of them must not be more than it."""
    for share, count, max_drop in ((0, 50, 2), (0, 20, 5), (0.05, 50, 6), (0.15, 200, 7)):
        measured = Noise(count, (), (), share)
        assert measured.max_drop(count) == max_drop
        needed = measured.rows_for(max_drop)
        assert needed is not None and needed <= 2 * count
        assert Noise(count, (), (), 0.3).rows_for(1) is None
