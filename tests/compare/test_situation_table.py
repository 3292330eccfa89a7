"""Each row of the table of situations, played in real git against the embedded registry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from situation_table import HISTORIES, PARTS, SITUATIONS, Row, rows
from stories import NAME, commit, content, keys, merged, play, push, write_rules
from worlds import SYNCED, Run, World, template


def verbs(world: World, row: Row, place: Path) -> Iterator[World]:
    """Play a row, and yield where to look, again and again as it was then."""
    world.git("update-index", "-q", "--refresh")  # or git takes the copied files for edited ones
    copy = play(world, row.story, PARTS)
    copy.keep(place / "played")
    while True:
        yield copy
        copy.take_back(place / "played")


# -- histories ----------------------------------------------------------------------------------------------


@template
def released_rules(world: World) -> None:
    write_rules(world)
    world.commit()
    assert push(world) == [1]
    world.ok("label", "set", NAME, "prod", "--version", "1")


def own(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows about the prompt that this is about; another one may lie in the registry beside it."""
    return [row for row in rows if row["name"] == NAME]


@pytest.mark.parametrize("row", rows(HISTORIES), ids=str)
def test_every_verb_does_what_the_table_of_histories_says(
    released_rules: World, row: Row, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stage, does = verbs(released_rules, row, tmp_path_factory.mktemp("stage")), row.does
    copy = next(stage)
    (found,) = own(copy.ok("status", "--json").document["prompts"])
    passed_over = [int(does["passed"].removeprefix("over "))] if "passed" in does else []
    assert (found["state"], found["passed_over"]) == (row.state, passed_over)
    merge = partial(check_pull, options=("--merge",))
    for verb, check in (
        ("push", check_push),
        ("pull", check_pull),
        ("merge", merge),
        ("deploy", check_deploy),
    ):
        check(copy, does.get(verb, ""))
        copy = next(stage) if does.get(verb) else copy  # what did nothing needs no new copy


def numbers(does: str, *words: str) -> tuple[int, ...]:
    """The versions that follow one of some words."""
    word, _, versions = does.partition(" ")
    return tuple(map(int, versions.split(","))) if word in words else ()


def published(does: str) -> tuple[int, ...]:
    """The version that a mark such as ``v4^3^2`` names."""
    found = re.match(r"\+?v(\d+)", does)
    return (int(found[1]),) if found else numbers(does, "publishes")


def check_push(copy: World, does: str) -> None:
    before = copy.path(NAME).read_text()
    check_published(copy, done(copy, does, "push"), does)
    if does.startswith("+"):  # the text is in no commit that a message could name, so the file says it
        assert keys(copy) == published(does)
        assert SYNCED.sub("", copy.path(NAME).read_text()) == SYNCED.sub("", before)
    else:
        assert copy.path(NAME).read_text() == before


def check_published(copy: World, push: dict[str, Any], does: str) -> None:
    rows = own(push["published"])
    assert tuple(one["version"] for one in rows) == published(does)
    for one in rows:
        assert copy.read(NAME)["commit_message"] == one["message"]
        assert copy.text(NAME) == content(copy)
        found = re.search(r"\(([0-9a-f]{7,40})(\+?) (v[0-9^]+)\)$", one["message"])
        assert found is not None, one["message"]
        assert f"{found[2]}{found[3]}" == does
        newest = copy.git("log", "-1", "--format=%H", "--", str(copy.path(NAME)))
        assert found[2] or newest.startswith(found[1])


def check_pull(copy: World, does: str, options: Sequence[str] = ()) -> None:
    before, ours = copy.path(NAME).read_text(), content(copy)
    found = done(copy, does, "pull", *options)
    if not options:
        assert tuple(one["version"] for one in own(found["written"])) == numbers(does, "writes")
    found_keys = numbers(does, "writes", "theirs", "both")
    if not found_keys:
        assert copy.path(NAME).read_text() == before
        return
    latest = copy.text(NAME)
    assert content(copy) == (merged(ours, latest) if does.startswith("both") else latest)
    assert keys(copy) == found_keys


def check_deploy(copy: World, does: str) -> None:
    if copy.git("status", "--porcelain"):
        copy.commit()
    before = copy.label(NAME, "prod")
    found = done(copy, does, "deploy", "--label", "prod")
    check_published(copy, found["push"], does)
    targets = [*published(does), *numbers(does, "prod")]
    assert [one["to"] for one in found["labels"] if one["moved"]] == targets
    assert copy.label(NAME, "prod") == (targets or [before])[0]


def done(copy: World, does: str, *arguments: str) -> dict[str, Any]:
    """Run a verb that must end as the table says."""
    is_error = does and not published(does) and " " not in does
    found = copy.run(*arguments, "--json")
    expected = (1 if does == "invalid-file" else 3, does) if is_error else (0, "")
    assert (found.code, error_of(found)) == expected, str(found)
    return found.document


def error_of(found: Run) -> str:
    return str(found.document.get("error", {}).get("code", ""))


# -- other situations ---------------------------------------------------------------------------------------


@template
def published_hello(world: World) -> None:
    commit(world, "Hello")
    assert push(world) == [1]


def check(copy: World, verb: str, does: str) -> None:
    before = texts(copy, verb)
    found = done(copy, does, verb)
    made = [tuple(one["version"] for one in found.get(key, ())) for key in ("published", "written")]
    assert made == [published(does), numbers(does, "writes")]
    assert (texts(copy, verb) != before) == bool(made[1])


def texts(copy: World, verb: str) -> dict[Path, str]:
    """What the files say; a push of uncommitted text writes ``synced:`` into them."""
    found = {path: path.read_text() for path in copy.root.glob("prompts/**/*.yaml")}
    return found if verb == "pull" else {path: SYNCED.sub("", text) for path, text in found.items()}


@pytest.mark.parametrize("row", rows(SITUATIONS), ids=str)
def test_every_verb_does_what_the_table_of_other_situations_says(
    published_hello: World, row: Row, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stage = verbs(published_hello, row, tmp_path_factory.mktemp("stage"))
    found = next(stage).run("status", "--json")
    if row.state.startswith("error "):
        assert (found.code, f"error {error_of(found)}") == (3, row.state)
    else:
        first, *others = row.state.split(", ")
        states = dict([(NAME, first), *(other.split(" ") for other in others)])
        assert {one["name"]: one["state"] for one in found.document["prompts"]} == states
        assert found.code == (1 if "invalid" in states.values() else 0)
    copy = next(stage)
    for verb in ("push", "pull"):
        check(copy, verb, row.does.get(verb, ""))
        copy = next(stage) if row.does.get(verb) else copy
