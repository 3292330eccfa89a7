"""Labels that a push moves can be taken back like those that are moved by hand."""

from __future__ import annotations

from worlds import World


def test_a_release_by_push_can_be_taken_back(world: World) -> None:
    for text in ("First.", "Second."):
        world.write("a", text)
        world.commit()
        world.ok("push", "--label", "prod")
    assert (world.label("a", "prod"), world.label("a", "prod.previous")) == (2, 1)
    world.ok("rollback", "a", "--label", "prod")
    assert world.label("a", "prod") == 1
