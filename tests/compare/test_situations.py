"""What happens to people in git, told from the outside: real git, the embedded registry, the command line."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml
from stories import NAME, alter, clone, commit, drop_private_files, keys, play, push, refused, state
from worlds import SYNCED, World, once, publishing, template


@template
def copy(world: World) -> None:
    """A repository whose prompt was committed and published as version 1."""
    commit(world, "Hello")
    assert push(world) == [1]


STORIES = {
    "a shallow clone that has the base can push": """
        commit "Good day"
        push -> 2
        shallow: push ->
        shallow: write "Good evening"
        shallow: is ahead
        shallow: push -> 3
    """,
    "old text that was forced from an old commit is included by what followed in git": """
        commit "Good day"
        push -> 2
        git checkout -q HEAD~1
        push support/refund --force -y -> 3
        is in-sync
        git checkout -q main
        is ahead
        ci: push -> 4
    """,
    "a colleague's draft is not overwritten until their commit brings it in": """
        colleague: write Draft
        colleague: push -> 2
        is behind
        commit Mine
        is diverged
        colleague: commit
        git fetch -q ../colleague main
        git merge -q -X ours FETCH_HEAD -> conflict
        is ahead
    """,
    "a commit from elsewhere is no edit of a draft": """
        colleague: commit Theirs
        write Draft
        push -> 2
        git stash -q
        git pull -q ../colleague main
        reads Theirs
        is diverged
    """,
    "a merge of a branch that had pushed is in sync": """
        git checkout -qb feature
        commit One
        push -> 2
        git checkout -q main
        git commit -q --allow-empty -m "Something else"
        git merge -q --no-ff -m Merge feature
        is in-sync
        forget
        write Two
        is ahead
    """,
    "a conflict that was kept ours is settled for everybody": """
        publish Theirs
        commit Mine
        ok pull --ours support/refund
        reads Mine
        is ahead
        commit
        fresh: is ahead
        fresh: push -> 3
    """,
}


@pytest.mark.parametrize("story", STORIES)
def test_a_story(copy: World, story: str) -> None:
    play(copy, STORIES[story])


def test_a_shallow_clone_does_not_bring_back_what_was_deleted(copy: World) -> None:
    commit(copy, "Other", "other")
    copy.path(NAME).unlink()
    copy.commit()
    shallow = clone(copy, "shallow")
    push(shallow)
    assert "fetch-depth: 0" in refused(shallow, "pull")
    assert not shallow.path(NAME).exists()
    shallow.ok("pull", NAME)
    assert "Hello" in shallow.path(NAME).read_text()
    assert state(copy) == "deleted-locally"


def test_a_repository_inside_another_one_is_a_repository_of_its_own(copy: World) -> None:
    outer = replace(copy, root=copy.root.parent / "outer")
    outer.root.mkdir()
    outer.git("init", "-q", "-b", "main")
    outer.git("submodule", "--quiet", "add", f"file://{copy.root}", "libs/prompts")
    outer.commit("Add the prompts")
    inner = replace(copy, root=outer.root / "libs/prompts")
    assert state(inner) == "in-sync"
    commit(inner, "Good day")
    assert (state(inner), push(inner), state(copy)) == ("ahead", [2], "behind")


def test_before_the_first_commit_the_record_is_the_base(world: World) -> None:
    for text, before in (("Hello", "new"), ("Good day", "ahead")):
        world.write(NAME, text)
        assert state(world) == before
        world.ok("push")
    commit(world, "Good evening")
    assert state(world) == "ahead"
    world.publish(NAME)
    assert state(world) == "diverged"


def test_line_ends_that_git_converts_are_no_difference(copy: World) -> None:
    windows = clone(copy, "windows", "-c", "core.autocrlf=true")
    path = windows.path(NAME)
    assert b"\r\n" in path.read_bytes()
    assert state(windows) == "in-sync"
    windows.edit(NAME, "Hello", "Good evening")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    windows.commit()
    drop_private_files(windows)
    assert (state(windows), push(windows)) == ("ahead", [2])
    windows.publish(NAME)
    windows.ok("pull")
    assert state(windows) == "in-sync"


SETTINGS = """
    log.showSignature=true diff.renames=copies core.quotePath=true color.ui=always log.date=relative
    diff.noprefix=true core.abbrev=40 log.follow=true log.mailmap=true diff.external=false diff.relative=true
    diff.ignoreSubmodules=all diff.orderFile=promptsync.yaml status.showUntrackedFiles=no
"""


def test_odd_settings_of_git_change_nothing(copy: World) -> None:
    for setting in SETTINGS.split():
        copy.git("config", *setting.split("="))
    commit(copy, "Good day")
    assert (state(copy), push(copy)) == ("ahead", [2])
    commit(copy, "Grüße", "höflich/gruß")
    assert push(copy) == [1]
    drop_private_files(copy)
    copy.write(NAME, "Good evening")
    copy.write("höflich/gruß", "Tschüß")
    assert copy.states() == {NAME: "ahead", "höflich/gruß": "ahead"}
    assert copy.ok("diff", "--since", "HEAD", "--name-only").out.split() == ["höflich/gruß", NAME]


# -- where it is hard to tell what a file includes ----------------------------------------------------------


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
