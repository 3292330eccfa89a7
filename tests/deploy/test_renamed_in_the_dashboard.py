"""A prompt that was renamed and edited in the dashboard is not created again under its old name."""

from __future__ import annotations

import shutil

import pytest
from worlds import World


def in_ci(world: World) -> None:
    """A fresh clone, without what this working copy knows."""
    shutil.rmtree(world.root / ".promptsync", ignore_errors=True)
    world.git("clone", "-q", ".", "../ci")
    world.root = world.root.parent / "ci"


@pytest.fixture
def renamed(released: World) -> World:
    released.rename("a", "z")
    released.publish("z", "A polite edit, {name}", tags=["greeting"])
    in_ci(released)
    released.forget()
    return released


@pytest.mark.parametrize("verb", ["deploy", "push"])
def test_a_fresh_clone_sees_the_rename_below_the_edit(renamed: World, verb: str) -> None:
    done = renamed.run(verb)
    assert done.code == 3, str(done)
    assert "'a'" in done.err and "hint: promptsync mv a z" in done.err
    assert renamed.writes == []


def test_what_the_refusal_says_brings_the_edit_in(renamed: World) -> None:
    renamed.ok("mv", "a", "z")
    renamed.commit("Rename a to z")
    assert renamed.states()["z"] == "behind"
    renamed.ok("pull")
    renamed.commit("Pull the edit")
    renamed.ok("deploy")
    assert renamed.label("z", "prod") == 2


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
