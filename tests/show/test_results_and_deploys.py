"""Results of checks and deploys: scores, labels and reasons, none of which is more than code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click import unstyle
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_reader import EVIL, active, check_only_code, names, page_of
from msgspec.structs import replace
from seeds import examples
from sheets import SHEET, check_results, result, sheet

from promptsync.checks.assignment import Check, Selection
from promptsync.checks.results import CheckResult, CheckResults, Failure
from promptsync.checks.runs import Run, Status
from promptsync.compare.difference import Difference, Step
from promptsync.compare.snapshot import Item, Snapshot, State
from promptsync.deploy.apply import DeployReceipt
from promptsync.deploy.members import UNRELEASED, Fate, Member, PassedOverVersion, Survey
from promptsync.deploy.plan import DeployPlan
from promptsync.errors import RemoteError
from promptsync.files.prompt_file import Worktree
from promptsync.labels.move import ChangedLabel
from promptsync.labels.plan import LabelChange
from promptsync.prompt.fields import FieldChange
from promptsync.prompt.labels import Position
from promptsync.prompt.prompt import Prompt, Version
from promptsync.push.actions import Action, Kind, PushPlan
from promptsync.show.checks import add_results, echo_lines, results_lines, runs_body
from promptsync.show.deploy import add_plan, add_receipt, plan_lines
from promptsync.show.markdown import MOST, Page
from promptsync.show.result_files import junit

limits = st.sampled_from([1_000, 1_500, 4_000, MOST])
PASSES_OVER = "passes over v3, saved in the dashboard; the registry keeps it; promptsync pull --merge beta"
LEFT_OUT = "or, after the deploy, leave it out for good; promptsync pull beta --no-passed-over"


def item(name: str, version: int) -> Item:
    return Item(name, State.AHEAD, listed=Version(1, version, Prompt(name, {})))


@st.composite
def plans(draw: st.DrawFn) -> DeployPlan:
    """Plans that release, hold, pass and leave prompts with hostile names, to a label with one."""
    empty = Snapshot((), Worktree(Path("/"), "prompts"), {})
    text = draw(names)
    existing, drafts = draw(st.none() | st.just(2)), (PassedOverVersion(2),)
    releases = [
        Member(name, f"{name}.yaml", 1, Fate.RELEASE, Position(1), 2, existing=existing, drafts=drafts)
        for name in draw(st.lists(names, max_size=2, unique=True))
    ]
    fates = draw(st.sets(st.sampled_from(UNRELEASED)))
    others = [Member(text, None, 1, fate, Position(1), held=2) for fate in fates]
    survey = Survey(text, empty, empty, (*releases, *others))
    push = PushPlan(tuple(Action(item(one.name, 1), Kind.UPDATE, message=text) for one in releases))
    selection = Selection((Check("evaluation", text, (text,), 80.0), Check("agent", text, (text,))))
    return DeployPlan(survey, push, selection, (), unchecked=(text,))


@st.composite
def receipts(draw: st.DrawFn) -> DeployReceipt:
    plan, text = draw(plans()), draw(names)
    how = draw(st.sampled_from(["moved", "stayed"]))
    changes = [LabelChange(one.name, 1, plan.label, 1, 2) for one in plan.survey.releases]
    labels = [ChangedLabel(change, how, text) for change in changes]
    error = RemoteError(text, hint=text) if draw(st.booleans()) else None
    return DeployReceipt(plan, results=draw(check_results(names)), labels=labels, stopped=error)


PAGES: dict[str, tuple[Any, ...]] = {
    "results": (add_results, check_results(names)),
    "deploy": (add_receipt, receipts()),
    "plan": (add_plan, plans(), st.just(())),
}
"""What adds to a page, and what it adds."""


@pytest.mark.parametrize("kind", PAGES)
@settings(max_examples=examples(200) // 4)
@given(st.data(), limits)
def test_no_text_is_more_than_code(kind: str, data: st.DataObject, most: int) -> None:
    add, *values = PAGES[kind]
    page = Page(most)
    add(page, *map(data.draw, values))
    check_only_code(page.lines, MOST if kind == "results" else most)


def _whole_plan() -> DeployPlan:
    """One prompt of every kind; ``alpha`` is on hold and is checked again as a user of ``gamma``."""
    empty = Snapshot((), Worktree(Path("/"), "prompts"), {})
    rows: dict[str, tuple[Fate, int, dict[str, Any]]] = {
        "alpha": (Fate.HELD, 2, {"held": 2, "existing": 1, "through": ("gamma",), "touched": True}),
        "beta": (Fate.RELEASE, 3, {"drafts": (PassedOverVersion(3),), "touched": True}),
        "gamma": (Fate.RELEASE, 1, {"touched": True}),
        "delta": (Fate.RELEASE, 2, {"existing": 2}),
        "epsilon": (Fate.HELD, 2, {"held": 2, "touched": True}),
        "zeta": (Fate.BEHIND, 2, {}),
        "eta": (Fate.DELETED, 1, {"touched": True}),
        "iota": (Fate.CHECK, 2, {"existing": 1, "through": ("gamma",)}),
    }
    members = [
        Member(name, f"{name}.yaml", 1, fate, Position(1), latest, **facts)
        for name, (fate, latest, facts) in rows.items()
    ]
    survey = Survey("prod", empty, empty, tuple(members))
    actions = (
        Action(item("beta", 3), Kind.UPDATE, message="Say more", parents=(1,)),
        Action(item("gamma", 1), Kind.UPDATE, message="Be brief"),
    )
    others = (Check("evaluation", "short", ("beta",)), Check("agent", "bot", ("beta",)))
    selection = Selection((Check("evaluation", "polite", ("alpha", "beta"), 80.0), *others))
    return DeployPlan(survey, PushPlan(actions), selection, (), unchecked=("delta", "iota"))


def test_the_plan_of_a_deploy_has_a_row_for_each_prompt() -> None:
    lines = [unstyle(line) for line in plan_lines(_whole_plan())]
    assert lines == [
        "  update   beta   v3 -> v4  prod v1 -> v4  polite >= 80, short, bot  Say more",
        f"      {PASSES_OVER}",
        f"      {LEFT_OUT}",
        "  update   gamma  v1 -> v2  prod v1 -> v2  checked where it is used  Be brief",
        "  release  delta            prod v1 -> v2  unchecked                 pending from an earlier deploy",
        "  check    iota   v1                       unchecked                 renders a changed snippet",
        "  check    alpha  v1                       polite >= 80              renders a changed snippet",
        "      on hold: v2 is the same as the file, but prod was rolled back to v1; "
        "promptsync deploy alpha --label prod --again",
        "  on hold  epsilon: v2 is the same as the file, but prod was rolled back to v1; "
        "promptsync deploy epsilon --label prod --again",
        "  skipped  zeta: the label is ahead of this commit; run git pull or promptsync pull",
        "  skipped  eta: deleted in git; keeps prod",
    ]


def test_the_markdown_of_a_deploy_has_all_rows_and_then_the_differences_that_fit() -> None:
    plan = _whole_plan()
    change = FieldChange("content", "", "long " * 3_000, "changed")
    found = [Difference(one.name, State.AHEAD, None, (Step("s", (change,)),)) for one in plan.survey.releases]
    lines = page_of(add_plan, plan, found)
    fence = lines[lines.index("```text") + 1 : lines.index("```")]
    assert fence == [unstyle(line) for line in plan_lines(plan)]
    titles = [line for line in lines if line.startswith("<details>")]
    assert titles[0] == "<details><summary><code>beta</code>: ahead</summary>" and len(titles) == 3
    lines = page_of(add_plan, plan, found, most=2_800)
    assert any("release  delta" in line for line in lines)
    assert sum(len(line) + 1 for line in lines) <= 2_800


# -- Results of checks on tables as text, JSON, JUnit and one comment of Markdown ------------------------


WORSE = result("p" * 20, "f" * 9 + "p" * 11)
UNSURE = result("p" * 18 + "ff", "ff" + "p" * 18, "support/tone", origin="", reused=True)
FINE = result("p" * 20, "p" * 20, "support/triage", reused=True, cost=None)
ECHO = result("p" * 20, "p" * 19 + "f", "support/echo", model="echo", cost=None)
LOW = CheckResult(
    Check("table", "Refund quality", ("new",), 80),
    sheet("pppff"),
    failures=(Failure("min-score", "score 60 is below the minimum of 80"),),
)


def lines_of(*results: CheckResult) -> list[str]:
    shown = CheckResults(results)
    return [unstyle(line) for line in (*results_lines(shown), *echo_lines(shown))]


def test_a_line_for_each_prompt() -> None:
    shown = lines_of(WORSE, UNSURE, FINE, ECHO, LOW)
    cells = [re.split(r"  +", line) for line in shown[:6]]
    assert cells == [
        ["PROMPT", "ROWS", "SCORE", "LIVE", "CHANGE", "WORSE", "BETTER", "RESULT"],
        ["support/refund", "20", "55", "100 (v3)", "-45", "9", "0", "failed"],
        ["support/tone", "20", "90", "90 (v3)", "0", "2", "2", "cannot tell"],
        ["support/triage", "20", "100", "100 (v3)", "0", "0", "0", "passed"],
        ["support/echo", "20", "echo", "v3", "-", "1", "0", "passed"],
        ["new", "5", "60", "-", "-", "-", "-", "failed"],
    ]
    assert max(map(len, shown[:6])) <= 80
    assert shown[6].startswith("support/refund (Refund quality): 9 of 20 rows got worse and 0 better")
    assert "new (Refund quality): score 60 is below the minimum of 80" in shown
    other = replace(LOW, run=replace(LOW.run, name="Tone"))
    assert lines_of(LOW, other)[0].split()[:2] == ["PROMPT", "TABLE"]


def test_notes() -> None:
    echo = "Refund quality ran on the echo model (no real LLM), so there is no score"
    unsure = UNSURE.comparison and UNSURE.comparison.reason
    for one, note in (
        (UNSURE, "support/tone (Refund quality): row 19 got better (Right order)"),
        (LOW, "new (Refund quality): row 4 failed (Right order)"),
        (replace(UNSURE, failures=()), f"support/tone (Refund quality): cannot tell: {unsure}"),
    ):
        assert note in lines_of(one)
    # That a model is none is said once.
    for number in (1, 3):
        assert [line for line in lines_of(*[ECHO] * number) if "echo model" in line] == [echo]
    assert "support/refund (Refund quality): 6 more rows got worse" in lines_of(WORSE)
    # Nothing is shown of rows that did not change, and a row that ran three times fails once.
    (line,) = lines_of(FINE)[2:]
    assert line == "support/triage (Refund quality): Refund quality 100, evaluated in pull request 12"
    repeated = lines_of(replace(LOW, check=replace(LOW.check, runs=3), run=sheet("pfppfppfp")))
    assert repeated[1].split()[1] == "3"
    (line,) = (line for line in repeated if ": row" in line)
    assert line == "new (Refund quality): row 2 failed (Right order)"


def test_the_document_has_all_rows_and_no_score_of_the_echo_model() -> None:
    worse, echo, low = runs_body(CheckResults((WORSE, ECHO, LOW)), "evaluation")
    (row, *_) = worse["worse"]
    assert (row["live"]["output"], row["new"]["failed_steps"]) == ("answer p", ("Right order",))
    assert (worse["verdict"], len(worse["rows"]), low["worse"]) == ("fail", 20, None)
    assert [echo[key] for key in ("model", "score", "live_score", "drop")] == ["echo", *[None] * 3]


def test_junit_has_a_suite_for_each_prompt() -> None:
    root = ElementTree.fromstring(junit(CheckResults((WORSE, FINE, LOW))))
    assert [suite.attrib["name"] for suite in root] == [
        *("support/refund (Refund quality)", "support/triage (Refund quality)", "new (Refund quality)")
    ]
    assert [suite.attrib["failures"] for suite in root] == ["1", "0", "1"]
    failure = root.find(".//failure")
    assert failure is not None and failure.attrib["type"] == "max-drop"
    assert "row 1 got worse (Right order)" in (failure.text or "")
    score = root[0].find("properties/property[@name='score']")
    assert score is not None and score.attrib["value"] == "55.0"


def test_the_comment_links_the_sheet_and_folds_the_rows() -> None:
    page = "\n".join(page_of(add_results, CheckResults((WORSE, FINE, ECHO))))
    reason = WORSE.comparison and WORSE.comparison.reason
    assert f"- `support/refund (Refund quality)`: `{reason}`, [sheet]({SHEET})" in page
    assert "`: `Refund quality 100, evaluated in pull request 12`" in page and "Cost: $0.25" in page
    assert "<summary><code>support/refund (Refund quality)</code>: 9 rows got worse</summary>" in page
    assert "@@ row 1 got worse (Right order)\n  question: question 1\n- answer p\n+ answer f" in page
    assert "\nRefund quality ran on the echo model (no real LLM), so there is no score\n" in page


def test_an_address_that_could_break_out_is_no_link() -> None:
    evil = (f"https://a.example/) @{EVIL}", f"https://a.example/{EVIL}\n# x")
    for url in ("javascript:alert(1)", "http://a.b/", *evil):
        page = page_of(add_results, CheckResults((replace(WORSE, run=replace(WORSE.run, url=url)),)))
        assert active(page) == [] and "sheet" not in "\n".join(page)


# -- JUnit: XML that any reader takes, whatever registries and models put into it ---------------------------


any_text = st.text(max_size=6) | st.sampled_from(
    ["\x00\x1b[31m", "\ud800", "\ufffe\uffff", "]]>&<'\"", "\r\n\t"]
)


@given(check_results(any_text))
def test_any_results_are_well_formed_counted_right_and_timed(results: CheckResults) -> None:
    root = ElementTree.fromstring(junit(results).encode())
    assert [suite.tag for suite in root] == ["testsuite"] * len(results.all)
    assert len({suite.attrib["name"] for suite in root}) == len(results.all)
    for one in (root, *root):
        found = {tag: len(one.findall(f".//{tag}")) for tag in ("testcase", "failure", "error", "skipped")}
        told = [int(one.attrib[key]) for key in ("tests", "failures", "errors", "skipped")]
        assert told == list(found.values())
    assert all(len(case) <= 1 for case in root.iter("testcase"))
    for one, suite in zip(results.all, root, strict=True):
        if one.run.status is Status.TIMED_OUT or (one.run.error is not None and not one.run.is_under_way):
            assert suite.attrib["errors"] == "1"
        expected = None if one.run.seconds is None else f"{one.run.seconds:.3f}"
        cases = [case.get("time") for case in suite.iter("testcase")]
        assert (suite.get("time"), cases[:1]) == (expected, [expected][: len(cases)])
        assert {*cases[1:]} <= {None if expected is None else "0.000"}
    known = [float(suite.attrib["time"]) for suite in root if "time" in suite.attrib]
    assert root.get("time") == (f"{sum(known):.3f}" if known else None)
    for line in results_lines(results):
        assert "\n" not in line and "\r" not in line and "\x00" not in line and "\x1b[31m\x00" not in line


def test_what_the_echo_model_answered_has_no_score() -> None:
    runs = [Run(kind="evaluation", name="quality", score=50.0, model=model) for model in (None, "echo")]
    results = CheckResults(tuple(CheckResult(Check("evaluation", run.name), run) for run in runs))
    root = ElementTree.fromstring(junit(results).encode())
    scores = [{node.attrib["name"] for node in suite.iter("property")} & {"score", "model"} for suite in root]
    assert scores == [{"score"}, {"model"}]


@given(any_text, st.lists(any_text, max_size=2))
def test_any_error_is_well_formed(message: str, details: list[str]) -> None:
    written = junit(CheckResults(), RemoteError(message, details=details), "eval run")
    root = ElementTree.fromstring(written.encode())
    assert (root.attrib["errors"], root.attrib["tests"]) == ("1", "1")
