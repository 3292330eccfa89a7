"""Running checks, and which versions they checked: the right one, another one, or none."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from checking import SOON, Commanded, silent

from promptsync.checks.assignment import AgentCheck, EvaluationCheck, Place, Selection, find_checks
from promptsync.checks.batch import Patience, Progress, Status
from promptsync.checks.catalogue import NoSuchItem
from promptsync.checks.receipt import CheckResults, Standard
from promptsync.checks.run import run_checks
from promptsync.errors import AnswerIsNo, Incomplete, Interrupted, RemoteError
from promptsync.prompt.prompt import Prompt
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.promptlayer.http import LocalTransport
from promptsync.registry.timeouts import Timeouts
from promptsync.server.app import create_app

FIXTURES = """
datasets:
  - {name: cases, rows: [{question: one}, {question: two}]}
evaluations:
  - {name: of ask, dataset: cases, prompt: ask, scores: [contains: "{{ question }}"]}
  - {name: of ask one, dataset: cases, prompt: {name: ask, version: 1}, scores: [contains: "o"]}
  - {name: of ask prod, dataset: cases, prompt: {name: ask, label: prod}, scores: [contains: "o"]}
  - {name: of other, dataset: cases, prompt: other, scores: [contains: "o"]}
  - {name: of parent, dataset: cases, prompt: parent, scores: [contains: "o"]}
  - {name: of pinned, dataset: cases, prompt: pinned, scores: [contains: "o"]}
  - {name: unscored, dataset: cases, prompt: ask}
agents:
  - {name: bot, nodes: [{name: first, prompt: ask, output: true}]}
  - {name: old bot, nodes: [{name: first, prompt: {name: ask, version: 1}, output: true}]}
  - {name: prod bot, nodes: [{name: first, prompt: {name: ask, label: prod}, output: true}]}
"""

Edit = Callable[[str, Any], None]
"""Gets the path of a request and the JSON of its answer, which it may change."""


@dataclass
class Line(httpx.BaseTransport):
    """The line to a real registry: counts, and lets answers be changed or faults come instead."""

    inner: httpx.BaseTransport
    edits: list[Edit] = field(default_factory=list)
    faults: dict[tuple[str, str], int] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().partition("?")[0]
        self.seen.append(f"{request.method} {path}")
        for (method, part), status in self.faults.items():
            if request.method == method and part in path:
                return httpx.Response(status, stream=httpx.ByteStream(b'{"message": "out of order"}'))
        response = self.inner.handle_request(request)
        if not self.edits or "json" not in response.headers.get("Content-Type", ""):
            return response
        body = json.loads(response.read())
        for edit in self.edits:
            edit(path, body)
        return httpx.Response(response.status_code, stream=httpx.ByteStream(json.dumps(body).encode()))

    def close(self) -> None:
        self.inner.close()


@dataclass
class Bench:
    registry: PromptLayer
    line: Line
    model: Commanded

    def publish(self, name: str, text: str = "{question}", *, snippet: bool = False) -> int:
        block = [{"type": "text", "text": text}]
        message = {"role": "user", "content": block}
        template = (
            {"type": "completion", "content": block} if snippet else {"type": "chat", "messages": [message]}
        )
        return self.registry.prompts.publish(Prompt(name, template), message="m").version

    def label(self, label: str, version: int) -> None:
        template_id = self.registry.prompts.get(None, "ask").template_id
        self.registry.labels.set(template_id, "ask", label, version, None)

    def ended(self, report: int) -> None:
        """Return when a run has ended in the registry, whatever the line says."""
        request = httpx.Request("GET", f"http://localhost/reports/{report}", headers={"X-API-KEY": "any"})
        while True:
            response = self.line.inner.handle_request(request)
            if json.loads(response.read())["status"] != "RUNNING":
                return
            time.sleep(0.01)

    def run(
        self,
        *checks: EvaluationCheck | AgentCheck,
        versions: Mapping[str, int] | None = None,
        patience: Patience | None = SOON,
        progress: Progress = silent,
        standard: Standard | None = None,
        **more: Any,
    ) -> CheckResults:
        return run_checks(
            self.registry,
            find_checks(self.registry, selection(*checks)),
            versions=versions,
            standard=standard or Standard(),
            patience=patience,
            progress=progress,
            **more,
        )


def selection(*checks: EvaluationCheck | AgentCheck) -> Selection:
    return Selection(
        tuple(one for one in checks if isinstance(one, EvaluationCheck)),
        tuple(one for one in checks if isinstance(one, AgentCheck)),
    )


def evaluation(name: str, *prompts: str, least: float | None = None) -> EvaluationCheck:
    return EvaluationCheck(name, prompts or ("ask",), least)


def agent(name: str, *prompts: str, **inputs: Any) -> AgentCheck:
    return AgentCheck(name, prompts or ("ask",), inputs or {"question": "why"})


@contextmanager
def made(directory: Path) -> Iterator[Bench]:
    (directory / "registry.yaml").write_text(FIXTURES, "utf-8")
    model = Commanded()
    model.go_on.set()
    app = create_app(directory / "registry.db", fixtures=directory / "registry.yaml", model=model)
    line = Line(LocalTransport(app))
    with PromptLayer("local:", None, transport=line, timeouts=Timeouts(first_retry=0.001)) as registry:
        bench = Bench(registry, line, model)
        bench.publish("ask")
        bench.publish("ask", "So: {question}")
        bench.publish("other")
        try:
            yield bench
        finally:
            model.go_on.set()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with made(tmp_path) as bench:
        yield bench


def says_nothing(path: str, body: Any) -> None:
    """The report as a registry of the customer's document gives it."""
    if isinstance(body, dict) and isinstance(body.get("report"), dict):
        body["report"].pop("prompt_registry_id", None)
        body["report"].pop("prompt_version_number", None)
        body["report_columns"] = []


