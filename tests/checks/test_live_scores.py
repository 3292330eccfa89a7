"""How far a score may be below that of the version that is live, and which run has the latter."""

from __future__ import annotations

from decimal import Decimal

import pytest
from checking import Bench, evaluation
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from promptsync.checks.results import CheckResult, CheckResults, LiveScore, Standard, judge
from promptsync.checks.runs import Run, Status
from promptsync.show.checks import results_lines, runs_body

DONE = Run(kind="evaluation", name="quality", item_id=1, id=2, score=80.0, status=Status.COMPLETED)
LIVE = LiveScore("ask", 3, 90.0)

amounts = st.integers(0, 100_0000).map(lambda number: Decimal(number) / 10_000)


@given(amounts, amounts, amounts, st.none() | amounts)
def test_a_score_fails_exactly_when_it_is_further_below_than_allowed(
    score: Decimal, live: Decimal, most: Decimal, least: Decimal | None
) -> None:
    run, floor = replace(DONE, score=float(score)), float(least) if least is not None else None
    reason = judge(
        evaluation("quality", least=floor, drop=float(most)),
        run,
        Standard(),
        replace(LIVE, score=float(live)),
    ).reason
    is_far_below, is_low = live - score > most, least is not None and score < least
    assert ("max_drop" in reason) is is_far_below
    assert ("minimum" in reason) is is_low
    assert bool(reason) is (is_far_below or is_low)


TABLE = [
    (80, 90, 10, ""),
    (80, 90, 9.9, "score fell 10 points from live v3 (90 -> 80); max_drop is 9.9"),
    (89.99, 90, 0, "score fell 0.01 points from live v3 (90 -> 89.99); max_drop is 0"),
    (95, 90, 0, ""),
    # floats alone would make these 33.330000000000005 and 3.3299999999999983
    (33.34, 66.67, 33.33, ""),
    (80, 83.33, 3.33, ""),
    (80, 90, None, ""),
    (80, None, 0, ""),
]


@pytest.mark.parametrize(("score", "live", "most", "reason"), TABLE)
@pytest.mark.parametrize("is_of_check", [True, False])
def test_a_drop_of_exactly_the_limit_passes(
    score: float, live: float | None, most: float | None, reason: str, is_of_check: bool
) -> None:
    run, other = replace(DONE, score=score), replace(LIVE, score=live)
    check = evaluation("quality", drop=most if is_of_check else None)
    assert judge(check, run, Standard(max_drop=None if is_of_check else most), other).reason == reason


def test_both_limits_apply_the_stricter_of_two_counts_and_both_reasons_are_given() -> None:
    result = judge(evaluation("quality", least=85, drop=7), DONE, Standard(50, max_drop=5), LIVE)
    assert result.reason == (
        "score 80 is below the minimum of 85; score fell 10 points from live v3 (90 -> 80); max_drop is 5"
    )
    assert (result.passed, result.failed_by("min-score", "max-drop")) == (False, True)
    broken = replace(DONE, failed=1)
    assert judge(evaluation("quality", drop=0), broken, Standard(), LIVE).reason == "1 failed cell"


def check(bench: Bench, version: int, live: int | None, *prompts: str, **limits: float | None) -> CheckResult:
    """Check a version of ``ask``, with ``live`` under the label; v1 scores 66.67."""
    names = prompts or ("ask",)
    results = bench.run(
        evaluation("quality", *names, least=limits.get("least"), drop=limits.get("drop", 5)),
        versions=dict.fromkeys(names, version),
        live=dict.fromkeys(names, live),
        standard=Standard(allow_unbound=True),
    )
    return results.all[0]


def text(result: CheckResult) -> str:
    return "\n".join(results_lines(CheckResults((result,))))


def test_a_score_is_compared_with_the_newest_run_of_the_live_version(bench: Bench) -> None:
    first = check(bench, 1, None)
    assert (first.passed, first.live) == (True, LiveScore("ask", reason="ask is not live yet"))
    assert "max_drop not applied: ask is not live yet; no minimum is set" in text(first)
    bench.publish("ask", "nothing to see")
    second = check(bench, 2, 1)
    assert second.reason.endswith("points from live v1 (66.67 -> 33.33); max_drop is 5")
    (body,) = runs_body(CheckResults((second,)), "evaluation")
    assert body["missed_cells"] and (body["live_version"], body["live_score"]) == (1, 66.67)
    assert "66.67 (v1)" in text(second)
    bench.publish("ask")
    third = check(bench, 3, 1, drop=0)
    assert (third.passed, third.live) == (True, LiveScore("ask", 1, 66.67))
    # v2 is live after all, and what was measured of it is what counts.
    live = check(bench, 3, 2, drop=0).live
    assert live is not None and live.score is not None and live.score < 66
    assert "ask v3 is live already" in text(check(bench, 3, 3, drop=0))


def test_a_live_version_without_a_run_leaves_the_decision_to_the_minimum(bench: Bench) -> None:
    bench.publish("ask", "one two three")
    result = check(bench, 2, 1, least=10)
    assert result.passed is True
    assert "ask v1 is live, and no run of it has a score; the minimum of 10 decides" in text(result)
    (body,) = runs_body(CheckResults((result,)), "evaluation")
    assert (body["max_drop"], body["live_version"], body["live_score"], body["drop"]) == (5, 1, None, None)
    assert body["not_compared"] == "ask v1 is live, and no run of it has a score"


def test_runs_with_failed_cells_do_not_lower_what_is_required(bench: Bench) -> None:
    check(bench, 1, None)
    bench.model.fail_at = "one"
    assert check(bench, 1, None).failed_by("failed-cell")
    bench.model.fail_at = "\0"
    bench.publish("ask", "nothing")
    assert check(bench, 2, 1).live == LiveScore("ask", 1, 66.67)


def test_of_several_prompts_the_one_that_the_report_names_is_compared(bench: Bench) -> None:
    check(bench, 1, None)
    bench.publish("ask", "nothing")
    bench.publish("other", "x")
    result = check(bench, 2, 1, "other", "ask")
    assert result.live == LiveScore("ask", 1, 66.67)

    def names_nothing(path: str, body: dict[str, object]) -> None:
        report = body.get("report") if isinstance(body, dict) else None
        if isinstance(report, dict):
            report["prompt_registry_id"] = report["prompt_version_number"] = None
            body["report_columns"] = []

    bench.line.edits.append(names_nothing)
    assert check(bench, 2, 1, "other", "ask").live == LiveScore(reason="the report names none of other, ask")


def test_without_a_limit_nothing_is_read_and_the_last_run_is_shown(bench: Bench) -> None:
    check(bench, 1, None, drop=None)
    bench.publish("ask", "one two three")
    result = check(bench, 2, 1, drop=None)
    assert (result.passed, result.live) == (True, LiveScore())
    assert "LAST" in text(result) and "LIVE" not in text(result)
    (body,) = runs_body(CheckResults((result,)), "evaluation")
    assert {body[key] for key in ("max_drop", "live_version", "live_score", "drop", "not_compared")} == {None}
