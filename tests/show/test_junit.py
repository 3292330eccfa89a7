"""JUnit XML that any reader of XML takes, whatever registries and models put into it."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from sheets import check_results

from promptsync.checks.assignment import Check
from promptsync.checks.results import CheckResult, CheckResults
from promptsync.checks.runs import Run, Status
from promptsync.errors import RemoteError
from promptsync.show.checks import results_lines
from promptsync.show.result_files import junit

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
    root = ElementTree.fromstring(
        junit(CheckResults(), RemoteError(message, details=details), "eval run").encode()
    )
    assert (root.attrib["errors"], root.attrib["tests"]) == ("1", "1")
