"""What past runs say about versions, also in registries that fail or do not say everything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from evaluation_files import at_most, contains, declared, evaluation
from worlds import Reply, Seen, World, asking, failing, fault, made

from promptsync.checks.past_runs import MOST
from promptsync.checks.verdicts import Verdict, verdicts
from promptsync.files.worktree import scan

PEOPLE = [{"name": "Ada"}, {"name": "Linus"}]
FIXTURES = declared(
    """
agents:
  - {name: bot, nodes: [{name: answer, prompt: a, output: true}]}
""",
    evaluation("polite", "a", PEOPLE, contains("please")),
    evaluation("short", "a", PEOPLE, at_most(20)),
    evaluation("b polite", "b", PEOPLE, contains("please")),
    evaluation("unscored", "a", PEOPLE),
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Version 1 of ``a`` and ``b`` says please, version 2 does not; nothing was run."""
    with made(tmp_path, git=False, fixtures=FIXTURES) as world:
        for name in "ab":
            world.publish(name, "{name}, please")
            world.publish(name, "Come, {name}")
        yield world


def config(world: World, *checks: str) -> None:
    path = world.root / "promptsync.yaml"
    first = path.read_text().splitlines()[:2]
    path.write_text("\n".join([*first, "checks:", *(f"  - {{{one}}}" for one in checks)]) + "\n")


def ask(
    world: World, live: Mapping[str, int] | None = None, **versions: int
) -> dict[str, tuple[bool | None, str]]:
    with world.project() as project:
        files = scan(project.root, project.config.prompts).files
        ids = {prompt.name: prompt.template_id for prompt in project.registry.prompts.list()}
        world.forget()
        found = verdicts(project, versions, files, ids, live or {})
    assert found == {
        name: Verdict(name, versions[name], one.passed, one.reason) for name, one in found.items()
    }
    return {name: (one.passed, one.reason) for name, one in found.items()}


def run_at(world: World, *evaluations: str) -> None:
    """Run evaluations to their end, whatever their scores."""
    runs = world.run("eval", "run", *evaluations, "--json").document["runs"]
    assert [run["status"] for run in runs] == ["completed"] * len(evaluations)


def test_the_newest_run_of_exactly_that_version_decides(world: World) -> None:
    config(world, "match: a, evaluation: polite, min_score: 90")
    run_at(world, "polite")
    assert ask(world, a=2) == {"a": (False, "polite: 0 on the echo model is below the minimum of 90")}
    assert ask(world, a=1) == {"a": (None, "polite hasn't run on it")}
    world.publish("a", "{name}, please")
    run_at(world, "polite")
    assert ask(world, a=3) == {"a": (True, "")}
    assert ask(world, a=2) == {"a": (False, "polite: 0 on the echo model is below the minimum of 90")}


def test_a_run_that_was_started_elsewhere_does_not_count(world: World) -> None:
    config(world, "match: a, evaluation: polite")
    assert world.call("POST", "/reports/1/run", {"name": "nightly"}).status == 201
    assert json.loads(world.ok("eval", "show", "polite", "--wait", "--json").out)["runs"][0]["passed"]
    assert ask(world, a=2) == {"a": (None, "polite hasn't run on it")}


def test_a_drop_below_the_live_version_is_a_failure(world: World) -> None:
    config(world, "match: a, evaluation: polite, max_drop: 20")
    world.publish("a", "{name}, please")
    run_at(world, "polite")
    world.publish("a", "{name}")
    run_at(world, "polite")
    failed = (False, "polite: score fell 100 points from live v3 (100 -> 0); max_drop is 20")
    assert ask(world, {"a": 3}, a=4) == {"a": failed}
    # Nothing is known of v1, v4 is live itself, and nobody said what is live.
    for live in ({"a": 1}, {"a": 4}, None):
        assert ask(world, live, a=4) == {"a": (True, "")}
    assert ask(world, {"a": 4}, a=3) == {"a": (True, "")}


def test_all_checks_count_and_a_failure_is_reported_first(world: World) -> None:
    config(world, "match: a, evaluation: short", "match: a, evaluation: polite, min_score: 50")
    run_at(world, "polite")
    assert ask(world, a=2) == {"a": (False, "polite: 0 on the echo model is below the minimum of 50")}
    world.publish("a", "{name}, please, and more than twenty characters")
    run_at(world, "polite")
    assert ask(world, a=3) == {"a": (None, "short hasn't run on it")}
    run_at(world, "short")
    assert ask(world, a=3) == {"a": (True, "")}


def test_each_prompt_has_its_own_minimum(world: World) -> None:
    config(
        world,
        "match: a, evaluation: polite, min_score: 0",
        "match: b, evaluation: b polite, min_score: 1",
        "match: b, evaluation: polite, min_score: 100",
    )
    run_at(world, "polite", "b polite")
    # The pattern gives b an evaluation of a, which is no check of b and does not matter.
    assert ask(world, a=2, b=2) == {
        "a": (True, ""),
        "b": (False, "b polite: 0 on the echo model is below the minimum of 1"),
    }


