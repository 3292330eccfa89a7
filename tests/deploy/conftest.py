"""A working copy whose registry checks prompts: an evaluation for each of four, and an agent."""

from __future__ import annotations

from deploying import FIXTURES
from worlds import World, own_world, template


@own_world(fixtures=FIXTURES)
def world(world: World) -> None:
    """Evaluations check ``a``, ``b``, ``c`` with a minimum of 100, an agent ``d``; nothing is published."""
    gates = "\n".join(f"- {{match: {name}, evaluation: {name} is polite, min_score: 100}}" for name in "abc")
    world.configure(f"labels: {{main: prod}}\nchecks:\n{gates}")
    for name in "abc":
        world.write(name, "A polite hello, {name}", tags=["greeting"])
    world.write("d", "A polite bye, {name}", agents=[{"name": "bot", "input_variables": {"name": "Ada"}}])
    world.commit("Add prompts")


@template
def released(world: World) -> None:
    """All four are released as their first versions."""
    world.ok("deploy")
