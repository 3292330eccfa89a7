"""A fixtures file with mistakes stops every verb that opens the registry, and says where they are."""

from __future__ import annotations

import pytest
from worlds import World

BROKEN = """\
datasets:
  - name: cases
evaluations:
  - {name: quality, dataset: case, prompt: ask, score: []}
"""


@pytest.fixture
def here(local: World) -> World:
    local.put("promptsync.yaml", 'remotes: {local: {url: "local:", fixtures: registry.yaml}}\n')
    local.put("prompts/ask.yaml", "content: Hello\n")
    local.put("registry.yaml", BROKEN)
    return local


@pytest.mark.parametrize("line", ["eval list", "agent list", "push", "serve --port 0"])
def test_a_mistake_is_reported_with_its_place_and_a_fixed_file_works_at_once(here: World, line: str) -> None:
    unknown_key = "registry.yaml:4:49: Unknown key evaluations[0].score. Did you mean scores?"
    no_dataset = "registry.yaml:4:21: There is no dataset 'case' in this file."
    for content, detail in ((BROKEN, unknown_key), (BROKEN.replace("score:", "scores:"), no_dataset)):
        here.put("registry.yaml", content)
        done = here.run(*line.split(), "--json")
        error = done.document["error"]
        assert (done.code, error["code"], error["details"]) == (2, "fixtures", [detail])
        assert "promptsync schema fixtures" in error["hint"]
    here.put("registry.yaml", BROKEN.replace("case,", "cases,").replace("score:", "scores:"))
    assert "quality" in here.ok("eval", "list").out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [", "not valid YAML"),
        (b"\xff\xfe", "byte order mark"),
        (b"datasets: [&a [*a]]", "aliases"),
        (b"!!python/object:os.system {}", "tag"),
        (b"- 1", "must be a mapping"),
    ],
)
def test_whatever_stands_in_the_file_is_a_clear_answer(here: World, content: bytes, said: str) -> None:
    here.put("registry.yaml", content)
    done = here.run("eval", "list")
    assert (done.code, said in done.err) == (2, True)
    assert "registry.yaml:1:" in done.err or "registry.yaml:2:" in done.err


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
