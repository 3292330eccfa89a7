"""A working copy whose prompts name evaluations and agents, and a registry that has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from evaluation_files import contains, declared, evaluation
from worlds import Fault, Reply, Seen, World, made

PEOPLE = [{"name": "Ada"}, {"name": "Linus"}]
FIXTURES = declared(
    """
agents:
  - {name: bot, nodes: [{name: first, prompt: a}, {name: last, prompt: b, output: true}]}
  - {name: old bot, nodes: [{name: only, prompt: {name: a, version: 1}, output: true}]}
""",
    evaluation("a is polite", "a", PEOPLE, contains("polite")),
    evaluation("b is polite", "b", PEOPLE, contains("polite")),
    evaluation("a once", "a", PEOPLE, contains("polite"), version=1),
    evaluation("unscored", "a", PEOPLE),
)


@contextmanager
def checked_copy(directory: Path) -> Iterator[World]:
    """``a`` names an evaluation and an agent, ``b`` uses the snippet ``tone``, ``c`` names nothing.

    Everything is committed and published.
    """

    def build(world: World) -> None:
        world.configure("checks:\n- {match: b, evaluation: b is polite, min_score: 50}")
        world.write("tone", content="so polite")
        agents = [{"name": "bot", "input_variables": {"name": "Ada"}}]
        world.write("a", "A polite hello, {name}", evaluations=["a is polite"], agents=agents)
        world.write("b", "Hello, {name}, @@@tone@@@")
        world.write("c", "Nobody checks this", commit="Add prompts")
        world.ok("push", "-y")

    with made(directory, fixtures=FIXTURES) as world:
        yield world.built(build)


def edited(change: Callable[[Any], None], part: str) -> Fault:
    """Let the working copy get another answer than the registry gave, where the path has ``part``."""

    def answer(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        if part not in seen.target:
            return None
        reply = forward(seen)
        body = json.loads(reply.content)
        change(body)
        return replace(reply, body=body)

    return answer


def started(world: World) -> list[str]:
    """The evaluations and agents that were started, as paths."""
    return [one.path for one in world.seen if one.method == "POST" and one.path.endswith("/run")]


def suites(path: Path) -> dict[str, dict[str, str]]:
    """The suites of a JUnit file, by name: each test with what became of it."""
    return {
        suite.attrib["name"]: {
            case.attrib["name"]: next((one.tag for one in case), "passed") for case in suite.iter("testcase")
        }
        for suite in ElementTree.parse(path).getroot()
    }
