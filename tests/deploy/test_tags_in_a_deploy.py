"""Tags have no versions, so what is published keeps those that were added in the dashboard."""

from __future__ import annotations

import pytest
from worlds import Seen, World


def tags(world: World) -> list[str]:
    return sorted(world.read("a")["tags"])


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        pytest.param(["greeting"], ["greeting", "vip"], ["greeting", "vip"], id="added there"),
        pytest.param(["greeting", "new"], ["greeting", "vip"], ["greeting", "new", "vip"], id="added twice"),
        pytest.param(["greeting"], [], [], id="removed there"),
        pytest.param([], ["greeting", "vip"], ["vip"], id="removed here, added there"),
    ],
)
def test_a_deploy_merges_the_tags_of_both_sides(
    released: World, ours: list[str], theirs: list[str], merged: list[str]
) -> None:
    released.write("a", "A polite welcome, {name}", tags=ours)
    released.commit("Welcome")
    released.tag("a", *theirs)
    done = released.ok("deploy")
    assert tags(released) == merged
    assert released.label("a", "prod") == 2
    if "vip" in merged:
        assert "kept  a: the tags from the dashboard: vip; promptsync pull a" in done.out
    assert released.ok("deploy", "--json").document["members"] == []
    released.ok("pull")
    assert released.states()["a"] == "in-sync"


def test_a_tag_of_the_dashboard_alone_publishes_nothing(released: World) -> None:
    released.edit("a", "hello", "welcome")
    released.commit("Welcome")
    released.ok("push")
    released.tag("a", "greeting", "vip")
    released.ok("deploy")
    assert (released.version("a"), released.label("a", "prod")) == (2, 2)
    assert tags(released) == ["greeting", "vip"]


def test_a_tag_that_a_dashboard_version_removed_stays_removed(released: World) -> None:
    released.write("a", "A polite hello, {name}", tags=["greeting", "old"])
    released.commit("Tag it")
    released.ok("deploy")
    released.publish("a", "A polite hello, {name}", tags=["greeting"])
    assert released.states()["a"] == "behind"
    released.edit("b", "hello", "welcome")
    released.commit("Welcome")
    assert [member["name"] for member in released.ok("deploy", "--json").document["members"]] == ["b"]
    released.edit("a", "hello", "welcome")
    released.commit("Welcome, too")
    released.ok("deploy")
    assert (tags(released), released.label("a", "prod")) == (["greeting"], 4)


def test_a_tag_that_was_pulled_and_then_removed_in_the_dashboard_stays_removed(released: World) -> None:
    released.tag("a", "greeting", "vip")
    released.ok("pull")
    released.commit("Pull")
    released.tag("a", "greeting")
    assert released.states()["a"] == "behind"
    released.edit("a", "hello", "welcome")
    released.commit("Welcome")
    assert released.run("push").code == 3
    released.ok("deploy")
    assert tags(released) == ["greeting"]


def test_a_tag_that_the_file_got_after_a_pull_of_tags_is_published(released: World) -> None:
    released.tag("a", "greeting", "vip")
    released.ok("pull")
    released.commit("Pull")
    released.edit("a", "- vip", "- vip\n- new")
    released.commit("Tag it")
    assert released.states()["a"] == "ahead"
    released.ok("push")
    assert tags(released) == ["greeting", "new", "vip"]


def test_a_forced_push_keeps_the_tags_of_the_dashboard(released: World) -> None:
    released.publish("a", "Theirs {name}", tags=["greeting", "vip"])
    released.edit("a", "hello", "welcome")
    released.commit("Welcome")
    kept = "kept  a: the tags from the dashboard: vip; promptsync pull a"
    assert kept in released.ok("push", "a", "--force", "-n").out
    assert kept in released.ok("push", "a", "--force", "-y").out
    assert tags(released) == ["greeting", "vip"]


def test_a_forced_push_publishes_every_tag_of_the_file(released: World) -> None:
    """One of them was removed in the dashboard."""
    released.publish("a", "Theirs {name}", tags=[])
    released.edit("a", "- greeting", "- greeting\n- new")
    released.edit("a", "hello", "welcome")
    released.commit("Welcome")
    released.ok("push", "a", "--force", "-y")
    assert tags(released) == ["greeting", "new"]
    assert released.states()["a"] == "in-sync"


def test_a_tag_that_is_added_after_the_plan_was_made_stops_the_deploy(released: World) -> None:
    released.edit("a", "hello", "welcome")
    released.commit("Welcome")
    lists = iter(range(1_000))

    def somebody_tags(seen: Seen, forward: object) -> None:
        if seen.path == "/prompt-templates" and "label=" not in seen.target and next(lists) == 1:
            released.tag("a", "greeting", "vip")

    released.faults.append(somebody_tags)
    done = released.run("deploy")
    assert done.code == 3, str(done)
    assert "a: its tags" in done.err and released.published == []
    released.faults.clear()
    released.ok("deploy")
    assert tags(released) == ["greeting", "vip"]
