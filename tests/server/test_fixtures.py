from __future__ import annotations

import pytest
from registry_server import Caller

from promptsync.server.app import create_app
from promptsync.server.fixtures import FixtureError, parse_fixtures
from promptsync.server.scoring import passes, value_problem

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
agents:
  - name: refund-agent
    labels: [prod]
    nodes:
      - {name: answer, prompt: {name: support/refund}}
"""


def test_the_example_of_the_documentation_is_read_and_completed():
    found = parse_fixtures(EXAMPLE, "registry.yaml")
    assert found.datasets[0]["columns"] == ["question", "expect", "extra"]
    assert found.evaluations == (
        {
            "name": "refund quality",
            "dataset": "refund cases",
            "prompt": {"name": "support/refund", "version": None, "label": None},
            "scores": [
                {"name": "contains", "kind": "contains", "value": "{{ expect }}"},
                {"name": "polite", "kind": "contains", "value": "x"},
                {"name": "contains 2", "kind": "contains", "value": "y"},
            ],
        },
    )
    assert found.agents == (
        {
            "name": "refund-agent",
            "nodes": [
                {
                    "name": "answer",
                    "prompt": {"name": "support/refund", "version": None, "label": None},
                    "output": True,
                    "variables": {},
                }
            ],
            "labels": ["prod"],
        },
    )


@pytest.mark.parametrize("text", ["", "{}", "datasets:\n", "datasets: []\nagents: []"])
def test_an_empty_file_declares_nothing(text):
    assert parse_fixtures(text, "r.yaml").datasets == ()


EVALUATION = (
    "datasets: [{{name: d}}]\nevaluations: [{{name: e, dataset: d, prompt: {{name: p}}, scores: [{}]}}]"
)
AGENT = "agents: [{{name: a, nodes: [{{name: n, {}}}]}}]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "not valid YAML"),
        ("[]", "has to be a mapping"),
        ("datsets: []", "unknown key 'datsets'"),
        ("datasets: {}\nagents: 3", "agents has to be a list"),
        ("datasets: [{rows: []}]", "datasets[0] needs a name"),
        ("datasets: [{name: 3}]", "datasets[0] needs a name"),
        ("datasets: [{name: a}, {name: a}]", "the name 'a' is taken"),
        ("datasets: [{name: a, rows: [x]}]", "list of mappings"),
        ("datasets: [{name: a, row: []}]", "unknown key 'row'"),
        ("datasets: [{name: a, rows: [{day: 2026-01-01}]}]", "quote dates"),
        ("datasets: [{name: a, rows: [{x: .nan}]}]", "no JSON"),
        ("evaluations: [{name: e, dataset: d, prompt: {name: p}}]", "no dataset 'd'"),
        ("datasets: [{name: d}]\nevaluations: [{name: e, dataset: d}]", "prompt has to be"),
        (
            "datasets: [{name: d}]\nevaluations: [{name: e, dataset: d, prompt: p, scores: x}]",
            "scores has to be a list",
        ),
        (
            "datasets: [{name: d}]\n"
            "evaluations: [{name: e, dataset: d, prompt: {name: p, version: 1, label: x}}]",
            "not both",
        ),
        (
            "datasets: [{name: d}]\nevaluations: [{name: e, dataset: d, prompt: {name: p, version: x}}]",
            "number from 1",
        ),
        (
            "datasets: [{name: d}]\nevaluations: [{name: e, dataset: d, prompt: {name: p, label: 1}}]",
            "a string",
        ),
        (EVALUATION.format("x"), "has to be a mapping"),
        (EVALUATION.format("{}"), "exactly one of"),
        (EVALUATION.format("{contains: a, equals: b}"), "exactly one of"),
        (EVALUATION.format("{contain: a}"), "exactly one of"),
        (EVALUATION.format("{contains: 3}"), "quote it"),
        (EVALUATION.format("{contains: '{{ x'}"), "contains:"),
        (EVALUATION.format("{regex: '('}"), "regex:"),
        (EVALUATION.format("{max_length: -1}"), "number of characters"),
        (EVALUATION.format("{json_valid: maybe}"), "true or false"),
        ("agents: [{name: a}]", "needs nodes"),
        ("agents: [{name: a, nodes: [{name: n, prompt: p}], labels: prod}]", "labels"),
        (AGENT.format("prompt: 3"), "prompt has to be"),
        (AGENT.format("prompt: p, output: 1"), "output is true or false"),
        (AGENT.format("prompt: p, variables: {x: 1}"), "variables"),
        (AGENT.format("prompt: p, input: {}"), "unknown key 'input'"),
    ],
)
def test_faults_are_named(text, says):
    with pytest.raises(FixtureError) as caught:
        parse_fixtures(text, "registry.yaml")
    assert "registry.yaml" in caught.value.message
    assert says in " ".join([caught.value.message, *caught.value.details])


PLACED = """\
datasets:
  - name: cases
    rows: {a: 1}
