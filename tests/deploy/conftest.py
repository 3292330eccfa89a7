"""A working copy whose registry checks prompts: an evaluation for each of four, and an agent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from deploying import FIXTURES
from worlds import World, made

from promptsync.push import publish


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Evaluations check ``a``, ``b``, ``c`` with a minimum of 100, an agent ``d``; nothing is published."""
    from promptsync.registry.promptlayer.connection import Session
    from promptsync.registry.promptlayer.reading import Reading

    for constructor in (Session.__init__, Reading.__init__):
        defaults = constructor.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "first_wait", 0.001)
    monkeypatch.setattr(publish, "PAUSE", 0.02)
    with made(tmp_path, fixtures=FIXTURES) as world:
        config = world.root / "promptsync.yaml"
        gates = "".join(
            f"- {{match: {name}, evaluation: {name} is polite, min_score: 100}}\n" for name in "abc"
        )
        config.write_text(f"{config.read_text()}labels: {{main: prod}}\nchecks:\n{gates}")
        for name in "abc":
            world.write(name, "A polite hello, {name}", tags=["greeting"])
        world.write("d", "A polite bye, {name}", agents=[{"name": "bot", "input_variables": {"name": "Ada"}}])
        world.commit("Add prompts")
        yield world


@pytest.fixture
def released(world: World) -> World:
    """All four are released as their first versions."""
    world.ok("deploy")
    world.forget()
    return world
