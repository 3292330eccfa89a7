"""What our sheets are made of: read from a table, named by a digest, compared with what is there."""

from __future__ import annotations

import contextlib
import copy
import csv
import io
import random
from collections.abc import Callable
from typing import Any, cast

import pytest
from msgspec.structs import replace
from sheets_there import spoiled

from promptsync.checks.catalog import prompt_of
from promptsync.checks.content import Content
from promptsync.checks.definition import Definition, as_csv, of_file, of_sheet, renamed
from promptsync.checks.tested_text import TestedText
from promptsync.errors import UsageError
from promptsync.prompt.evaluation import EvaluationFile, Scorecard, ScorecardStep
from promptsync.registry.protocol import SheetId

MAPPED = "prompt_template_variable_mappings"
STEP = {"id": "k1", "title": "Right", "primitive_type": "COMPARE", "backing_column_id": "c9", "weight": 2}
STEP |= {"primitive_config": {"sources": ["c4", "c2"]}, "source_column_ids": ["c4", "c2"], "thresholds": None}
AGGREGATION = {"method": "weighted_mean", "pass_threshold": 0.8}
COLUMNS: list[dict[str, Any]] = [
    {"id": "c1", "title": "question", "type": "TEXT"},
    {"id": "c2", "title": "expect", "type": "TEXT"},
    {
        "id": "c3",
        "title": "Output",
        "type": "PROMPT_TEMPLATE",
        "config": {"template": {"name": "ask"}, MAPPED: {"q": "c1"}, "verbose": False},
    },
    {"id": "c4", "title": "Order", "type": "json_path", "config": {"source": "c3", "json_path": "$.a"}},
    {"id": "c9", "title": "Right", "type": "COMPARE", "config": {}},
]


def text(content: str = "Say {q}", version: int | None = None, **metadata: Any) -> TestedText:
    template = {"type": "completion", "content": [{"type": "text", "text": content}]}
    return TestedText("ask", template, metadata, version=version)


def rows(*values: tuple[str, str]) -> list[dict[str, Any]]:
    cells = [{"c1": {"display_value": one}, "c2": {"value": {"value": two}}} for one, two in values]
    return [{"row_index": index, "cells": row} for index, row in enumerate(cells)][::-1]


class Dashboard:
    """One sheet, as a registry returns it."""

    def __init__(self) -> None:
        self.columns = copy.deepcopy(COLUMNS)
        self.data = rows(("one", "1"), ("two", "2"), ("", ""))
        self.steps = [dict(STEP)]

    def rows(self, _: SheetId) -> dict[str, Any]:
        return {"columns": self.columns, "rows": self.data}

    def scorecard(self, _: SheetId) -> dict[str, Any]:
        return {"scorecard": {"steps": self.steps, "aggregation": AGGREGATION}}

    def read(self) -> Definition:
        return of_sheet(cast(Any, self), SheetId("t", "s"), "Refunds", "Cases")


def of_dashboard(runs: int = 1, tested: TestedText | None = None) -> Content:
    return Content(Dashboard().read(), tested or text(), runs)


def test_a_sheet_that_cannot_be_run_says_why() -> None:
    for change, message in (
        (
            lambda sheet: sheet.columns[3].update(type="PROMPT_TEMPLATE"),
            "sheet 'Cases' of table 'Refunds' has 2 prompt columns: Output, Order",
        ),
        (lambda sheet: sheet.columns[2].update(type="COMPARE"), "has no prompt column"),
        (lambda sheet: sheet.columns[0].update(title="expect"), "has several columns 'expect'"),
        (lambda sheet: sheet.steps.clear(), "the scorecard of sheet 'Cases' of table 'Refunds' has no steps"),
        (lambda sheet: sheet.data.__delitem__(slice(1, None)), "has no rows"),
    ):
        sheet = Dashboard()
        change(sheet)
        with pytest.raises(UsageError, match=message) as raised:
            sheet.read()
        assert raised.value.hint


@pytest.mark.parametrize("seed", range(20))
def test_nonsense_in_a_sheet_is_no_failure_of_promptsync(seed: int) -> None:
    sheet, source = Dashboard(), random.Random(seed)
    content = sheet.rows(SheetId("t", "s"))
    # What is no list of objects has been refused before.
    columns, data = ([spoiled(source, item) for item in content[key]] for key in ("columns", "rows"))
    sheet.columns, sheet.data = (
        [item for item in items if isinstance(item, dict)] for items in (columns, data)
    )
    sheet.steps = [spoiled(source, sheet.steps[0]) for _ in range(2)]
    with contextlib.suppress(UsageError):
        tested = Content(sheet.read(), text(), 1)
        assert tested.title
        ids = {name: "n" for name in tested.definition.inputs}
        assert [*tested.column_bodies(ids)]
        assert tested.scorecard(ids, "x")["steps"]
        tested.matches(sheet.rows(SheetId("t", "s")), sheet.scorecard(SheetId("t", "s"))["scorecard"])


def test_a_variable_without_a_column_is_named() -> None:
    with pytest.raises(UsageError, match=r"ask has the variable 'x', but sheet .* has no such column"):
        _ = of_dashboard(tested=text("{q} {x}")).columns
    sheet = Dashboard()
    sheet.columns[2]["config"] = {}
    with pytest.raises(UsageError, match="has the variable 'q'"):
        _ = Content(sheet.read(), text(), 1).columns


