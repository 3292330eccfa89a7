"""Where it is hard to tell what a file includes: shallow clones, several remotes, altered texts."""

from __future__ import annotations

import re

import yaml
from stories import NAME, alter, clone, commit, drop_private_files, keys, push, refused, state
from worlds import SYNCED, World, once, publishing, template


@template
def copy(world: World) -> None:
    """A prompt that was committed and published as version 1."""
    commit(world, "Hello")
    assert push(world) == [1]


def test_a_shallow_clone_refuses_what_older_history_could_change(copy: World) -> None:
    commit(copy, "Good day")
    assert push(copy) == [2]
    copy.git("commit", "-q", "--allow-empty", "-m", "Something else")
    copy.publish(NAME)
    shallow = clone(copy, "shallow")
    for verb in ("status", "push", "pull", "diff", "deploy --label prod"):
        assert "fetch-depth: 0" in refused(shallow, *verb.split())
    shallow.git("fetch", "-q", "--unshallow")
    assert state(shallow) == "behind"


def test_a_file_that_changed_while_it_was_published_is_left_alone(world: World) -> None:
    world.write("a", "Good day")
    world.faults.append(once(publishing(), lambda: world.write("a", "Typed on")))
    found = world.ok("push", "--json").document
    text = world.path("a").read_text("utf-8")
    assert found["published"][0]["version"] == 1 and found["synced"] == []
    assert "Typed on" in text and "synced" not in text


def test_a_rename_in_the_dashboard_is_reported_by_the_commit_or_the_key(copy: World) -> None:
    copy.rename(NAME, "renamed")
    for _ in range(2):
        assert copy.states() == {NAME: "renamed-remotely"}
        drop_private_files(copy)
    copy.rename("renamed", NAME)
    copy.write(NAME, "Not committed")
    (line,) = (line for line in copy.ok("push").out.splitlines() if "synced:" in line)
    assert "commit first" in line and keys(copy) == (2,)
    copy.rename(NAME, "renamed")
    drop_private_files(copy)
    assert copy.states() == {NAME: "renamed-remotely"}


def test_each_remote_has_its_own_key(copy: World) -> None:
    config = copy.root / "promptsync.yaml"
    config.write_text(re.sub(r"}}\n$", "}, there: {url: 'local:../second.db'}}\n", config.read_text()))
    copy.commit()
    copy.write(NAME, "Good day")
    assert (push(copy), keys(copy)) == ([2], (2,))
    assert push(copy, "--remote", "there") == [1]
    found = yaml.safe_load(SYNCED.findall(copy.path(NAME).read_text())[0])["synced"]
    assert {name: key[:2] for name, key in found.items()} == {"team": "2-", "there": "1-"}
    copy.write(NAME, "Good evening")
    for remote in ("team", "there"):
        (one,) = copy.ok("status", "--remote", remote, "--json").document["prompts"]
        assert one["state"] == "ahead"


def test_a_text_that_came_back_different_is_altered_until_somebody_edits_it(copy: World) -> None:
    alter(copy, "Hello", "HELLO")
    assert (state(copy), push(copy)) == ("altered", [])
    copy.write(NAME, "Good day")  # uncommitted
    assert (state(copy), push(copy)) == ("ahead", [2])
    alter(copy, "Good day", "GOOD DAY", 2)
    drop_private_files(copy)
    assert (state(copy), push(copy)) == ("altered", [])


def test_an_altered_text_that_was_edited_there_is_behind(copy: World) -> None:
    alter(copy, "Hello", "HELLO")
    copy.publish(NAME, "HELLO you")
    assert state(copy) == "behind"


def test_tags_of_the_commit_that_was_published_are_those_of_the_base(world: World) -> None:
    world.write("a", tags=["x"])
    world.commit()
    world.ok("push")
    world.write("a", tags=["x", "mine"])
    world.commit()
    assert world.states() == {"a": "ahead"}
    world.publish("a", tags=["x", "theirs"])
    assert world.states() == {"a": "diverged"}
    world.ok("pull", "--merge")
    assert yaml.safe_load(world.path("a").read_text())["tags"] == ["x", "mine", "theirs"]
