"""``promptsync status --drift``: what the registry changed stops, what is yet to be pushed does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from worlds import World

EDITS: dict[str, tuple[Callable[[World], object], int]] = {
    "nothing": (lambda world: None, 0),
    "a new prompt here": (lambda world: world.write("new"), 0),
    "an edit here": (lambda world: world.edit("one", "Hello", "Ours"), 0),
    "a deletion here": (lambda world: (world.path("one").unlink(), world.commit()), 0),
    "an edit there": (lambda world: world.publish("one"), 1),
    "edits on both sides": (lambda world: (world.edit("one", "Hello", "Ours"), world.publish("one")), 1),
    "a new prompt there": (lambda world: world.publish("two"), 1),
    "a prompt archived there": (lambda world: world.archive("one"), 1),
    "a prompt renamed there": (lambda world: world.rename("one", "other"), 1),
    "a file that cannot be read": (lambda world: world.path("bad").write_text("messages: ["), 1),
}


@pytest.mark.parametrize("what", EDITS)
def test_only_what_happened_in_the_registry_is_drift(world: World, what: str) -> None:
    world.write("one")
    world.commit()
    world.ok("push")
    edit, code = EDITS[what]
    edit(world)
    assert world.run("status", "--drift").code == code
    if what == "a new prompt there":
        assert world.run("status", "--drift", "--json").document["exit_code"] == code
        assert "--offline and --drift cannot be combined" in world.run("status", "--drift", "--offline").err
        with (world.root / "promptsync.yaml").open("a") as config:
            config.write("include: ['one']\n")
        assert world.run("status", "--drift").code == 0


def test_an_edit_that_was_passed_over_is_drift_until_it_is_answered(world: World) -> None:
    world.write("one")
    world.commit()
    world.ok("push")
    world.publish("one")
    for number in range(2):
        world.write("one", f"Ours, {number} {{name}}")
        world.commit()
        world.ok("push", *(() if number else ("one", "--force")))
        done = world.run("status", "--drift")
        assert (done.code, "passed over  one: v2" in done.out) == (1, True), str(done)
    assert world.run("status", "--exit-code").code == 0
    world.ok("pull", "one", "--no-passed-over")
    assert world.run("status", "--drift").code == 0


@pytest.mark.parametrize("is_edited", [False, True])
def test_a_version_that_was_pushed_from_a_branch_and_passed_over_is_no_drift(
    world: World, is_edited: bool
) -> None:
    world.write("one")
    world.commit()
    world.ok("push")
    if is_edited:
        world.publish("one")
    world.git("switch", "-qc", "feature")
    if is_edited:
        world.ok("pull")
    world.edit("one", "{name}", "{name}, feature")
    world.commit()
    world.ok("push")
    world.git("switch", "-q", "-")
    world.edit("one", "Hello", "Ours")
    world.commit()
    world.ok("push", "one", "--force", "--yes")
    shown = "passed over  one: v2, v3" if is_edited else "passed over  one: v2"
    done = world.run("status", "--drift")
    assert (done.code, shown in done.out) == (int(is_edited), True), str(done)


def test_under_a_label_only_what_it_points_at_is_drift(world: World) -> None:
    world.write("one")
    world.commit()
    world.ok("push", "--label", "staging")
    assert world.run("status", "--drift", "--label", "staging").code == 0
    world.publish("one", release_labels=["staging"])
    assert world.run("status", "--drift", "--label", "staging").code == 1
