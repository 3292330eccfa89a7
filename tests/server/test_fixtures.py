from __future__ import annotations

import re
from pathlib import Path

import pytest
from evaluation_files import put
from registry_server import Caller, chat, completion

from promptsync.files.evaluation import load_evaluations
from promptsync.files.yaml.load import InvalidFile, text_of
from promptsync.server.app import create_app
from promptsync.server.checks.fixtures import FixtureError, parse_fixtures
from promptsync.server.checks.models import Echo, Endpoint, ModelError, Models, Scripted, models_of

EXAMPLE = """
agents:
  - name: refund-agent
    labels: [prod]
    nodes:
      - {name: answer, prompt: {name: support/refund}}
"""
EVALUATION = """
name: refund quality
prompts: [support/refund, support/*]
rows:
  - {question: "Where is my money?", expect: "refund"}
  - {question: "Hello", extra: 1}
variables: {asked: question}
output: Answer
columns: [{title: Id, type: json_path, config: {source: Answer, json_path: $.id}}]
scorecard: {steps: [{title: polite, type: CONTAINS, config: {source: Answer, value: please}}]}
"""


def evaluations(directory, *texts):
    """The evaluations of a directory, after these files were written there."""
    for index, text in enumerate(texts):
        put(directory, {f"evaluations/{index}.yaml": text})
    return load_evaluations(directory)


def test_agents_and_evaluations_are_completed(tmp_path):
    declared = parse_fixtures(EXAMPLE.encode(), "registry.yaml", evaluations(tmp_path, EVALUATION)).declared
    (agent,), (dataset,), (evaluation,) = (declared[kind] for kind in ("workflow", "dataset", "evaluation"))
    (node,) = agent.body["nodes"]
    template = {"name": "support/refund", "version_number": None, "label": None}
    assert (node["configuration"], node["is_output_node"]) == ({"template": template, "variables": {}}, True)
    assert dataset.name == evaluation.name == "refund quality"
    assert list(dataset.body["columns"]) == ["question", "expect", "extra"]
    mapping = {
        "template": {"name": "support/refund"},
        "prompt_template_variable_mappings": {"asked": "question"},
    }
    prompt, *others = evaluation.body
    about = {"title": "Answer", "type": "PROMPT_TEMPLATE", "is_output_column": False}
    assert prompt == {**about, "config": mapping}
    shown = [(column["title"], column["type"], column["is_output_column"]) for column in others]
    assert shown == [("Id", "JSON_PATH", False), ("polite", "CONTAINS", True)]
    for text in ("", "{}", "agents:\n", "tools: []\nagents: []"):
        assert not any(parse_fixtures(text.encode(), "r.yaml").declared.values())


def test_which_evaluations_are_reports(tmp_path):
    for text, offered in (
        ("prompts: a", True),
        ("prompts: '[a]*'", False),
        ("prompts: []", False),
        ("columns: [{title: A, type: PROMPT_TEMPLATE, config: {template: {name: a, label: prod}}}]", True),
        ("columns: [{title: A, type: PROMPT_TEMPLATE, config: {template: a}}]", False),
        ("columns: [{title: A, type: PROMPT_TEMPLATE}]", False),
    ):
        declared = parse_fixtures(b"", "r.yaml", evaluations(tmp_path, f"rows: [{{x: 1}}]\n{text}")).declared
        assert (len(declared["dataset"]), len(declared["evaluation"])) == (1, offered), text


def test_the_examples_of_the_manual_are_read():
    manual = (Path(__file__).parents[2] / "docs/embedded-registry.md").read_text("utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", manual, re.S)
    (models,) = [block for block in blocks if block.startswith("models")]
    declared = models_of(parse_fixtures(models.encode(), "registry.yaml").models, Echo(), {})
    assert [pattern for pattern, _ in declared.named] == ["gpt-4o", "claude-*", "llm-assertion"]
    (example,) = [block for block in blocks if "protected_labels" in block]
    fixtures = parse_fixtures(example.encode(), "registry.yaml")
    assert [item.name for item in fixtures.declared["workflow"]] == ["refund-agent"]
    assert [line["name"] for line in fixtures.protected_labels] == ["prod"]


