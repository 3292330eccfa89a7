"""Evaluation files: what they declare, and every reason why one cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from promptsync.files.evaluation import load_evaluations, scan_evaluations
from promptsync.files.yaml.load import NESTING, InvalidFile, position
from promptsync.prompt.evaluation import Column, ScorecardStep

WHOLE = """\
name: Refund quality
prompts: support/refund
rows: cases.csv
variables: {question: customer question}
columns:
- {title: Order, type: JSON_PATH, config: {source: Output, json_path: $.order}}
scorecard:
  warn_threshold: 0.5
  steps:
  - title: Right
    type: COMPARE
    config: {sources: [Order, expected]}
    weight: 2
    required: true
    thresholds: {pass: 1.0}
min_score: 80
max_drop: 5
runs: 3
"""
CASES = "customer question,expected\nWhere is my money?,A-17\n"


def written(root: Path, files: Mapping[str, str | bytes]) -> Path:
    for path, text in files.items():
        place = root / "evaluations" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def problems(root: Path, files: Mapping[str, str | bytes]) -> list[str]:
    """The places and messages of what is wrong, as people see them."""
    with pytest.raises(InvalidFile) as error:
        load_evaluations(written(root, files))
    return [
        f"{problem.path}:{problem.line}:{problem.column}: {problem.message}"
        for problem in error.value.problems
    ]


def test_a_whole_file(tmp_path: Path) -> None:
    (file,) = load_evaluations(written(tmp_path, {"refund.yaml": WHOLE, "cases.csv": CASES}))
    assert (file.name, file.path) == ("Refund quality", "evaluations/refund.yaml")
    assert file.prompts == ("support/refund",)
    assert file.rows == ({"customer question": "Where is my money?", "expected": "A-17"},)
    assert file.inputs == ("customer question", "expected")
    assert file.columns == (Column("Order", "JSON_PATH", {"source": "Output", "json_path": "$.order"}),)
    (step,) = file.scorecard.steps
    sources = {"sources": ["Order", "expected"]}
    assert step == ScorecardStep("Right", "COMPARE", sources, 2, True, {"pass": 1.0})
    assert (file.scorecard.pass_threshold, file.scorecard.warn_threshold) == (0.8, 0.5)
    assert (file.output, file.min_score, file.max_drop, file.runs) == ("Output", 80, 5, 3)
    assert position(file.text, ("scorecard", "steps", 0)) == (10, 5)


def test_which_prompts_it_checks(tmp_path: Path) -> None:
    names = ["a/b", "a/b/c", "b"]
    for prompts, matching in (("a/*", names[:2]), ("[a/b, b]", names[::2]), ("[]", [])):
        (file,) = load_evaluations(written(tmp_path, {"x.yaml": f"rows: [{{a: 1}}]\nprompts: {prompts}"}))
        assert [name for name in names if file.matches(name)] == matching


ROWS: list[tuple[str, str | bytes, list[object]]] = [
    ("x.csv", b"\xef\xbb\xbfa,b\r\n1,2", [{"a": "1", "b": "2"}]),
    ("x.csv", 'a,b\n"1\n, ""x""",\n\n3,4\n', [{"a": '1\n, "x"', "b": ""}, {"a": "3", "b": "4"}]),
    ("x.jsonl", '{"a": 1}\n\n{"a": null, "b": {"c": ["ä"]}}', [{"a": 1}, {"a": None, "b": {"c": ["ä"]}}]),
    ("x.JSONL", '{"a": "b"}', [{"a": "b"}]),
]


