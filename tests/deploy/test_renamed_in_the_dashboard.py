"""A prompt that was renamed and edited in the dashboard is not created again under its old name."""

from __future__ import annotations

import shutil

from worlds import World


def in_ci(world: World) -> None:
    """A fresh clone, without what this working copy knows."""
    shutil.rmtree(world.root / ".promptsync", ignore_errors=True)
    world.git("clone", "-q", ".", "../ci")
    world.root = world.root.parent / "ci"


def test_a_fresh_clone_sees_the_rename_below_the_edit_and_says_what_brings_it_in(released: World) -> None:
    released.rename("a", "z")
    released.publish("z", "A polite edit, {name}", tags=["greeting"])
    in_ci(released)
    released.forget()
    for verb in ("deploy", "push"):
        done = released.exits(3, verb)
        assert "'a'" in done.err and "hint: promptsync mv a z" in done.err
    assert released.writes == []
    released.ok("mv", "a", "z")
    released.commit("Rename a to z")
    assert released.states()["z"] == "behind"
    released.ok("pull")
    released.commit("Pull the edit")
    released.ok("deploy")
    assert released.label("z", "prod") == 2


def test_a_prompt_that_was_pulled_into_its_file_is_found_by_the_key(released: World) -> None:
    released.publish("made/there", "One {name}")
    released.ok("pull")
    released.commit("Pull it")
    released.rename("made/there", "z")
    released.publish("z", "Two {name}")
    in_ci(released)
    assert released.states()["made/there"] == "renamed-remotely"


def test_an_unrelated_prompt_of_the_registry_is_no_rename(released: World) -> None:
    released.publish("z", "A polite hello, {name}", tags=["greeting"])
    released.publish("z", "Another {name}")
    released.write("e", "A polite hello, {name}", tags=["greeting"])
    released.commit("Add e")
    in_ci(released)
    released.ok("deploy")
    assert released.label("e", "prod") == 1
