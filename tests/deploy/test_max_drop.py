"""Deploys whose rows must not get worse than those of the versions that are live."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deploying import change
from thanks import SCRIPTED, add_polite, thanks
from worlds import World, made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """``a`` is polite and released."""

    def build(world: World) -> None:
        add_polite(world, thanks(20, prompts=["a"], max_drop=5))
        world.ok("deploy")

    with made(tmp_path, fixtures=SCRIPTED) as world:
        yield world.built(build)


def limit(world: World, **limits: int) -> None:
    world.put("evaluations/thanks.yaml", thanks(20, prompts=["a"], **limits))


def deploy(world: World, *arguments: str) -> tuple[int, dict[str, Any], dict[str, Any]]:
    done = world.run("deploy", *arguments, "--json")
    return done.code, done.document["eval"]["runs"][0], done.document


def test_rows_that_get_worse_stop_the_release_each_time(world: World) -> None:
    change(world, "polite", "rude")
    for _ in range(2):
        code, run, document = deploy(world)
        assert (code, run["passed"], run["verdict"]) == (1, False, "fail")
        assert (run["live_version"], run["live_score"], run["score"]) == (1, 100, 0)
        assert "20 of 20 rows got worse" in document["error"]["message"]
        assert world.label("a", "prod") == 1


LIMITS: list[tuple[dict[str, int], str, int, str | None]] = [
    ({"max_drop": 50}, "", 1, "max_drop is 50"),
    ({"max_drop": 100}, "", 0, None),
    ({"max_drop": 100, "min_score": 60}, "", 1, "score 0 is below the minimum of 60"),
    # The option cannot raise the limit of the file.
    ({"max_drop": 50}, "--max-drop 100", 1, "max_drop is 50"),
    ({"min_score": 0}, "--max-drop 50", 1, "max_drop is 50"),
    ({"min_score": 0}, "", 0, None),
]


@pytest.mark.parametrize(("limits", "option", "code", "reason"), LIMITS)
def test_the_minimum_and_the_drop_both_apply(
    world: World, limits: dict[str, int], option: str, code: int, reason: str | None
) -> None:
    limit(world, **{"min_score": 0, **limits})
    change(world, "polite", "rude")
    exit_code, run, _ = deploy(world, *option.split())
    assert exit_code == code
    assert run["reason"].endswith(reason) if reason else run["reason"] is None


def test_a_new_label_has_nothing_to_compare_with_and_says_so(world: World) -> None:
    limit(world, max_drop=0, min_score=90)
    done = world.run("deploy", "--label", "staging", "--allow-dirty")
    assert done.code == 0, str(done)
    assert "not compared: a is not live yet" in done.out
    assert world.label("a", "staging") == 1


def test_a_label_that_a_killed_deploy_moved_is_compared_with_what_was_live_before(world: World) -> None:
    change(world, "polite", "rude")
    world.ok("push")
    # What a killed deploy leaves behind: the label moved, and nothing recorded it.
    world.point("a", prod=2)
    code, run, _ = deploy(world)
    assert (code, run["live_version"], run["passed"]) == (1, 1, False)