@pytest.mark.parametrize(("name", "text", "rows"), ROWS)
def test_rows_in_a_file(tmp_path: Path, name: str, text: str | bytes, rows: list[object]) -> None:
    (file,) = load_evaluations(written(tmp_path, {"y.yaml": f"rows: {name}", name: text}))
    assert list(file.rows) == rows


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", ["1:1: The file is empty: an evaluation has rows:."]),
        ("rows: [{}]", ["1:1: There are no rows, so there is nothing to run."]),
        ("prompts: a", ["1:1: The file lacks the key rows."]),
        ("rows: [{a: 1}]\nvariables: {x: b}", ["2:13: The rows have no column 'b'."]),
        ("rows: [{a: 1}]\noutput: a", ["2:1: The title 'a' is used twice."]),
        (
            "rows: [{a: 1}]\ncolumns: [{title: B, type: X, config: {source: C}},"
            " {title: C, type: X, config: {sources: [a, B]}}]",
            ["2:40: B: no column above has the title 'C'."],
        ),
        (
            "rows: [{a: 1}]\nscorecard: {steps: [{title: S, type: X},"
            " {title: S, type: X, config: {variable_mappings: {v: S}}}]}",
            ["2:43: The title 'S' is used twice.", "2:91: S: no column above has the title 'S'."],
        ),
        (f"rows: [{{a: 1}}]\nscorecard: {{steps: [{{title: S, type: X, weight: {10**400}}}]}}", [
            f"2:41: scorecard.steps[0].weight: {10**400} is greater than the maximum of 1000000."]),
        ("rows: x.txt", ["1:1: rows: 'x.txt' is not the name of a .csv or .jsonl file beside this one."]),
        ("rows: 'a\\x.csv'", [
            "1:1: rows: 'a\\\\x.csv' is not the name of a .csv or .jsonl file beside this one."]),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used(tmp_path: Path, text: str, wrong: list[str]) -> None:
    assert problems(tmp_path, {"y.yaml": text}) == [f"evaluations/y.yaml:{reason}" for reason in wrong]


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("x.csv", "a,b,a\n", ["1:1: The header has the column 'a' twice."]),
        ("x.csv", 'a,b\n"\n",2\n1\n', ["4:1: The header has 2 columns, this row has 1."]),
        ("x.jsonl", '{"a": 1}\n{"a": }', ["2:7: This is not JSON: Expecting value."]),
        ("x.jsonl", f'{{"a": {"1" * 5000}}}', [
            "1:1: This is not JSON: Exceeds the limit (4300 digits) for integer string conversion: value has "
            "5000 digits; use sys.set_int_max_str_digits() to increase the limit."]),
        ("x.jsonl", '{"a": 1}\n\n[1]', ["3:1: A row must be a mapping."]),
        ("x.jsonl", "[" * 100_000, [f"1:1: {NESTING}"]),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_read(tmp_path: Path, name: str, text: str | bytes, wrong: list[str]) -> None:
    found = problems(tmp_path, {"y.yaml": f"rows: {name}", name: text})
    assert found == [f"evaluations/{name}:{reason}" for reason in wrong]


def test_links_are_refused(tmp_path: Path) -> None:
    outside = written(tmp_path / "outside", {"x.csv": "a\n1", "y.yaml": "rows: [{a: 1}]"}) / "evaluations"
    root = written(tmp_path / "copy", {"y.yaml": "rows: x.csv"})
    (root / "evaluations" / "x.csv").symlink_to(outside / "x.csv")
    (root / "evaluations" / "deep").symlink_to(outside)
    (root / "evaluations" / "far.yaml").symlink_to(outside / "y.yaml")
    files, wrong = scan_evaluations(root)
    assert files == ()
    assert {(problem.path, "symbolic link" in problem.message) for problem in wrong} == {
        (f"evaluations/{name}", True) for name in ("y.yaml", "far.yaml", "deep")
    }
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "evaluations").symlink_to(outside)
    assert [problem.rule for problem in scan_evaluations(tmp_path / "linked")[1]] == ["file-refused"]


def test_two_files_of_one_name(tmp_path: Path) -> None:
    files = {"a.yaml": "name: b\nrows: [{a: 1}]", "b.yaml": "rows: [{a: 1}]"}
    wrong = ["evaluations/b.yaml:1:1: evaluations/a.yaml also contains the evaluation 'b'."]
    assert problems(tmp_path, files) == wrong
    # The others are read all the same.
    assert [file.path for file in scan_evaluations(tmp_path)[0]] == ["evaluations/a.yaml"]
