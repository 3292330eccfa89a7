from __future__ import annotations

import re
from pathlib import Path

import pytest
from registry_server import Caller

from promptsync.files.errors import InvalidFile, text_of
from promptsync.server.app import create_app
from promptsync.server.checks.fixtures import FixtureError, parse_fixtures
from promptsync.server.checks.runs import StepCell
from promptsync.server.checks.scoring import scored, text_problem

EXAMPLE = """
datasets:
  - name: refund cases
    rows:
      - {question: "Where is my money?", expect: "refund"}
      - {question: "Hello", extra: 1}
evaluations:
  - name: refund quality
    dataset: refund cases
    prompt: {name: support/refund}
    scores:
      - {contains: "{{ expect }}"}
      - {contains: "x", name: polite}
      - {contains: "y"}
      - {contains: "z", name: contains 2}
agents:
  - name: refund-agent
    labels: [prod]
    nodes:
      - {name: answer, prompt: {name: support/refund}}
"""


def test_the_example_of_the_documentation_is_read_and_completed():
    fixtures = parse_fixtures(EXAMPLE.encode(), "registry.yaml")
    (agent,), (dataset,), (evaluation,), _ = fixtures.declared.values()
    assert dataset.body["columns"] == ["question", "expect", "extra"]
    assert (evaluation.name, evaluation.body["dataset"]) == ("refund quality", "refund cases")
    prompt = {"name": "support/refund", "version": None, "label": None}
    columns = {column["name"]: column["configuration"] for column in evaluation.body["columns"]}
    assert columns.pop("output") == {"prompt": prompt}
    scores = {"contains": "{{ expect }}", "polite": "x", "contains 2": "y", "contains 2 2": "z"}
    assert columns == {name: {"contains": text} for name, text in scores.items()}
    (node,) = agent.body["nodes"]
    assert (node["configuration"], node["is_output_node"]) == ({"prompt": prompt, "variables": {}}, True)


def test_the_example_of_the_manual_is_read():
    manual = (Path(__file__).parents[2] / "docs/embedded-registry.md").read_text("utf-8")
    (example,) = [
        block for block in re.findall(r"```yaml\n(.*?)```", manual, re.S) if "protected_labels" in block
    ]
    fixtures = parse_fixtures(example.encode(), "registry.yaml")
    names = {kind: [item.name for item in items] for kind, items in fixtures.declared.items()}
    assert (names["evaluation"], names["workflow"]) == (["refund quality"], ["refund-agent"])
    assert fixtures.protected_labels == [{"name": "prod", "prompts": ["*"], "answer": "pending"}]


@pytest.mark.parametrize("text", ["", "{}", "datasets:\n", "datasets: []\nagents: []"])
def test_an_empty_file_declares_nothing(text):
    assert not any(parse_fixtures(text.encode(), "r.yaml").declared.values())


PROMPT = "datasets: [{{name: d}}]\nevaluations: [{{name: e, dataset: d, prompt: {}}}]"
SCORE = "datasets: [{{name: d}}]\nevaluations: [{{name: e, dataset: d, prompt: p, scores: [{}]}}]"
AGENT = "agents: [{{name: a, nodes: [{{name: n, {}}}]}}]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "not valid YAML"),
        ("[]", "must be a mapping"),
        ("datsets: []", "Unknown key datsets. Did you mean datasets?"),
        ("datasets: {}\nagents: 3", "agents must be a list"),
        ("datasets: [{rows: []}]", "datasets[0] lacks the key name"),
        ("datasets: [{name: a}, {name: a}]", "name 'a' is used twice"),
        ("datasets: [{name: a, rows: [x]}]", "rows[0] must be a mapping"),
        ("datasets: [{name: a, rows: [{day: 2026-01-01}]}]", "Quote it"),
        ("datasets: [{name: a, rows: [{1: x}]}]", "a key must be text"),
        ("evaluations: [{name: e, dataset: d, prompt: {name: p}}]", "no dataset 'd'"),
        (PROMPT.format("p, scores: x"), "scores must be a list"),
        (PROMPT.format("{name: p, version: 1, label: x}"), "not both"),
        (PROMPT.format("{name: p, version: 0}"), "minimum of 1"),
        (PROMPT.format("3"), "must be text or a mapping"),
        (SCORE.format("{}"), "exactly one of"),
        (SCORE.format("{contains: a, equals: b}"), "exactly one of"),
        (SCORE.format("{contain: a}"), "Did you mean contains?"),
        (SCORE.format("{contains: '{{ x'}"), "contains:"),
        (SCORE.format("{regex: '('}"), "regex:"),
        (SCORE.format("{max_length: -1}"), "minimum of 0"),
        ("agents: [{name: a, nodes: []}]", "needs at least one node"),
        (AGENT.format("prompt: p}, {name: n, prompt: p"), "name 'n' is used twice"),
        (AGENT.format("prompt: p, output: 1"), "must be true or false"),
        (AGENT.format("prompt: p, variables: {x: 1}"), "variables.x must be text"),
        ("protected_labels: [{name: prod, answer: maybe}]", '"pending", "forbidden" or "conflict"'),
    ],
)
def test_problems_are_named(text, says):
    with pytest.raises(InvalidFile) as caught:
        parse_fixtures(text.encode(), "registry.yaml")
    assert says in " ".join(map(text_of, caught.value.problems))


