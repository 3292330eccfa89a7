"""No sentence gets lost between people in real git: random walks, and what is delicate step by step."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from real_walks import ASKED, RealWalk, random_steps
from seeds import FUZZ, numbers, seed_of
from stories import (
    NAME,
    clone,
    commit_line,
    content,
    edit_line,
    push,
    push_after,
    restore,
    state,
    write_rules,
)
from worlds import World, template

STEPS = 20 if FUZZ else 12

MINE, OURS, THEIRS = "Say good day.", "Be friendly.", "Ask for the date."


@template
def main(world: World) -> None:
    """The main repository. Its prompt, a list of rules, is live as version 1."""
    write_rules(world)
    world.commit()
    assert deploy(world) == (1, [])


def fresh(main: World) -> World:
    """Return a new clone of main, as CI and colleagues make one."""
    return clone(main, f"fresh-{len([*main.root.parent.glob('fresh-*')])}")


def deploy(main: World) -> tuple[int, list[int]]:
    """Let CI deploy main. Return the new version, and those that it passed over."""
    found = fresh(main).ok("deploy", "--label", "prod", "--json").document
    (published,) = found["push"]["published"]
    return published["version"], [number for one in found["passed_over"] for number in one["versions"]]


def passed_over(main: World) -> list[int]:
    """Return what a colleague is told, and could bring back."""
    colleague = fresh(main)
    told = [
        number
        for one in colleague.ok("status", "--json").document["prompts"]
        for number in one["passed_over"]
    ]
    found = colleague.ok("pull", "--passed-over", "--dry-run", "--json").document["passed_over"]
    return sorted({*told, *(number for one in found for number in one["versions"])})


def edited(main: World, name: str, number: int, rule: str) -> World:
    """Return a clone with a commit that changes one rule."""
    made = clone(main, name)
    commit_line(made, number, rule)
    return made


# -- walks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", numbers(count=8, fuzz=150))
def test_nothing_is_lost_on_a_random_walk(tmp_path: Path, number: int) -> None:
    seed = seed_of(number)
    walk = RealWalk(tmp_path / "walk").play(random_steps(seed, STEPS))
    assert not walk.failures, "\n".join([f"seed {seed}, {STEPS} steps", *walk.log])
    assert FUZZ or not walk.tally[ASKED], "\n".join(walk.log)


@pytest.mark.parametrize("seed", [3245], ids=["an old version put back, then edited"])
def test_nothing_is_lost_on_a_walk_that_lost_something_once(tmp_path: Path, seed: int) -> None:
    walk = RealWalk(tmp_path / "walk").play(random_steps(seed, 16))
    assert not walk.losses, "\n".join(walk.log)


# -- pushes at once ----------------------------------------------------------------------------------------


def test_the_second_of_two_pushes_at_once_is_reported_and_the_hint_brings_both_together(main: World) -> None:
    first, second = edited(main, "first", 1, MINE), edited(main, "second", 3, THEIRS)
    found = push_after(second, lambda: push(first)).document
    assert [(one["version"], one["passed_over"]) for one in found["published"]] == [(3, [2])]
    assert MINE not in main.text(NAME)
    program, *hint = shlex.split(found["error"]["hint"].splitlines()[0])
    assert program == "promptsync"
    second.ok(*hint[: hint.index(NAME) + 1])
    assert MINE in content(second) and THEIRS in content(second)
    second.commit()
    assert push(second) == [4]
    assert content(second) == main.text(NAME)
    assert passed_over(main) == []
    first.ok("pull")
    assert content(first) == main.text(NAME)


def test_after_three_pushes_at_once_everybody_merges_and_nothing_is_missing(main: World) -> None:
    clones = [edited(main, f"clone-{n}", 2 * n + 1, rule) for n, rule in enumerate((MINE, OURS, THEIRS))]
    first, second, third = clones
    found = push_after(third, lambda: push_after(second, lambda: push(first))).document
    assert found["published"][0]["version"] == 4
    for one in (third, first, second):
        one.ok("pull", "--merge")
        if state(one) == "ahead":
            one.commit()
            push(one)
    assert [rule for rule in (MINE, OURS, THEIRS) if rule not in main.text(NAME)] == []
    assert passed_over(main) == []


@pytest.mark.parametrize("committed", [False, True], ids=["uncommitted", "committed"])
def test_the_very_same_content_pushed_at_once_is_said_and_passes_nothing_over(
    main: World, committed: bool
) -> None:
    first, second = clone(main, "first"), clone(main, "second")
    for one in (first, second):
        (commit_line if committed else edit_line)(one, 1, MINE)
    found = push_after(second, lambda: push(first)).document
    assert [one["name"] for one in found["raced"]] == [NAME]
    assert (state(first), state(second)) == ("in-sync", "in-sync")
    assert passed_over(main) == []


# -- what walks found --------------------------------------------------------------------------------------


def test_marks_may_name_commits_of_several_branches_that_head_does_not_reach(main: World) -> None:
    w = edited(main, "w", 1, MINE)
    w.git("push", "-q", "origin", "HEAD:w")
    assert push(w) == [2]
    main.git("merge", "-q", "--squash", "w")
    commit_line(main, 2, OURS)
    commit_line(main, 3, THEIRS)
    assert deploy(main) == (3, [])
    old = fresh(main)
    old.git("checkout", "-q", "HEAD~2")
    assert state(old) == "behind"
    old.ok("pull")
    assert content(old) == content(main)


def test_what_the_dashboard_took_away_does_not_return_with_what_was_passed_over(main: World) -> None:
    colleague = clone(main, "colleague")
    commit_line(main, 1, MINE)
    colleague.git("pull", "-q", str(main.root), "main")
    edit_line(colleague, 3, THEIRS)
    assert push(colleague, "-y") == [2]
    assert push(main, NAME, "--force", "-y") == [3]
    assert restore(main, 1) == 4
    later = fresh(main)
    later.ok("pull", "--passed-over")
    assert THEIRS in content(later) and MINE not in content(later)


def test_a_pull_keeps_what_a_forced_old_version_passed_over(main: World) -> None:
    commit_line(main, 1, MINE)
    assert push(main) == [2]
    colleague = fresh(main)
    main.ok("pull", NAME, "--version", "1")
    forced = main.ok("push", NAME, "--force", "-y", "--json").document
    assert forced["published"][0]["passed_over"] == [2]
    colleague.run("pull")
    assert MINE in content(colleague)
