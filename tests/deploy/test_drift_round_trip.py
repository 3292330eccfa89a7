"""A deploy over a draft, drift that brings it back, a merge, a deploy: nothing is lost, or done twice."""

from __future__ import annotations

import random

import pytest
from seeds import numbers, seed_of
from worlds import World

DRIFT = ("pull", "--merge", "--passed-over", "--partial")
PLACES = 12
BEGINNING = [f"A polite place {number} for {{name}}." for number in range(PLACES)]


def text(places: list[str]) -> str:
    # lines that change apart from one another have one between them that stays
    return "\n\n".join(places)


def places(said: str) -> list[str]:
    return said.split("\n\n")


@pytest.fixture
def shop(world: World) -> World:
    """``a`` has a place for each who edits it; all is released."""
    lines = "\n\n".join(f"      {place}" for place in BEGINNING)
    said = f"name: a\ntags: [greeting]\nmessages:\n  - role: user\n    content: |-\n{lines}\n"
    world.path("a").write_text(said, "utf-8")
    world.commit("Give everybody a place")
    world.ok("deploy")
    world.forget()
    return world


def edit_here(world: World, place: int, word: str) -> None:
    """Change one place in the file, and commit."""
    world.edit("a", BEGINNING[place], f"{word}.", commit=word)


def edit_there(world: World, place: int, word: str) -> int:
    """Change one place of the latest version in the registry's own pages."""
    now = places(world.text("a"))
    now[place] = f"{word}."
    return world.publish("a", text(now))


def drift(world: World, how: str = "squash") -> None:
    """Let a nightly job pull on a branch, and merge what it opens."""
    world.git("checkout", "-qB", "drift")
    world.ok(*DRIFT)
    if world.git("status", "--porcelain"):
        world.commit("Pull what was edited in the registry")
    world.git("checkout", "-q", "main")
    if how == "squash":
        world.git("merge", "-q", "--squash", "drift")
        if world.git("status", "--porcelain"):
            world.commit("Pull what was edited in the registry (#7)")
    else:
        world.git("merge", "-q", "--no-edit", how, "drift")
    # each job of a workflow begins with a fresh clone
    world.git("clean", "-qxfd", ".promptsync")


def assert_settled(world: World) -> None:
    """Neither a deploy nor the nightly job has anything to do."""
    world.forget()
    assert "nothing to release" in world.ok("deploy").out
    assert world.ok(*DRIFT).out == "nothing to pull\n"
    assert world.writes == [] and set(world.states().values()) == {"in-sync"}


def test_a_draft_comes_back_and_is_released_once(shop: World) -> None:
    draft = edit_there(shop, 0, "a draft")
    edit_here(shop, 6, "a release")
    found = shop.run("deploy", "--json").document
    assert found["passed_over"] == [{"name": "a", "versions": [draft]}]
    assert shop.label("a", "prod") == draft + 1 and "a draft" not in shop.text("a")

    drift(shop)
    shop.ok("deploy")
    assert shop.label("a", "prod") == shop.version("a") == draft + 2
    assert "a draft." in shop.text("a") and "a release." in shop.text("a")

    # What nothing passed over is released as the version that it is.
    edited = edit_there(shop, 2, "an edit")
    drift(shop)
    shop.ok("deploy")
    assert shop.label("a", "prod") == shop.version("a") == edited


def test_a_draft_below_a_release_that_its_gate_stopped_comes_back_all_the_same(shop: World) -> None:
    edit_there(shop, 0, "a draft")
    shop.write("a", "Rude.\n\nSay {name}.", commit="Be rude")
    assert shop.run("deploy").code == 1
    shop.git("revert", "--no-edit", "HEAD")
    shop.ok("deploy")
    assert "a draft." not in shop.text("a")
    drift(shop)
    shop.ok("deploy")
    assert "a draft." in shop.text("a") and shop.label("a", "prod") == shop.version("a")


def test_main_and_the_registry_go_on_while_the_pull_request_is_open(shop: World) -> None:
    edit_there(shop, 0, "a draft")
    edit_here(shop, 6, "a release")
    shop.ok("deploy")
    shop.git("checkout", "-qb", "drift")
    shop.ok(*DRIFT)
    shop.commit("Pull what was edited in the registry")
    shop.git("checkout", "-q", "main")
    edit_here(shop, 8, "the next release")
    shop.ok("deploy")
    edit_there(shop, 2, "another edit")
    shop.git("merge", "-q", "--no-edit", "drift")
    shop.git("clean", "-qxfd", ".promptsync")
    assert shop.states()["a"] == "diverged"
    drift(shop)
    shop.ok("deploy")
    for word in ("a draft.", "a release.", "the next release.", "another edit."):
        assert word in shop.text("a")
    assert shop.label("a", "prod") == shop.version("a")
    assert_settled(shop)


@pytest.mark.parametrize("number", numbers(count=2, fuzz=30))
def test_whatever_happens_in_whatever_order_no_edit_is_lost(shop: World, number: int) -> None:
    chance = random.Random(seed_of(number))
    free = list(range(PLACES))
    chance.shuffle(free)
    said: dict[int, str] = {}
    for number in range(14):
        what = chance.choice(["here", "here", "there", "there", "deploy", "deploy", "drift"])
        if what in ("here", "there") and free:
            place = free.pop()
            said[place] = f"edit {number} {what}"
            (edit_here if what == "here" else edit_there)(shop, place, said[place])
        elif what == "deploy":
            shop.ok("deploy")
        else:
            drift(shop, chance.choice(["squash", "--no-ff"]))
    drift(shop)
    shop.ok("deploy")
    expected = [f"{said[at]}." if at in said else was for at, was in enumerate(BEGINNING)]
    assert places(shop.text("a")) == expected
    assert shop.label("a", "prod") == shop.version("a")
    assert_settled(shop)
