"""Two passed-over versions that clash: they come one at a time, and the hints lead through all of them."""

from __future__ import annotations

import re
import shlex

import pytest
from worlds import Run, World

FIRST, SECOND = "Be very kind.", "Be extremely kind."
MARKERS = re.compile(r"<<<<<<< yours\n(.*?)=======\n(.*?)>>>>>>> (v\d+)\n", re.DOTALL)


def text_of(first: str) -> str:
    return f"{first}\n\nBe brief.\n\nAnswer {{question}}.\n"


@pytest.fixture
def clashing(world: World) -> World:
    """Two drafts of the same line, v2 and v4, each passed over by a release that changed another line."""
    world.write("refund", text_of("Be kind."))
    world.commit("Say it")
    world.ok("push")
    for draft, old, new in ((FIRST, "Be brief.", "Be short."), (SECOND, "Be short.", "Be terse.")):
        world.publish("refund", text_of(draft).replace("Be brief.", old))
        world.edit("refund", old, new)
        world.commit(new)
        world.ok("push", "--force", "refund", "-y")
    return world


def hints(done: Run) -> list[list[str]]:
    return [shlex.split(line)[2:] for line in done.err.splitlines() if line.startswith("hint: promptsync ")]


def resolved(world: World) -> str:
    """Keep both sides of each conflict, and return which version the markers name."""
    path = world.path("refund")
    before = path.read_text("utf-8")
    (conflict,) = MARKERS.finditer(re.sub(r"^ {4,}", "", before, flags=re.MULTILINE))
    path.write_text(re.sub(r"^ *(<{7}|={7}|>{7}).*\n", "", before, flags=re.MULTILINE), "utf-8")
    return conflict[3]


def test_following_the_first_hint_brings_every_draft(clashing: World) -> None:
    before, done = clashing.files(), clashing.run("pull", "--passed-over")
    assert "'refund': passed-over v4 does not merge in 1 place; nothing was written" in done.err
    (row,) = (line for line in done.err.splitlines() if "registry v" in line)
    assert "registry v4" in row and "extremely" in row
    assert hints(done) == [["pull", "refund", "--passed-over", "--markers"]]
    assert clashing.files() == before
    clashing.exits(3, *hints(done)[0])
    assert resolved(clashing) == "v4"
    clashing.ok("pull", "--passed-over")
    check(clashing, FIRST, SECOND)


def test_drafts_that_both_clash_with_the_file_get_markers_one_at_a_time(clashing: World) -> None:
    clashing.edit("refund", "Be kind.", "Be curt.")
    clashing.commit("Be curt")
    clashing.ok("push")
    for version in (2, 4):
        done = clashing.run("pull", "--passed-over")
        assert f"passed-over v{version} does not merge" in done.err
        done = clashing.exits(3, *hints(done)[0])
        assert f"with v{version}, passed over before" in done.out
        assert resolved(clashing) == f"v{version}"
    assert clashing.ok("pull", "--passed-over").out.endswith("\nnothing to pull\n")
    check(clashing, "Be curt.", FIRST, SECOND)


def check(world: World, *lines: str) -> None:
    """All lines are in the file, and nothing is passed over once it is pushed."""
    text = world.path("refund").read_text("utf-8")
    assert [line for line in lines if line not in text] == []
    world.commit("Bring both back")
    world.ok("push")
    (found,) = world.ok("status", "--json").document["prompts"]
    assert (found["state"], found["passed_over"]) == ("in-sync", [])
