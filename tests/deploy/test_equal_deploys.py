"""Two deploys at once: one succeeds, and of the same commit the other one does so the next time."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from deploying import change, is_list
from worlds import Run, World, asking, is_move, once, publishing


@pytest.fixture
def twin(released: World) -> World:
    """``a`` was changed and committed, and another clone has that commit, too."""
    change(released, "hello", "welcome")
    other = released.root.parent / "twin"
    shutil.copytree(released.root, other)
    shutil.rmtree(other / ".promptsync", ignore_errors=True)
    return replace(released, root=other, faults=[], seen=[])


def both(world: World, twin: World, when: str) -> tuple[Run, int]:
    """Deploy, while the other clone deploys from beginning to end; return the run, and its exit code."""
    moments = {"list": is_list, "run": asking("POST", "/run"), "label": is_move}
    codes: list[int] = []
    world.faults.append(
        once(
            moments.get(when, publishing()),
            lambda: codes.append(twin.apart("deploy").code),
            after=when == "published",
            at=2 if when == "list" else 1,
        )
    )
    done = world.run("deploy", "--json")
    world.faults.clear()
    return done, codes[0]


@pytest.mark.parametrize(
    ("when", "code", "versions"),
    [("list", 3, 2), ("publish", 3, 3), ("label", 0, 2)],
)
def test_of_equal_texts_one_wins(released: World, twin: World, when: str, code: int, versions: int) -> None:
    done, other = both(released, twin, when)
    assert (done.code, other) == (code, 0), str(done)
    assert released.label("a", "prod") == 2
    released.ok("deploy")
    assert {released.text("a", number) for number in range(2, versions + 1)} == {"A polite welcome, {name}"}
    assert (released.version("a"), released.label("a", "prod")) == (versions, 2)
    assert released.run("status", "--label", "prod", "--exit-code").code == 0
    assert released.run("deploy", "--json").document["members"] == []


@pytest.mark.parametrize(
    ("when", "code", "error", "at"),
    [
        ("published", 3, "raced", 3),
        ("run", 1, "not-passed", 3),
        ("label", 3, "label-not-moved", 2),
    ],
)
def test_no_text_is_lost(released: World, twin: World, when: str, code: int, error: str, at: int) -> None:
    twin.edit("a", "welcome", "good day")
    twin.git("commit", "-qam", "Good day")
    done, other = both(released, twin, when)
    assert (done.code, other, done.document["error"]["code"]) == (code, 0, error), str(done)
    assert released.label("a", "prod") == at
    texts = {released.text("a", number) for number in range(2, released.version("a") + 1)}
    assert len(texts) == released.version("a") - 1
