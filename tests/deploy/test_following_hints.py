"""No hint leads around the checks: all advice that a failed release prints is followed to its end."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

import click
import pytest
from worlds import Run, World

from promptsync.cli import group

LOOKS = ("status -v", "status --label prod", "diff", "log a", "label list", "deploy --dry-run")
ACTIONS = (
    "label set a prod",
    "push",
    "push --label prod",
    "push a --label prod --force",
    "push --prune -y",
    "pull",
    "pull --label prod",
    "rollback a --label prod",
    "rollback a --label prod --to 2",
    "eval run 'a is polite'",
    "eval run --changed",
    "deploy",
    "deploy --require-checks",
    "deploy --label staging",
)
"""What somebody may type who does not say that a failed version is to be released."""

VERBS = frozenset(group.list_commands(click.Context(group)))

PLACEHOLDERS = {
    "NAME": "a",
    "N": "2",
    "LABEL": "prod",
    "SECONDS": "5",
    "FINGERPRINT": "0123456789abcdef",
    "REF": "HEAD~1",
    "ID": "1",
}
"""For the worst: the failed version, under the governed label."""


def rejected(world: World) -> None:
    """``a`` v2 failed in a deploy."""
    world.edit("a", "polite", "rude", commit="Be rude")
    assert world.run("deploy").code == 1


def unchecked(world: World) -> None:
    world.edit("a", "polite", "rude", commit="Be rude")
    world.ok("push", "--label", "prod", "--skip-checks")


def edit_in_the_dashboard(world: World) -> None:
    world.publish("a", "A rude and loud hello, {name}", tags=["greeting"])


def edit(world: World) -> None:
    world.edit("a", "rude", "very rude")


def new(world: World) -> None:
    """A first version that fails, so that there is no label yet."""
    world.configure("match: 'e*',", instead="match: a,")
    world.write("e", "A rude hello, {name}", evaluations=["a is polite"])
    world.edit("a", "polite", "rude", commit="Add e")
    assert world.run("deploy").code == 1


def in_a_snippet(world: World) -> None:
    world.write("tone", content="A polite tone.")
    world.write("a", "@@@tone@@@ hello, {name}", tags=["greeting"], commit="Use a snippet")
    world.ok("deploy")
    world.edit("tone", "polite", "rude", commit="A rude tone")
    assert world.run("deploy").code == 3


STATES: dict[str, tuple[Callable[[World], object], ...]] = {
    "rejected": (rejected,),
    "rejected and edited": (rejected, edit),
    "pushed uncommitted": (lambda world: world.edit("a", "polite", "rude"), lambda world: world.ok("push")),
    "edited in the dashboard": (rejected, edit_in_the_dashboard),
    "diverged": (rejected, edit_in_the_dashboard, edit, World.commit),
    "archived": (rejected, lambda world: world.archive("a")),
    "new": (new,),
    "rolled back": (unchecked, lambda world: world.ok("rollback", "a", "--label", "prod", "-y")),
    "rolled back in the dashboard": (unchecked, lambda world: world.point("a", prod=1)),
    "reverted": (rejected, lambda world: world.git("revert", "--no-edit", "HEAD")),
    "deleted": (rejected, lambda world: world.path("a").unlink(), World.commit),
    "on another branch": (rejected, lambda world: world.git("switch", "-qc", "feature")),
    # The evaluation runs what prod points at, and never the version that is to be released.
    "checked on another version": (
        lambda world: world.configure("evaluation: a under prod", instead="evaluation: a is polite"),
        rejected,
    ),
    "renamed": (rejected, lambda world: world.rename("a", "z")),
    "in a snippet": (in_a_snippet,),
}
"""What happened, one after the other."""


def advice(typed: str, done: Run) -> list[str]:
    """The commands that a run advises, ready to paste; an option to add counts as one more command."""
    text = "\n".join((done.out, done.err))
    advised = re.findall(r"promptsync [a-z][^\n;,()`]*", text)
    advised += [f"promptsync {typed} {option}" for option in re.findall(r"\badd (--[^\n;,()`]+)", text)]
    commands = []
    for command in advised:
        try:
            words = shlex.split(command.rstrip(". "))[1:]
        except ValueError:
            continue
        # A command within a sentence ends where the sentence goes on: its words are no arguments.
        if words[0] in VERBS:
            commands.append(shlex.join(PLACEHOLDERS.get(word, word) for word in words))
    return commands


def is_live(world: World, text: str) -> str:
    """Which prompt has a text under prod, as an application gets it."""
    for name in ("a", "z", "e", "tone"):
        answer = world.call("POST", f"/prompt-templates/{name}", {"label": "prod"})
        if answer.status == 200 and text in str(answer.body["prompt_template"]):
            return name
    return ""


@pytest.mark.parametrize("state", STATES)
def test_no_advice_releases_what_failed(
    released: World, state: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for act in STATES[state]:
        act(released)
    assert not is_live(released, "rude")
    saved, seen = tmp_path_factory.mktemp("saved") / "world", {*LOOKS, *ACTIONS}
    released.keep(saved)

    def follow(path: list[str]) -> list[list[str]]:
        """Type the last command of a path, and return the paths to what it advises."""
        assert "--skip-checks" not in path[-1] or path[-1].startswith("label delete a prod ")
        done = released.run(*shlex.split(path[-1]), NO_COLOR="1")
        assert done.code != 70, str(done)
        assert not is_live(released, "rude"), "\n".join(path)
        fresh = [command for command in dict.fromkeys(advice(path[-1], done)) if command not in seen]
        seen.update(fresh)
        return [[*path, command] for command in fresh]

    paths = [path for look in LOOKS for path in follow([look])]
    paths = [path[1:] for path in paths] + [[action] for action in ACTIONS]
    while paths:
        path = paths.pop()
        released.take_back(saved)
        for command in path[:-1]:
            released.run(*shlex.split(command))
        paths += follow(path)
        assert len(path) < 10
