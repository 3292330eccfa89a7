"""Hints that are pasted as they are do what was meant."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import worlds
from worlds import Run, World

from promptsync.commands.shared.session import Environment, Session


def hints(done: Run) -> list[str]:
    return [line.removeprefix("hint: ") for line in done.err.splitlines() if line.startswith("hint: ")]


@pytest.mark.parametrize("arguments", [("push", "a", "b", "--prune", "-y"), ("pull", "b", "c")])
def test_partial_keeps_the_other_options_and_the_names(world: World, arguments: tuple[str, ...]) -> None:
    for name in "abc":
        world.write(name)
    world.commit()
    world.ok("push")
    world.path("a").unlink()
    world.edit("b", "Hello", "Ours", commit="Change prompts")
    for name in "bc":
        world.publish(name)
    done = world.run(*arguments)
    assert done.code == 3
    hint = hints(done)[-1]
    assert hint == shlex.join(["promptsync", "-C", str(world.root), *arguments, "--partial"])
    again = world.run(*shlex.split(hint)[3:])
    assert (again.code, "--partial" in "".join(hints(again))) == (3, False)
    assert world.call("GET", "/prompt-templates/a").status == (404 if arguments[0] == "push" else 200)
    assert "Theirs" not in world.path("c").read_text("utf-8") or arguments[0] == "pull"


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
    world.configure("labels: {main: prod}")
    world.put(".gitignore", ".promptsync/\nhidden.yaml\n")
    world.write("a")
    world.write("hidden", commit="Change prompts")
    done = world.run("deploy")
    assert done.code == 3
    assert "prompts/hidden.yaml is ignored by git, so it is not committed; deploy releases" in done.err
    command = hints(done)[0]
    assert command == "git add -f prompts/hidden.yaml && git commit"
    world.git("add", "-f", "prompts/hidden.yaml")
    world.git("commit", "-qm", "Add hidden")
    world.ok("deploy")


def test_without_git_nothing_advises_a_commit(tmp_path: Path) -> None:
    with worlds.made(tmp_path, git=False) as world:
        world.write("a")
        out = world.ok("push").out
        assert "synced: was written to 1 file\n" in out
        assert "commit" not in out


# -- ``promptsync push`` as people and pipelines meet it --------------------------------------------------


@pytest.fixture
def ahead(world: World) -> World:
    """``a`` in sync and changed here; ``b`` new."""
    world.write("a", commit="Say hello")
    world.ok("push")
    world.edit("a", "Hello", "Ciao")
    world.write("b", commit="Say ciao")
    world.forget()
    return world


def test_a_yes_on_the_terminal_publishes_and_no_answer_is_exit_130(ahead: World) -> None:
    assert ahead.on_terminal("push", answer="").code == 130
    assert ahead.writes == []
    done = ahead.on_terminal("push", answer="y\n")
    assert done.code == 0
    assert "v1 -> v2" in done.err and f"2 prompts to publish to team ({ahead.url}). Continue?" in done.err
    assert done.out == "2 prompts published\n"


def test_nobody_is_asked_when_there_is_no_need(ahead: World) -> None:
    for more in (["--dry-run"], ["--json", "-m", "Say ciao"], ["-y"], []):  # at last there is nothing to do
        done = ahead.on_terminal("push", *more, answer="n\n")
        assert (done.code, "Continue?" in done.err) == (0, False), str(done)
        if "--json" in more:
            found = done.document
            assert {one["name"]: one["action"] for one in found["plan"]} == {"a": "update", "b": "create"}
            assert {one["name"]: one["version"] for one in found["published"]} == {"a": 2, "b": 1}
            assert all(one["message"].startswith("Say ciao (") for one in found["published"])


FAILURES = [
    (("push", "nothing-like-it"), 2),
    (("push", "-m", "x" * 90), 2),
    *((("push", "--label", label), 2) for label in (" ", "", " prod", "prod.previous", "prod.released")),
    (("push", "--label", "prod\u200b", "--skip-checks"), 2),
    (("push", "--max-changes", "-1"), 2),
    (("push", "--no-such-option"), 2),
    (("push", "--expect", "0123456789abcdef"), 3),
    (("push", "--max-changes", "0"), 3),
    (("push", "--remote", "nowhere"), 2),
    (("push", "--remote", "http://example.org"), 2),
]


def test_a_failure_is_one_document_and_publishes_nothing(ahead: World) -> None:
    for arguments, code in FAILURES:
        done = ahead.run(*arguments, "--json")
        assert (done.code, done.err) == (code, ""), arguments
        error = done.document["error"]
        assert error["code"] and error["message"]
        assert done.document.get("published", []) == []
        shown = ahead.run(*arguments)
        assert shown.code == code
        assert ("to publish" in shown.out) == (code == 3)  # a plan that is refused is shown
        assert shown.err.startswith("error: ")
        assert "hint: " in shown.err
    assert ahead.writes == []


@pytest.mark.parametrize(
    ("typed", "more", "without", "shown"),
    [
        (("push", "-m", "", "a b"), ("--yes",), None, "promptsync push -m '' 'a b' --yes"),
        (("push", "--expect", "x", "a"), ("--dry-run",), "--expect", "promptsync push a --dry-run"),
        (("push", "--expect=x", "-n"), ("-n",), "--expect", "promptsync push -n"),
    ],
)
def test_a_hint_is_the_command_that_was_typed_with_what_it_lacks(
    typed: tuple[str, ...], more: tuple[str, ...], without: str | None, shown: str
) -> None:
    assert Session(Environment(), typed).command(*more, without=without) == shown
