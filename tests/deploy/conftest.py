"""A working copy whose registry checks prompts: an evaluation for each of four, and an agent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from deploying import FIXTURES
from worlds import World, made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Evaluations check ``a``, ``b``, ``c`` with a minimum of 100, an agent ``d``; nothing is published."""

    def build(world: World) -> None:
        gates = "\n".join(
            f"- {{match: {name}, evaluation: {name} is polite, min_score: 100}}" for name in "abc"
        )
        world.configure(f"labels: {{main: prod}}\nchecks:\n{gates}")
        for name in "abc":
            world.write(name, "A polite hello, {name}", tags=["greeting"])
        world.write("d", "A polite bye, {name}", agents=[{"name": "bot", "input_variables": {"name": "Ada"}}])
        world.commit("Add prompts")

    with made(tmp_path, fixtures=FIXTURES) as world:
        yield world.built(build)


@pytest.fixture
def released(world: World) -> World:
    """All four are released as their first versions."""
    return world.built(lambda world: world.ok("deploy"))
