"""``name:`` was changed in a file: a new prompt, and nothing is archived for it unasked."""

from __future__ import annotations

import pytest
from worlds import World

OLD, NEW = "refund", "return"


@pytest.fixture
def renamed(world: World) -> World:
    world.write(OLD, "Where is my money, {name}?", tags=["billing"])
    world.write("other", "Something else, {name}")
    world.commit("Say hello")
    world.ok("push", "--label", "prod")
    world.edit(OLD, f"name: {OLD}", f"name: {NEW}")
    world.forget()
    return world


def test_a_new_name_is_a_new_prompt_and_the_old_one_stays_until_prune_and_a_commit(renamed: World) -> None:
    for options in ((), ("--prune",)):
        assert renamed.states() == {OLD: "deleted-locally", NEW: "new", "other": "in-sync"}
        planned = renamed.run("push", "-n", *options, "--json").document
        assert [one["action"] for one in planned["plan"]] == ["create"]
        assert [one["name"] for one in planned["skipped"]] == [OLD]
    renamed.commit("Rename")
    planned = renamed.run("push", "-n", "--prune", "--json").document["plan"]
    assert sorted(one["action"] for one in planned) == ["archive", "create"]
    renamed.ok("push")
    assert (renamed.version(OLD), renamed.version(NEW), renamed.label(OLD, "prod")) == (1, 1, 1)
    assert renamed.states()[OLD] == "deleted-locally"
    renamed.ok("pull")
    assert set(renamed.states().values()) == {"in-sync"}


def test_an_edit_under_the_old_name_stays_with_the_old_name(renamed: World) -> None:
    renamed.commit("Rename")
    renamed.publish(OLD, "Where is my money, dear {name}?", tags=["billing"])
    for verb in ("push", "pull"):
        done = renamed.says(3, f"'{OLD}' was deleted in your files and changed in the registry", verb)
        assert f"hint: promptsync pull {OLD} --theirs" in done.err
    assert renamed.writes == []
    renamed.ok("deploy", "--label", "prod")
    assert (renamed.label(OLD, "prod"), renamed.label(NEW, "prod"), renamed.version(OLD)) == (1, 1, 2)

    assert f"promptsync pull {OLD} --theirs" in renamed.ok("status").out
    renamed.edit(OLD, f"name: {NEW}", f"name: {OLD}")
    renamed.ok("pull")
    assert "dear {name}" in renamed.path(OLD).read_text("utf-8")
    renamed.path(OLD).unlink()
    renamed.ok("pull", "--theirs", OLD)
    assert renamed.states()[OLD] == "in-sync"