def test_a_file_needs_a_step_and_has_the_thresholds_of_the_vendor() -> None:
    step = ScorecardStep("Right", "COMPARE", thresholds={"pass": 0.5})
    file = EvaluationFile(
        "Refunds", "evaluations/refunds.yaml", rows=({"q": 1},), scorecard=Scorecard((step,))
    )
    assert of_file(file).steps[0]["thresholds"] == {"pass": 0.5, "warn": 0.6}
    with pytest.raises(UsageError, match=r"the scorecard of evaluations/refunds\.yaml has no steps"):
        of_file(replace(file, scorecard=Scorecard()))


def test_the_title_names_everything_that_was_tested() -> None:
    content = of_dashboard()
    definition, title = content.definition, content.title
    assert prompt_of(title) == "ask" and prompt_of(f"{title} copy") is None
    assert title == replace(content, text=text(version=7)).title == _defined(content, place="elsewhere").title
    others = [
        replace(content, text=text("Tell {q}")),
        replace(content, runs=3),
        _defined(content, rows=definition.rows[:1]),
        _defined(content, steps=({**definition.steps[0], "weight": 1},)),
        _defined(content, aggregation={}),
        _defined(content, columns=definition.columns[:1]),
    ]
    assert len({title, *(other.title for other in others)}) == 1 + len(others)


def _defined(content: Content, **changes: Any) -> Content:
    return replace(content, definition=replace(content.definition, **changes))


def made(content: Content) -> tuple[dict[str, Any], dict[str, Any]]:
    """The sheet and the scorecard of a registry that made this content, and added keys of its own."""
    written = list(csv.DictReader(io.StringIO(as_csv(content.definition, content.runs).decode(), newline="")))
    columns = [{"id": f"n{n}", "title": title, "type": "TEXT"} for n, title in enumerate(written[0])]
    ids = {column["title"]: column["id"] for column in columns}
    for body in content.column_bodies(ids):
        ids[body["title"]] = f"n{len(ids)}"
        config = {**renamed(body["config"], ids), "position": 1}
        columns.append(
            {"id": ids[body["title"]], "title": body["title"], "type": body["type"].lower(), "config": config}
        )
    data = [
        {"row_index": index, "cells": {ids[title]: {"display_value": cell} for title, cell in row.items()}}
        for index, row in enumerate(written)
    ]
    scorecard = content.scorecard(ids, "pull request 12")
    scorecard["steps"] = [{**step, "id": "k", "config_hash": "x"} for step in scorecard["steps"]]
    return {"columns": columns, "rows": data}, {**scorecard, "status": "completed"}


def test_a_sheet_is_made_with_titles_and_ids_where_the_api_wants_them() -> None:
    content = of_dashboard(runs=2, tested=text(version=7, model={"name": "gpt-5"}))
    sheet, scorecard = made(content)
    assert len(sheet["rows"]) == content.row_count == 4
    prompt, order = content.column_bodies({"question": "n0", "expect": "n1", "Output": "n2"})
    inline = prompt["config"]["inline_template"]
    assert (inline["source_prompt_version"], inline["metadata"]) == (7, {"model": {"name": "gpt-5"}})
    assert prompt["config"]["verbose"] is False and "template" not in prompt["config"]
    dependency = {"column_id": "n0", "reference_type": "value", "config_key": MAPPED}
    assert prompt["dependencies"] == [{**dependency, "config_meta": {"variable_name": "q"}}]
    assert order["dependencies"][0]["column_id"] == "n2"
    (step,) = scorecard["steps"]
    assert step["primitive_config"]["sources"] == step["source_column_ids"] == ["n3", "n1"]


BY_A_COLLEAGUE: dict[str, Callable[[Any, Any], object]] = {
    "a row": lambda sheet, _: sheet["rows"][2]["cells"]["n0"].update(display_value="other"),
    "fewer rows": lambda sheet, _: sheet["rows"].pop(),
    "the prompt": lambda sheet, _: sheet["columns"][2]["config"]["inline_template"]["prompt_template"].update(
        content=[]
    ),
    "a column": lambda sheet, _: sheet["columns"][3]["config"].update(json_path="$.b"),
    "a column less": lambda sheet, _: sheet["columns"].pop(3),
    "a weight": lambda _, scorecard: scorecard["steps"][0].update(weight=1),
    "a threshold": lambda _, scorecard: scorecard["aggregation"].update(pass_threshold=0.1),
    "an easier step": lambda _, scorecard: scorecard["steps"][0].update(thresholds={"pass": 0, "warn": 0}),
}


def test_a_sheet_that_was_made_matches_until_somebody_edits_it() -> None:
    content = of_dashboard(runs=2)
    sheet, scorecard = made(content)
    assert content.matches(sheet, scorecard)
    sheet["columns"].append({"id": "n9", "title": "Notes", "type": "TEXT"})
    sheet["rows"][0]["cells"]["n1"]["display_value"] = " 1\n"
    assert content.matches(sheet, scorecard)
    for what, edit in BY_A_COLLEAGUE.items():
        edited = copy.deepcopy((sheet, scorecard))
        edit(*edited)
        assert not content.matches(*edited), what


def test_cells_that_call_a_model_are_counted_with_judges() -> None:
    content = of_dashboard(runs=3)
    assert (content.cells, content.model_cells) == (12, 6)
    judge = {"title": "Polite", "primitive_type": "LLM_ASSERTION", "primitive_config": {}}
    content = _defined(content, steps=(*content.definition.steps, judge))
    assert (content.cells, content.model_cells) == (18, 12)