evaluations:
  - name: quality
    dataset: nowhere
    prompt: {name: p, labels: prod}
    scores:
      - contains: x
      - contain: y
      - regex: "("
agents:
  - name: bot
    nodes:
      - prompt: p
      - name: last
        prompt: p
        output: maybe
colour: red
"""


def test_every_fault_has_its_line_and_column():
    with pytest.raises(FixtureError) as caught:
        parse_fixtures(PLACED, "r.yaml")
    places = {detail.partition(": ")[0] for detail in caught.value.details}
    assert places == {
        f"r.yaml:{place}" for place in ("3:5", "6:5", "7:23", "10:9", "11:9", "15:9", "18:9", "19:1")
    }


@pytest.mark.parametrize("text", ["3", "a: 2026-01-01", "datasets: [&a [*a]]"])
def test_a_fault_of_the_whole_file_has_a_place_too(text):
    with pytest.raises(FixtureError) as caught:
        parse_fixtures(text, "r.yaml")
    assert caught.value.details


def test_all_faults_come_at_once():
    with pytest.raises(FixtureError, match=r"has 3 fault\(s\)"):
        parse_fixtures("x: 1\ndatasets: [{}]\nagents: [{name: a}]", "r.yaml")


@pytest.mark.parametrize(
    ("kind", "value", "output", "result"),
    [
        ("contains", "re{{ x }}", "a refund", True),
        ("contains", "Refund", "a refund", False),
        ("contains", "", "", True),
        ("equals", "a {{ x }}", "a und", False),
        ("equals", "a {{ x }}", "a und", False),
        ("equals", "{{ x }}", "fund", True),
        ("not_contains", "x", "y", True),
        ("not_contains", "y", "y", False),
        ("regex", r"^\d+$", "42", True),
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
    assert value_problem(kind, value) is None
    assert passes(kind, value, {"x": "fund"}, output) is result


@pytest.mark.parametrize(("kind", "value"), [("regex", "{{ '(' }}"), ("contains", "{{ 1 / 0 }}")])
def test_a_score_that_cannot_be_computed_is_a_value_error(kind, value):
    with pytest.raises(ValueError, match=kind):
        passes(kind, value, {}, "x")


def names(call, path, key):
    return [item["name"] for item in call("GET", path).body[key]]


def test_the_database_follows_the_file(tmp_path):
    file = tmp_path / "registry.yaml"
    file.write_text(EXAMPLE)

    def opened():
        return create_app(tmp_path / "r.db", fixtures=file)

    with opened() as app:
        call = Caller(app)
        first = call("GET", "/api/public/v2/evaluations").body["evaluations"][0]
        assert call("GET", "/api/public/v2/datasets").body["datasets"][0]["version_number"] == 1
        assert call("GET", "/workflows").body["items"][0]["release_labels"] == ["prod"]
    file.write_text("# a comment\n" + EXAMPLE)
    with opened() as app:
        call = Caller(app)
        assert call("GET", "/api/public/v2/evaluations").body["evaluations"][0] == first
        assert call("GET", "/api/public/v2/datasets").body["total"] == 1
        assert call("GET", "/workflows").body["items"][0]["latest_version_number"] == 1
    file.write_text(
        EXAMPLE.replace("Hello", "Hi").replace("name: answer", "name: reply").replace("[prod]", "[dev]")
    )
    with opened() as app:
        call = Caller(app)
        versions = [
            item["version_number"] for item in call("GET", "/api/public/v2/datasets").body["datasets"]
        ]
        assert versions == [2, 1]
        agent = call("GET", "/workflows").body["items"][0]
        assert (agent["latest_version_number"], agent["release_labels"]) == (2, ["dev"])
    file.write_text("")
    with opened() as app:
        call = Caller(app)
        assert call("GET", "/workflows").body["items"] == []
        assert call("GET", "/api/public/v2/datasets").body["total"] == 0
        assert call("GET", "/api/public/v2/evaluations").body["total"] == 0
        assert (
            call("GET", "/api/public/v2/evaluations?status=deleted").body["evaluations"][0]["deleted"] is True
        )
        assert call("GET", "/workflows/refund-agent").status == 404
    file.write_text(EXAMPLE)
    with opened() as app:
        again = Caller(app)("GET", "/api/public/v2/evaluations").body["evaluations"][0]
        assert again["id"] == first["id"]


def test_a_faulty_or_missing_file_is_an_error_that_leaves_nothing_open(tmp_path):
    with pytest.raises(FixtureError, match="Cannot read the fixtures file"):
        create_app(tmp_path / "r.db", fixtures=tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_bytes(b"\xff")
    with pytest.raises(FixtureError, match="Cannot read"):
        create_app(tmp_path / "r.db", fixtures=tmp_path / "bad.yaml")
    (tmp_path / "bad.yaml").write_text("x: 1")
    with pytest.raises(FixtureError, match="1 fault"):
        create_app(tmp_path / "r.db", fixtures=tmp_path / "bad.yaml")
