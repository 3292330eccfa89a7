"""Results of checks on tables as text, JSON, JUnit and one comment of Markdown."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import jsonschema
from click import unstyle
from markdown_reader import EVIL, active, page_of
from msgspec.structs import replace
from sheets import SHEET, result, sheet

from promptsync.checks.assignment import Check
from promptsync.checks.results import CheckResult, CheckResults, Failure
from promptsync.files.schema import schema
from promptsync.show.checks import add_results, results_lines, runs_body
from promptsync.show.result_files import junit

WORSE = result("p" * 20, "f" * 9 + "p" * 11)
UNSURE = result("p" * 18 + "ff", "ff" + "p" * 18, "support/tone", origin="", reused=True)
FINE = result("p" * 20, "p" * 20, "support/triage", reused=True, cost=None)
ECHO = result("p" * 20, "p" * 19 + "f", "support/echo", model="echo", cost=None)
LOW = CheckResult(
    Check("table", "Refund quality", ("new",), 80),
    sheet("pppff"),
    failures=(Failure("min-score", "score 60 is below the minimum of 80"),),
)


def lines(*results: CheckResult) -> list[str]:
    return [unstyle(line) for line in results_lines(CheckResults(results))]


def test_a_line_for_each_prompt() -> None:
    shown = lines(WORSE, UNSURE, FINE, ECHO, LOW)
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
    assert lines(LOW, other)[0].split()[:2] == ["PROMPT", "TABLE"]


def test_rows_that_changed_are_shown_with_input_and_both_outputs() -> None:
    shown = lines(WORSE)
    at = shown.index("support/refund (Refund quality): row 1 got worse (Right order)")
    assert shown[at : at + 4] == [
        "support/refund (Refund quality): row 1 got worse (Right order)",
        "    input: question: question 1",
        "    live: answer p",
        "    new: answer f",
    ]
    assert "support/refund (Refund quality): 6 more rows got worse" in shown
    assert shown[-1] == "cost: $0.25"


def test_notes() -> None:
    echo = "support/echo (Refund quality): ran on the echo model (no real LLM), so there is no score"
    unsure = UNSURE.comparison and UNSURE.comparison.reason
    for one, note in (
        (UNSURE, "support/tone (Refund quality): row 19 got better (Right order)"),
        (ECHO, echo),
        (LOW, "new (Refund quality): row 4 failed (Right order)"),
        (replace(UNSURE, failures=()), f"support/tone (Refund quality): cannot tell: {unsure}"),
    ):
        assert note in lines(one)
    # Nothing is shown of rows that did not change, and a row that ran three times fails once.
    assert lines(FINE)[2:] == [
        "support/triage (Refund quality): Refund quality 100, evaluated in pull request 12"
    ]
    repeated = lines(replace(LOW, check=replace(LOW.check, runs=3), run=sheet("pfppfppfp")))
    assert repeated[1].split()[1] == "3"
    assert [line for line in repeated if ": row" in line] == [
        "new (Refund quality): row 2 failed (Right order)"
    ]


def test_the_document_fits_its_schema() -> None:
    body = runs_body(CheckResults((WORSE, UNSURE, FINE, ECHO, LOW)), "evaluation")
    document: dict[str, Any] = {
        "schema": 1,
        "command": "eval run",
        "changed": [],
        "runs": json.loads(json.dumps(body)),
    }
    definitions = schema("output")["$defs"]
    jsonschema.validate(document, {**definitions["eval run"], "$defs": definitions})
    body = document["runs"]
    assert body[0]["worse"][0]["live"]["output"] == "answer p"
    assert body[0]["worse"][0]["new"]["failed_steps"] == ["Right order"]
    assert (body[0]["verdict"], len(body[0]["rows"]), body[4]["worse"]) == ("fail", 20, None)
    assert (body[3]["model"], body[3]["score"], body[3]["live_score"], body[3]["drop"]) == (
        "echo",
        *[None] * 3,
    )


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
    assert (
        "<details><summary><code>support/refund (Refund quality)</code>: 9 rows got worse</summary>" in page
    )
    assert "@@ row 1 got worse (Right order)\n  question: question 1\n- answer p\n+ answer f" in page
    assert (
        "`support/echo (Refund quality)`: `ran on the echo model (no real LLM), so there is no score`" in page
    )


def test_an_address_that_could_break_out_is_no_link() -> None:
    for url in (
        "javascript:alert(1)",
        f"https://a.example/) @{EVIL}",
        f"https://a.example/{EVIL}\n# x",
        "http://a.b/",
    ):
        page = page_of(add_results, CheckResults((replace(WORSE, run=replace(WORSE.run, url=url)),)))
        assert active(page) == [] and "sheet" not in "\n".join(page)
