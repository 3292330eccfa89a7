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


TOO_MUCH: list[tuple[dict[str, int], str, str]] = [
    ({"max_drop": 50}, "", "max_drop is 50"),
    ({"max_drop": 100, "min_score": 60}, "", "score 0 is below the minimum of 60"),
    # The option cannot raise the limit of the file.
    ({"max_drop": 50}, "--max-drop 100", "max_drop is 50"),
    ({}, "--max-drop 50", "max_drop is 50"),
    ({"max_drop": 50}, "", "max_drop is 50"),  # again
]


@pytest.mark.parametrize("enough", [{"max_drop": 100}, {}])
def test_the_minimum_and_the_drop_both_apply_each_time(world: World, enough: dict[str, int]) -> None:
    change(world, "polite", "rude")
    for limits, option, reason in TOO_MUCH:
        limit(world, **{"min_score": 0, **limits})
        world.commit()
        code, run, document = deploy(world, *option.split())
        assert (code, run["passed"], run["verdict"]) == (1, False, "fail" if "drop is" in reason else "pass")
        assert run["reason"].endswith(reason)
        assert (run["live_version"], run["live_score"], run["score"]) == (1, 100, 0)
        assert "20 of 20 rows got worse" in document["error"]["message"] or run["verdict"] == "pass"
        assert world.label("a", "prod") == 1
    limit(world, min_score=0, **enough)
    world.commit()
    code, run, _ = deploy(world)
    assert (code, run["reason"], world.label("a", "prod")) == (0, None, 2)


def test_a_label_that_a_killed_deploy_moved_is_compared_with_what_was_live_before(world: World) -> None:
    change(world, "polite", "rude")
    world.ok("push")
    # What a killed deploy leaves behind: the label moved, and nothing recorded it.
    world.point("a", prod=2)
    code, run, _ = deploy(world)
    assert (code, run["live_version"], run["passed"]) == (1, 1, False)
