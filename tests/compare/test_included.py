"""Where it is hard to tell what a file includes: shallow clones, no git, several remotes, altered texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from working_copy import NAME, Copy
from worlds import PUBLISH, SYNCED, Reply, Seen, World

from promptsync.compare.gather import gather


@pytest.fixture
def copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Copy]:
    """A prompt that was committed and published as version 1."""
    made = Copy(tmp_path / "work", tmp_path / "registry.db", capsys).begin()
    made.commit("Hello")
    assert made.push() == [1]
    yield made


def keys(copy: Copy) -> object:
    found = SYNCED.search(copy.path().read_text())
    return yaml.safe_load(found[0])["synced"] if found else None


# -- shallow and sparse clones ------------------------------------------------------------------------------


def test_a_shallow_clone_refuses_what_older_history_could_change(copy: Copy) -> None:
    copy.commit("Good day")
    assert copy.push() == [2]
    copy.git("commit", "-q", "--allow-empty", "-m", "Something else")
    copy.publish("Theirs")
    shallow = copy.clone("shallow", "--depth", "1")
    for verb in ("status", "push", "pull", "diff", "deploy"):
        options = ("--label", "prod") if verb == "deploy" else ()
        assert "fetch-depth: 0" in shallow.refused(verb, *options)
    shallow.git("fetch", "-q", "--unshallow")
    assert shallow.state() == "behind"


# -- without git --------------------------------------------------------------------------------------------


def test_without_git_every_push_writes_the_key_and_a_lost_one_makes_it_ask(
    copy: Copy, tmp_path: Path
) -> None:
    plain = Copy(tmp_path / "plain", copy.registry, copy.capsys)
    plain.configure()
    plain.ok("pull")
    plain.write("Good day")
    found = plain.ok("push")
    assert found["synced"] == [NAME]
    assert found["published"][0]["message"].endswith("(v2)")
    assert str(keys(plain)).startswith("2-")
    plain.forget()
    plain.write("Good evening")
    assert plain.state() == "ahead"
    plain.path().write_text(SYNCED.sub("", plain.path().read_text()))
    assert plain.state() == "diverged"
    plain.ok("pull", "--ours", NAME)
    assert plain.push() == [3]


# -- what is written, and what is not -----------------------------------------------------------------------


def test_a_push_of_uncommitted_text_says_that_it_wrote_the_key(
    copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    from promptsync.cli import run

    copy.write("Good day")
    assert run(["-C", str(copy.project), "push", "-y"], {}) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "synced:" in line)
    assert "commit first" in line
    assert str(keys(copy)).startswith("2-")


def test_a_file_that_changed_while_it_was_published_is_left_alone(world: World) -> None:
    def edit(seen: Seen, forward: Callable[[Seen], Reply]) -> None:
        if seen.path == PUBLISH:
            world.write("a", "Typed on")

    world.write("a", "Good day")
    world.faults.append(edit)
    found = world.ok("push", "--json").document
    text = world.path("a").read_text("utf-8")
    assert found["published"][0]["version"] == 1 and found["synced"] == []
    assert "Typed on" in text and "synced" not in text


def test_deleting_the_private_directory_changes_no_answer(copy: Copy) -> None:
    for play in (
        lambda: copy.write("Mine"),
        lambda: copy.publish("Theirs"),
        lambda: copy.ok("pull", "--ours", NAME),
        lambda: copy.push(),
        lambda: copy.commit("Mine again"),
        lambda: copy.publish("Theirs again"),
        lambda: copy.git("checkout", "-q", "HEAD~1"),
        lambda: copy.git("checkout", "-q", "main"),
        lambda: copy.ok("pull", NAME, "--version", "1"),
    ):
        play()
        before = copy.ok("status")["prompts"]
        copy.forget()
        assert copy.ok("status")["prompts"] == before


def test_a_rename_in_the_dashboard_is_reported_by_the_commit_or_the_key(copy: Copy) -> None:
    copy.sql("UPDATE items SET name = 'renamed' WHERE name = ?", NAME)
    for _ in range(2):
        assert copy.states() == {NAME: "renamed-remotely"}
        copy.forget()
    copy.sql("UPDATE items SET name = ?", NAME)
    copy.write("Not committed")
    assert copy.push() == [2]
    copy.sql("UPDATE items SET name = 'renamed' WHERE name = ?", NAME)
    copy.forget()
    assert copy.states() == {NAME: "renamed-remotely"}


# -- several remotes ----------------------------------------------------------------------------------------


@pytest.fixture
def two(copy: Copy, tmp_path: Path) -> Copy:
    """A working copy with a second remote, which holds nothing yet."""
    with (copy.project / "promptsync.yaml").open("a") as file:
        file.write(f"  there: {{url: 'local:{tmp_path}/second.db'}}\n")
    copy.commit()
    return copy


def test_each_remote_has_its_own_key(two: Copy) -> None:
    two.write("Good day")
    assert two.push() == [2]
    assert str(keys(two)).startswith("2-")
    assert two.push("--remote", "there") == [1]
    found = keys(two)
    assert isinstance(found, dict) and {name: key[:2] for name, key in found.items()} == {
        "here": "2-",
        "there": "1-",
    }
    two.write("Good evening")
    for remote in ("here", "there"):
        (one,) = two.ok("status", "--remote", remote)["prompts"]
        assert one["state"] == "ahead"


# -- registries that alter what they are given --------------------------------------------------------------


def alter(copy: Copy, version: int, was: str, now: str) -> None:
    statement = "UPDATE versions SET body = replace(body, ?, ?) WHERE number = ?"
    copy.sql(statement, was, now, str(version))


def test_a_text_that_came_back_different_is_altered_until_somebody_edits_it(copy: Copy) -> None:
    alter(copy, 1, "Hello", "HELLO")
    assert copy.state() == "altered"
    assert copy.push() == []
    copy.write("Good day")  # uncommitted
    assert copy.state() == "ahead" and copy.push() == [2]
    alter(copy, 2, "Good day", "GOOD DAY")
    copy.forget()
    assert copy.state() == "altered" and copy.push() == []


def test_an_altered_text_that_was_edited_there_is_behind(copy: Copy) -> None:
    alter(copy, 1, "Hello", "HELLO")
    copy.publish("HELLO you")
    assert copy.state() == "behind"


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
