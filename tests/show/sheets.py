"""Results of checks on tables, made by hand: what the pages and files about them show."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from promptsync.checks.assignment import Check
from promptsync.checks.comparison import Comparison, RowResult, compare
from promptsync.checks.results import CheckResult, CheckResults, Failure, Standard, Unbound, judge
from promptsync.checks.runs import Cell, NodeOutput, Run, Status
from promptsync.errors import RemoteError

SHEET = "https://dashboard.promptlayer.com/workspace/1/tables/t1?sheet=s2"


def rows(verdicts: str) -> tuple[RowResult, ...]:
    """Rows by a letter each: p passes, everything else fails the step Right order."""
    return tuple(
        RowResult(
            *(index, {"question": f"question {index + 1}"}, f"answer {letter}"),
            *((1.0, "pass", ()) if letter == "p" else (0.25, "fail", ("Right order",))),
        )
        for index, letter in enumerate(verdicts)
    )


def sheet(verdicts: str, **fields: Any) -> Run:
    """A run on a table of refunds."""
    values = {
        "status": Status.COMPLETED,
        "table_id": "t1",
        "sheet_id": "s2",
        "score": 100 * verdicts.count("p") / len(verdicts),
        "rows": rows(verdicts),
        "url": SHEET,
        "origin": "pull request 12",
        "cost": 0.1234,
        **fields,
    }
    return Run(kind="table", name="Refund quality", **values)


def result(
    live: str, new: str, name: str = "support/refund", *, max_drop: float = 5, **fields: Any
) -> CheckResult:
    """The result of a prompt whose live version and new text ran, failed if they say so."""
    run, live_run = sheet(new, **fields), sheet(live, **{**fields, "origin": "commit 3fa9c1a"})
    comparison = compare(live_run.rows, run.rows, 1, max_drop)
    check = Check("table", run.name, (name,), 20, max_drop)
    return judge(check, run, Standard(), live_version=3, live_run=live_run, comparison=comparison)


def results(texts: st.SearchStrategy[str]) -> st.SearchStrategy[CheckResult]:
    """Results of tables with these texts in every place that a registry or a user fills."""
    row = st.builds(
        RowResult,
        st.integers(0, 20),
        st.dictionaries(texts, texts, max_size=2),
        texts,
        st.none() | st.floats(0, 1),
        st.sampled_from(["pass", "fail", "error"]) | texts,
        st.lists(texts, max_size=2).map(tuple),
    )
    run = st.builds(
        Run,
        kind=st.just("table"),
        name=texts,
        status=st.sampled_from(Status),
        score=scores,
        rows=st.lists(row, max_size=3).map(tuple),
        url=texts,
        origin=texts,
        reused=st.booleans(),
        cost=st.none() | st.floats(0, 5),
        model=st.none() | st.just("echo") | texts,
    )
    pairs = st.lists(st.tuples(row, row), max_size=3).map(tuple)
    comparison = st.builds(Comparison, st.just(9), pairs, pairs, reason=texts)
    return st.builds(
        CheckResult,
        st.builds(Check, st.just("table"), texts, st.lists(texts, max_size=1).map(tuple)),
        run,
        failures(texts),
        live_run=st.none() | run,
        live_version=st.none() | st.just(2),
        comparison=st.none() | comparison,
        not_compared=st.none() | texts,
    )


def check_results(texts: st.SearchStrategy[str]) -> st.SearchStrategy[CheckResults]:
    """Results of all kinds of checks with these texts."""
    some_texts = st.lists(texts, max_size=2).map(tuple)
    cells = st.builds(Cell, st.integers(1, 9), st.none() | texts, st.none() | texts)
    common = {
        "name": texts,
        "status": st.sampled_from(Status),
        "error": st.none() | st.builds(RemoteError, texts, hint=texts, details=some_texts),
        "seconds": st.none() | st.floats(0, 10_000),
        "id": st.none() | st.integers(1),
    }
    evaluation = st.builds(
        Run,
        kind=st.just("evaluation"),
        score=scores,
        failed=st.integers(0, 2),
        failed_cells=st.lists(cells, max_size=7).map(tuple),
        missed_cells=st.lists(cells, max_size=2).map(tuple),
        model=st.none() | texts,
        **common,
    )
    outputs = st.dictionaries(texts, st.builds(NodeOutput, texts, texts, texts), max_size=3)
    agent = st.builds(Run, kind=st.just("agent"), outputs=outputs, **common)
    unbound = st.lists(st.builds(Unbound, texts, st.none() | st.integers(1), texts), max_size=2).map(tuple)
    variables = st.dictionaries(texts, texts, max_size=2)
    check = st.builds(Check, st.just("agent"), texts, some_texts, scores, scores, variables)
    one = st.builds(CheckResult, check, evaluation | agent, failures(texts), unbound, st.booleans())
    return st.builds(CheckResults, st.lists(one | results(texts), max_size=3).map(tuple))


scores = st.none() | st.floats(0, 100)
KINDS = ("error", "failed", "unscored", "min-score", "max-drop", "cannot-tell", "unbound")


def failures(texts: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[Failure, ...]]:
    return st.lists(st.builds(Failure, st.sampled_from(KINDS), texts.filter(bool)), max_size=2).map(tuple)