def names_no_prompt(path: str, body: Any) -> None:
    if isinstance(body, dict) and isinstance(body.get("report"), dict):
        body["report"].pop("prompt_registry_id", None)


def unbound(results: CheckResults) -> list[str]:
    return [str(found) for one in results.all for found in one.unbound]


def unchecked(results: CheckResults) -> set[str]:
    """The prompts whose checks passed, but did not check the wanted version."""
    return {found.prompt for one in results.all for found in one.unbound}


# -- which version a run checked ----------------------------------------------------------------------------


def test_a_run_checks_the_version_that_its_report_names(bench: Bench) -> None:
    results = bench.run(evaluation("of ask"), versions={"ask": 2})
    assert (results.passed, results.error, unbound(results)) == (True, None, [])
    assert unchecked(results) == set()


@pytest.mark.parametrize(
    ("name", "wanted", "why"),
    [
        ("of ask", 1, "the report names v2"),
        ("of ask one", 2, "the report names v1"),
        ("of ask prod", 2, "the report names v1"),
    ],
)
def test_a_run_of_another_version_does_not_count(bench: Bench, name: str, wanted: int, why: str) -> None:
    bench.label("prod", 1)
    results = bench.run(evaluation(name), versions={"ask": wanted})
    assert unbound(results) == [f"ask v{wanted} was not checked: {why}"]
    assert (results.passed, unchecked(results)) == (False, {"ask"})
    error = results.error
    assert isinstance(error, AnswerIsNo)
    assert error.message == f"{name}: ask v{wanted} was not checked: {why}"
    assert "--allow-unbound" in error.hint


def test_a_run_of_another_version_passes_if_allowed_and_is_still_reported(bench: Bench) -> None:
    results = bench.run(evaluation("of ask one"), versions={"ask": 2}, standard=Standard(allow_unbound=True))
    assert (results.passed, unchecked(results)) == (True, {"ask"})


def test_without_versions_any_run_that_passes_will_do(bench: Bench) -> None:
    assert bench.run(evaluation("of ask one")).passed
    assert bench.run(evaluation("of ask one"), versions={}).passed
    assert bench.run(evaluation("of ask one"), versions={"other": 9}).passed


