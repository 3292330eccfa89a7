"""How far a score may be below that of the version that is live, and which run has the latter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from checking import SOON, Commanded, registry_with, silent
from hypothesis import given
from hypothesis import strategies as st

from promptsync.checks.assignment import EvaluationCheck, Selection, find_checks
from promptsync.checks.batch import Status
from promptsync.checks.catalogue import Use
from promptsync.checks.evaluations import EvaluationRun, FailedCell
from promptsync.checks.live_scores import LiveScore, compared_with
from promptsync.checks.receipt import CheckResults, EvaluationResult, Standard
from promptsync.checks.run import judge, run_checks
from promptsync.prompt.prompt import Prompt
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.show.checks import evaluations_body, results_lines

DONE = EvaluationRun("quality", 1, 2, score=80.0, status=Status.COMPLETED)
LIVE = LiveScore("ask", 7, 3, 90.0)

amounts = st.integers(0, 100_0000).map(lambda number: Decimal(number) / 10_000)


# -- the arithmetic --------------------------------------------------------------------------------------


@given(amounts, amounts, amounts, st.none() | amounts)
def test_a_score_fails_exactly_when_it_is_further_below_than_allowed(
    score: Decimal, live: Decimal, most: Decimal, least: Decimal | None
) -> None:
    run = replace(DONE, score=float(score))
    standard = Standard(float(least) if least is not None else None, max_drop=float(most))
    reason = standard.evaluation_failure(run, replace(LIVE, score=float(live)))
    is_far_below, is_low = live - score > most, least is not None and score < least
    assert ("max_drop" in reason) is is_far_below
    assert ("minimum" in reason) is is_low
    assert bool(reason) is (is_far_below or is_low)


TABLE = [
    (80, 90, 10, ""),
    (80, 90, 9.9, "score 80 is 10 below the 90 of v3, which is live; max_drop is 9.9"),
    (90, 90, 0, ""),
    (89.99, 90, 0, "score 89.99 is 0.01 below the 90 of v3, which is live; max_drop is 0"),
    (95, 90, 0, ""),
    # floats alone would make these 33.330000000000005 and 3.3299999999999983
    (33.34, 66.67, 33.33, ""),
    (80, 83.33, 3.33, ""),
    (0, 100, 100, ""),
    (80, 90, None, ""),
    (80, None, 0, ""),
]


@pytest.mark.parametrize(("score", "live", "most", "reason"), TABLE)
def test_a_drop_of_exactly_the_limit_passes(
    score: float, live: float | None, most: float | None, reason: str
) -> None:
    run, other = replace(DONE, score=score), replace(LIVE, score=live)
    assert Standard(max_drop=most).evaluation_failure(run, other) == reason


def test_both_limits_apply_and_both_reasons_are_given() -> None:
    result = judge(EvaluationCheck("quality", ("ask",), 85, 5), DONE, Standard(), [LIVE])
    assert result.reason == (
        "score 80 is below the minimum of 85; score 80 is 10 below the 90 of v3, which is live; max_drop is 5"
    )
    assert (result.passed, result.is_too_low, result.drop) == (False, True, 10)


@pytest.mark.parametrize(
    ("given_drop", "of_check", "strictest"), [(None, 5, 5), (3, 5, 3), (5, 3, 3), (3, None, 3)]
)
def test_the_stricter_of_two_limits_applies(
    given_drop: float | None, of_check: float | None, strictest: float
) -> None:
    check = EvaluationCheck("quality", ("ask",), None, of_check)
    assert judge(check, DONE, Standard(max_drop=given_drop), [LIVE]).standard.max_drop == strictest


def test_a_missing_score_or_failed_cells_are_the_reason_and_not_the_drop() -> None:
    standard = Standard(max_drop=0)
    assert standard.evaluation_failure(replace(DONE, score=None), LIVE) == "no score"
    broken = replace(DONE, failed_cells=(FailedCell(),))
    assert standard.evaluation_failure(broken, LIVE) == "1 failed cell"


# -- which live score ------------------------------------------------------------------------------------

OTHER = LiveScore("other", 8, 2, 95.0)
UNKNOWN = LiveScore("other", 8, 2, reason="other v2 is live, and no run of it has a score")


@pytest.mark.parametrize(
    ("run", "live", "found"),
    [
        (DONE, [], None),
        # one prompt: whatever the run names, the check is about it
        (DONE, [LIVE], LIVE),
        (replace(DONE, version=4, prompt_id=7), [LIVE, OTHER], LIVE),
        (replace(DONE, version=4, prompt_id=8), [LIVE, UNKNOWN], UNKNOWN),
        # a pipeline with two prompts pinned: the higher score
        (replace(DONE, uses=(Use("x", "ask", 4), Use("y", "other", 3))), [LIVE, OTHER], OTHER),
        (replace(DONE, uses=(Use("x", "ask", 4), Use("y", "other", 3))), [LIVE, UNKNOWN], LIVE),
    ],
)
def test_a_run_is_compared_with_the_prompt_that_its_report_names(
    run: EvaluationRun, live: list[LiveScore], found: LiveScore | None
) -> None:
    assert compared_with(run, live) == found


def test_a_run_that_names_none_of_several_prompts_is_not_compared_and_says_so() -> None:
    found = compared_with(DONE, [LIVE, OTHER])
    assert found is not None
    assert (found.score, found.reason) == (None, "the report names none of ask, other")


# -- with the embedded registry --------------------------------------------------------------------------


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[PromptLayer]:
    """``quality`` of ``ask`` scores 66.67 at v1; v2 and later say what a test publishes."""
    model = Commanded()
    model.go_on.set()
    with registry_with(model, tmp_path) as registry:
        yield registry


def publish(registry: PromptLayer, text: str, name: str = "ask") -> None:
    message = {"role": "user", "content": [{"type": "text", "text": text}]}
    registry.prompts.publish(Prompt(name, {"type": "chat", "messages": [message]}), message="m")


def check(
    registry: PromptLayer,
    version: int,
    live: int | None,
    *prompts: str,
    most: float | None = 5,
    standard: Standard | None = None,
) -> EvaluationResult:
    """Check a version of ``ask``, with ``live`` under the label."""
    names = prompts or ("ask",)
    selection = Selection((EvaluationCheck("quality", names, None, most),))
    results = run_checks(
        registry,
        find_checks(registry, selection),
        standard=standard or Standard(),
        patience=SOON,
        progress=silent,
        versions=dict.fromkeys(names, version),
        live=dict.fromkeys(names, live),
    )
    return results.evaluations[0]


def text(result: EvaluationResult) -> str:
    return "\n".join(results_lines(CheckResults((result,))))


def test_a_score_is_compared_with_the_newest_run_of_the_live_version(registry: PromptLayer) -> None:
    first = check(registry, 1, None)
    assert (first.passed, first.drop) == (True, None)
    assert "max_drop not applied: ask is not live yet; there is no minimum" in text(first)
    publish(registry, "nothing to see")
    second = check(registry, 2, 1)
    assert second.passed is False
    assert second.reason == "score 33.33 is 33.34 below the 66.67 of v1, which is live; max_drop is 5"
    assert second.run.missed_cells
    assert "66.67 (v1)" in text(second) and "-33.34" in text(second)
    publish(registry, "{question}")
    third = check(registry, 3, 1, most=0)
    assert (third.passed, third.drop) == (True, 0.0)
    # v2 is live after all, and what was measured of it is what counts.
    assert check(registry, 3, 2, most=0).drop == -33.34


def test_the_version_that_is_live_already_is_compared_with_nothing(registry: PromptLayer) -> None:
    check(registry, 1, None)
    again = check(registry, 1, 1, most=0)
    assert again.passed is True
    assert "ask v1 is live already" in text(again)


def test_a_live_version_without_a_run_leaves_the_decision_to_the_minimum(registry: PromptLayer) -> None:
    publish(registry, "nothing")
    result = check(registry, 2, 1, standard=Standard(10))
    assert result.passed is True
    assert "ask v1 is live, and no run of it has a score; the minimum of 10 decides" in text(result)
    (body,) = evaluations_body(CheckResults((result,)))
    assert body["max_drop"] == 5
    assert (body["live_version"], body["live_score"], body["drop"]) == (1, None, None)
    assert body["not_compared"] == "ask v1 is live, and no run of it has a score"


def test_runs_with_failed_cells_do_not_lower_what_is_required(tmp_path: Path) -> None:
    model = Commanded()
    model.go_on.set()
    with registry_with(model, tmp_path) as registry:
        check(registry, 1, None)
        model.fail_at = "one"
        assert check(registry, 1, None).run.failed_cells
        model.fail_at = "\0"
        publish(registry, "nothing")
        result = check(registry, 2, 1)
        assert result.live is not None and result.live.score == 66.67


def test_prompts_that_the_evaluation_does_not_run_do_not_matter(registry: PromptLayer) -> None:
    publish(registry, "x", "other")
    check(registry, 1, None)
    publish(registry, "nothing")
    publish(registry, "x", "other")
    result = check(registry, 2, 1, "other", "ask")
    assert result.live is not None and result.live.prompt == "ask"
    assert "is 33.34 below the 66.67 of v1" in result.reason


def test_without_a_limit_nothing_is_read_and_the_last_run_is_shown(registry: PromptLayer) -> None:
    check(registry, 1, None, most=None)
    publish(registry, "nothing")
    result = check(registry, 2, 1, most=None)
    assert (result.passed, result.live) == (True, None)
    assert "LAST" in text(result) and "LIVE" not in text(result)
    (body,) = evaluations_body(CheckResults((result,)))
    assert {body[key] for key in ("max_drop", "live_version", "live_score", "drop", "not_compared")} == {None}
