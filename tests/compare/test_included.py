"""Where it is hard to tell what a file includes: shallow clones, no git, several remotes, altered texts."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import yaml
from stories import (
    NAME,
    alter,
    clone,
    commit,
    drop_private_files,
    key_line,
    keys,
    push,
    refused,
    state,
)
from worlds import SYNCED, World, once, publishing, template

from promptsync.compare.gather import gather


@template
def copy(world: World) -> None:
    """A prompt that was committed and published as version 1."""
    commit(world, "Hello")
    assert push(world) == [1]


# -- shallow and sparse clones ------------------------------------------------------------------------------


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


# -- what is written, and what is not -----------------------------------------------------------------------


def test_without_git_every_push_writes_the_key_and_a_lost_one_makes_it_ask(copy: World) -> None:
    plain = replace(copy, root=copy.root.parent / "plain")
    plain.put("promptsync.yaml", (copy.root / "promptsync.yaml").read_bytes())
    plain.ok("pull")
    plain.write(NAME, "Good day")
    found = plain.ok("push", "--json").document
    assert (found["synced"], keys(plain)) == ([NAME], (2,))
    drop_private_files(plain)
    plain.write(NAME, "Good evening")
    assert state(plain) == "ahead"
    plain.edit(NAME, key_line(plain), "")
    assert state(plain) == "diverged"
    plain.ok("pull", "--ours", NAME)
    assert push(plain) == [3]


def test_a_push_of_uncommitted_text_says_that_it_wrote_the_key(copy: World) -> None:
    copy.write(NAME, "Good day")
    (line,) = (line for line in copy.ok("push").out.splitlines() if "synced:" in line)
    assert "commit first" in line
    assert keys(copy) == (2,)


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
    assert push(copy) == [2]
    copy.rename(NAME, "renamed")
    drop_private_files(copy)
    assert copy.states() == {NAME: "renamed-remotely"}


# -- several remotes ----------------------------------------------------------------------------------------


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


# -- registries that alter what they are given --------------------------------------------------------------


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


# -- tags ---------------------------------------------------------------------------------------------------


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


# -- many versions ------------------------------------------------------------------------------------------


def test_forty_new_versions_above_the_base_are_read_once_in_few_rounds(world: World) -> None:
    """Of 300 versions, the newest 40 are not in the file."""
    world.write("a", "Hello {name}")
    world.write("b", "Hello {name}")
    world.commit("Say it")
    world.ok("push")
    for number in range(2, 261):
        world.publish("a", f"Hello {number}")
    world.ok("pull")
    world.commit("Take it")
    for number in range(261, 301):
        world.publish("a", f"Hello {number}")
    world.git("clean", "-qxfd", ".promptsync")
    world.forget()
    assert world.states() == {"a": "behind", "b": "in-sync"}
    reads = [seen for seen in world.seen if "version=" in seen.target]
    assert len(reads) == 48
    world.forget()
    assert world.states() == {"a": "behind", "b": "in-sync"}
    # the versions are in the cache: the lists, and one read that tells the workspace
    assert len(world.seen) <= 3
    with world.project() as project:
        (item,) = gather(project).only(["a"])
    assert item.base is not None and item.base.version == 260
    assert json.loads(world.ok("pull", "--json").out)["written"][0]["version"] == 300
