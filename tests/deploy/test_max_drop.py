"""Deploys whose scores must not fall too far below those of the versions that are live."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from evaluation_files import contains, declared, evaluation, put
from worlds import World, asking, failing, fault, made

PEOPLE = [{"name": name} for name in ("Ada", "Linus", "Grace", "Alan")]
FIXTURES = declared(
    "",
    evaluation("kind", "a", PEOPLE, contains("please"), contains("kindly", "kindly")),
    evaluation("kind b", "b", PEOPLE, contains("please")),
)
BOTH, ONE, NONE = "{name}, please and kindly", "{name}, please", "{name}, now"
"""Texts that score 100, 50 and 0."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """``a`` scores 100 and is released."""

    def build(world: World) -> None:
        limit(world, "max_drop: 10")
        world.write("a", BOTH)
        world.commit("Add a")
        world.ok("deploy", "--label", "prod")

    with made(tmp_path, fixtures=FIXTURES) as world:
        yield world.built(build)


def limit(world: World, limits: str) -> None:
    path = world.root / "promptsync.yaml"
    head = path.read_text().splitlines()[:2]
    check = f"checks: [{{match: a, evaluation: kind, {limits}}}]"
    path.write_text("\n".join([*head, check]) + "\n")


def change(world: World, text: str, *arguments: str) -> Any:
    """Deploy another text of ``a``."""
    world.write("a", text)
    world.commit("Change a")
    return deploy(world, *arguments)


def deploy(world: World, *arguments: str) -> Any:
    done = world.run("deploy", "--label", "prod", *arguments, "--json")
    return done.code, (done.document["eval"]["runs"] or [None])[0], done.document


def test_a_score_that_falls_too_far_stops_the_release(world: World) -> None:
    code, run, document = change(world, ONE)
    assert code == 1
    assert (run["score"], run["live_score"], run["live_version"]) == (50, 100, 1)
    assert (run["drop"], run["max_drop"], run["passed"]) == (50, 10, False)
    assert document["error"]["message"].endswith(
        "score fell 50 points from live v1 (100 -> 50); max_drop is 10"
    )
    assert world.label("a", "prod") == 1
    # Again: what is live is still v1, and its newest run is still the one that scored 100.
    assert deploy(world)[1]["live_score"] == 100
    assert world.label("a", "prod") == 1


def test_a_drop_within_the_limit_is_released_and_is_what_the_next_one_is_compared_with(world: World) -> None:
    limit(world, "max_drop: 50")
    assert change(world, ONE)[0] == 0
    assert world.label("a", "prod") == 2
    code, run, _ = change(world, NONE)
    assert (code, run["live_version"], run["live_score"]) == (0, 2, 50)
    # After a rollback the older version is the one to compare with.
    world.ok("rollback", "a", "--label", "prod", "--to", "1", "-y")
    limit(world, "max_drop: 10")
    code, run, _ = change(world, f"{ONE}!")
    assert (code, run["live_version"], run["live_score"]) == (1, 1, 100)


LIMITS = [
    # the limits of the configuration, options -> the exit code, the reason
    ("max_drop: 50, min_score: 60", "", 1, "50 on the echo model is below the minimum of 60"),
    (
        "max_drop: 40, min_score: 50",
        "",
        1,
        "score fell 50 points from live v1 (100 -> 50); max_drop is 40",
    ),
    ("max_drop: 50, min_score: 50", "", 0, ""),
    # The option cannot raise the limit of the configuration.
    ("max_drop: 10", "--max-drop 60", 1, "score fell 50 points from live v1 (100 -> 50); max_drop is 10"),
    ("min_score: 0", "--max-drop 50", 0, ""),
    (
        "min_score: 0",
        "--max-drop 49.9",
        1,
        "score fell 50 points from live v1 (100 -> 50); max_drop is 49.9",
    ),
]


@pytest.mark.parametrize(("limits", "options", "code", "reason"), LIMITS)
def test_the_minimum_and_the_drop_both_apply(
    world: World, limits: str, options: str, code: int, reason: str
) -> None:
    limit(world, limits)
    exit_code, run, _ = change(world, ONE, *options.split())
    assert (exit_code, run["reason"] or "") == (code, reason)


def test_a_new_label_has_nothing_to_compare_with_and_says_so(world: World) -> None:
    limit(world, "max_drop: 0, min_score: 90")
    done = world.run("deploy", "--label", "staging", "--allow-dirty")
    assert done.code == 0, str(done)
    assert "kind: max_drop not applied: a is not live yet; the minimum of 90 decides" in done.out
    assert world.label("a", "staging") == 1


def test_a_live_version_that_nothing_ran_is_named(world: World) -> None:
    world.publish("a", BOTH)
    world.ok("pull")
    world.ok("label", "move", "a", "prod")
    code, run, _ = change(world, NONE)
    assert code == 0
    assert run["not_compared"] == "a v2 is live, and no run of it has a score"


def test_the_text_and_the_markdown_show_live_candidate_and_difference(world: World, tmp_path: Path) -> None:
    world.write("a", ONE)
    world.commit("Change a")
    done = world.run("deploy", "--label", "prod", "--junit", str(tmp_path / "results.xml"))
    assert done.code == 1
    (row,) = (line.split() for line in done.out.splitlines() if line.startswith("kind  "))
    assert row[3:8] == ["echo", "v1", "-", "-", "10"]  # it is no score
    results = (tmp_path / "results.xml").read_text("utf-8")
    assert 'type="max-drop"' in results
    assert '<property name="live_score" value="100.0" />' in results
    summary = tmp_path / "summary.md"
    world.run("deploy", "--label", "prod", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
    assert "score fell 50 points from live v1" in summary.read_text("utf-8")


def test_a_rehearsal_compares_nothing_and_says_so(world: World) -> None:
    put(world.root, FIXTURES)
    config = world.root / "promptsync.yaml"
    config.write_text(config.read_text().replace("}}", ", fixtures: registry.yaml}}", 1))
    world.write("a", ONE)
    world.commit("Change a")
    for arguments in ([], ["--max-drop", "5"]):
        done = world.run("deploy", "--label", "prod", "-n", "--rehearse", *arguments)
        assert done.code == 0, str(done)
        assert "max_drop was not applied, because nothing is live in the temporary registry" in done.out
        assert "rehearsal passed" in done.out and "at most 10 below live" in done.out
    markdown = world.run("deploy", "--label", "prod", "-n", "--rehearse", "--format", "markdown")
    assert "max_drop was not applied" in markdown.out
    # The deploy itself compares.
    assert world.run("deploy", "--label", "prod").code == 1
    assert world.label("a", "prod") == 1


def test_a_prompt_whose_snippet_changed_is_judged_by_its_minimum_and_says_so(world: World) -> None:
    limit(world, "max_drop: 50, min_score: 50")
    world.write("tone", content="please and kindly")
    assert change(world, "@@@tone@@@ {name}")[0] == 0
    world.write("tone", content="please")
    world.commit("Change the tone")
    world.ok("push", "tone", "--skip-checks")
    code, run, _ = deploy(world)
    assert (code, run["score"], run["drop"]) == (0, 50, None)
    assert run["not_compared"] == "a v2 is live already"


def test_the_live_score_costs_one_request_where_the_last_run_is_of_the_live_version(world: World) -> None:
    world.write("a", ONE)
    world.commit("Change a")
    world.forget()
    assert world.run("deploy", "--label", "prod").code == 1
    reports = {seen.path for seen in world.seen if seen.method == "GET" and "/evaluations/" in seen.path}
    assert len([path for path in reports if not path.endswith("/rows")]) == 2, "the new run and the last one"


def test_a_registry_that_cannot_tell_the_live_score_stops_the_deploy(world: World) -> None:
    world.write("a", ONE)
    world.commit("Change a")
    (last,) = json.loads(world.ok("eval", "list", "--json").out)["evaluations"][-1]["runs"]
    world.faults.append(fault(asking("GET", f"/evaluations/{last['report_id']}"), failing(500)))
    done = world.run("deploy", "--label", "prod")
    assert done.code == 4, str(done)
    assert world.label("a", "prod") == 1


def test_a_label_that_a_killed_deploy_moved_is_compared_with_what_was_live_before(world: World) -> None:
    world.write("a", ONE)
    world.commit("Change a")
    world.ok("push")
    # What a killed deploy leaves behind: the label moved, and nothing recorded it.
    world.point("a", prod=2)
    code, run, _ = deploy(world)
    assert (code, run["live_version"], run["drop"]) == (1, 1, 50)