NODE = "agents: [{{name: a, nodes: [{{name: n, prompt: {}}}]}}]"
MODEL = "models: [{{name: a, {}}}]"
AGENT = "agents: [{{name: a, nodes: [{{name: n, {}}}]}}]"


def test_problems_are_named():
    for text, says in (
        ("a: [", "not valid YAML"),
        ("agnts: []", "Unknown key agnts. Did you mean agents?"),
        ("datasets: []", "promptsync schema evaluation"),
        (NODE.format("{name: p, version: 1, label: x}"), "not both"),
        (NODE.format("3"), "must be text or a mapping"),
        (NODE.format("{day: 2026-01-01}"), "Quote it"),
        ("agents: [{name: a, nodes: []}]", "needs at least one node"),
        (AGENT.format("prompt: p}, {name: n, prompt: p"), "name 'n' is used twice"),
        (AGENT.format("prompt: p, variables: {x: 1}"), "variables.x must be text"),
        ("protected_labels: [{name: prod, answer: maybe}]", '"pending", "forbidden" or "conflict"'),
        ("models: [{name: a}]", "exactly one of echo, answers and url"),
        (MODEL.format("answers: []"), "needs at least one answer"),
        (MODEL.format("answers: [{answer: x, answers: [y]}]"), "exactly one of answer and answers"),
        (MODEL.format("answers: [{regex: '(', answer: x}]"), "regex:"),
        (MODEL.format("url: 'https://x', key: sk-secret"), "key"),
        (
            MODEL.format("url: 'http://localhost:1@models.test', key: A_KEY"),
            "only sent over https, or to this",
        ),
        (MODEL.format("url: 'http://[', key: A_KEY"), "Invalid IPv6 URL"),
    ):
        with pytest.raises(InvalidFile) as caught:
            parse_fixtures(text.encode(), "registry.yaml")
        assert says in " ".join(map(text_of, caught.value.problems)), says
    # A key may be sent to this machine.
    for host in ("127.0.0.1:11434", "localhost", "[::1]:80"):
        text = MODEL.format(f"url: 'http://{host}/v1', key: A_KEY")
        assert len(parse_fixtures(text.encode(), "registry.yaml").models) == 1


PLACED = """\
tools: {a: 1}
agents:
  - name: bot
    nodes:
      - prompt: p
      - name: last
        prompt: {name: p, labels: prod}
        output: maybe
colour: red
"""
CONTRADICTORY = """\
agents:
  - name: bot
    nodes: [{name: a, prompt: p}]
  - name: bot
    nodes: [{name: a, prompt: p}, {name: a, prompt: p}]
tools: [{id: 1, name: a, function: {name: f}}, {id: 1, name: b, function: {name: f}}]
"""


def test_every_problem_has_its_line_and_column():
    for text, places in (
        (PLACED, ["1:1", "5:9", "7:27", "8:9", "9:1"]),
        (CONTRADICTORY, ["4:5", "5:36", "6:49"]),
    ):
        with pytest.raises(InvalidFile) as caught:
            parse_fixtures(text.encode(), "r.yaml")
        assert [f"{problem.line}:{problem.column}" for problem in caught.value.problems] == places, places


def test_the_database_follows_the_files(tmp_path):
    def applied(text, evaluation=EVALUATION):
        put(tmp_path, {"registry.yaml": text, "evaluations/x.yaml": evaluation})
        if not evaluation:
            (tmp_path / "evaluations/x.yaml").unlink()
        with create_app(tmp_path / "r.db", fixtures=tmp_path / "registry.yaml") as app:
            paths = {"evaluations": "/api/public/v2/evaluations?status=all", "items": "/workflows"}
            paths["datasets"] = "/api/public/v2/datasets"
            return tuple(Caller(app)("GET", path).body[key] for key, path in paths.items())

    (first,), (agent,), (dataset,) = applied(EXAMPLE)
    assert (agent["latest_version_number"], agent["release_labels"]) == (1, ["prod"])
    assert dataset["version_number"] == 1
    assert applied("# a comment\n" + EXAMPLE, "# b\n" + EVALUATION) == ([first], [agent], [dataset])
    changed = EXAMPLE.replace("name: answer", "name: reply").replace("[prod]", "[dev]")
    (second,), (agent,), datasets = applied(changed, EVALUATION.replace("Hello", "Hi"))
    assert second == first
    assert (agent["latest_version_number"], agent["release_labels"]) == (2, ["dev"])
    assert [dataset["version_number"] for dataset in datasets] == [2, 1]
    (deleted,), agents, datasets = applied("", "")
    assert (deleted["id"], deleted["deleted"], agents, datasets) == (first["id"], True, [], [])
    # The rows may be in a file of their own.
    for number, lines in ((3, "question\n1\n"), (4, "question\n1\n2\n")):
        put(tmp_path, {"evaluations/x.csv": lines})
        (again,), _, datasets = applied(EXAMPLE, "name: refund quality\nprompts: support/refund\nrows: x.csv")
        assert (again["id"], again["deleted"]) == (first["id"], False)
        assert datasets[0]["version_number"] == number


