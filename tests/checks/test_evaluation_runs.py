from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from checking import SOON, Commanded, failure_of, registry_with, run_evaluations, silent

from promptsync.checks.batch import Patience, Status
from promptsync.checks.catalogue import NoSuchItem, list_evaluations, pick, score_of
from promptsync.checks.evaluations import EvaluationRun, FailedCell, as_reported, with_score
from promptsync.checks.receipt import Standard
from promptsync.checks.run import find_run, show_run
from promptsync.errors import AnswerIsNo, Incomplete, RemoteError, UsageError
from promptsync.registry.errors import ServerFailed
from promptsync.registry.protocol import Registry


@pytest.fixture
def model() -> Commanded:
    model = Commanded()
    model.go_on.set()
    return model


@pytest.fixture
def registry(model: Commanded, tmp_path: Path) -> Iterator[Registry]:
    with registry_with(model, tmp_path) as registry:
        yield registry


def run(registry: Registry, *names: str, patience: Patience | None = SOON) -> list[EvaluationRun]:
    known = list_evaluations(registry, runs=True)
    wanted = pick(known, names, "evaluation", registry.url)
    return run_evaluations(registry, wanted, patience=patience, progress=silent)


def test_a_run_has_its_score_version_and_model(registry: Registry) -> None:
    (found,) = run(registry, "quality")
    assert (found.status, round(found.score or 0, 1), found.version) == (Status.COMPLETED, 66.7, 1)
    assert (found.model, found.failed_cells, found.previous_score) == ("commanded", (), None)
    assert (found.done, found.cells) == (6, 6)


@pytest.mark.parametrize(
    ("raw", "score"),
    [
        (80, 80.0),
        ({"overall_score": None, "score": 50.5}, 50.5),
        ({"overall_score": {"score": 7}}, 7.0),
        # Neither of these is below any minimum, so they must not count as scores.
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        ("80", None),
    ],
)
def test_only_a_number_is_a_score(raw: object, score: float | None) -> None:
    assert score_of(raw) == score


def test_the_score_before_is_that_of_the_last_run_that_ended(registry: Registry, model: Commanded) -> None:
    (first,) = run(registry, "quality")
    model.fail_at = "three"
    (last,) = run(registry, "quality")
    assert last.report_id != first.report_id
    assert (last.previous_score, round(last.score or 0, 1)) == (first.score, 33.3)


def test_failed_cells_say_row_column_and_reason(registry: Registry, model: Commanded) -> None:
    model.fail_at = "two"
    (found,) = run(registry, "quality")
    assert [(cell.row, cell.column) for cell in found.failed_cells] == [(2, "output"), (2, "contains")]
    assert {cell.reason for cell in found.failed_cells} == {"the model is out of order"}
    assert Standard().evaluation_failure(found) == "2 failed cells"


def test_several_run_at_the_same_time_each_once_and_in_order(registry: Registry) -> None:
    found = run(registry, "unscored", "quality", "unscored")
    assert [one.name for one in found] == ["unscored", "quality"]
    assert len({one.report_id for one in found}) == 2
    assert [one.score is None for one in found] == [True, False]


def test_what_cannot_start_does_not_stop_the_others(registry: Registry) -> None:
    homeless, quality = run(registry, "homeless", "quality")
    assert (homeless.status, quality.status) == (Status.NOT_STARTED, Status.COMPLETED)
    error = failure_of([homeless, quality], Standard())
    assert isinstance(error, RemoteError)
    assert "nowhere" in error.message


def test_when_the_time_is_up_the_report_is_named(registry: Registry, model: Commanded) -> None:
    model.go_on.clear()
    (found,) = run(registry, "quality", patience=Patience(0.05, 0.01))
    assert found.status is Status.TIMED_OUT
    error = failure_of([found], Standard(allow_unscored=True))
    assert error is not None and error.exit_code == 1
    assert f"report {found.report_id}" in error.message
    model.go_on.set()
    (ended,) = show_run(registry, str(found.report_id), patience=SOON, progress=silent).evaluations
    assert ended.run.status is Status.COMPLETED


def test_without_patience_runs_are_only_started(registry: Registry, model: Commanded) -> None:
    model.go_on.clear()
    (found,) = run(registry, "quality", patience=None)
    assert found.is_under_way and found.report_id is not None
    (now,) = show_run(registry, str(found.report_id), patience=None, progress=silent).evaluations
    assert (now.run.status, now.run.score) == (Status.RUNNING, None)


def test_an_interruption_leaves_the_runs_as_they_are(registry: Registry, model: Commanded) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    model.go_on.clear()
    wanted = list_evaluations(registry)[:2]
    known = run_evaluations(registry, wanted, patience=SOON, progress=interrupt)
    assert sorted(one.status for one in known) == [Status.NOT_STARTED, Status.RUNNING]


def test_progress_counts_the_cells_of_all_runs(registry: Registry) -> None:
    told: list[tuple[int, int]] = []
    wanted = pick(list_evaluations(registry), ["quality", "unscored"], "evaluation", registry.url)
    run_evaluations(
        registry, wanted, patience=SOON, progress=lambda what, done, total: told.append((done, total))
    )
    assert told[-1] == (9, 9)
    assert told == sorted(told)


