"""Responses that say the same in another way: every verb shows the same, and exits with the same code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from mutations import HARMLESS, Change, aligned, in_camel_case, meeting, mutated
from worlds import World

READING = (
    "status --exit-code",
    "diff",
    "push --dry-run",
    "pull --dry-run",
    "ls-remote",
    "log greet",
    "show reply",
    "label list",
    "render greet --from-registry --var name=Ada",
    "deploy --dry-run",
    "eval list",
    "agent list",
    "dataset list",
)
RUNNING = ("eval run polite", "agent run bot --var name=Ada")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with aligned(tmp_path_factory.mktemp("mutated")) as world:
        yield world


def shown(world: World, line: str) -> tuple[int, Any]:
    """The exit code and the document of a command, without the ids of runs."""
    done = world.run(*line.split(), "--json")
    document = json.loads(done.out)
    for evaluation in document.get("evaluations", ()):
        del evaluation["runs"]  # each of these tests adds one
    for run in document.get("runs", ()):
        for key in ("report_id", "execution_id", "seconds", "request_ids"):
            run.pop(key, None)
    return done.code, document


@pytest.fixture(scope="module")
def plain(copy: World) -> dict[str, tuple[int, Any]]:
    """What each command shows if nothing is mutated."""
    documents = {line: shown(copy, line) for line in (*READING, *RUNNING)}
    assert {code for code, _ in documents.values()} == {0}
    return documents


@pytest.mark.parametrize("change", HARMLESS.values(), ids=list(HARMLESS))
def test_a_mutation_without_a_meaning_changes_nothing(
    copy: World, plain: dict[str, tuple[int, Any]], change: Change
) -> None:
    copy.faults[:] = [mutated(change)]
    try:
        for line in (*READING, *RUNNING):
            assert shown(copy, line) == plain[line], line
        assert copy.run("doctor", "-q").code == 0
    finally:
        copy.faults.clear()


@pytest.mark.parametrize(
    "line", [*READING, *RUNNING, "doctor", "rollback greet --label prod -y", "promote prod beta -y"]
)
def test_another_apis_names_fail_with_a_sentence(copy: World, line: str) -> None:
    before = len(copy.writes)
    done = meeting(copy, mutated(in_camel_case), line)
    # What doctor finds is its result, so it exits with 1. Names and ids are single words, so these lists are
    # understood, without what is optional. What was started without a readable id is unknown.
    expected = {"doctor": 1, "dataset list": 0, "eval list": 0, "agent list": 0}
    expected |= dict.fromkeys(["eval run polite", "agent run bot --var name=Ada"], 5)
    assert done.code == expected.get(line, 4), str(done)
    if done.code == 4:
        assert "expected" in done.err or "without" in done.err, done.err
    if line not in RUNNING:
        assert len(copy.writes) == before
