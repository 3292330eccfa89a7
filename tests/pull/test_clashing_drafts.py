"""Two passed-over versions that clash: they come one at a time, and the hints lead through all of them."""

from __future__ import annotations

import re
import shlex

import pytest
from worlds import SYNCED, Run, World

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


def passed_over(world: World) -> list[int]:
    (found,) = world.run("status", "--json").document["prompts"]
    versions: list[int] = found["passed_over"]
    return versions


def resolved(world: World) -> str:
    """Keep both sides of each conflict, and return which version the markers name."""
    path = world.path("refund")
    before = path.read_text("utf-8")
    (conflict,) = MARKERS.finditer(re.sub(r"^ {4,}", "", before, flags=re.MULTILINE))
    path.write_text(re.sub(r"^ *(<{7}|={7}|>{7}).*\n", "", before, flags=re.MULTILINE), "utf-8")
    return conflict[3]


def test_the_refusal_names_the_version_whose_text_it_shows(clashing: World) -> None:
    before = clashing.files()
    done = clashing.run("pull", "--passed-over")
    assert done.code == 3
    assert "'refund': passed-over v4 does not merge in 1 place; nothing was written" in done.err
    (row,) = (line for line in done.err.splitlines() if "registry v" in line)
    assert "registry v4" in row and "extremely" in row
    assert hints(done) == [
        ["pull", "refund@4", "--passed-over", "--markers"],
        ["pull", "refund@4", "--no-passed-over"],
    ]
    assert clashing.files() == before


def test_following_the_first_hint_brings_every_draft(clashing: World) -> None:
    versions = set()
    for _ in range(4):
        done = clashing.run("pull", "--passed-over")
        if done.code == 0:
            break
        after = clashing.run(*hints(done)[0])
        if after.code:
            versions.add(resolved(clashing))
    text = clashing.path("refund").read_text("utf-8")
    assert done.code == 0 and FIRST in text and SECOND in text and versions
    assert clashing.states() == {"refund": "ahead"}
    clashing.commit("Bring both back")
    clashing.ok("push")
    assert passed_over(clashing) == [] and clashing.states() == {"refund": "in-sync"}


def test_drafts_that_both_clash_with_the_file_get_markers_one_at_a_time(clashing: World) -> None:
    clashing.edit("refund", "Be kind.", "Be curt.")
    clashing.commit("Be curt")
    clashing.ok("push")
    for version in (2, 4):
        done = clashing.run("pull", "--passed-over")
        assert f"passed-over v{version} does not merge" in done.err
        done = clashing.run(*hints(done)[0])
        assert done.code == 3
        assert f"with v{version}, passed over before" in done.out
        assert resolved(clashing) == f"v{version}"
    text = clashing.path("refund").read_text("utf-8")
    assert all(line in text for line in ("Be curt.", FIRST, SECOND))
    assert clashing.ok("pull", "--passed-over").out.endswith("\nnothing to pull\n")


@pytest.mark.parametrize(("version", "other", "text"), [(2, 4, SECOND), (4, 2, FIRST)])
def test_one_draft_is_left_out_and_the_other_comes(
    clashing: World, version: int, other: int, text: str
) -> None:
    before = clashing.path("refund").read_text("utf-8")
    done = clashing.ok("pull", f"refund@{version}", "--no-passed-over")
    assert f"without v{version}, passed over before" in done.out
    assert SYNCED.sub("", clashing.path("refund").read_text("utf-8")) == SYNCED.sub("", before)
    done = clashing.ok("pull", f"refund@{other}", "--passed-over")
    assert f"with v{other}, passed over before" in done.out
    assert text in clashing.path("refund").read_text("utf-8")
    assert clashing.ok("pull", "--passed-over").out.endswith("\nnothing to pull\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["refund@1"], "refund: v1 was not passed over, or the file includes it"),
        (["refund@9"], "refund: v9 was not passed over, or the file includes it"),
        (["refund@2", "refund@4"], "pull writes one version at a time"),
        (["refund:prod"], "--label and --passed-over cannot be combined"),
    ],
)
def test_a_version_that_cannot_come_is_a_usage_error(
    clashing: World, arguments: list[str], message: str
) -> None:
    before = clashing.files()
    done = clashing.run("pull", "--passed-over", *arguments)
    assert done.code == 2 and message in done.err and clashing.files() == before


def test_a_draft_that_another_one_was_made_from_comes_with_that(clashing: World) -> None:
    clashing.publish("refund", text_of("Be kind.").replace("Be brief.", "Be terse. Now."))
    clashing.publish("refund", text_of("Be kind.").replace("Be brief.", "Be terse. Right now."))
    clashing.edit("refund", "Answer", "Reply to")
    clashing.commit("Reply")
    clashing.ok("push", "--force", "refund", "-y")
    done = clashing.run("pull", "refund@6", "--passed-over")
    assert done.code == 2 and "refund: v6 is part of v7" in done.err
    (hint,) = hints(done)
    assert "with v6, v7, passed over before" in clashing.ok(*hint).out
    assert "Right now." in clashing.path("refund").read_text("utf-8")
