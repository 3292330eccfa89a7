"""Tags have no versions, so what is published keeps those that were added in the dashboard."""

from __future__ import annotations

import pytest
from deploying import change, is_list
from worlds import World, once


def tags(world: World) -> list[str]:
    return sorted(world.read("a")["tags"])


@pytest.mark.parametrize(
    ("text", "ours", "theirs", "merged"),
    [
        ("welcome", ["greeting"], ["greeting", "vip"], ["greeting", "vip"]),
        ("welcome", ["greeting", "new"], ["greeting", "vip"], ["greeting", "new", "vip"]),
        ("hello", ["greeting", "new"], ["greeting", "vip"], ["greeting", "new", "vip"]),  # only tags changed
        ("welcome", ["greeting"], [], []),
        ("welcome", [], ["greeting", "vip"], ["vip"]),
    ],
)
def test_a_deploy_merges_the_tags_of_both_sides(
    released: World, text: str, ours: list[str], theirs: list[str], merged: list[str]
) -> None:
    released.write("a", f"A polite {text}, {{name}}", tags=ours, commit="Write it")
    released.tag("a", *theirs)
    done = released.ok("deploy")
    assert tags(released) == merged
    assert released.label("a", "prod") == 2
    assert ("kept  a: the tags from the dashboard: vip; promptsync pull a" in done.out) == ("vip" in merged)
    assert released.ok("deploy", "--json").document["members"] == []
    released.ok("pull")
    assert released.states()["a"] == "in-sync"


def test_a_tag_of_the_dashboard_alone_publishes_nothing(released: World) -> None:
    change(released, "hello", "welcome")
    released.ok("push")
    released.tag("a", "greeting", "vip")
    released.ok("deploy")
    assert (released.version("a"), released.label("a", "prod")) == (2, 2)
    assert tags(released) == ["greeting", "vip"]


@pytest.mark.parametrize("by_a_version", [True, False])
def test_a_tag_that_was_removed_in_the_dashboard_stays_removed(
    released: World, *, by_a_version: bool
) -> None:
    if by_a_version:
        released.write("a", "A polite hello, {name}", tags=["greeting", "old"], commit="Tag it")
        released.ok("deploy")
        released.publish("a", "A polite hello, {name}", tags=["greeting"])
    else:
        released.tag("a", "greeting", "old")
        released.ok("pull")
        released.commit("Pull")
        released.tag("a", "greeting")
    assert released.states()["a"] == "behind"
    change(released, "hello", "welcome", "b")
    assert [member["name"] for member in released.ok("deploy", "--json").document["members"]] == ["b"]
    change(released, "hello", "welcome")
    released.exits(3, "push")
    released.ok("deploy")
    assert (tags(released), released.label("a", "prod")) == (["greeting"], released.version("a"))
    # What the file gets after a pull of tags is its own.
    released.tag("a", "greeting", "vip")
    released.ok("pull")
    released.commit("Pull")
    released.edit("a", "- vip", "- vip\n- new", commit="Tag it")
    assert released.states()["a"] == "ahead"
    released.ok("push")
    assert tags(released) == ["greeting", "new", "vip"]


def test_a_forced_push_keeps_the_tags_of_both_sides(released: World) -> None:
    released.publish("a", "Theirs {name}", tags=["greeting", "vip"])
    change(released, "hello", "welcome")
    kept = "kept  a: the tags from the dashboard: vip; promptsync pull a"
    assert kept in released.ok("push", "a", "--force", "-y").out
    assert tags(released) == ["greeting", "vip"]


def test_a_tag_that_is_added_after_the_plan_was_made_stops_the_deploy(released: World) -> None:
    change(released, "hello", "welcome")
    released.faults.append(once(is_list, lambda: released.tag("a", "greeting", "vip"), at=2))
    assert "a: its tags" in released.exits(3, "deploy").err
    assert released.published == []
    released.faults.clear()
    released.ok("deploy")
    assert tags(released) == ["greeting", "vip"]