PLACED = """\
datasets:
  - name: cases
    rows: {a: 1}
evaluations:
  - name: quality
    dataset: cases
    prompt: {name: p, labels: prod}
    scores:
      - contain: y
agents:
  - name: bot
    nodes:
      - prompt: p
      - name: last
        prompt: p
        output: maybe
colour: red
"""
CONTRADICTORY = """\
evaluations:
  - name: quality
    dataset: nowhere
    prompt: p
    scores:
      - contains: x
      - regex: "("
agents:
  - name: bot
    nodes: [{name: a, prompt: p}]
  - name: bot
    nodes: [{name: a, prompt: p}, {name: a, prompt: p}]
tools: [{id: 1, name: a, function: {name: f}}, {id: 1, name: b, function: {name: f}}]
"""


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (PLACED, ["3:5", "7:23", "9:9", "9:9", "13:9", "16:9", "17:1"]),
        (CONTRADICTORY, ["3:5", "7:9", "11:5", "12:36", "13:49"]),
    ],
    ids=["schema", "contradictions"],
)
def test_every_problem_has_its_line_and_column(text, places):
    with pytest.raises(InvalidFile) as caught:
        parse_fixtures(text.encode(), "r.yaml")
    assert [f"{problem.line}:{problem.column}" for problem in caught.value.problems] == places


@pytest.mark.parametrize(
    ("kind", "value", "output", "result"),
    [
        ("contains", "re{{ x }}", "a refund", True),
        ("contains", "Refund", "a refund", False),
        ("contains", "", "", True),
        ("equals", "a {{ x }}", "a und", False),
        ("equals", "{{ x }}", "fund", True),
        ("not_contains", "x", "y", True),
        ("not_contains", "y", "y", False),
        ("regex", r"^\d+$", "x42", False),
        ("regex", "{{ x }}?", "fun", True),
        ("json_valid", True, '{"a": 1}', True),
        ("json_valid", True, "{a", False),
        ("json_valid", False, "{a", True),
        ("json_valid", True, "[" * 100_000, False),
        ("max_length", 3, "abc", True),
        ("max_length", 3, "abcd", False),
    ],
)
def test_scores(kind, value, output, result):
    assert not isinstance(value, str) or text_problem(kind, value) is None
    assert scored({kind: value}, {"x": "fund"}, output) == StepCell(result)


@pytest.mark.parametrize(("kind", "value"), [("regex", "{{ '(' }}"), ("contains", "{{ 1 / 0 }}")])
def test_a_score_that_cannot_be_computed_says_why(kind, value):
    cell = scored({kind: value}, {}, "x")
    assert cell.value is None and kind in cell.error


def test_the_database_follows_the_file(tmp_path):
    def applied(text):
        (tmp_path / "registry.yaml").write_text(text)
        with create_app(tmp_path / "r.db", fixtures=tmp_path / "registry.yaml") as app:
            paths = {"evaluations": "/api/public/v2/evaluations?status=all", "items": "/workflows"}
            paths["datasets"] = "/api/public/v2/datasets"
            return tuple(Caller(app)("GET", path).body[key] for key, path in paths.items())

    (first,), (agent,), (dataset,) = applied(EXAMPLE)
    assert (agent["latest_version_number"], agent["release_labels"]) == (1, ["prod"])
    assert dataset["version_number"] == 1
    assert applied("# a comment\n" + EXAMPLE) == ([first], [agent], [dataset])
    changed = EXAMPLE.replace("Hello", "Hi").replace("name: answer", "name: reply").replace("[prod]", "[dev]")
    (second,), (agent,), datasets = applied(changed)
    assert second == first
    assert (agent["latest_version_number"], agent["release_labels"]) == (2, ["dev"])
    assert [dataset["version_number"] for dataset in datasets] == [2, 1]
    (deleted,), agents, datasets = applied("")
    assert (deleted["id"], deleted["deleted"], agents, datasets) == (first["id"], True, [], [])
    (again,), _, _ = applied(EXAMPLE)
    assert (again["id"], again["deleted"]) == (first["id"], False)


def test_an_invalid_or_missing_file_leaves_nothing_open(tmp_path):
    with pytest.raises(FixtureError, match="Cannot read the fixtures file"):
        create_app(tmp_path / "r.db", fixtures=tmp_path / "none.yaml")
    for content in (b"\xff", b"x: 1"):
        (tmp_path / "bad.yaml").write_bytes(content)
        with pytest.raises(FixtureError, match="not a valid fixtures file") as caught:
            create_app(tmp_path / "r.db", fixtures=tmp_path / "bad.yaml")
        assert caught.value.details[0].startswith("bad.yaml:1:1: ")
