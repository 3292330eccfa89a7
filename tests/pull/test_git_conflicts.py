"""Conflicts that git leaves in prompt files: named as such, for a person to resolve."""

from __future__ import annotations

import re
import subprocess

import pytest
from worlds import World

from promptsync.files.errors import InvalidFile
from promptsync.files.prompt_file import parse

LINES = ["Be kind.", "Be brief.", "Never promise money.", "Ask for the order.", "Answer {question}."]


def said(**lines: str) -> str:
    return "\n\n".join(lines.get(f"l{number}", line) for number, line in enumerate(LINES, 1))


def merge(world: World, branch: str, **style: str) -> None:
    """Merge a branch, which git cannot do alone."""
    options = [part for key, value in style.items() for part in ("-c", f"{key}={value}")]
    with pytest.raises(subprocess.CalledProcessError):
        world.git(*options, "merge", "--no-edit", branch)


@pytest.fixture
def pulled_twice(world: World) -> World:
    """Two branches, each of which pulled another dashboard edit; git merges the texts, not ``synced:``."""
    world.write("refund", said())
    world.write("other", said())
    world.commit("Say it")
    world.ok("push")
    world.publish("refund", said(l1="Be very kind."))
    world.git("checkout", "-qb", "aside")
    world.ok("pull")
    world.commit("Take the first edit")
    world.git("checkout", "-q", "main")
    world.publish("refund", said(l1="Be very kind.", l4="Ask for the number."))
    world.ok("pull")
    world.edit("refund", "Be brief.", "Be short.")
    world.commit("Take both edits, and be short")
    return world


@pytest.mark.parametrize("style", [{}, {"merge.conflictStyle": "diff3"}], ids=["merge", "diff3"])
def test_git_markers_are_named_and_both_keys_may_be_kept(pulled_twice: World, style: dict[str, str]) -> None:
    merge(pulled_twice, "aside", **style)
    before = pulled_twice.files()
    line = pulled_twice.path("refund").read_text("utf-8").splitlines().index("<<<<<<< HEAD") + 1
    for verb in (
        ["status"],
        ["push"],
        ["pull", "--merge", "refund"],
        ["diff"],
        ["deploy", "--label", "prod"],
        ["render", "refund"],
    ):
        done = pulled_twice.run(*verb)
        assert f"prompts/refund.yaml:{line}:1: Git conflict markers: " in done.out + done.err
        assert "of two synced: lines, keep both keys in a list" in done.out + done.err
        assert done.code in (1, 3)
    (problem,) = pulled_twice.run("lint", "--json").document["problems"]
    assert (problem["rule"], problem["line"]) == ("conflict-markers", line)
    assert pulled_twice.files() == before
    text = pulled_twice.path("refund").read_text("utf-8")
    marked = text[text.index("<<<<<<<") : text.index("\n", text.index(">>>>>>>")) + 1]
    keys = sorted({key for key in re.findall(r"synced: (\S+)", marked) if key[0] in "23"}, reverse=True)
    pulled_twice.path("refund").write_text(text.replace(marked, f"synced: [{', '.join(keys)}]\n"), "utf-8")
    assert pulled_twice.states() == {"refund": "ahead", "other": "in-sync"}
    pulled_twice.commit("Merge")
    pulled_twice.ok("push")
    assert set(pulled_twice.states().values()) == {"in-sync"}


def test_a_conflict_of_texts_is_for_a_person(pulled_twice: World) -> None:
    pulled_twice.git("checkout", "-q", "aside")
    pulled_twice.edit("refund", "Be brief.", "Be terse.")
    pulled_twice.commit("Be terse")
    pulled_twice.git("checkout", "-q", "main")
    merge(pulled_twice, "aside")
    before = pulled_twice.files()
    for verb in (["push"], ["pull", "--merge"], ["pull", "--merge", "refund"]):
        done = pulled_twice.run(*verb)
        assert done.code == 1 and pulled_twice.files() == before
        assert "Git conflict markers: both sides of a merge are in this file." in done.err
        assert "hint: edit prompts/refund.yaml:" in done.err


MARKED = "<<<<<<< HEAD\nsynced: 1-0a1b2c3\n"


@pytest.mark.parametrize("text", [MARKED * 50_000, ("|||||||\n" + MARKED) * 50_000, "<<<<<<< a\n=======\n"])
def test_markers_without_the_others_are_just_broken_yaml(text: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        parse(text.encode(), "p.yaml", "p")
    assert caught.value.problems[0].rule != "conflict-markers"
