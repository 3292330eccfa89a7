"""Prompts that reference tools of the registry go to the embedded registry and come back unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from worlds import Reply, Seen, World, asking, fault, made

FIXTURES = """
tools:
  - {id: 5, name: refund, function: {name: refund}}
  - {id: 6, name: order, function: {name: order}}
"""


def expanding(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
    """What the registry shows holds definitions in place of references to its tools."""
    reply = forward(seen)
    definition = '{"type": "function", "function": {"name": "refund"}}'
    shown = re.sub(r'{[^{}]*"type": ?"registry"[^{}]*}', definition, str(reply.body))
    assert "tool_registry_id" not in shown
    return replace(reply, body=shown)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with made(tmp_path, fixtures=FIXTURES) as world:
        yield world


@pytest.mark.parametrize("is_expanded", [False, True], ids=["as it is", "shown expanded"])
def test_a_reference_is_linted_pushed_and_pulled_as_it_is(world: World, is_expanded: bool) -> None:
    if is_expanded:
        world.faults.append(fault(asking("GET", "/prompt-templates"), expanding))
    inline = {"type": "function", "function": {"name": "other"}}
    references = [
        {"type": "registry", "tool_registry_id": 5},
        {"type": "registry", "tool_registry_id": 6, "version_number": 1},
    ]
    world.write("a", tools=[inline, *references])
    world.commit()
    before = world.path("a").read_bytes()
    world.ok("lint")
    world.ok("push")
    assert world.read("a")["prompt_template"]["tools"][1:] == references
    assert world.states() == {"a": "in-sync"}
    assert world.ok("diff").out == "no differences\n"
    assert world.path("a").read_bytes() == before
    # An edit in the dashboard brings back the references, not their definitions.
    template = world.read("a")["prompt_template"]
    template["messages"][0]["content"][0]["text"] = "Theirs {name}"
    world.publish("a", prompt_template=template)
    world.ok("pull")
    lines = world.path("a").read_text("utf-8").splitlines()
    unsynced = [line for line in lines if not line.startswith("synced: ")]
    assert unsynced == before.decode().replace("Hello", "Theirs").splitlines()
    assert world.states() == {"a": "in-sync"}


def test_a_prompt_with_tools_of_another_workspace_is_deployed(world: World) -> None:
    world.write("a", tools=[{"type": "registry", "tool_registry_id": 7}])
    world.commit()
    world.ok("deploy", "--label", "prod", "--yes")
    assert world.states() == {"a": "in-sync"}