def test_a_run_of_one_prompt_does_not_check_another(bench: Bench) -> None:
    results = bench.run(evaluation("of ask", "ask", "other"), versions={"ask": 2, "other": 1})
    assert unbound(results) == ["other v1 was not checked: it ran ask v2, which does not contain it"]
    assert unchecked(results) == {"other"}


def test_a_run_of_one_prompt_does_not_fail_another_that_has_its_own_check(bench: Bench) -> None:
    checks = [evaluation("of ask", "ask", "other"), evaluation("of other", "other")]
    assert bench.run(*checks, versions={"ask": 2, "other": 1}).passed
    stale = bench.run(*checks, versions={"ask": 2, "other": 7})
    assert unchecked(stale) == {"other"}


def test_a_failed_check_of_its_own_does_not_count_for_a_prompt(bench: Bench) -> None:
    checks = [evaluation("of ask", "ask", "other"), evaluation("of other", "other", least=100)]
    bench.publish("other", "never")
    results = bench.run(*checks, versions={"ask": 2, "other": 2})
    assert [bool(one.unbound) for one in results.evaluations] == [True, False]
    assert unchecked(results) == {"other"}
    assert "below the minimum" in results.evaluations[1].reason


def test_a_run_without_a_version_checks_what_was_the_latest_before_and_after(bench: Bench) -> None:
    bench.line.edits.append(says_nothing)
    assert bench.run(evaluation("of ask"), versions={"ask": 2}).passed
    stale = bench.run(evaluation("of ask"), versions={"ask": 1})
    assert unbound(stale) == ["ask v1 was not checked: the run names no version, and the latest was v2"]
    gone = bench.run(evaluation("of ask", "nowhere"), versions={"nowhere": 1})
    assert unbound(gone)[0].endswith("the registry has no such prompt")


def test_a_version_published_during_the_run_leaves_nothing_checked(bench: Bench) -> None:
    bench.line.edits.append(says_nothing)
    published: list[int] = []

    def publish(what: str, done: int, total: int) -> None:
        if not published:
            published.append(bench.publish("ask", "Else {question}"))

    results = bench.run(evaluation("of ask"), versions={"ask": 2}, progress=publish)
    assert unbound(results) == ["ask v2 was not checked: the run names no version, and the latest was v3"]


def test_a_number_without_a_prompt_counts_for_one_prompt_only(bench: Bench) -> None:
    bench.line.edits.append(names_no_prompt)
    assert bench.run(evaluation("of ask"), versions={"ask": 2}).passed
    several = bench.run(evaluation("of ask", "ask", "other"), versions={"ask": 2, "other": 1})
    assert unchecked(several) == {"ask", "other"}
    assert "not of which prompt" in several.evaluations[0].reason


def test_columns_name_prompts_that_the_report_does_not_name(bench: Bench) -> None:
    def several(path: str, body: Any) -> None:
        if isinstance(body, dict) and isinstance(body.get("report"), dict):
            body["report_columns"] = [
                column("one", name="ask", version_number=1),
                column("two", name="other"),
                column("three", name="third", label="prod"),
                {"column_type": "PROMPT_TEMPLATE", "name": "four", "configuration": {"template": "odd"}},
                {"column_type": "CONTAINS", "name": "five", "configuration": {"template": {"name": "x"}}},
                "odd",
            ]
            body["report"]["prompt_registry_id"] = body["report"]["prompt_version_number"] = None

    bench.line.edits.append(several)
    bench.publish("third")
    wanted = {"ask": 2, "other": 1, "third": 1}
    results = bench.run(evaluation("of ask", *wanted), versions=wanted)
    assert unbound(results) == [
        "ask v2 was not checked: step one uses v1",
        "third v1 was not checked: step three uses the label prod",
    ]
    assert bench.run(evaluation("of ask", "ask"), versions={"ask": 1}).passed


