"""``agent run --changed``: the agents of what changed, and their outputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from checked_copy import checked_copy, document, edited, suites
from worlds import World

BOT = {"name": "bot", "input_variables": {"name": "Ada"}}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with checked_copy(tmp_path) as world:
        yield world


def change(world: World, name: str, text: str, **more: Any) -> None:
    """Edit a prompt and publish it."""
    world.write(name, text, **more)
    world.ok("push", "-y")
    world.forget()


def runs(done: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(done, "agent run")["runs"]
    return found


def test_the_agents_of_what_changed_run_with_their_inputs(world: World) -> None:
    change(world, "a", "A politer hello, {name}", agents=[BOT])
    change(world, "b", "Bye, {name}")
    done = world.run("agent", "run", "--changed", "--json")
    (one,) = runs(done)
    assert (done.code, one["agent"], one["prompts"], one["passed"]) == (0, "bot", ["a"], True)
    assert one["input_variables"] == {"name": "Ada"}
    assert one["outputs"]["last"]["value"] == "Bye, Ada"
    assert document(done, "agent run")["without"] == ["b"]
    text = world.run("agent", "run", "--changed").out
    assert text.splitlines()[-5:] == [
        "--- bot: first ---",
        "A politer hello, Ada",
        "",
        "--- bot: last ---",
        "Bye, Ada",
    ]


def test_variables_of_the_command_line_replace_single_ones(world: World) -> None:
    change(world, "a", "Hi, {name}", agents=[BOT, {"name": "bot", "input_variables": {"name": "Linus"}}])
    found = runs(world.run("agent", "run", "--changed", "--json"))
    assert [one["outputs"]["first"]["value"] for one in found] == ["Hi, Ada", "Hi, Linus"]
    (one,) = runs(world.run("agent", "run", "--changed", "--var", "name=Bo", "--json"))
    assert one["outputs"]["first"]["value"] == "Hi, Bo"


def test_outputs_are_in_the_document_also_when_a_node_failed(world: World) -> None:
    def broken(body: Any) -> None:
        body["last"] = {"status": "FAILED", "value": None, "error_message": "out of\x1b order"}

    change(world, "a", "Hi, {name}", agents=[BOT])
    world.faults.append(edited(broken, "execution-results"))
    done = world.run("agent", "run", "--changed", "--junit", "report.xml", "--json")
    assert (done.code, "node last failed: out of" in document(done, "agent run")["error"]["message"]) == (
        1,
        True,
    )
    (run,) = runs(done)
    assert (run["agent"], run["passed"], run["prompts"]) == ("bot", False, ["a"])
    assert run["outputs"]["first"]["value"] == "Hi, Ada"
    assert suites(world.root / "report.xml") == {"bot": {"first": "passed", "last": "failure"}}
    assert "time" in ElementTree.parse(world.root / "report.xml").getroot().attrib
