"""``lint`` on evaluation files: whether they fit the prompts that they check."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from worlds import World

PROMPTS = {
    "prompts/support/refund.yaml": "template_format: jinja2\ncontent: '{{ question }} @@@tone@label:p@@@'\n",
    "prompts/support/sort.yaml": "content: '{question}'\n",
    "prompts/tone.yaml": "template_format: jinja2\ncontent: Be {{ mood }}.\n",
}
WHOLE = "scorecard: {steps: [{title: S, type: COMPARE, config: {sources: [Output, right]}}]}\n"
ROWS = "rows: [{question: a, mood: b, right: c}]\n"
QUESTION = "rows: [{question: a, right: c}]\n"


def lint(
    world: World, files: Mapping[str, str], *arguments: str, prompts: Mapping[str, str] = PROMPTS
) -> list[str]:
    for path, text in {**prompts, **files}.items():
        world.put(path, text)
    lines = world.run("lint", *arguments).out.splitlines()
    shown = [line.removeprefix("evaluations/x.yaml:") for line in lines if "hint:" not in line]
    return [line for line in shown if not line.startswith("prompts/")][:-1]


@pytest.mark.parametrize(("rows", "is_enough"), [(19, False), (20, True)])
def test_the_rows_that_max_drop_takes_are_counted(world: World, rows: int, is_enough: bool) -> None:
    inputs = "".join(f"  - {{question: q{row}, right: c}}\n" for row in range(rows))
    text = f"prompts: support/sort\nmax_drop: 5\nrows:\n{inputs}{WHOLE}"
    assert (lint(world, {"evaluations/x.yaml": text}) == []) == is_enough


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (f"prompts: support/refund\n{ROWS}{WHOLE}", []),
        (f"prompts: [support/refund, 'tone']\n{ROWS}{WHOLE}", []),
        (
            f"prompts: support/refund\n{QUESTION}{WHOLE}",
            ["2:1: error: The rows have no column for the variable 'mood' of support/refund."
             " [evaluation-missing-variable]"],
        ),
        (f"prompts: support/refund\n{QUESTION}variables: {{mood: right}}\n{WHOLE}", []),
        (f"prompts: support/sort\n{QUESTION}{WHOLE}", []),
        (
            f"prompts: support/sort\n{ROWS}{WHOLE}",
            ["2:1: warning: Nothing uses the column 'mood' of the rows. [evaluation-unused-column]"],
        ),
        (
            f"prompts: support/sort\nmax_drop: 5\n{QUESTION}{WHOLE}",
            ["2:1: warning: max_drop 5 takes 20 rows, but there are 1. [evaluation-few-rows]"],
        ),
        # A config may use a column in a text of its own.
        (
            "prompts: support/sort\nrows: [{question: a, mood: b}]\nscorecard:\n"
            "  steps: [{title: S, type: LLM_ASSERTION, config: {source: Output, prompt: 'Is it {mood}?'}}]\n",
            [],
        ),
        (
            f"prompts: support/sort\n{QUESTION}variables: {{x: right}}\n{WHOLE}",
            ["3:13: warning: No prompt of this evaluation has the variable 'x'. [evaluation-unused-column]"],
        ),
        (
            f"prompts: [support/*, suport/*]\n{ROWS}{WHOLE}",
            ["1:22: warning: No prompt file matches 'suport/*'. [evaluation-no-prompt]"],
        ),
        (f"{ROWS}{WHOLE}", ["1:1: warning: No prompt uses the evaluation 'x'. [evaluation-unused]"]),
        (
            "prompts: support/sort\nrows: [{question: a}]\n",
            ["1:1: error: The scorecard has no steps, so no row can pass or fail. [evaluation-unscored]"],
        ),
        ("prompts: support/sort\nrow: []\n", [
            "1:1: error: The file lacks the key rows. [missing-key]",
            "2:1: error: Unknown key row. [unknown-key]",
        ]),
        ("rows: x.csv\n", ["1:1: error: rows: there is no file evaluations/x.csv. [evaluation]"]),
    ],
)  # fmt: skip
def test_what_an_evaluation_lacks(world: World, text: str, wrong: list[str]) -> None:
    assert lint(world, {"evaluations/x.yaml": text}) == wrong


def test_an_evaluation_that_the_configuration_names(world: World) -> None:
    files = {"evaluations/x.yaml": QUESTION + WHOLE}
    files["promptsync.yaml"] = "checks: [{match: 'support/*', table: x}]\n"
    assert lint(world, files) == [
        "1:1: error: The rows have no column for the variable 'mood' of support/refund."
        " [evaluation-missing-variable]",
    ]


def test_a_prompt_that_cannot_be_read_is_not_missed(world: World) -> None:
    broken = {**PROMPTS, "prompts/support/sort.yaml": "name: support/sort\ncontnt: Hi\n"}
    assert (
        lint(world, {"evaluations/x.yaml": f"prompts: support/sort\n{QUESTION}{WHOLE}"}, prompts=broken) == []
    )


def test_files_that_a_hook_passes(world: World) -> None:
    files = {
        "evaluations/x.yaml": "prompts: support/sort\nrows: x.csv\n" + WHOLE,
        "evaluations/x.csv": "a,a\n",
    }
    wrong = ["evaluations/x.csv:1:1: error: The header has the column 'a' twice. [evaluation-rows]"]
    assert lint(world, files, "evaluations/x.yaml") == wrong
    assert lint(world, files, "evaluations/x.csv") == wrong
    assert lint(world, files, "prompts/tone.yaml") == []
    assert world.run("lint", "--format", "github").out.splitlines()[0] == (
        "::error file=evaluations/x.csv,line=1,col=1,title=promptsync evaluation-rows::"
        "The header has the column 'a' twice."
    )
