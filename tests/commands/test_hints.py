"""Hints that are pasted as they are do what was meant."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import worlds
from worlds import Run, World


def hints(done: Run) -> list[str]:
    return [line.removeprefix("hint: ") for line in done.err.splitlines() if line.startswith("hint: ")]


def append(world: World, path: str, text: str) -> None:
    with (world.root / path).open("a") as file:
        file.write(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ("push", "a", "b", "--prune", "-y"),
        ("pull", "b", "c"),
    ],
)
def test_partial_keeps_the_other_options_and_the_names(world: World, arguments: tuple[str, ...]) -> None:
    for name in "abc":
        world.write(name)
    world.commit()
    world.ok("push")
    world.path("a").unlink()
    world.edit("b", "Hello", "Ours")
    world.commit()
    for name in "bc":
        world.publish(name)
    done = world.run(*arguments)
    assert done.code == 3
    hint = hints(done)[-1]
    assert hint == shlex.join(["promptsync", "-C", str(world.root), *arguments, "--partial"])
    assert world.run(*shlex.split(hint)[3:]).code == 3
    assert world.call("GET", "/prompt-templates/a").status == (404 if arguments[0] == "push" else 200)
    assert "Theirs" not in world.path("c").read_text("utf-8") or arguments[0] == "pull"


def test_a_partial_pull_does_not_advise_itself(world: World) -> None:
    world.write("a")
    world.commit()
    world.ok("push")
    world.edit("a", "Hello", "Ours")
    world.publish("a")
    assert hints(world.run("pull", "--partial")) == ["promptsync pull --merge a"]


def test_mv_names_the_prompts_of_files(world: World) -> None:
    world.write("support/tone")
    path = world.write("other").rename(world.path("file"))
    for arguments, hint in {
        (str(world.path("support/tone")), "x"): "promptsync mv support/tone x",
        (str(path), str(world.path("a b"))): "promptsync mv other 'a b'",
        ("nowhere.yaml", "x"): "promptsync mv nowhere x",
    }.items():
        done = world.run("mv", *arguments)
        assert (done.code, hints(done)) == (2, [hint])


def test_a_file_that_git_ignores_is_named_as_such(world: World) -> None:
    append(world, "promptsync.yaml", "labels: {main: prod}\n")
    append(world, ".gitignore", "hidden.yaml\n")
    world.write("a")
    world.write("hidden")
    world.commit()
    done = world.run("deploy")
    assert done.code == 3
    assert "prompts/hidden.yaml is ignored by git, so it is not committed; deploy releases" in done.err
    command = hints(done)[0]
    assert command == "git add -f prompts/hidden.yaml && git commit"
    world.git("add", "-f", "prompts/hidden.yaml")
    world.git("commit", "-qm", "Add hidden")
    world.ok("deploy")


@pytest.fixture
def used(world: World) -> World:
    """The snippet ``tone``, which ``ask`` uses, is deleted in a commit."""
    world.write("tone", content="Speak warmly.")
    world.write("ask", "@@@tone@@@ {question}")
    world.commit()
    world.ok("push")
    world.path("tone").unlink()
    world.commit("Drop tone")
    return world


def test_a_user_that_the_same_plan_archives_does_not_keep_a_snippet(used: World) -> None:
    append(used, "promptsync.yaml", "labels: {main: prod}\n")
    used.commit("Release main to prod")
    used.ok("label", "set", "ask", "prod", "-y")
    used.path("ask").unlink()
    used.commit("Drop ask")
    assert used.run("push", "tone", "--prune", "-n").code == 3
    assert used.run("push", "--prune", "-n").code == 3  # ask is live and archived only by name
    used.ok("push", "tone", "ask", "--prune", "-y")
    assert used.ok("ls-remote", "-q").out == ""


def test_without_git_nothing_advises_a_commit(tmp_path: Path) -> None:
    with worlds.made(tmp_path, git=False) as world:
        world.write("a")
        out = world.ok("push").out
        assert "synced: was written to 1 file\n" in out
        assert "commit" not in out
