"""``promptsync status``: every state, with and without the registry."""

from __future__ import annotations

import re
import shutil

from worlds import World, template


@template
def states(world: World) -> None:
    """One prompt in each state; each is named after its own."""
    names = ["ahead", "behind", "diverged", "in-sync", "deleted-locally", "deleted-remotely", "old-name"]
    for name in names:
        world.write(name)
    world.commit("Say hello")
    world.ok("push", "--label", "prod")
    world.edit("ahead", "Hello", "Ours")
    world.publish("behind")
    world.edit("diverged", "Hello", "Ours")
    world.publish("diverged")
    world.path("deleted-locally").unlink()
    world.archive("deleted-remotely")
    world.rename("old-name", "new-name")
    world.write("new")
    world.publish("remote-only")
    world.path("broken").write_text("messages: [")


EXPECTED = {
    "ahead": "ahead",
    "behind": "behind",
    "broken": "invalid",
    "deleted-locally": "deleted-locally",
    "deleted-remotely": "deleted-remotely",
    "diverged": "diverged",
    "in-sync": "in-sync",
    "new": "new",
    "old-name": "renamed-remotely",
    "remote-only": "remote-only",
}


def test_every_prompt_is_listed_with_who_changed_it(states: World) -> None:
    found = states.run("status", "--json")
    assert found.code == 1  # a file cannot be read
    prompts = {one["name"]: one for one in found.document["prompts"]}
    assert {name: prompts[name]["state"] for name in EXPECTED} == EXPECTED
    assert prompts["behind"]["version"] == 2
    assert prompts["in-sync"]["labels"] == {"prod": 1, "prod.released": 1}
    assert prompts["new"]["version"] is None
    assert states.writes == []


def test_a_person_is_reported_what_to_do_about_each(states: World) -> None:
    out = states.run("status").out
    assert all(state in out for state in EXPECTED.values() if state != "in-sync")
    assert "prompts/broken.yaml:2:1:" in out and "v1 -> v2" in out
    for advice in ("push", "pull", "push NAME --restore", "pull --prune", "lint"):
        assert re.search(rf"(  |or )promptsync {advice}(,|$)", out, re.M), advice
    assert states.run("status", "-q").out.count("\n") < out.count("\n")


def test_differences_are_no_failure_unless_asked(world: World) -> None:
    world.write("a")
    world.ok("status")
    assert world.run("status", "--exit-code").code == 1
    world.ok("push")
    assert "1 prompt, all in sync" in world.ok("status", "--exit-code").out


def test_an_empty_working_copy_is_reported_what_to_begin_with(world: World) -> None:
    assert "no prompts yet" in world.ok("status").out
    assert world.ok("status", "--json").document["prompts"] == []


def test_many_foreign_prompts_are_counted_and_listed_when_asked(world: World) -> None:
    for number in range(25):
        world.publish(f"theirs{number}")
    done = world.ok("status")
    assert "25 prompts exist only in the registry" in done.out
    assert "theirs7" not in done.out
    assert "theirs7" in world.ok("status", "-v").out
    assert len(world.ok("status", "--json").document["prompts"]) == 25


# -- offline --------------------------------------------------------------------------------------------


def test_offline_asks_nobody_and_needs_no_key(states: World) -> None:
    done = states.run("status", "--offline", "--json", PROMPTLAYER_API_KEY="")
    found = {one["name"]: one["state"] for one in done.document["prompts"]}
    assert done.code == 1
    assert states.seen == []
    assert found["in-sync"] == found["behind"] == "in-sync"
    assert found["ahead"] == found["diverged"] == "ahead"
    assert (found["new"], found["deleted-locally"], found["broken"]) == ("new", "deleted-locally", "invalid")
    assert "offline: as of the last push or pull\n" in states.run("status", "--offline").out


def test_offline_a_fresh_clone_knows_nothing_and_says_so(world: World) -> None:
    world.write("a")
    world.write("b")
    world.commit()
    world.ok("push")
    shutil.rmtree(world.root / ".promptsync")
    done = world.ok("status", "--offline", "--json")
    assert [one["state"] for one in done.document["prompts"]] == ["unknown", "unknown"]
    out = world.ok("status", "--offline").out
    assert "2 unknown here" in out and "promptsync status" in out and "push" not in out.partition("\n")[2]
    world.ok("status")
    world.write("c")
    assert "1 new, 2 unknown here" in world.ok("status", "--offline").out


def test_files_that_are_refused_are_reported_when_there_is_nothing_else(world: World) -> None:
    (world.root / "prompts").mkdir(exist_ok=True)
    world.path("linked").symlink_to("/elsewhere/x.yaml")
    done = world.run("status")
    assert done.code == 1
    assert "prompts/linked.yaml" in done.out and "nothing here" not in done.out


def test_offline_forgets_what_a_push_archived_and_keeps_a_file_that_broke(world: World) -> None:
    assert world.run("status", "--offline", "--label", "prod").code == 2
    world.write("a")
    world.write("b")
    world.commit("Add them")
    world.ok("push")
    world.path("a").unlink()
    world.commit("Drop a")
    world.ok("push", "--prune", "-y")
    world.path("b").write_text("name: b\nmessages: [")
    prompts = world.run("status", "--offline", "--json").document["prompts"]
    assert [(one["name"], one["state"]) for one in prompts] == [("b", "invalid")]