def column(step: str, **prompt: Any) -> dict[str, Any]:
    return {"column_type": "PROMPT_TEMPLATE", "name": step, "configuration": {"template": prompt}}


# -- snippets -----------------------------------------------------------------------------------------------


def test_a_run_of_a_parent_checks_the_snippet_that_it_contained(bench: Bench) -> None:
    bench.publish("deep", "deep", snippet=True)
    bench.publish("tone", "tone @@@deep@@@", snippet=True)
    bench.publish("parent", "@@@tone@@@ {question}")
    assert bench.publish("tone", "kinder @@@deep@@@", snippet=True) == 2
    wanted = {"tone": 2, "deep": 1}
    assert bench.run(evaluation("of parent", *wanted), versions=wanted).passed


def test_a_run_of_a_parent_does_not_check_a_snippet_that_it_pins_elsewhere(bench: Bench) -> None:
    bench.publish("tone", "tone", snippet=True)
    bench.publish("pinned", "@@@tone@version_number:1@@@ {question}")
    bench.publish("tone", "kinder", snippet=True)
    results = bench.run(evaluation("of pinned", "tone"), versions={"tone": 2})
    assert unbound(results) == ["tone v2 was not checked: it ran pinned v1, which contains v1"]


def test_a_parent_that_cannot_be_read_checks_no_snippet(bench: Bench) -> None:
    bench.publish("tone", "tone", snippet=True)
    bench.publish("parent", "@@@tone@@@ {question}")
    bench.line.faults["POST", "/prompt-templates/parent"] = 500
    results = bench.run(evaluation("of parent", "tone"), versions={"tone": 1})
    assert "could not be read" in results.evaluations[0].reason


# -- agents -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bot", ""),
        ("old bot", "step first uses v1"),
        ("prod bot", "step first uses the label prod"),
    ],
)
def test_an_agent_checks_what_its_nodes_use(bench: Bench, name: str, why: str) -> None:
    bench.label("prod", 2)
    results = bench.run(agent(name), versions={"ask": 2})
    assert unbound(results) == ([f"ask v2 was not checked: {why}"] if why else [])
    assert results.passed == (not why)


def test_an_agent_without_readable_nodes_checks_the_latest(bench: Bench) -> None:
    bench.line.faults["GET", "/workflows/"] = 404
    assert bench.run(agent("old bot"), versions={"ask": 2}).passed
    assert not bench.run(agent("old bot"), versions={"ask": 1}).passed


# -- all of them together -----------------------------------------------------------------------------------


def test_evaluations_and_agents_run_at_the_same_time(bench: Bench) -> None:
    told: list[tuple[str, int, int]] = []
    results = bench.run(
        evaluation("of ask"),
        evaluation("of other", "other"),
        agent("bot"),
        agent("bot", "ask", question="what"),
        versions={"ask": 2, "other": 1},
        progress=lambda *found: told.append(found),
    )
    assert results.passed
    assert [one.run.outputs["first"].value for one in results.agents] == ["So: why", "So: what"]
    assert told[-1] == ("running checks", 10, 10)
    first_read = next(place for place, one in enumerate(bench.line.seen) if "execution-results" in one)
    starts = [place for place, one in enumerate(bench.line.seen) if one.endswith("/run")]
    assert len(starts) == 4 and max(starts) < first_read


def test_the_stricter_minimum_counts(bench: Bench) -> None:
    bench.publish("ask", "one")  # answers one of two questions
    for least, asked, verdict in ((40, None, ""), (None, 40, ""), (40, 60, "60"), (60, 40, "60")):
        results = bench.run(evaluation("of ask", least=least), standard=Standard(asked))
        assert (verdict in results.evaluations[0].reason) and results.passed == (not verdict)


def test_a_score_is_needed_unless_that_is_waived(bench: Bench) -> None:
    results = bench.run(evaluation("unscored"))
    assert results.error is not None and "--allow-unscored" in results.error.hint
    assert bench.run(evaluation("unscored"), standard=Standard(allow_unscored=True)).passed


