"""Two deploys of the same commit at once: the text of the other one is as good as one's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from worlds import Reply, Run, Seen, World, published_name


@pytest.fixture
def twin(released: World) -> World:
    """``a`` was changed and committed, and another clone has that commit, too."""
    released.edit("a", "hello", "welcome")
    released.commit("Welcome")
    other = released.root.parent / "twin"
    shutil.copytree(released.root, other)
    shutil.rmtree(other / ".promptsync", ignore_errors=True)
    return replace(released, root=other, faults=[], seen=[])


def deployed_by(twin: World, when: Callable[[Seen], bool], *, after: bool = False) -> Any:
    """A fault: once, when a request matches, the other clone deploys from beginning to end."""
    runs: list[Run] = []

    def react(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        if runs or not when(seen):
            return None
        answer = forward(seen) if after else None
        runs.append(Run(0, "", ""))  # before it runs, because its requests come here, too
        runs.append(twin.apart("deploy", "--json"))
        return answer

    return react, runs


def is_publish(seen: Seen) -> bool:
    return bool(published_name(seen))


def is_run(seen: Seen) -> bool:
    return seen.method == "POST" and "/evaluations/" in seen.path and seen.path.endswith("/run")


def is_label_move(seen: Seen) -> bool:
    return seen.method == "PATCH" and "/prompt-labels/" in seen.path


def is_second_list() -> Callable[[Seen], bool]:
    """The list that a push reads right before its first write."""
    lists: list[Seen] = []

    def matches(seen: Seen) -> bool:
        if seen.method == "GET" and seen.path == "/prompt-templates" and "label=" not in seen.target:
            lists.append(seen)
        return len(lists) == 2

    return matches


@pytest.mark.parametrize(
    ("when", "versions", "prod"),
    [("list", 2, 2), ("publish", 3, 2), ("published", 2, 2), ("run", 2, 2), ("label", 2, 2)],
)
def test_both_succeed_wherever_the_other_one_comes_in_between(
    released: World, twin: World, when: str, versions: int, prod: int
) -> None:
    matches = {
        "list": is_second_list(),
        "publish": is_publish,
        "published": is_publish,
        "run": is_run,
        "label": is_label_move,
    }[when]
    react, runs = deployed_by(twin, matches, after=when == "published")
    released.faults.append(react)
    done = released.run("deploy", "--json")
    theirs = json.loads(runs[1].out)
    # If both published, the label is at the other one's version: somebody has to look, and finds nothing.
    assert (done.code, theirs["exit_code"]) == (3 if when == "publish" else 0, 0), f"{done}\n{theirs}"
    assert theirs["passed"]
    if when == "publish":
        assert "somebody else moved it to v2 in the meantime" in done.document["error"]["message"]
        released.ok("deploy")
    assert {released.text("a", number) for number in range(2, versions + 1)} == {"A polite welcome, {name}"}
    assert (released.version("a"), released.label("a", "prod")) == (versions, prod)
    assert released.run("status", "--label", "prod", "--exit-code").code == 0
    assert released.run("deploy", "--json").document["members"] == []


def test_the_version_that_the_checks_run_on_is_released(released: World, twin: World) -> None:
    sent: list[Seen] = []

    def react(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        if sent or not is_publish(seen):
            return None
        sent.append(seen)
        answer = forward(seen)
        assert forward(seen).status == 201  # the other one planned at the same time, and is a moment later
        return answer

    released.faults.append(react)
    done = released.run("deploy", "--json")
    assert done.code == 0, str(done)
    assert [(one["name"], one["version"]) for one in done.document["push"]["published"]] == [("a", 2)]
    assert done.document["push"]["already"] == [{"name": "a", "version": 3}]
    assert [one["version"] for one in done.document["eval"]["runs"]] == [3]
    assert released.label("a", "prod") == released.version("a") == 3


def test_another_text_of_somebody_else_is_still_a_conflict(released: World, twin: World) -> None:
    twin.edit("a", "welcome", "good day")
    twin.git("commit", "-qam", "Good day")
    react, runs = deployed_by(twin, is_second_list())
    released.faults.append(react)
    done = released.run("deploy", "--json")
    assert (done.code, json.loads(runs[1].out)["exit_code"]) == (3, 0), str(done)
    assert done.document["error"]["code"] == "remote-moved"
    assert released.label("a", "prod") == released.version("a") == 2
