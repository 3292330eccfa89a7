"""Labels that a push moves can be taken back like those that are moved by hand."""

from __future__ import annotations

import pytest
from worlds import World


def test_a_release_by_push_can_be_taken_back(world: World) -> None:
    for text in ("First.", "Second."):
        world.write("a", text)
        world.commit()
        world.ok("push", "--label", "prod")
    assert (world.label("a", "prod"), world.label("a", "prod.previous")) == (2, 1)
    world.ok("rollback", "a", "--label", "prod")
    assert world.label("a", "prod") == 1


@pytest.mark.parametrize("label", ["prod.previous", "prod.released", " prod", "", "prod\u200b"])
def test_a_push_sets_no_label_that_belongs_to_another_or_looks_like_it(world: World, label: str) -> None:
    world.write("a", "First.")
    world.commit()
    world.forget()
    for more in ((), ("--dry-run",), ("--skip-checks",)):
        done = world.run("push", "--label", label, *more)
        assert done.code == 2, str(done)
    assert world.seen == []
