"""Two deploys of the same commit at once: one succeeds, and the other does so the next time."""

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
    ("when", "code", "versions"),
    [("list", 3, 2), ("publish", 3, 3), ("published", 0, 2), ("run", 0, 2), ("label", 0, 2)],
)
def test_what_the_other_one_published_first_stops_a_deploy_that_the_next_one_finishes(
    released: World, twin: World, when: str, code: int, versions: int
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
    assert (done.code, theirs["exit_code"]) == (code, 0), f"{done}\n{theirs}"
    assert released.label("a", "prod") == 2
    released.ok("deploy")
    assert {released.text("a", number) for number in range(2, versions + 1)} == {"A polite welcome, {name}"}
    assert (released.version("a"), released.label("a", "prod")) == (versions, 2)
    assert released.run("status", "--label", "prod", "--exit-code").code == 0
    assert released.run("deploy", "--json").document["members"] == []


def test_another_text_of_somebody_else_is_still_a_conflict(released: World, twin: World) -> None:
    twin.edit("a", "welcome", "good day")
    twin.git("commit", "-qam", "Good day")
    react, runs = deployed_by(twin, is_second_list())
    released.faults.append(react)
    done = released.run("deploy", "--json")
    assert (done.code, json.loads(runs[1].out)["exit_code"]) == (3, 0), str(done)
    assert done.document["error"]["code"] == "remote-moved"
    assert released.label("a", "prod") == released.version("a") == 2
