"""No sentence gets lost between people in real git: random walks, and what is delicate step by step."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from real_walks import ASKED, RealWalk, random_steps
from seeds import FUZZ, numbers, seed_of
from working_copy import NAME, Copy, happening

STEPS = 20 if FUZZ else 12

MINE, OURS, THEIRS = "Say good day.", "Be friendly.", "Ask for the date."
FROM_W, FROM_MAIN = MINE, THEIRS


@pytest.fixture
def main(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Copy:
    """The main repository. Its prompt, a list of rules, is live as version 1."""
    made = Copy(tmp_path / "main", tmp_path / "registry.db", capsys).begin()
    made.write_rules()
    made.commit()
    assert deploy(made) == (1, [])
    return made


def fresh(main: Copy) -> Copy:
    """Return a new clone of main, as CI and colleagues make one."""
    number = len(list(main.root.parent.glob("fresh-*")))
    return main.clone(f"fresh-{number}")


def deploy(main: Copy) -> tuple[int, list[int]]:
    """Let CI deploy main. Return the new version, and those that it passed over."""
    found = fresh(main).ok("deploy", "--label", "prod")
    (published,) = found["push"]["published"]
    return published["version"], [number for one in found["passed_over"] for number in one["versions"]]


def passed_over(main: Copy) -> list[int]:
    """Return what a colleague is told, and could bring back."""
    clone = fresh(main)
    told = [number for one in clone.ok("status")["prompts"] for number in one["passed_over"]]
    found = clone.ok("pull", "--passed-over", "--dry-run")["passed_over"]
    return sorted({*told, *(number for one in found for number in one["versions"])})


def at_once(second: Copy, first: Callable[[], object]) -> tuple[int, dict[str, Any]]:
    """Push, but let ``first`` act after the push looked at the registry and before it publishes."""
    with happening(first):
        return second.run("push")


def edited(main: Copy, name: str, number: int, rule: str) -> Copy:
    """Return a clone with a commit that changes one rule."""
    clone = main.clone(name)
    clone.commit_line(number, rule)
    return clone


def follow(clone: Copy, hint: str) -> None:
    """Run the command that a hint begins with."""
    program, *arguments = shlex.split(hint.splitlines()[0])
    assert program == "promptsync"
    clone.ok(*arguments[: arguments.index(NAME) + 1])


# -- walks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", numbers(count=8, fuzz=150))
def test_nothing_is_lost_on_a_random_walk(tmp_path: Path, number: int) -> None:
    seed = seed_of(number)
    walk = RealWalk(tmp_path / "walk", seed, STEPS).walk()
    assert not walk.failures, "\n".join([f"seed {seed}, {STEPS} steps", *walk.log])
    assert FUZZ or not walk.tally[ASKED], "\n".join(walk.log)


@pytest.mark.parametrize("seed", [3245], ids=["an old version put back, then edited"])
def test_nothing_is_lost_on_a_walk_that_lost_something_once(tmp_path: Path, seed: int) -> None:
    walk = RealWalk(tmp_path / "walk").play(random_steps(seed, 16))
    assert not walk.losses, "\n".join(walk.log)


# -- pushes at once ----------------------------------------------------------------------------------------


def test_the_second_of_two_pushes_at_once_is_reported_and_the_hint_brings_both_together(main: Copy) -> None:
    first, second = edited(main, "first", 1, MINE), edited(main, "second", 3, THEIRS)
    code, found = at_once(second, first.push)
    assert code == 3
    assert [(one["version"], one["passed_over"]) for one in found["published"]] == [(3, [2])]
    assert MINE not in main.said()
    follow(second, found["error"]["hint"])
    assert MINE in second.content() and THEIRS in second.content()
    second.commit()
    assert second.push() == [4]
    assert second.content() == main.said()
    assert passed_over(main) == []
    first.ok("pull")
    assert first.content() == main.said()


def test_after_three_pushes_at_once_everybody_merges_and_nothing_is_missing(main: Copy) -> None:
    clones = [edited(main, f"clone-{n}", 2 * n + 1, rule) for n, rule in enumerate((MINE, OURS, THEIRS))]
    first, second, third = clones
    assert at_once(third, lambda: at_once(second, first.push))[1]["published"][0]["version"] == 4
    for clone in (third, first, second):
        clone.ok("pull", "--merge")
        if clone.state() == "ahead":
            clone.commit()
            clone.push()
    assert [rule for rule in (MINE, OURS, THEIRS) if rule not in main.said()] == []
    assert passed_over(main) == []


@pytest.mark.parametrize("committed", [False, True], ids=["uncommitted", "committed"])
def test_the_very_same_content_pushed_at_once_is_said_and_passes_nothing_over(
    main: Copy, committed: bool
) -> None:
    first, second = main.clone("first"), main.clone("second")
    for clone in (first, second):
        clone.line(1, MINE)
        if committed:
            clone.commit()
    code, found = at_once(second, first.push)
    assert (code, [one["name"] for one in found["raced"]]) == (3, [NAME])
    assert (first.state(), second.state()) == ("in-sync", "in-sync")
    assert passed_over(main) == []


# -- what walks found --------------------------------------------------------------------------------------


def test_marks_may_name_commits_of_several_branches_that_head_does_not_reach(main: Copy) -> None:
    w = edited(main, "w", 1, MINE)
    w.git("push", "-q", "origin", "HEAD:w")
    assert w.push() == [2]
    main.git("merge", "-q", "--squash", "w")
    main.commit_line(2, OURS)
    main.commit_line(3, THEIRS)
    assert deploy(main) == (3, [])
    old = fresh(main)
    old.git("checkout", "-q", "HEAD~2")
    assert old.state() == "behind"
    old.ok("pull")
    assert old.content() == main.content()


def test_what_the_dashboard_took_away_does_not_return_with_what_was_passed_over(main: Copy) -> None:
    colleague = main.clone("colleague")
    main.commit_line(1, MINE)
    colleague.git("pull", "-q", str(main.root), "main")
    colleague.line(3, THEIRS)
    assert colleague.push("-y") == [2]
    assert main.push(NAME, "--force", "-y") == [3]
    assert main.restore(1) == 4
    clone = fresh(main)
    clone.ok("pull", "--passed-over")
    assert THEIRS in clone.content() and MINE not in clone.content()


def test_a_pull_keeps_what_a_forced_old_version_passed_over(main: Copy) -> None:
    main.commit_line(1, MINE)
    assert main.push() == [2]
    colleague = fresh(main)
    main.ok("pull", NAME, "--version", "1")
    assert main.ok("push", NAME, "--force", "-y")["published"][0]["passed_over"] == [2]
    colleague.run("pull")
    assert MINE in colleague.content()
