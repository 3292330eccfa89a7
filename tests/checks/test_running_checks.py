"""Running several checks at the same time, and what comes of all of them."""

from __future__ import annotations

import pytest
from checking import Bench, agent, evaluation
from msgspec.structs import replace

from promptsync.checks.assignment import Check, Place
from promptsync.checks.catalog import NoSuchItem, find_checks
from promptsync.checks.runs import Status
from promptsync.errors import Incomplete, Interrupted, RemoteError


def test_evaluations_and_agents_run_at_the_same_time(bench: Bench) -> None:
    told: list[tuple[str, int, int]] = []
    results = bench.run(
        evaluation("quality"),
        evaluation("of other", "other"),
        agent("bot"),
        agent("bot", "ask", question="what"),
        versions={"ask": 1, "other": 1},
        progress=lambda *shown: told.append(shown),
    )
    assert results.passed and told[-1] == ("Running checks", 14, 14)
    assert [result.run.outputs["first"].value for result in results.of("agent")] == ["why", "what"]
    first_read = next(place for place, one in enumerate(bench.seen) if "execution-results" in one)
    starts = [place for place, one in enumerate(bench.seen) if one.endswith("/run")]
    assert len(starts) == 4 and max(starts) < first_read
    assert bench.seen.count("GET /prompt-templates") == 1


def test_one_evaluation_by_name_and_by_id_is_run_once_with_the_stricter_limits(bench: Bench) -> None:
    (found,) = find_checks(bench.registry, [evaluation("quality")])
    by_name = evaluation("quality", least=10)
    by_id = evaluation(str(found.item_id), "other", least=20)
    (result,) = bench.run(by_name, by_id).all
    assert (result.check.prompts, result.check.min_score) == (("ask", "other"), 20)


def test_what_the_registry_lacks_is_named_with_its_places_before_anything_runs(bench: Bench) -> None:
    place = Place("promptsync.yaml", ("checks", 0))
    wrong = replace(evaluation("qualty"), places=(place, place))

    def find(*checks: Check) -> NoSuchItem:
        with pytest.raises(NoSuchItem) as caught:
            find_checks(bench.registry, checks)
        return caught.value

    error = find(evaluation("quality"), wrong)
    assert error.message.startswith("promptsync.yaml, checks[0] and 1 more: ")
    assert "did you mean 'quality'" in error.hint
    assert [line.count("did you mean") for line in find(wrong, agent("bto")).details] == [1]


def test_a_registry_failure_is_reported_beside_the_other_results(bench: Bench) -> None:
    bench.fail("GET", "/workflow-version-execution-results")
    results = bench.run(evaluation("quality"), agent("bot"))
    assert (results.all[0].reason, results.all[1].run.status) == ("", Status.UNREADABLE)
    assert isinstance(results.error, RemoteError)
    bench.fail("POST", "/run")
    assert isinstance(bench.run(evaluation("quality"), agent("bot")).error, Incomplete)


def test_an_interruption_reports_what_is_still_running(bench: Bench) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    bench.model.go_on.clear()
    results = bench.run(evaluation("quality"), evaluation("homeless"), agent("bot"), progress=interrupt)
    assert [one.run.status for one in results.all] == [Status.RUNNING, Status.NOT_STARTED, Status.RUNNING]
    assert isinstance(results.error, Interrupted) and results.error.exit_code == 130
    report, _, execution = (one.run.id for one in results.all)
    assert results.error.details == (f"quality: report {report}", f"bot: execution {execution}")
    commands = (f"promptsync eval show {report} --wait", f"promptsync agent show {execution} --wait")
    assert results.error.hint == "\n".join(commands)
