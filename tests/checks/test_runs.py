"""Runs of evaluations and agents: what passes, how long they are waited for, and how long they took."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import pytest
from checking import Bench, agent
from clock import Clock
from msgspec.structs import replace
from mutations import mutated
from scripted_registry import Seen

from promptsync.checks import runs as module
from promptsync.checks.assignment import Check
from promptsync.checks.catalog import NoSuchItem, list_evaluations, pick, score_of
from promptsync.checks.comparison import Comparison
from promptsync.checks.results import CheckResults, Standard, judge
from promptsync.checks.run_checks import find_run
from promptsync.checks.runs import NodeOutput, Run, Status, as_reported, run_together
from promptsync.errors import AnswerIsNo, Incomplete, PromptsyncError, RemoteError, UsageError
from promptsync.project.target import At
from promptsync.registry.errors import FateUnknown


def run(bench: Bench, *names: str) -> list[Run]:
    checks = [Check("evaluation", name) for name in names]
    return [result.run for result in bench.run(*checks).all]


def test_only_a_number_is_a_score() -> None:
    nested = {"overall_score": {"score": 7}}
    assert [score_of(raw) for raw in (80, {"overall_score": None, "score": 50.5}, nested)] == [80, 50.5, 7]
    assert [score_of(raw) for raw in (True, "80", None)] == [None] * 3


IMPOSSIBLE = [(101, "101"), (-1, "-1"), (10**400, "1" + "0" * 17 + "..." + "0" * 19), (float("nan"), "nan")]


def test_a_score_outside_of_its_scale_is_an_error_that_names_it(bench: Bench) -> None:
    for raw, shown in IMPOSSIBLE:
        with pytest.raises(RemoteError, match=f"the score {shown}, not 0 to 1$"):
            score_of(raw, most=1)
    assert score_of(1.0000000000000002, most=1)  # a mean may be rounded up
    for raw, shown in IMPOSSIBLE[:3]:
        bench.world.faults = [mutated(partial(rescored, raw), "GET")]
        error = bench.run(Check("evaluation", "quality")).error
        assert isinstance(error, RemoteError) and f"the score {shown}, not 0 to 100" in error.message


def rescored(score: object, _: Seen, body: Any) -> Any:
    """Put another score into a report."""
    if "report" in body:
        body["report"]["score"] = score
    return body


def test_an_unknown_label_starts_no_agent_and_missing_variables_are_a_warning(bench: Bench) -> None:
    results = bench.run(agent("bot"), at=At(label="nowhere"))
    assert results.all[0].run.status is Status.NOT_STARTED
    assert isinstance(results.error, RemoteError)
    assert "question" in bench.run(Check("agent", "bot")).all[0].run.warning


DONE = Run(kind="evaluation", name="e", item_id=1, id=2, status=Status.COMPLETED, score=80)
NODES = {"first": NodeOutput("x", "SUCCESS"), "last": NodeOutput(None, "TIMEOUT")}
BOT = Run(kind="agent", name="bot", id=3, status=Status.COMPLETED)
FAILURES = [
    (DONE, Standard(80), ""),
    (DONE, Standard(80.5), "score 80 is below the minimum of 80.5"),
    (replace(DONE, score=None), Standard(80), "no score"),
    (replace(DONE, score=None), Standard(80, allow_unscored=True), ""),
    (replace(DONE, failed=1), Standard(allow_unscored=True), "1 failed cell"),
    (replace(DONE, status=Status.FAILED), Standard(), "did not complete: failed"),
    (replace(DONE, status=Status.TIMED_OUT), Standard(), "timed out; report 2 is still running"),
    (replace(DONE, status=Status.RUNNING), Standard(90), ""),
    (replace(BOT, status=Status.FAILED, outputs=NODES), Standard(), "node last failed: TIMEOUT"),
]


def error_of(*runs: Run, standard: Standard) -> PromptsyncError | None:
    return CheckResults(tuple(judge(Check("evaluation", one.name), one, standard) for one in runs)).error


@pytest.mark.parametrize(("one", "standard", "reason"), FAILURES)
def test_a_run_passes_by_its_score_cells_and_nodes(one: Run, standard: Standard, reason: str) -> None:
    result = judge(Check("evaluation", one.name), one, standard)
    assert result.reason == reason
    assert result.passed == (None if one.is_under_way else not reason)
    assert isinstance(error_of(one, standard=standard), AnswerIsNo) == bool(reason)


REPORTS = [
    ("COMPLETED", {"COMPLETED": 2}, ""),
    ("ERROR", {"COMPLETED": 2}, "its report ended with the status 'ERROR'"),
    ("COMPLETED", {"COMPLETED": 1, "QUEUED": 1, "RUNNING": 2}, "its report ended with 3 unfinished cells"),
    ("COMPLETED", {"COMPLETED": 0, "FAILED": 0}, "its report has no rows"),
    ("COMPLETED", {"COMPLETED": 1, "ERROR": 1, "timeout": 1}, "2 failed cells"),
]


def test_a_report_that_did_not_complete_does_not_pass() -> None:
    for status, counts, reason in REPORTS:
        raw = {"status": status, "stats": {"status_counts": counts}}
        raw |= {"report": {"score": {"overall_score": 100}}}
        one = as_reported(replace(DONE, status=Status.RUNNING), raw)
        assert judge(Check("evaluation", "e"), one, Standard(80, allow_unscored=True)).reason == reason
        # What only reads scores must not take one from a report that did not complete.
        assert (one.score is not None and not one.failed) == (not reason)


def test_without_a_score_rows_are_compared_all_the_same() -> None:
    worse = Comparison(20, verdict="fail", reason="9 of 20 rows got worse")
    table, unscored = Check("table", "e", max_drop=5), replace(DONE, kind="table", score=None)
    result = judge(table, unscored, Standard(allow_unscored=True), comparison=worse)
    assert [failure.kind for failure in result.failures] == ["max-drop"]


def test_what_may_have_started_weighs_more_than_what_failed() -> None:
    lost = replace(DONE, name="lost", status=Status.MAYBE_STARTED, error=FateUnknown("it broke"))
    down = replace(DONE, name="down", status=Status.UNREADABLE, error=RemoteError("it cannot be read"))
    low = replace(DONE, name="low", score=1)
    for runs, kind in (([low, down, lost], Incomplete), ([low, down], RemoteError), ([low, low], AnswerIsNo)):
        error = error_of(*runs, standard=Standard(50))
        assert isinstance(error, kind)
        assert kind is AnswerIsNo or error.details[-1].startswith("low")
        assert len(error.details) in (len(runs), len(runs) - 1)


def test_evaluations_and_their_runs_are_found_by_name_or_id(bench: Bench) -> None:
    run(bench, "quality")
    (last,) = run(bench, "quality")
    assert (last.status, round(last.score or 0, 1), last.version) == (Status.COMPLETED, 66.7, 1)
    assert (last.model, last.failed, last.progress) == ("commanded", 0, (6, 6))
    known = list_evaluations(bench.registry)
    assert pick(known, "2", "evaluation", "url").name == "unscored"
    with pytest.raises(NoSuchItem, match="the registry has no evaluation 'qualty'") as caught:
        pick(known, "qualty", "evaluation", "the registry")
    assert "did you mean 'quality'" in caught.value.hint
    with pytest.raises(UsageError, match=f"{known[0].id}, 99"):
        pick([known[0], replace(known[0], id=99)], known[0].name, "evaluation", "url")
    # A report is found by its id, or as the last of its evaluation.
    for wanted in ("quality", "1", str(last.id)):
        assert find_run(known, wanted, "url").id == last.id
    assert find_run(known, "77", "url").id == 77
    with pytest.raises(AnswerIsNo, match="unscored has never been run"):
        find_run(known, "unscored", "url")


# -- how long runs are waited for, and how often they are polled -------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.1)
    return clock


class Agents:
    """A registry whose runs end with the poll of this number, 0 for those that end when they are started."""

    def __init__(self, polls: int) -> None:
        self.checks, self.polls = self, polls

    def run_agent(self, *_: object, **__: object) -> tuple[int, dict[str, str]]:
        return 1, {} if self.polls else {"output": "x"}

    def agent_result(self, _: int) -> tuple[bool, object]:
        self.polls -= 1
        return self.polls < 1, "x"


def test_the_time_of_a_run_is_from_its_start_to_the_poll_that_sees_its_end(clock: Clock) -> None:
    for polls, timeout, status, seconds in (
        (0, 50, Status.COMPLETED, 0),
        (3, 50, Status.COMPLETED, 0.25),
        # One that is given up took as long as we waited.
        (999, 10, Status.TIMED_OUT, 10),
        (1, 0, Status.RUNNING, None),
    ):
        runs = [Run(kind="agent", name="run", id=1)]
        assert run_together(cast(Any, Agents(polls)), runs, timeout=timeout, progress=lambda *_: None)
        assert runs[0].status is status
        assert runs[0].seconds == (seconds if seconds is None else pytest.approx(seconds)), polls
