"""Registries that expand tools, that set labels only while publishing, and private files that are damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from worlds import Reply, Seen, World, asking, failing, fault

DEFINITION = {
    "type": "function",
    "function": {"name": "refund", "parameters": {"type": "object", "properties": {}}},
}


def expanding(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
    """What the registry shows holds definitions in place of references to its tools."""
    reply = forward(seen)
    return replace(reply, body=json.dumps(expanded(json.loads(str(reply.body)))))


def expanded(value: Any) -> Any:
    if isinstance(value, list):
        return [expanded(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "registry":
        return DEFINITION
    return {key: expanded(item) for key, item in value.items()}


def test_a_pull_keeps_the_reference_to_a_tool_that_is_shown_expanded(world: World) -> None:
    world.faults.append(fault(asking("GET", "/prompt-templates"), expanding))
    reference = {"type": "registry", "tool_registry_id": 7}
    world.write("a", tools=[reference])
    world.commit()
    world.ok("push")
    template = world.read("a")["prompt_template"]
    template["messages"][0]["content"][0]["text"] = "Theirs {name}"
    body = {"prompt_name": "a", "prompt_template": template, "commit_message": "by hand"}
    assert world.call("POST", "/rest/prompt-templates", body).status == 201
    world.ok("pull")
    text = world.path("a").read_text("utf-8")
    assert "Theirs {name}" in text and "tool_registry_id: 7" in text and "refund" not in text
    assert world.states() == {"a": "in-sync"}


# -- no operation for labels ----------------------------------------------------------------------------


@pytest.fixture
def no_labels(world: World) -> World:
    """A registry that has no operation for labels."""
    no_route = failing(404, "Not Found")
    world.faults += [
        fault(lambda seen: seen.path.endswith(("/labels", "/label")), no_route),
        fault(lambda seen: seen.path.startswith("/prompt-labels"), no_route),
    ]
    return world


def test_labels_cannot_be_changed_and_nothing_is_written(no_labels: World) -> None:
    no_labels.write("a")
    no_labels.commit()
    no_labels.ok("push")
    no_labels.edit("a", "Hello", "Ciao")
    no_labels.commit()
    for line in ("push --label prod", "deploy --label prod --yes", "label set a beta --version 1"):
        for options in ("", " --dry-run"):
            assert no_labels.run(*f"{line}{options} --json".split()).code == 4, line
            assert no_labels.states() == {"a": "ahead"}


# -- private files --------------------------------------------------------------------------------------


def test_a_private_directory_that_cannot_be_used_is_reported_before_any_write(world: World) -> None:
    (world.root / ".promptsync").write_text("a file in its place")
    world.write("a")
    for verb in ("push", "pull"):
        done = world.run(verb)
        assert (done.code, world.writes) == (2, [])
        assert ".promptsync" in done.err and "hint: " in done.err
    (world.root / ".promptsync").unlink()
    (world.root / ".promptsync/lock").mkdir(parents=True)
    done = world.run("push")
    assert (done.code, world.writes) == (2, [])
    assert "lock" in done.err
