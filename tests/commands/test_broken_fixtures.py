"""A fixtures file with mistakes stops every verb that opens the registry, and says where they are."""

from __future__ import annotations

import pytest
from worlds import World

BROKEN = "agents:\n  - {name: writer, nodes: [{name: a, promt: ask}]}\n"
FIXED = BROKEN.replace("promt", "prompt")
COLUMN = """rows: [{a: 1}]
scorecard: {steps: [{title: x, type: REGEX, config: {source: b}}]}
"""


@pytest.fixture
def here(local: World) -> World:
    local.put("promptsync.yaml", 'remotes: {local: {url: "local:", fixtures: registry.yaml}}\n')
    local.put("prompts/ask.yaml", "content: Hello\n")
    local.put("registry.yaml", BROKEN)
    return local


@pytest.mark.parametrize("line", ["agent list", "push", "serve --port 0"])
def test_a_mistake_is_reported_with_its_place_and_a_fixed_file_works_at_once(here: World, line: str) -> None:
    lacks = "registry.yaml:2:28: agents[0].nodes[0] lacks the key prompt."
    unknown = "registry.yaml:2:38: Unknown key agents[0].nodes[0].promt. Did you mean prompt?"
    done = here.run(*line.split(), "--json")
    error = done.document["error"]
    assert (done.code, error["code"], error["details"]) == (2, "fixtures", [lacks, unknown])
    assert "promptsync schema fixtures" in error["hint"]
    here.put("registry.yaml", FIXED)
    assert "writer" in here.ok("agent", "list").out


@pytest.mark.parametrize("line", ["eval list", "push"])
def test_so_is_one_in_an_evaluation_file(here: World, line: str) -> None:
    here.put("registry.yaml", FIXED)
    here.put("evaluations/x.yaml", COLUMN)
    done = here.run(*line.split(), "--json")
    error = done.document["error"]
    missing = "evaluations/x.yaml:2:54: x: no column above has the title 'b'."
    assert (done.code, error["code"], error["details"]) == (2, "fixtures", [missing])
    assert error["message"].endswith("/copy/evaluations has a file that is not valid.")
    assert "promptsync schema evaluation" in error["hint"]
    here.put("evaluations/x.yaml", COLUMN.replace("source: b", "source: a"))
    assert "x" in here.ok("dataset", "list").out


@pytest.mark.parametrize("key", ["datasets", "evaluations"])
def test_what_has_files_of_its_own_is_refused_with_the_way(here: World, key: str) -> None:
    here.put("registry.yaml", f"{key}: []\n")
    detail = (
        f"registry.yaml:1:1: Unknown key {key}."
        " Write each evaluation as a file with its rows: promptsync schema evaluation."
    )
    assert here.run("push", "--json").document["error"]["details"] == [detail]


ASK = """\
content: "Hello {name}"
evaluations: ["quality: tone"]
agents: [{name: writer}]
examples: [{name: Ana}]
"""


def test_what_a_file_names_and_the_registry_lacks_is_listed(local: World) -> None:
    local.put("promptsync.yaml", "labels: {main: prod}\nremotes: {local: {url: 'local:'}}\n")
    local.put("prompts/ask.yaml", ASK)
    local.commit("Add ask")
    error = local.run("deploy", "--yes", "--json").document["error"]
    assert error["message"].startswith("prompts/ask.yaml:2: ") and error["hint"] == "promptsync eval list"
    other, last = error["details"]
    assert "promptsync agent list" in other and "fixtures file" in last
