"""Which versions runs checked: the right one, another one, or none."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from checking import Bench, agent, evaluation
from mutations import mutated
from worlds import Seen

from promptsync.checks.catalog import Use, uses_in
from promptsync.checks.results import CheckResults, Standard
from promptsync.checks.run_checks import NO_VERSION, OTHER_PROMPT, named_version
from promptsync.checks.runs import Run
from promptsync.errors import AnswerIsNo
from promptsync.project.target import At


def ran(*uses: Use, kind: str = "evaluation", **report: Any) -> Run:
    return Run(kind=kind, name="x", uses=uses, **report)


NAMED: list[tuple[Run, tuple[int | None, str]]] = [
    (ran(version=3, prompt_id=7), (3, "")),
    (ran(version=3, prompt_id=8), (None, OTHER_PROMPT)),
    (ran(version=3), (None, "its report names v3, but no prompt")),
    (ran(), (None, NO_VERSION)),
    (ran(Use("s", "ask", 4)), (4, "")),
    (ran(Use("s", "ask", 4), version=3, prompt_id=8), (4, "")),
    (ran(Use("s", "ask")), (None, NO_VERSION)),
    (ran(Use("s", "other", 4)), (None, OTHER_PROMPT)),
    (ran(Use("s", "ask", 4), Use("t", "ask")), (None, "its steps use several versions of ask")),
    (ran(Use("s", "ask", label="prod"), kind="agent"), (None, "step s uses the label prod")),
    # The version of an agent is none of its prompts.
    (ran(kind="agent", at=At(4)), (None, NO_VERSION)),
]


@pytest.mark.parametrize(("run", "named"), NAMED)
def test_a_run_names_a_version_in_its_report_or_in_its_steps(run: Run, named: tuple[int | None, str]) -> None:
    assert named_version(run, "ask", 7) == named


def says_nothing(seen: Seen, body: Any) -> Any:
    """The report as a registry of the customer's document gives it."""
    if isinstance(body, dict) and isinstance(body.get("report"), dict):
        body["report"].pop("prompt_registry_id", None)
        body["report"].pop("prompt_version_number", None)
        body["report_columns"] = []
    return body


def gaps(results: CheckResults) -> list[str]:
    """The versions that checks passed without having checked them."""
    return [str(gap) for result in results.all for gap in result.unbound]


RUNS = [
    (evaluation("quality"), 2, ""),
    (evaluation("quality"), 1, "the run used v2"),
    (agent("bot"), 1, "the run names no version, and the latest was v2"),
    (agent("old bot"), 2, "the run used v1"),
    (agent("prod bot"), 2, "step first uses the label prod"),
]


def test_a_run_of_another_version_does_not_count(bench: Bench) -> None:
    bench.publish("ask", "So: {question}")
    bench.world.point("ask", prod=1)
    for check, wanted, why in RUNS:
        results = bench.run(check, versions={"ask": wanted})
        assert gaps(results) == ([f"ask v{wanted} was not checked: {why}"] if why else [])
        assert results.passed == (not why)
        if why:
            assert isinstance(results.error, AnswerIsNo) and "--allow-unbound" in results.error.hint
            allowed = bench.run(check, versions={"ask": wanted}, standard=Standard(allow_unbound=True))
            assert (allowed.passed, len(gaps(allowed))) == (True, 1)


def test_a_run_of_one_prompt_does_not_check_another_which_needs_a_check_of_its_own(bench: Bench) -> None:
    of_both = evaluation("quality", "ask", "other")
    wanted = {"ask": 1, "other": 1}
    assert gaps(bench.run(of_both, versions=wanted)) == [
        "other v1 was not checked: the run used another prompt"
    ]
    own = evaluation("of other", "other")
    assert bench.run(of_both, own, versions=wanted).passed
    stale = bench.run(of_both, own, versions={"ask": 1, "other": 7})
    assert gaps(stale)[-1] == "other v7 was not checked: the run used v1"
    # A check of its own that failed does not count.
    failed = bench.run(of_both, evaluation("of other", "other", least=100), versions=wanted)
    assert [len(result.unbound) for result in failed.all] == [1, 0]
    assert "below the minimum" in failed.all[1].reason


def test_a_run_without_a_version_checks_what_is_still_the_latest_after_it(bench: Bench) -> None:
    bench.world.faults.append(mutated(says_nothing))
    assert bench.run(evaluation("quality"), versions={"ask": 1}).passed
    gone = bench.run(evaluation("quality", "nowhere"), versions={"nowhere": 1})
    assert gaps(gone)[0].endswith("the registry has no such prompt")
    publish = cache(lambda: bench.publish("ask", "Else {question}"))
    results = bench.run(evaluation("quality"), versions={"ask": 1}, progress=lambda *_: publish())
    assert gaps(results) == ["ask v1 was not checked: the run names no version, and the latest was v2"]
    results = bench.run(
        evaluation("quality"),
        versions={"ask": 2},
        progress=lambda *_: bench.fail("GET", "prompt-templates"),
    )
    assert "could not be read" in gaps(results)[0]


def test_columns_name_prompts_that_the_report_does_not_name() -> None:
    def column(step: str, prompt: Any, kind: str = "PROMPT_TEMPLATE") -> dict[str, Any]:
        return {"column_type": kind, "name": step, "configuration": {"template": prompt}}

    columns = [
        column("one", {"name": "ask", "version_number": 2}),
        column("two", {"name": "third", "label": "prod"}),
        column("three", "odd"),
        column("four", {"name": "x"}, "CONTAINS"),
        "odd",
    ]
    assert uses_in(columns, "column_type") == (Use("one", "ask", 2), Use("two", "third", label="prod"))


def test_a_run_of_a_parent_checks_the_latest_snippets_that_it_renders(bench: Bench) -> None:
    bench.publish("tone", "tone", snippet=True)
    bench.publish("parent", "@@@tone@@@ {question}")
    check, wanted = evaluation("of parent", "parent", "tone"), {"parent": 1, "tone": 1}
    assert bench.run(check, versions=wanted, renders={"parent": {"tone"}}).passed
    # A parent that pins the snippet does not render it, and one that was not checked checks nothing.
    assert gaps(bench.run(check, versions=wanted))
    stale = bench.run(check, versions={"parent": 2, "tone": 1}, renders={"parent": {"tone"}})
    assert gaps(stale)[-1] == "tone v1 was not checked: the run used another prompt"
    publish = cache(lambda: bench.publish("tone", "kinder", snippet=True))
    results = bench.run(check, versions=wanted, renders={"parent": {"tone"}}, progress=lambda *_: publish())
    assert gaps(results) == ["tone v1 was not checked: the run names no version, and the latest was v2"]


def test_an_agent_without_readable_nodes_checks_the_latest(bench: Bench) -> None:
    bench.publish("ask", "So: {question}")
    assert bench.run(evaluation("of ask one"), versions={"other": 9}).passed  # no version of ask is wanted
    bench.fail("GET", "/workflows/", 404)
    assert bench.run(agent("old bot"), versions={"ask": 2}).passed
    assert not bench.run(agent("old bot"), versions={"ask": 1}).passed
