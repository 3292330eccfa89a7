"""Tables that are computed: operations on cells, and scorecards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry_server import Caller, chat, completion
from seeds import examples
from strategies import json_values
from tables import TABLES, SheetUnderTest, sheet_of

from promptsync.server.app import create_app
from promptsync.server.checks.models import Endpoint
from promptsync.server.tables import rows
from promptsync.server.tables.primitives import PRIMITIVES

ROWS = [["Where is my refund?", "refund"], ["Hello", "hello"], ["Nothing", "money"]]
SCRIPTED = """
models:
  - name: gpt-4o
    answers:
      - {contains: refund, answer: "Your REFUND is on its way."}
      - {contains: hello, answers: ["Hello!", "Go away.", "Hello again!"]}
  - name: llm-assertion
    answers:
      - {contains: "go away", answer: '{"value": false, "reasoning": "rude"}'}
      - {contains: in turn, answers: ["yes", "no"]}
      - {answer: "yes"}
"""
JUDGE = {
    "title": "Judge",
    "primitive_type": "LLM_ASSERTION",
    "primitive_config": {"source": "Output", "prompt": "p"},
}
METADATA = {"model": {"provider": "openai", "name": "gpt-4o"}}


def inline(text: str = "{question}", metadata: Any = None, **message: str) -> dict[str, Any]:
    template = chat(text)
    template["messages"][0] |= message
    return {"inline": True, "prompt_template": template, "metadata": metadata}


def prompt(sheet: SheetUnderTest, title: str, *mapped: str, **config: Any) -> str:
    """Add a prompt column whose variables are the columns with their names."""
    mappings = {"prompt_template_variable_mappings": {name: name for name in mapped}}
    return sheet.column(title, "PROMPT_TEMPLATE", **mappings, **config)


@pytest.fixture
def scripted(tmp_path: Path) -> Any:
    (tmp_path / "registry.yaml").write_text(SCRIPTED)
    with create_app(tmp_path / "scripted.db", fixtures=tmp_path / "registry.yaml") as app:
        yield Caller(app)


def with_prompt(call: Caller, rows: Any = ROWS, metadata: Any = METADATA) -> SheetUnderTest:
    """A sheet with the column ``Output``, whose cells are not computed yet."""
    sheet = sheet_of(call, ["question", "expected"], rows)
    prompt(sheet, "Output", "question", inline_template=inline(metadata=metadata))
    return sheet


def contains(**keys: Any) -> dict[str, Any]:
    config = {"source": "Output", "value_source": "expected"}
    return {"title": "Fits", "primitive_type": "CONTAINS", "primitive_config": config, **keys}


def statuses(sheet: SheetUnderTest, title: str) -> list[str]:
    return [cell["status"] for cell in sheet.cells(title)]


@pytest.fixture
def sheet(call: Any) -> SheetUnderTest:
    """A sheet whose column ``Output`` is a text."""
    return sheet_of(call, ["Output", "expected"], ROWS)


# -- cells ----------------------------------------------------------------------------------------------


def test_columns_are_computed_after_those_that_they_read_and_failures_stay_in_their_row(
    scripted: Any,
) -> None:
    sheet = with_prompt(scripted)
    sheet.column("Mirror", "COMPOSITION", source=sheet.columns["Output"])
    sheet.column("Fits", "CONTAINS", source="Mirror", value_source="expected")
    assert statuses(sheet, "Fits") == ["STALE"] * 3
    operation = sheet.recalculate()
    counts = {"completed_count": 6, "failed_count": 3, "pending_count": 0, "cell_count": 9}
    assert operation.items() >= {"status": "completed", **counts}.items()
    assert sheet.values("Output") == ["Your REFUND is on its way.", "Hello!", None]
    assert sheet.values("Fits") == [True, True, None]
    errors = [sheet.cells(title)[2]["error_message"] for title in ("Output", "Mirror", "Fits")]
    assert errors[0] == "No scripted answer fits 'Nothing'."
    assert errors[1] == f"'Output' failed: {errors[0]}"
    assert errors[2] == f"'Mirror' failed: {errors[1]}"
    assert all("model" not in cell for cell in sheet.cells("Output"))


def test_a_kind_that_does_not_run_here_is_kept_and_fails_without_stopping_the_others(call: Any) -> None:
    sheet = sheet_of(call, ["Output"], [["Hello"]])
    configs = {"TRACE": {"source": "a span", "depth": 2}, "REQUEST": {}, "CODE_EXECUTION": {"code": "1"}}
    for kind, config in configs.items():
        sheet.column(kind, kind, **config)
    sheet.column("Words", "COUNT", source="Output", type="words")
    sheet.column("Reads it", "COMPOSITION", source="TRACE")
    done = sheet.recalculate()
    assert [done[count] for count in ("completed_count", "failed_count", "cell_count")] == [1, 4, 5]
    kept = {column["type"]: column["config"] for column in sheet("GET", "/columns")["data"]}
    for kind, config in configs.items():
        (cell,) = sheet.cells(kind)
        assert (kept[kind], cell["status"]) == (config, "FAILED")
        assert cell["error_message"].startswith(f"{kind} does not run here. These do: ")
    step = {"title": "Trajectory", "primitive_type": "TRAJECTORY", "primitive_config": {"mode": "strict"}}
    sheet.scorecard(contains(primitive_config={"source": "Output", "value": "Hello"}), step)
    score = sheet.score()
    assert (score["status"], score["aggregate_score"], score["aggregate_verdict"]) == (
        "completed",
        0.5,
        "error",
    )
    summary = sheet("GET", "/scorecard/rows")["rows"][0]["error_summary"]
    assert summary.startswith("Trajectory: TRAJECTORY does not run here.")


def test_a_prompt_of_the_registry_is_used_at_its_version_with_its_snippets(call: Any, publish: Any) -> None:
    publish("polite", completion("Please: "))
    publish("ask", chat("@@@polite@@@{question}"), release_labels=["prod"])
    publish("ask", chat("2: {question}"))
    sheet = sheet_of(call, ["question"], [["Why?"]])
    for title, more in {"latest": {}, "label": {"label": "prod"}, "one": {"version_number": 1}}.items():
        prompt(sheet, title, "question", template={"name": "ask", **more})
    prompt(sheet, "gone", template={"name": "gone"})
    sheet.recalculate()
    values = [sheet.values(title) for title in ("latest", "label", "one")]
    assert values == [["2: Why?"], ["Please: Why?"], ["Please: Why?"]]
    assert "no prompt template called 'gone'" in sheet.cells("gone")[0]["error_message"]
    assert sheet.cells("latest")[0]["model"] == "echo"  # so that nobody takes it for a model's


def test_an_inline_template_is_used_as_it_is_and_its_variables_get_items(call: Any) -> None:
    """Whether the vendor expands snippets of an inline template is not known, so this registry does not."""
    sheet = sheet_of(call, ["kinds"], [['["a", "b"]'], ["[a"], ["5"], ['{"x": "y"}']])
    text = "@@@polite@@@ {% for kind in kinds %}<{{ kind }}>{% endfor %}"
    prompt(sheet, "Output", "kinds", inline_template=inline(text, template_format="jinja2"))
    sheet.recalculate()
    written = ["<a><b>", "<[><a>", "<5>", "<x>"]
    assert sheet.values("Output") == [f"@@@polite@@@ {text}" for text in written]


def test_only_what_is_stale_is_recalculated_unless_statuses_say_otherwise(scripted: Any) -> None:
    sheet = with_prompt(scripted, ROWS[:2])
    fits = sheet.column("Fits", "CONTAINS", source="Output", value_source="expected")
    sheet.recalculate()
    noop = sheet("POST", "/operations", {})
    assert noop == {"success": True, "cell_count": 0, "virtual_cell_count": 0, "cells": []}
    chosen = {"statuses": ["COMPLETED"], "row_ids": [1], "column_ids": [sheet.columns["Output"]]}
    assert sheet.recalculate(**chosen)["cell_count"] == 1
    assert sheet.values("Output")[1] == "Go away."
    assert statuses(sheet, "Fits") == ["COMPLETED", "STALE"]
    assert sheet.recalculate()["cell_count"] == 1
    assert sheet.values("Fits") == [True, False]
    sheet("PATCH", f"/cells/{sheet.cells('question')[0]['id']}", {"value": "hello"})
    assert statuses(sheet, "Fits") == ["STALE", "COMPLETED"]
    sheet.recalculate(column_ids=[fits])
    assert sheet.cells("Fits")[0]["error_message"] == "'Output' is not computed"
    assert sheet.recalculate(statuses=[])["cell_count"] == 4
    assert statuses(sheet, "Output")[0] == "COMPLETED"


def test_cells_are_recalculated_by_their_ids(scripted: Any) -> None:
    sheet = with_prompt(scripted, ROWS[:2])
    (first, second), question = sheet.cells("Output"), sheet.cells("question")[0]
    started = sheet("POST", f"/cells/{second['id']}/recalculations", status=202)
    assert sheet.operation(started["execution_id"])["completed_count"] == 1
    assert sheet.values("Output") == [None, "Hello!"]
    body = {"cell_ids": [first["id"], question["id"]]}
    started = sheet("POST", "/cells/recalculations", body, status=202)
    assert (started["cell_count"], started["selected_cell_count"]) == (1, 2)
    assert sheet.operation(started["execution_id"])["status"] == "completed"
    assert sheet("POST", f"/cells/{question['id']}/recalculations")["cell_count"] == 0
    assert "no cell" in sheet("POST", "/cells/nothing/recalculations", status=404)["message"]


def test_many_cells_need_a_confirmation_of_exactly_these(call: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(rows, "CONFIRMED", 2)
    sheet = sheet_of(call, ["a"], [["x"]] * 3)
    sheet.column("Mirror", "COMPOSITION", source="a")
    asked = sheet("POST", "/operations", {})
    assert (asked["requires_confirmation"], asked["affected_cell_count"]) == (True, 3)
    assert statuses(sheet, "Mirror") == ["STALE"] * 3
    sheet.column("Second", "COMPOSITION", source="a")
    again = sheet("POST", "/operations", {"confirmation_token": asked["confirmation_token"]})
    assert again["affected_cell_count"] == 6
    operation = sheet.recalculate(confirmation_token=again["confirmation_token"])
    assert (operation["completed_count"], sheet.values("Second")) == (6, ["x"] * 3)


def test_what_cannot_be_done_is_refused_with_the_reason(sheet: SheetUnderTest) -> None:
    no_variables: dict[str, Any] = {"prompt_template_variable_mappings": {}}
    configs: tuple[tuple[Any, str], ...] = (
        ({}, "prompt_template_variable_mappings: required"),
        (no_variables, "needs either template or inline_template"),
        ({**no_variables, "template": {}}, "config.template.name: required"),
        ({"prompt_template_variable_mappings": {"a": "b"}, "template": {"name": "x"}}, "no other column 'b'"),
        (
            {**no_variables, "template": {"name": "x"}, "engine": {"model": "m"}},
            "an engine does not run here",
        ),
    )
    inline = {**no_variables, "inline_template": {"prompt_template": {"a": 1}}}
    steps: tuple[tuple[Any, str], ...] = (
        ({"primitive_config": {"source": "gone", "value": "x"}}, "no column 'gone'"),
        ({"primitive_config": {"source": "Output"}}, "needs either value or value_source"),
        ({"weight": 0}, "steps[0].weight"),
        ({"score_adapter": {"type": "x"}}, "score_adapter does not run"),
        ({"id": "1"}, "have the same id"),  # their results would be one
    )
    new, card = {"title": "new", "type": "PROMPT_TEMPLATE"}, {"name": "a", "aggregation": {}}
    sheet.refuses(
        *(("POST", "/columns", {**new, "config": config}, 400, says) for config, says in configs),
        ("POST", "/columns", {**new, "config": inline}, 422, "chat, with messages"),
        *(
            ("PATCH", "/scorecard", {**card, "steps": [contains(**step)] * 2}, 400, says)
            for step, says in steps
        ),
        ("POST", "/scorecard/recalculate", {}, 400, "no scorecard with steps"),
        ("POST", "/scorecard/cancel", {}, 400, "no scorecard"),
        ("GET", "/scorecard/rows/0", None, 404, "no score for the row 0"),
        ("GET", "/scorecard/rows/x", None, 404, "no score for the row x"),
        ("GET", "/scorecard/calculations/nothing", None, 404, "no calculation"),
        ("GET", "/operations/nothing", None, 404, "no operation"),
        ("POST", "/operations", {"column_ids": [sheet.columns["Output"]]}, 400, "no computed column"),
    )
    assert sheet("GET", "/scorecard")["scorecard"] is None


# -- cancelling, and going on after a restart ------------------------------------------------------------


def under_way(app: Any, gate: Any, rows: Any = ROWS) -> tuple[SheetUnderTest, str]:
    """A sheet with an operation that waits for its first answer."""
    sheet = with_prompt(Caller(app), rows, metadata=None)
    operation_id = sheet("POST", "/operations", {}, status=202)["operation_id"]
    assert gate.asked.acquire(timeout=120)
    return sheet, operation_id


def judging(app: Any, gate: Any) -> tuple[SheetUnderTest, str]:
    """A sheet with a calculation that waits for its first answer."""
    sheet = sheet_of(Caller(app), ["Output", "expected"], ROWS)
    sheet.scorecard(JUDGE)
    calculation_id = sheet("POST", "/scorecard/recalculate", {}, status=202)["calculation_id"]
    assert gate.asked.acquire(timeout=120)
    return sheet, calculation_id


def test_cancelling_stops_the_operation_and_drops_the_answer_that_is_on_its_way(slow: Any, gate: Any) -> None:
    sheet, operation_id = under_way(slow, gate)
    gate.open.release()
    assert gate.asked.acquire(timeout=120)
    active = sheet("GET", "/operations")
    assert (active["pending_count"], active["total_cells"], len(active["active_operations"])) == (2, 3, 1)
    cancelled = sheet("DELETE", f"/operations/{operation_id}")
    assert (cancelled["cancelled_cell_count"], cancelled["execution_ids"]) == (2, [operation_id])
    gate.open.release(1000)
    slow.runner.close_seconds = 120
    slow.runner.close()
    assert sheet.operation(operation_id)["status"] == "cancelled"
    assert [cell["status"] for cell in sheet.cells("Output")] == ["COMPLETED", "STALE", "STALE"]
    assert len(gate.texts) == 2
    assert sheet("DELETE", f"/operations/{operation_id}")["cancelled_cell_count"] == 0
    assert sheet("GET", "/operations")["active_operations"] == []


def test_an_edit_during_an_operation_wins_over_its_answer(slow: Any, gate: Any) -> None:
    sheet, operation_id = under_way(slow, gate, ROWS[:1])
    sheet("PATCH", f"/cells/{sheet.cells('question')[0]['id']}", {"value": "edited"})
    assert sheet.operation(operation_id)["status"] == "completed"
    assert sheet.cells("Output")[0]["status"] == "STALE"
    again = sheet("POST", "/operations", {}, status=202)["operation_id"]
    gate.open.release(1000)
    assert sheet.operation(again)["status"] == "completed"
    assert sheet.values("Output") == ["true edited"]


def test_a_calculation_of_a_killed_server_goes_on_when_it_is_polled(slow: Any, gate: Any, app: Any) -> None:
    sheet, calculation_id = judging(slow, gate)
    gate.open.release()
    assert gate.asked.acquire(timeout=120)
    slow.close()
    sheet.call = Caller(app)
    assert sheet.calculation(calculation_id)["aggregate_verdict"] == "error"
    assert sheet.verdicts() == ["pass", "error", "error"]  # the echo cannot judge the rows that were left


def test_rows_that_are_deleted_during_a_calculation_do_not_stop_it(slow: Any, gate: Any) -> None:
    sheet, calculation_id = judging(slow, gate)
    sheet("DELETE", "/rows", {"row_indices": [1, 2]})
    gate.open.release(1000)
    assert sheet.calculation(calculation_id)["aggregate_verdict"] == "error"
    assert sheet("GET", "/scorecard/rows/2")["error_summary"] == "Judge: the row was deleted"
    assert sheet("GET", "/scorecard")["scorecard"]["status"] == "stale"


def test_a_calculation_that_is_cancelled_stops(slow: Any, gate: Any) -> None:
    sheet, calculation_id = judging(slow, gate)
    assert sheet("GET", "/scorecard")["scorecard"]["status"] == "queued"
    cancelled = sheet("POST", "/scorecard/cancel", {})
    assert (cancelled["calculation_id"], cancelled["cancelled_count"]) == (calculation_id, 1)
    gate.open.release(1000)
    slow.runner.close_seconds = 120
    slow.runner.close()
    assert len(gate.texts) == 1
    assert sheet("GET", f"/scorecard/calculations/{calculation_id}")["calculation"]["status"] == "cancelled"
    assert sheet("GET", "/scorecard")["scorecard"]["status"] == "ready"
    assert sheet("POST", "/scorecard/cancel", {})["cancelled_count"] == 0
    assert "row_indices" in sheet("POST", "/scorecard/cancel", {"row_indices": [0]}, status=400)["message"]


def test_answers_over_a_network_come_as_many_at_a_time_as_the_model_allows_and_in_their_rows(
    tmp_path: Path, monkeypatch: Any
) -> None:
    lock, asked, most = threading.Lock(), 0, 0
    both = threading.Barrier(2, timeout=120)

    def answer(self: Any, template: Any, metadata: Any) -> str:
        nonlocal asked, most
        with lock:
            asked += 1
            most = max(most, asked)
        both.wait()
        with lock:
            asked -= 1
        text: str = template["messages"][-1]["content"][0]["text"]
        if text == "row 3":
            raise ZeroDivisionError("odd")
        return text.upper()

    monkeypatch.setattr(Endpoint, "answer", answer)
    with create_app(tmp_path / "r.db", model=Endpoint("http://model.test/v1", parallel=2)) as app:
        sheets = [with_prompt(Caller(app), [[f"row {number}", ""] for number in range(6)]) for _ in range(3)]
        operations = [sheet("POST", "/operations", {}, status=202)["operation_id"] for sheet in sheets]
        for sheet, operation_id in zip(sheets, operations, strict=True):
            assert sheet.operation(operation_id)["failed_count"] == 1
            assert sheet.values("Output") == [None if at == 3 else f"ROW {at}" for at in range(6)]
            assert sheet.cells("Output")[3]["error_message"] == "odd"
    assert most == 2


# -- scorecards -----------------------------------------------------------------------------------------


def test_the_score_of_a_sheet_and_of_its_rows(scripted: Any) -> None:
    sheet = with_prompt(scripted)
    sheet.recalculate()
    config = {"source": sheet.columns["Output"], "prompt": "Is it polite?"}
    judge = {"title": "Polite", "primitive_type": "LLM_ASSERTION", "weight": 3, "primitive_config": config}
    scorecard = sheet.scorecard(contains(required=True), judge)
    assert (scorecard["status"], scorecard["latest_calculation_id"]) == ("ready", None)
    calculation = sheet.score()
    assert (calculation["status"], calculation["aggregate_verdict"]) == ("completed", "error")
    assert calculation["aggregate_score"] == pytest.approx(2 / 3)
    assert "model" not in calculation
    assert sheet.verdicts() == ["pass", "pass", "error"]
    fits, polite = calculation["criterion_summaries"].values()
    assert (fits["title"], fits["average_score"], fits["error_count"]) == ("Fits", pytest.approx(2 / 3), 1)
    assert (polite["pass_count"], polite["total_count"]) == (2, 3)
    row = sheet("GET", "/scorecard/rows/2")
    (result, _) = row["step_results"].values()
    reason = "'Output' failed: No scripted answer fits 'Nothing'."
    shown = (result["verdict"], result["score"], result["error_message"])
    assert (shown, row["error_summary"].startswith(f"Fits: {reason}")) == (("error", None, reason), True)
    judged = sheet("GET", "/scorecard/rows/0")["step_results"][scorecard["steps"][1]["id"]]
    assert judged["raw_value"] == {"value": True, "reasoning": "yes"}


def test_rows_come_in_pages_and_by_verdict(call: Any) -> None:
    sheet = sheet_of(call, ["Output", "expected"], [["a", "a" if number % 3 else "b"] for number in range(7)])
    assert sheet("GET", "/scorecard/rows")["rows"] == []
    sheet.scorecard(contains())
    sheet.score()
    first = sheet("GET", "/scorecard/rows?limit=4")
    assert [row["row_index"] for row in first["rows"]] == [0, 1, 2, 3]
    rest = sheet("GET", f"/scorecard/rows?limit=4&cursor={first['next_cursor']}")
    assert ([row["row_index"] for row in rest["rows"]], rest["next_cursor"]) == ([4, 5, 6], None)
    failed = sheet("GET", "/scorecard/rows?verdict=fail")
    assert [row["row_index"] for row in failed["rows"]] == [0, 3, 6]
    assert failed["verdict_counts"] == {"pass": 4, "warn": 0, "fail": 3, "error": 0, "skipped": 0}


def test_every_change_of_the_sheet_makes_its_score_stale(call: Any) -> None:
    sheet = with_prompt(call, ROWS, metadata=None)
    sheet.recalculate()
    sheet.scorecard(contains())
    cell = f"/cells/{sheet.cells('expected')[0]['id']}"
    changes: dict[str, Callable[[], Any]] = {
        "cell": lambda: sheet("PATCH", cell, {"value": "other"}),
        "row": lambda: sheet("POST", "/rows", {"count": 1}, status=201),
        "rows deleted": lambda: sheet("DELETE", "/rows", {"row_indices": [3]}),
        "column": lambda: sheet.column("Mirror", "COMPOSITION", source="Output"),
        "recalculation": lambda: sheet.recalculate(statuses=[]),
        "scorecard": lambda: sheet.scorecard(contains(weight=2)),
    }
    for change, make in changes.items():
        score = sheet.score()["aggregate_score"]
        scorecard = sheet("GET", "/scorecard")["scorecard"]
        assert (scorecard["status"], scorecard["stale_state"]["is_stale"]) == ("completed", False)
        make()
        payload = sheet("GET", "/scorecard")
        assert payload["scorecard"]["status"] == "stale", change
        reasons = ["scorecard_changed"] * (change == "scorecard") + ["sheet_changed"]
        assert payload["scorecard"]["stale_state"]["reasons"] == reasons, change
        assert sheet("GET", "/scorecard/rows")["rows"][0]["stale_state"]["is_stale"], change
        assert payload["latest_calculation"]["aggregate_score"] == score, change


def test_a_cell_that_is_not_computed_has_no_score_and_the_echo_is_marked_and_cannot_judge(call: Any) -> None:
    sheet = with_prompt(call, ROWS[:1])
    sheet.scorecard(contains())
    assert sheet.score()["aggregate_verdict"] == "error"
    (result,) = sheet("GET", "/scorecard/rows/0")["step_results"].values()
    assert result["error_message"] == "'Output' is not computed"
    sheet.recalculate()
    assert sheet.score()["model"] == "echo"
    sheet.scorecard(JUDGE)
    assert sheet.score()["aggregate_verdict"] == "error"
    assert "the echo model cannot judge" in sheet("GET", "/scorecard/rows")["rows"][0]["error_summary"]


def test_the_hash_changes_with_what_decides_about_scores_only(sheet: SheetUnderTest) -> None:
    first = sheet.scorecard(contains(), name="pull request 12")["config_hash"]
    assert sheet.scorecard(contains(), name="another name")["config_hash"] == first
    others = [contains(weight=2), contains(required=True), contains(thresholds={"pass": 0.9})]
    hashes = {sheet.scorecard(step)["config_hash"] for step in others}
    hashes.add(sheet.scorecard(contains(), pass_threshold=0.9)["config_hash"])
    assert len(hashes - {first}) == 4


def test_a_sheet_without_rows_and_a_scorecard_without_steps(sheet: SheetUnderTest) -> None:
    assert sheet.scorecard()["status"] == "needs_setup"
    assert "no scorecard with steps" in sheet("POST", "/scorecard/recalculate", {}, status=400)["message"]
    step = sheet.scorecard(contains())["steps"][0]
    # A part of the rows is calculated with all others.
    sheet.score(row_indices=[1], step_ids=[step["id"]])
    assert len(sheet.verdicts()) == len(ROWS)
    sheet("DELETE", "/rows", {"row_indices": [0, 1, 2]})
    calculation = sheet.score()
    assert (calculation["aggregate_score"], calculation["aggregate_verdict"]) == (None, "skipped")
    assert sheet("DELETE", "/scorecard") == {"success": True}
    assert sheet("GET", "/scorecard")["latest_calculation"] is None


# -- hostile bodies --------------------------------------------------------------------------------------

TYPICAL = st.sampled_from(
    [
        *("Output", "expected", "object", "number", "JSON", "$", "$.a", "$[0]", "["),
        *(["Output"], ["Output", "expected"], {"type": "NUMBER", "operator": "LT"}),
    ]
)
FIELDS = sorted({field for shape in PRIMITIVES.values() for field in shape.__struct_fields__})
CONFIGS = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, TYPICAL | json_values()))
STEPS = st.fixed_dictionaries(
    {
        "title": st.just("a") | json_values(),
        "primitive_type": st.sampled_from([*PRIMITIVES, "x"]),
        "primitive_config": CONFIGS,
    },
    optional=dict.fromkeys(("weight", "thresholds", "required", "id"), json_values()),
)


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(STEPS, min_size=1, max_size=3), texts=st.lists(st.text(max_size=8), min_size=4, max_size=4)
)
def test_a_scorecard_is_refused_or_scores_every_row(call: Any, steps: list[Any], texts: list[str]) -> None:
    sheet = sheet_of(call, ["Output", "expected"], [texts[:2], texts[2:]])
    path = f"{TABLES}/{sheet.table_id}/sheets/{sheet.sheet_id}"
    answer = call("PATCH", f"{path}/scorecard", {"name": "a", "aggregation": {}, "steps": steps})
    assert answer.status in (200, 400), answer.body
    if answer.status == 200:
        assert 0 <= sheet.score()["aggregate_score"] <= 1
    for step in steps:
        body = {"title": "computed", "type": step["primitive_type"], "config": step["primitive_config"]}
        if call("POST", f"{path}/columns", body).status == 201:
            operation = sheet.recalculate()
            assert operation["completed_count"] + operation["failed_count"] == operation["cell_count"]
            assert len(sheet.values("computed")) == 2
            break