DONE = EvaluationRun("e", 1, 2, status=Status.COMPLETED, score=80)
FAILURES = [
    (DONE, Standard(), ""),
    (DONE, Standard(80), ""),
    (DONE, Standard(80.5), "score 80 is below the minimum of 80.5"),
    (replace(DONE, score=0), Standard(0), ""),
    (replace(DONE, score=None), Standard(), "no score"),
    (replace(DONE, score=None), Standard(80), "no score"),
    (replace(DONE, score=None), Standard(80, allow_unscored=True), ""),
    (replace(DONE, failed_cells=(FailedCell(),)), Standard(allow_unscored=True), "1 failed cell"),
    (replace(DONE, status=Status.FAILED), Standard(), "did not complete: failed"),
    (replace(DONE, status=Status.TIMED_OUT), Standard(), "timed out; report 2 is still running"),
]


@pytest.mark.parametrize(("found", "standard", "reason"), FAILURES)
def test_a_run_passes_by_its_score_and_cells(found: EvaluationRun, standard: Standard, reason: str) -> None:
    assert standard.evaluation_failure(found) == reason
    error = failure_of([found], standard)
    assert (error is None) == (not reason)
    assert error is None or isinstance(error, AnswerIsNo)


REPORTS = [
    ("COMPLETED", {"COMPLETED": 2}, ""),
    ("completed", {}, ""),
    ("ERROR", {"COMPLETED": 2}, "its report ended with the status 'ERROR'"),
    ("TIMEOUT", {"COMPLETED": 2}, "its report ended with the status 'TIMEOUT'"),
    ("COMPLETED", {"COMPLETED": 1, "QUEUED": 1}, "its report ended with 1 unfinished cell"),
    ("COMPLETED", {"COMPLETED": 1, "QUEUED": 1, "RUNNING": 2}, "its report ended with 3 unfinished cells"),
    ("COMPLETED", {"COMPLETED": 0, "FAILED": 0}, "its report has no rows"),
    ("COMPLETED", {"COMPLETED": 1, "FAILED": 1}, "1 failed cell"),
    ("COMPLETED", {"COMPLETED": 1, "ERROR": 1, "timeout": 1}, "2 failed cells"),
]


@pytest.mark.parametrize(("status", "counts", "reason"), REPORTS)
def test_a_report_that_did_not_complete_does_not_pass_with_any_score(
    registry: Registry, status: str, counts: dict[str, int], reason: str
) -> None:
    raw = {
        "status": status,
        "stats": {"status_counts": counts},
        "report": {"score": {"overall_score": 100}, "prompt_registry_id": 7, "prompt_version_number": 2},
    }
    found = as_reported(EvaluationRun("e", 1, 2), raw)
    assert Standard(80).evaluation_failure(found) == reason
    assert Standard(allow_unscored=True).evaluation_failure(found) == reason
    # What only reads scores must not take one from a report that did not complete.
    usable = with_score(registry, found).score is not None and not found.failed_cells
    assert usable == (not reason)


def test_what_may_have_started_weighs_more_than_what_failed() -> None:
    lost = replace(DONE, name="lost", status=Status.MAYBE_STARTED, error=ServerFailed("it broke", status=500))
    down = replace(DONE, name="down", status=Status.UNREADABLE, error=RemoteError("it cannot be read"))
    low = replace(DONE, name="low", score=1)
    for runs, kind in (
        ([low, down, lost], Incomplete),
        ([low, down], RemoteError),
        ([low, low], AnswerIsNo),
    ):
        error = failure_of(runs, Standard(50))
        assert isinstance(error, kind)
        assert len(error.details) in (len(runs), len(runs) - 1)


@pytest.mark.parametrize(("wanted", "found"), [("quality", "quality"), ("1", "quality"), ("2", "unscored")])
def test_evaluations_are_found_by_name_or_id(registry: Registry, wanted: str, found: str) -> None:
    known = list_evaluations(registry)
    assert [one.name for one in pick(known, [wanted], "evaluation", "url")] == [found]


def test_an_unknown_name_gets_the_one_that_comes_near(registry: Registry) -> None:
    with pytest.raises(NoSuchItem) as caught:
        pick(list_evaluations(registry), ["qualty"], "evaluation", "the registry")
    assert "the registry has no evaluation 'qualty'" in caught.value.message
    assert "did you mean 'quality'" in caught.value.hint


def test_an_ambiguous_name_needs_the_id(registry: Registry) -> None:
    one, *_ = list_evaluations(registry)
    with pytest.raises(UsageError, match=f"{one.id}, 99"):
        pick([one, replace(one, id=99)], [one.name], "evaluation", "url")


def test_a_report_is_shown_by_its_id_or_as_the_last_of_its_evaluation(registry: Registry) -> None:
    run(registry, "quality")
    (last,) = run(registry, "quality")
    known = list_evaluations(registry, runs=True)
    for wanted in ("quality", "1", str(last.report_id)):
        assert find_run(known, wanted, "url").report_id == last.report_id
    assert find_run(known, "77", "url").report_id == 77
    with pytest.raises(AnswerIsNo, match="unscored has never been run"):
        find_run(known, "unscored", "url")