def test_an_evaluation_of_another_prompt_is_not_enough(world: World) -> None:
    config(world, "match: '*', evaluation: polite")
    run_at(world, "polite")
    assert ask(world, a=2, b=2) == {"a": (True, ""), "b": (None, "polite hasn't run on it")}


def test_an_evaluation_is_named_by_its_id_or_in_the_file(world: World) -> None:
    found = json.loads(world.run("eval", "list", "--json").out)["evaluations"]
    number = next(one["id"] for one in found if one["name"] == "polite")
    world.write("a", "{name}", evaluations=["polite"])
    config(world, f"match: a, evaluation: '{number}', min_score: 10")
    run_at(world, "polite")
    assert ask(world, a=2) == {"a": (False, "polite: 0 on the echo model is below the minimum of 10")}


def test_what_has_no_checks_costs_no_request(world: World) -> None:
    world.write("s", content="snippet")
    world.write("a", "{name}", agents=[{"name": "bot"}])
    world.forget()
    assert ask(world, a=2, b=1, s=1) == {
        "a": (None, "past runs of bot cannot be listed"),
        "b": (None, "no checks"),
        "s": (None, "no checks of its own"),
    }
    assert world.seen == []


def test_a_passed_evaluation_is_enough_beside_an_agent_whose_runs_cannot_be_listed(world: World) -> None:
    world.write("a", "{name}", agents=[{"name": "bot"}], evaluations=["short"])
    run_at(world, "short")
    assert ask(world, a=2) == {"a": (True, "")}


def test_failed_cells_and_a_missing_score_are_named(world: World) -> None:
    config(world, "match: a, evaluation: unscored")
    run_at(world, "unscored")
    assert ask(world, a=2) == {"a": (None, "unscored has no score")}
    config(world, "match: a, evaluation: polite")
    run_at(world, "polite")

    def with_failed_cells(seen: Seen, forward: Any) -> Reply:
        reply = forward(seen)
        return Reply(re.sub(r'"FAILED": ?0', '"FAILED": 2', reply.body))

    world.faults.append(fault(asking("GET", "/evaluations/"), with_failed_cells))
    assert ask(world, a=2) == {"a": (False, "polite: 2 failed cells")}


def test_an_evaluation_that_does_not_exist_is_named(world: World) -> None:
    config(world, "match: a, evaluation: nice")
    assert ask(world, a=2) == {"a": (None, "nice: the registry does not have it")}


def test_one_report_is_read_once_for_several_prompts_and_stops_at_the_version(world: World) -> None:
    config(world, "match: '*', evaluation: polite")
    for _ in range(3):
        run_at(world, "polite")
    world.forget()
    assert ask(world, a=2)["a"] == (True, "")
    assert len(_reports(world)) == 1
    world.forget()
    # b is not found in any of them, but none is read twice.
    ask(world, a=2, b=2)
    assert len(_reports(world)) == len(set(_reports(world))) == 3


def test_only_the_newest_runs_are_read(world: World) -> None:
    config(world, "match: a, evaluation: polite, min_score: 90")
    run_at(world, "polite")
    world.publish("a", "Go, {name}")
    for _ in range(MOST - 1):
        run_at(world, "polite")
    assert ask(world, a=2) == {"a": (False, "polite: 0 on the echo model is below the minimum of 90")}
    run_at(world, "polite")
    world.forget()
    assert ask(world, a=1) == {"a": (None, f"polite: none of its newest {MOST} runs used it")}
    assert len(_reports(world)) == MOST


def _reports(world: World) -> list[str]:
    return [one.target for one in world.seen if "/evaluations/" in one.target]


@pytest.mark.parametrize(
    ("part", "status", "reason"),
    [
        ("/evaluations?", 403, "polite: its runs could not be read: "),
        ("/evaluations?", 500, "polite: its runs could not be read: "),
        ("/evaluations/", 403, "polite: its runs could not be read: "),
    ],
)
def test_a_registry_that_fails_is_a_reason_and_no_error(
    world: World, part: str, status: int, reason: str
) -> None:
    config(world, "match: a, evaluation: polite")
    run_at(world, "polite")
    world.faults.append(fault(asking("GET", part), failing(status)))
    passed, why = ask(world, a=2)["a"]
    assert passed is None
    assert why.startswith(reason), why


def _without(*keys: str) -> Any:
    def drop(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: drop(one) for key, one in value.items() if key not in keys}
        return [drop(one) for one in value] if isinstance(value, list) else value

    def reply(seen: Seen, forward: Any) -> Reply:
        return Reply(drop(json.loads(forward(seen).body)))

    return reply


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (["runs"], "polite: the registry does not list its runs"),
        (["prompt_registry_id", "template"], "polite: its report names v2, but no prompt"),
        (["prompt_version_number", "template"], "polite: the run names no version"),
    ],
)
def test_a_registry_that_says_less_is_not_guessed_at(world: World, keys: list[str], reason: str) -> None:
    config(world, "match: a, evaluation: polite")
    run_at(world, "polite")
    world.faults.append(fault(asking("GET", "evaluations"), _without(*keys)))
    assert ask(world, a=2) == {"a": (None, reason)}
