"""``name:`` was changed in a file: told everywhere, and nothing is archived for it unasked."""

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


def names(world: World) -> dict[str, tuple[str, str | None, str | None]]:
    found = world.run("status", "--json").document["prompts"]
    return {one["name"]: (one["state"], one["renamed_from"], one["renamed_to"]) for one in found}


def test_status_diff_and_the_plan_call_it_a_rename(renamed: World) -> None:
    for is_committed in (False, True):
        if is_committed:
            renamed.commit("Rename")
        assert names(renamed) == {
            OLD: ("deleted-locally", None, NEW),
            NEW: ("new", OLD, None),
            "other": ("in-sync", None, None),
        }
        assert f"{NEW}: looks like {OLD} renamed" in renamed.ok("status").out
        assert f"looks like {OLD} renamed: the same content" in renamed.ok("diff").out
        changes = {one["name"]: one for one in renamed.run("diff", "--json").document["changes"]}
        assert (changes[NEW]["renamed_from"], changes[OLD]["renamed_to"]) == (OLD, NEW)
        shown = renamed.ok("push", "--dry-run").out
        assert f"{NEW}: looks like {OLD} renamed" in shown
        assert f"{OLD}: deleted-locally, looks renamed to '{NEW}'" in shown
        planned = renamed.run("push", "--dry-run", "--json").document
        assert [(one["name"], one["action"], one["renamed_from"]) for one in planned["plan"]] == [
            (NEW, "create", OLD)
        ]
        assert [one["name"] for one in planned["skipped"]] == [OLD]
        assert renamed.writes == []
    assert f"{NEW}: looks like {OLD} renamed" in renamed.ok("push").out
    assert (renamed.version(OLD), renamed.version(NEW), renamed.label(OLD, "prod")) == (1, 1, 1)
    assert names(renamed)[OLD][0] == "deleted-locally"


def test_both_at_once_takes_prune_and_a_commit(renamed: World) -> None:
    assert [one["action"] for one in renamed.run("push", "-n", "--prune", "--json").document["plan"]] == [
        "create"
    ]
    renamed.commit("Rename")
    planned = renamed.run("push", "-n", "--prune", "--json").document["plan"]
    assert sorted(one["action"] for one in planned) == ["archive", "create"]
    assert f"and {OLD} is archived" in renamed.ok("push", "--prune", "-y").out
    assert names(renamed) == {NEW: ("in-sync", None, None), "other": ("in-sync", None, None)}


def test_a_pull_brings_the_old_name_back_beside_the_new_one(renamed: World) -> None:
    renamed.commit("Rename")
    renamed.ok("pull")
    states = {name: found[0] for name, found in names(renamed).items()}
    assert states == {OLD: "in-sync", NEW: "new", "other": "in-sync"}


def test_renamed_in_the_registry_as_well_it_is_the_same_prompt_with_its_labels(renamed: World) -> None:
    renamed.commit("Rename")
    renamed.rename(OLD, NEW)
    assert names(renamed) == {NEW: ("in-sync", None, None), "other": ("in-sync", None, None)}
    assert renamed.label(NEW, "prod") == 1
    renamed.edit(OLD, "money", "refund")
    renamed.commit("Reword")
    assert renamed.states()[NEW] == "ahead"


def test_other_content_is_no_rename_and_one_that_is_gone_is_taken_once(renamed: World) -> None:
    renamed.write("copy", "Where is my money, {name}?", tags=["billing"])
    assert {name: found[1] for name, found in names(renamed).items()} == {
        OLD: None,
        NEW: None,
        "copy": OLD,
        "other": None,
    }
    renamed.edit("copy", "money", "parcel")
    assert {name: found[1] for name, found in names(renamed).items() if found[1]} == {NEW: OLD}
    renamed.edit(OLD, "money", "refund")
    assert not [found for found in names(renamed).values() if found[1] or found[2]]


def test_what_the_registry_changed_meanwhile_is_reported_as_well(renamed: World) -> None:
    renamed.commit("Rename")
    renamed.publish(OLD)
    assert names(renamed)[OLD] == ("diverged", None, NEW)
    assert names(renamed)[NEW] == ("new", OLD, None)


def test_an_edit_that_was_committed_before_the_rename_is_followed(renamed: World) -> None:
    renamed.edit(OLD, f"name: {NEW}", f"name: {OLD}")
    renamed.edit(OLD, "money", "refund")
    renamed.commit("Reword")
    renamed.edit(OLD, f"name: {OLD}", f"name: {NEW}")
    renamed.commit("Rename")
    assert names(renamed)[NEW] == ("new", OLD, None)


def test_without_git_the_old_name_is_one_that_was_never_here(world: World) -> None:
    world.write(OLD)
    world.ok("push")
    (world.root / ".git").rename(world.root / "no-git")
    world.edit(OLD, f"name: {OLD}", f"name: {NEW}")
    assert names(world) == {NEW: ("new", None, None), OLD: ("remote-only", None, None)}
    assert "commit that" not in world.ok("push", "--dry-run").out
    assert "commit that" not in world.ok("status").out


WAY = f"set name: {OLD} in the file again, then promptsync pull"


def test_an_edit_under_the_old_name_is_brought_in_by_what_every_verb_says(renamed: World) -> None:
    renamed.commit("Rename")
    renamed.publish(OLD, "Where is my money, dear {name}?", tags=["billing"])
    status = renamed.ok("status").out
    assert WAY in status and "pull --merge" not in status
    for verb in (("push",), ("pull",), ("pull", "--merge"), ("deploy", "--label", "prod")):
        done = renamed.run(*verb)
        assert done.code == 3, str(done)
        assert f"'{OLD}' was renamed to '{NEW}' in your files and changed in the registry" in done.err
        hints = [line for line in done.err.splitlines() if line.startswith("hint: ")]
        assert hints == [f"hint: {WAY}"]
    assert renamed.writes == []

    renamed.edit(OLD, f"name: {NEW}", f"name: {OLD}")
    renamed.ok("pull")
    assert "dear {name}" in renamed.path(OLD).read_text("utf-8")
    assert set(renamed.states().values()) == {"in-sync"}


def test_an_edit_of_a_prompt_without_a_file_is_restored_by_what_status_says(renamed: World) -> None:
    renamed.path(OLD).unlink()
    renamed.commit("Delete it")
    renamed.publish(OLD, "Where is my money, dear {name}?", tags=["billing"])
    assert f"promptsync pull {OLD} --theirs" in renamed.ok("status").out
    renamed.ok("pull", "--theirs", OLD)
    assert set(renamed.states().values()) == {"in-sync"}