def test_one_evaluation_by_name_and_by_id_is_run_once_with_the_stricter_limits(bench: Bench) -> None:
    number = find_checks(bench.registry, selection(evaluation("of ask"))).evaluations[0][1].id
    by_name = EvaluationCheck("of ask", ("ask",), 10, 5)
    by_id = EvaluationCheck(str(number), ("other",), 20, 9)
    (one,) = bench.run(by_name, by_id).evaluations
    assert (one.check.prompts, one.check.min_score, one.check.max_drop) == (("ask", "other"), 20, 5)


def test_what_the_registry_lacks_is_named_with_its_places_before_anything_runs(bench: Bench) -> None:
    place = Place("promptsync.yaml", ("checks", 0))
    wrong = EvaluationCheck("of aks", ("ask",), named_in=(place, place))
    with pytest.raises(NoSuchItem) as one:
        bench.run(evaluation("of ask"), wrong)
    assert one.value.message == "promptsync.yaml, checks[0] and 1 more: local: has no evaluation 'of aks'"
    assert "did you mean 'of ask'" in one.value.hint
    with pytest.raises(NoSuchItem) as two:
        bench.run(wrong, agent("bto"))
    assert [line.count("did you mean") for line in two.value.details] == [1, 1]
    assert not any(one.endswith("/run") for one in bench.line.seen)


def test_a_registry_failure_is_reported_beside_the_other_results(bench: Bench) -> None:
    bench.line.faults["GET", "/workflow-version-execution-results"] = 500
    results = bench.run(evaluation("of ask"), agent("bot"))
    assert (results.evaluations[0].reason, results.agents[0].run.status) == ("", Status.UNREADABLE)
    assert isinstance(results.error, RemoteError)
    bench.line.faults["POST", "/run"] = 500
    lost = bench.run(evaluation("of ask"), agent("bot")).error
    assert isinstance(lost, Incomplete)


def test_when_the_time_is_up_what_has_ended_is_judged(bench: Bench) -> None:
    def busy(path: str, body: Any) -> None:
        if path.endswith("/run"):
            bench.ended(body["report_id"])
        elif "status" in body and body["report"]["prompt_version_number"] == 1:
            body["status"] = "RUNNING"

    bench.line.edits.append(busy)
    checks = [evaluation("of ask"), evaluation("of other")]
    ended, late = bench.run(*checks, patience=Patience(0.01, 0.01)).evaluations
    assert (ended.run.score, ended.reason) == (100, "")
    assert late.run.status is Status.TIMED_OUT
    assert "is still running" in late.reason


def test_without_patience_checks_are_only_started(bench: Bench) -> None:
    bench.model.go_on.clear()
    results = bench.run(evaluation("of ask"), agent("bot"), versions={"ask": 2}, patience=None)
    assert (len(results.under_way), results.error, results.passed) == (2, None, False)


def test_an_interruption_reports_what_is_still_running(bench: Bench) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    bench.model.go_on.clear()
    results = bench.run(evaluation("of ask"), agent("bot"), progress=interrupt)
    assert [one.run.status for one in results.all] == [Status.RUNNING] * 2
    assert isinstance(results.error, Interrupted) and results.error.exit_code == 130
    report, execution = results.evaluations[0].run.report_id, results.agents[0].run.execution_id
    assert results.error.details == (f"of ask: report {report}", f"bot: execution {execution}")
    commands = (f"promptsync eval show {report} --wait", f"promptsync agent show {execution} --wait")
    assert results.error.hint == "\n".join(commands)


def test_the_list_is_fetched_once_if_the_reports_say_what_they_ran(bench: Bench) -> None:
    names = [f"p{number}" for number in range(8)]
    for name in names:
        bench.publish(name)
    bench.line.seen.clear()
    assert bench.run(evaluation("of ask"), versions={"ask": 2, **dict.fromkeys(names, 1)}).passed
    assert bench.line.seen.count("GET /prompt-templates") == 1
