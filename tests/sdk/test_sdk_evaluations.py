"""``promptlayer eval run`` of the official SDK, unmodified, against a served registry."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from registry_server import Caller, chat, flat, running

from promptsync.server.app import create_app

pytest.importorskip("promptlayer.evaluations")

MODELS = """
models:
  - {name: gpt-4o, answers: [{contains: Lisbon, answer: '{"city": "Lisbon"}'}]}
  - {name: llm-assertion, answers: [{contains: impolite, answer: "no"}, {answer: '{"value": true}'}]}
"""
HEAD = """
from promptlayer import (
    ColumnType, PromptLayer, assert_valid_scorer, column, compare_scorer,
    contains_scorer, count_scorer, evaluate, llm_assertion_scorer, regex_scorer, trajectory_scorer,
)

client = PromptLayer()

def answer(text):
    return "The capital is Lisbon."

DATASET = [{"input": "Portugal", "expected": "Lisbon"}]
"""
EVERYTHING = """
evaluate(
    "capitals",
    dataset=DATASET,
    runner=answer,
    columns=[
        column("As JSON", ColumnType.PROMPT_TEMPLATE, {
            "template": {"name": "as-json", "version_number": 1},
            "prompt_template_variable_mappings": {"text": "Output"},
        }),
        column("City", ColumnType.JSON_PATH, {"source": "As JSON", "json_path": "$.city"}),
        column("Again", ColumnType.COMPOSITION, {"source": "City"}),
        column("Code", ColumnType.CODE_EXECUTION, {"code": "return 1", "language": "PYTHON"}),
        column("First", ColumnType.COALESCE, {"sources": ["Again", "Output"]}),
    ],
    scorers=[
        compare_scorer(source_column="Again", expected_column="expected", weight=2, required=True),
        contains_scorer(expected="LISBON"),
        regex_scorer(regex_pattern=r"^The capital is [A-Z]"),
        assert_valid_scorer(source_column="As JSON"),
        llm_assertion_scorer(prompt="Is it polite?"),
        count_scorer(source_column="First", type="words", max_count=1),
    ],
    passing_score=1.0,
)
"""
FAILING = """
evaluate("capitals", dataset=DATASET, runner=answer, passing_score=0.7, scorers=[
    contains_scorer(expected="Lisbon"), llm_assertion_scorer(prompt="Is it impolite?"),
])
"""
NOT_HERE = """
evaluate("capitals", dataset=DATASET, runner=answer, scorers=[
    contains_scorer(expected="Lisbon"), trajectory_scorer(expected=[["search"]], source_column="input"),
])
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    fixtures = tmp_path / "registry.yaml"
    fixtures.write_text(MODELS)
    with create_app(tmp_path / "registry.db", fixtures=fixtures) as app, running(app) as url:
        body = flat("as-json", chat("{text}"), metadata={"model": {"provider": "openai", "name": "gpt-4o"}})
        assert Caller(app)("POST", "/rest/prompt-templates", body).status == 201
        yield url


FILES = {
    "every scorer that runs here": (EVERYTHING, 0, ["score 1.0", *["1/1 (100%)"] * 6, "PASSED"]),
    "a scorer that does not run here": (NOT_HERE, 1, ["scorecard evaluators failed to execute"]),
    "a score that is too low": (FAILING, 1, ["overall score 0.5 is below passing score 0.7"]),
}


@pytest.mark.lane
@pytest.mark.parametrize("name", FILES)
def test_an_evaluation_file_is_run_to_its_score(url: str, tmp_path: Path, name: str) -> None:
    file, code, shown = FILES[name]
    path = tmp_path / "capitals.eval.py"
    path.write_text(HEAD + file)
    environ = {**os.environ, "PROMPTLAYER_BASE_URL": url, "PROMPTLAYER_API_KEY": "pl_test", "COLUMNS": "200"}
    command = [Path(sys.executable).with_name("promptlayer"), "eval", "run", path]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
    printed = " ".join(f"{ended.stdout} {ended.stderr}".split())
    assert ended.returncode == code, printed
    assert [text for text in shown if printed.count(text) < shown.count(text)] == [], printed
