"""The texts that tables run: snippets and tools expanded as they will be, or as they are live."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from worlds import World, asking, failing, fault, own_world

from promptsync.checks.tested_text import TestedText, TestedTexts
from promptsync.errors import PromptsyncError
from promptsync.prompt.snippets import SnippetCycle, SnippetError
from promptsync.registry.errors import Unsupported

FIXTURES = """
tools:
  - {id: 7, name: weather, version: 2, labels: [prod], function: {name: get_weather}}
"""
OLD, NEW = "old", "new"


@own_world(fixtures=FIXTURES)
def world(world: World) -> None:
    """``tone`` has the versions "old" and "live" (prod), and the file "new"; ``other`` has no file."""
    for text in ("old", "live", "newest"):
        world.publish("tone", content=text)
        world.publish("other", content=f"other {text}")
    world.publish("nested", content="<@@@tone@@@>")
    world.point("tone", prod=2, beta=1)
    world.point("other", prod=1)
    world.write("tone", content="new")


def texts(world: World, **options: Any) -> TestedTexts:
    from promptsync.files.prompt_file import scan

    project = world.library
    files = {name: file.prompt for name, file in scan(project.root, "prompts").files.items()}
    listing = {listed.name: listed for listed in project.registry.prompts.list()}
    world.forget()
    return TestedTexts(project, files, listing, **{"label": "prod", **options})


def text(tested: TestedText) -> str:
    return str(tested.template["messages"][0]["content"][0]["text"])


REFERENCES = [
    ("@@@tone@@@", "new", "newest"),
    ("@@@tone@version_number:1@@@", "old", "old"),
    ("@@@tone@version_number:4@@@", "new", None),
    ("@@@tone@label:prod@@@", "new", "live"),
    ("@@@tone@label:beta@@@", "old", "old"),
    ("@@@other@@@", "other newest", "other newest"),
    ("@@@other@label:prod@@@", "other old", "other old"),
    ("@@@nested@@@", "<new>", "<newest>"),
    ("@@@nobody@@@", None, None),
    ("@@@", "@@@", "@@@"),
]
"""A text, what it renders in a file, and what the same text renders where it is live."""


def test_a_reference_renders_what_it_will_render_and_what_it_renders_live(world: World) -> None:
    versions = {}
    for at, (reference, _, live) in enumerate(REFERENCES):
        world.publish(f"ask {at}", "plain")
        versions[f"ask {at}"] = world.publish(f"ask {at}", reference) if live is not None else 1
        world.write(f"ask {at}", reference)
    made = texts(world)
    for (name, version), (reference, candidate, live) in zip(versions.items(), REFERENCES, strict=True):
        if candidate is None:
            with pytest.raises(SnippetError, match=name):
                made.of_files([name])
        else:
            assert text(made.of_files([name])[name]) == candidate, reference
        if live is not None:
            assert text(made.of_versions({name: version})[name]) == live, reference
            again = made.of_versions({name: version}, as_live=False)[name]
            assert (text(again), again.version) == (candidate, version)


def test_a_label_renders_the_released_texts_only_and_nothing_renders_itself(world: World) -> None:
    world.write("ask", "@@@tone@label:prod@@@ @@@tone@@@")
    assert text(texts(world, released=["ask"]).of_files(["ask"])["ask"]) == "live new"
    assert text(texts(world, label="beta").of_files(["ask"])["ask"]) == "live new"
    world.write("tone", content="@@@loop@@@")
    world.write("loop", content="@@@tone@@@")
    with pytest.raises(SnippetCycle):
        texts(world).of_files(["loop"])
    with pytest.raises(PromptsyncError, match="version"):
        texts(world).of_versions({"tone": 9})


def test_nothing_is_read_twice(world: World) -> None:
    names = [f"p{number}" for number in range(6)]
    for name in names:
        world.publish(name, "@@@other@@@ @@@nested@@@ @@@tone@label:beta@@@")
        world.write(name, "@@@other@@@ @@@nested@@@ @@@tone@label:beta@@@ @@@tone@version_number:1@@@")
    made = texts(world)
    made.of_files(names)
    made.of_versions(dict.fromkeys(names, 1))
    made.of_versions(dict.fromkeys(names, 1), as_live=False)
    requests = Counter(seen.target for seen in world.seen)
    assert set(requests.values()) == {1}, requests
    assert len(requests) <= len(names) + 5


TOOL = {"type": "registry", "tool_registry_id": 7}
DEFINITION = {"type": "function", "function": {"name": "get_weather"}}


def test_a_registry_tool_is_the_same_text_as_its_definition(world: World) -> None:
    world.write("same", "Hello", tools=[DEFINITION])
    pins: tuple[dict[str, Any], ...] = ({}, {"version_number": 2}, {"label": "prod"})
    for pin in pins:
        world.write("ask", "Hello", tools=[TOOL | pin])
        made = texts(world).of_files(["ask", "same"])
        assert made["ask"].template["tools"][0]["function"]["name"] == "get_weather"
        assert made["ask"].digest == made["same"].digest
    world.write("ask", "Hello", tools=[TOOL | {"label": "nowhere"}])
    with pytest.raises(SnippetError, match=r"ask uses the registry tool \d"):
        texts(world).of_files(["ask"])
    world.write("ask", "Hello", tools=[TOOL])
    world.faults.append(fault(asking("GET", "tool-registry"), failing(404, "Not Found")))
    with pytest.raises(Unsupported, match="cannot read the tool"):
        texts(world).of_files(["ask"])


MODEL = {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.5}}


CHANGES = [
    ({"tags": ["x"], "metadata": {"owner": "Ada"}}, True),
    ({"text": "Hello {name}!"}, False),
    ({"model": {**MODEL, "parameters": {"temperature": 0.6}}}, False),
    ({"tools": [DEFINITION]}, False),
]


def test_the_digest_is_of_what_a_model_gets(world: World) -> None:
    world.write("ask", model=MODEL)
    version = world.publish("ask", "Hello {name}", metadata={"model": MODEL, "owner": "Bob"})
    for at, (change, _) in enumerate(CHANGES):
        world.write(f"other {at}", **{"model": MODEL, **change})
    made = texts(world)
    digest = made.of_files(["ask"])["ask"].digest
    assert digest == made.of_versions({"ask": version})["ask"].digest
    others = [made.of_files([f"other {at}"])[f"other {at}"].digest for at in range(len(CHANGES))]
    assert [other == digest for other in others] == [is_equal for _, is_equal in CHANGES]
