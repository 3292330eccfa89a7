"""Conflicts that git leaves in prompt files: named as such, and merged where only ``synced:`` differs."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml
from worlds import SYNCED, World

from promptsync.files.prompt_file import parse, with_both_keys
from promptsync.files.yaml.load import InvalidFile

LINES = ["Be kind.", "Be brief.", "Never promise money.", "Ask for the order.", "Answer {question}."]
A, B, C = "3-aaaaaaa", "12-bbbbbbb", "4-ccccccc"


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
def test_git_markers_are_named_with_the_command_and_pull_merge_keeps_the_keys_of_both_sides(
    pulled_twice: World, style: dict[str, str]
) -> None:
    merge(pulled_twice, "aside", **style)
    line = pulled_twice.path("refund").read_text("utf-8").splitlines().index("<<<<<<< HEAD") + 1
    for verb in ("status", "push", "pull", "diff", "deploy --label prod", "render refund"):
        done = pulled_twice.run(*verb.split())
        shown = done.out + done.err
        assert f"prompts/refund.yaml:{line}:1: Git conflict markers: both sides of a merge changed" in shown
        assert "promptsync pull --merge refund" in shown and done.code in (1, 3)
    (problem,) = pulled_twice.run("lint", "--json").document["problems"]
    assert (problem["rule"], problem["line"]) == ("conflict-markers", line)
    done = pulled_twice.ok("pull", "--merge", *["refund"] * bool(style), "--json").document
    assert [one["name"] for one in done["merged"]] == ["refund"]
    document = yaml.safe_load(pulled_twice.path("refund").read_text("utf-8"))
    assert [key.partition("-")[0] for key in document["synced"]] == ["3", "2"]
    (message,) = document["messages"]
    assert message["content"] == said(l1="Be very kind.", l2="Be short.", l4="Ask for the number.")
    pulled_twice.commit("Merge")
    assert pulled_twice.states() == {"refund": "ahead", "other": "in-sync"}
    pulled_twice.ok("push")
    assert set(pulled_twice.states().values()) == {"in-sync"}


def test_a_conflict_of_texts_is_for_a_person(pulled_twice: World) -> None:
    pulled_twice.git("checkout", "-q", "aside")
    pulled_twice.edit("refund", "Be brief.", "Be terse.")
    pulled_twice.commit("Be terse")
    pulled_twice.git("checkout", "-q", "main")
    merge(pulled_twice, "aside")
    before = pulled_twice.files()
    for verb in ("push", "pull --merge", "pull --merge refund"):
        done = pulled_twice.says(
            1, "Git conflict markers: both sides of a merge are in this file.", *verb.split()
        )
        assert pulled_twice.files() == before and "hint: edit prompts/refund.yaml:" in done.err
    # Once somebody has decided about the text, the keys are left.
    decided = re.sub(
        r"<{7}.*\n((?:.*\n)*?)={7}\n(?:.*\n)*?>{7}.*\n",
        r"\1",
        before["prompts/refund.yaml"].decode(),
        count=1,
    )
    pulled_twice.put("prompts/refund.yaml", decided)
    assert decided.count("<<<<<<<") == 1
    pulled_twice.ok("pull", "--merge")
    assert parse(pulled_twice.path("refund").read_bytes(), "refund.yaml", "refund")


def conflict(ours: str, theirs: str, base: str = "") -> str:
    base = f"||||||| 1a2b3c4\n{base}" if base else ""
    return f"content: x\n<<<<<<< HEAD\n{ours}{base}=======\n{theirs}>>>>>>> aside\ntags: [a]\n"


MERGED = [
    (f"synced: {A}\n", f"synced: {B}\n", f"synced: [{B}, {A}]\n"),
    (f"synced: {A}\n", f"synced: {A}\n", f"synced: {A}\n"),
    ("", f"synced: {B}\n", None),
    (f"synced: [{A}, {C}]\n", f"synced: {B}\n", f"synced: [{B}, {C}, {A}]\n"),
    (f"synced: {{local: {A}}}\n", f"synced: {{local: {B}}}\n", None),
    (f"synced: {A}\n", f"synced: {{local: {B}}}\n", None),
    (f"synced: {A}  # why\n", f"synced: {B}\n", None),
    (f"synced: {A}\nmetadata: {{a: 1}}\n", f"synced: {B}\n", None),
    ("- x\n", "- y\n", None),
]


@pytest.mark.parametrize("base", ["", "synced: 1-0a1b2c3\n"], ids=["merge", "diff3"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(("ours", "theirs", "expected"), MERGED)
def test_keys_are_united_where_nothing_else_differs(
    ours: str, theirs: str, expected: str | None, base: str, end: str
) -> None:
    text = conflict(ours, theirs, base).replace("\n", end)
    whole = with_both_keys(text)
    if expected is None:
        assert whole == text
        return
    assert yaml.safe_load(whole) == yaml.safe_load(f"content: x\n{expected}tags: [a]\n")
    assert SYNCED.sub("", whole).replace("\r\n", "\n") == "content: x\ntags: [a]\n"
    assert end == "\n" or "\n" not in whole.replace("\r\n", "")


MARKED = "<<<<<<< HEAD\nsynced: 1-0a1b2c3\n"


@pytest.mark.parametrize("text", [("|||||||\n" + MARKED) * 50_000, "<<<<<<< a\n=======\n"])
def test_markers_without_the_others_are_just_broken_yaml(text: str) -> None:
    with pytest.raises(InvalidFile) as caught:
        parse(text.encode(), "p.yaml", "p")
    assert caught.value.problems[0].rule != "conflict-markers"
