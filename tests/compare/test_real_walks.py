"""No sentence gets lost between people in real git: random walks, and what is delicate step by step."""

from __future__ import annotations

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
    restore,
    write_rules,
)
from worlds import World, template

STEPS = 20 if FUZZ else 12

MINE, OURS, THEIRS = "Say good day.", "Be friendly.", "Ask for the date."


@template
def main(world: World) -> None:
    """The main repository. Its prompt, a list of rules, is published as version 1."""
    write_rules(world)
    world.commit()
    assert push(world) == [1]


# -- walks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", numbers(count=8, fuzz=150))
def test_nothing_is_lost_on_a_random_walk(tmp_path: Path, number: int) -> None:
    seed = seed_of(number)
    walk = RealWalk(tmp_path / "walk").play(random_steps(seed, STEPS))
    assert not walk.failures, "\n".join([f"seed {seed}, {STEPS} steps", *walk.log])
    assert FUZZ or not walk.tally[ASKED], "\n".join(walk.log)


@pytest.mark.parametrize(
    ("seed", "steps"),
    [
        pytest.param(3245, 16, id="an old version put back, then edited"),
        pytest.param(410830715419, 20, id="the text of an old commit saved in the dashboard"),
        pytest.param(214167396987, 20, id="an old version over a pull that is not committed"),
        pytest.param(711062689504, 20, id="forced over a restore that took its text back"),
    ],
)
def test_nothing_is_lost_on_a_walk_that_lost_something_once(tmp_path: Path, seed: int, steps: int) -> None:
    walk = RealWalk(tmp_path / "walk").play(random_steps(seed, steps))
    assert not walk.losses, "\n".join(walk.log)


# -- what walks found --------------------------------------------------------------------------------------


def test_what_the_dashboard_took_away_does_not_return_with_what_was_passed_over(main: World) -> None:
    colleague = clone(main, "colleague")
    commit_line(main, 1, MINE)
    colleague.git("pull", "-q", str(main.root), "main")
    edit_line(colleague, 3, THEIRS)
    assert push(colleague, "-y") == [2]
    assert push(main, NAME, "--force", "-y") == [3]
    assert restore(main, 1) == 4
    later = clone(main, "later")
    later.ok("pull", "--passed-over")
    assert THEIRS in content(later) and MINE not in content(later)