def test_an_invalid_or_missing_file_leaves_nothing_open(tmp_path):
    with pytest.raises(FixtureError, match="Cannot read the fixtures file"):
        create_app(tmp_path / "r.db", fixtures=tmp_path / "none.yaml")
    for content in (b"\xff", b"x: 1"):
        (tmp_path / "bad.yaml").write_bytes(content)
        with pytest.raises(FixtureError, match="not a valid fixtures file") as caught:
            create_app(tmp_path / "r.db", fixtures=tmp_path / "bad.yaml")
        assert caught.value.details[0].startswith("bad.yaml:1:1: ")


# -- models ------------------------------------------------------------------------------------------------

MODELS = """
models:
  - {name: tiny, echo: true}
  - name: gpt-*
    answers:
      - {contains: REFUND, answers: [first, second]}
      - {regex: "order \\\\d+", answer: order}
      - {contains: refund, regex: nothing, answer: never}
  - {name: "llama*", url: "https://models.test/v1", model: llama3, key: LLAMA_KEY}
  - {name: plain, url: "http://models.test/v1"}
"""


def named(name: str) -> dict[str, dict[str, str]]:
    return {"model": {"provider": "openai", "name": name}}


@pytest.fixture
def models() -> Models:
    specs = parse_fixtures(MODELS.encode(), "registry.yaml").models
    return models_of(specs, Endpoint("http://default.test/v1"), {"LLAMA_KEY": "secret"})


def test_the_name_of_the_prompts_own_model_chooses_the_entry(models: Models) -> None:
    assert isinstance(models.of(named("tiny")), Echo)
    assert isinstance(models.of(named("gpt-4o")), Scripted)
    assert models.of(named("llama-70b")) == Endpoint("https://models.test/v1", "secret", "llama3")
    assert models.of(named("plain")) == Endpoint("http://models.test/v1")
    for metadata in (named("claude"), named(""), {}, None, {"model": None}):
        assert models.of(metadata) is models.default
    specs = parse_fixtures(MODELS.encode(), "registry.yaml").models
    with pytest.raises(ModelError, match="LLAMA_KEY is not set"):
        models_of(specs, Echo(), {}).called("llama").answer(chat("Hi"), None)


def test_several_answers_are_taken_in_turn_for_each_text(models: Models) -> None:
    model = models.called("gpt-4o")
    asked = ["a refund", "a Refund", "a refund", "a refund", "order 7", "a Refund"]
    answers = [model.answer(chat(content), None) for content in asked]
    assert answers == ["first", "first", "second", "first", "order", "second"]
    assert model.answer(completion("order 1"), None) == "order"
    with pytest.raises(ModelError, match="No scripted answer fits 'hello'"):
        model.answer(chat("hello"), None)
    # They come one at a time, so that no thread decides their order.
    assert (models.parallel, Models(Endpoint("http://x.test")).parallel) == (1, 4)
    assert Models(Echo(), [("a", Endpoint("http://x.test"))]).parallel == 4


def test_the_models_are_known_after_a_restart_and_the_key_is_never_stored(tmp_path) -> None:
    (tmp_path / "registry.yaml").write_text(MODELS)
    for _ in range(2):
        with create_app(
            tmp_path / "r.db", fixtures=tmp_path / "registry.yaml", model_keys={"LLAMA_KEY": "sk-secret"}
        ) as app:
            model = app.runner.models.called("llama")
            assert model == Endpoint("https://models.test/v1", "sk-secret", "llama3")
    assert b"sk-secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
