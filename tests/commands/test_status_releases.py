"""``status`` shows what is not released, and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from thanks import MODEL, SCRIPTED, thanks
from worlds import World, asking, failing, fault, made

CONFIG = """labels: {main: prod, stable: lts}
checks:
- {match: a, table: thanks, min_score: 100}
"""
REASON = "thanks: score 0 is below the minimum of 100"


@pytest.fixture
def released(tmp_path: Path) -> Iterator[World]:
    """``a``, which has checks, and ``b`` are released to prod."""

    def build(world: World) -> None:
        config = world.root / "promptsync.yaml"
        config.write_text(config.read_text() + CONFIG)
        for name in "ab":
            world.write(name, "A polite hello, {name}", model=MODEL)
        world.put("evaluations/thanks.yaml", thanks(2, prompts=[]))
        world.commit("Add prompts")
        world.ok("deploy")

    with made(tmp_path, fixtures=SCRIPTED) as world:
        yield world.built(build)


def pending(world: World) -> dict[str, object]:
    found = world.run("status", "--json").document
    return {one["name"]: one["not_released"] for one in found["prompts"] if one["not_released"]}


def test_what_was_never_released_is_counted(tmp_path: Path) -> None:
    with made(tmp_path) as world:
        config = world.root / "promptsync.yaml"
        config.write_text(config.read_text() + "labels: {main: prod}\n")
        world.write("a")
        world.commit()
        assert "not released" not in world.ok("status").out
        world.ok("push")
        lines = world.ok("status").out.splitlines()
        assert lines[-2:] == ["1 prompt, all in sync", "1 prompt not released to prod: promptsync deploy"]
        world.ok("deploy")
        assert world.ok("status").out.splitlines()[-1] == "1 prompt, all in sync"


def test_a_tree_whose_labels_are_at_the_latest_versions_costs_one_more_request(released: World) -> None:
    released.ok("label", "set", "a", "lts")
    released.ok("label", "set", "b", "lts")
    released.forget()
    assert pending(released) == {}
    before = len(released.seen)
    released.forget()
    config = released.root / "promptsync.yaml"
    config.write_text(config.read_text().replace(CONFIG, ""))
    assert pending(released) == {}
    assert len(released.seen) == before - 1  # without labels: there is none to list prompts by


def test_a_version_that_failed_its_checks_is_shown_with_the_reason(released: World) -> None:
    released.edit("a", "polite", "rude")
    released.edit("b", "hello", "welcome")
    released.commit()
    assert released.run("deploy").code == 1
    released.ok("push")
    out = released.ok("status").out
    assert f"in-sync  a  v2  prod v1, v2 not released: {REASON}" in out
    assert "in-sync  b  v2  prod v1, v2 not released  " in out
    assert out.endswith("\n2 prompts not released to prod: promptsync deploy\n")
    assert pending(released)["a"] == [
        {
            "label": "prod",
            "version": 2,
            "released": 1,
            "rolled_back": False,
            "reason": REASON,
        }
    ]
    markdown = released.ok("status", "--format", "markdown").out
    assert f"prod v1, v2 not released: {REASON}" in markdown
    released.faults.append(fault(asking("GET", "/tables"), failing(403)))
    assert "prod v1, v2 not released  " in released.ok("status").out  # without the reason
    labels = {one["name"]: one["labels"] for one in released.run("status", "--json").document["prompts"]}
    assert labels == {name: {"prod": 1, "prod.released": 1} for name in "ab"}


def test_a_release_that_was_rolled_back_is_reported(released: World) -> None:
    released.edit("b", "hello", "welcome")
    released.commit()
    released.ok("deploy")
    released.ok("rollback", "b", "--label", "prod", "-y")
    out = released.ok("status").out
    assert "in-sync  b  v2  prod v1, v2 rolled back" in out
    assert "1 prompt rolled back from prod, on hold until its text changes" in out
    assert "promptsync deploy" not in out
    assert "prod.previous" not in out


def test_a_later_version_with_the_same_text_is_released(released: World) -> None:
    released.publish("b", "A polite hello, {name}", metadata={"model": {**MODEL, "parameters": {}}})
    assert released.version("b") == 2
    assert pending(released) == {}


def test_another_branch_names_the_one_that_deploys(released: World) -> None:
    released.git("switch", "-qc", "feature")
    released.ok("label", "set", "a", "lts")
    released.edit("b", "hello", "welcome")
    released.commit()
    released.ok("push")
    lines = released.ok("status").out.splitlines()
    assert lines[-2:] == [
        "1 prompt not released to lts: promptsync deploy, on stable",
        "1 prompt not released to prod: promptsync deploy, on main",
    ]
    released.git("switch", "-qc", "stable")
    assert released.ok("status").out.splitlines()[-1] == "1 prompt not released to lts: promptsync deploy"


def test_under_a_governed_label_the_advice_is_to_deploy(released: World) -> None:
    released.edit("b", "hello", "welcome")
    released.commit()
    assert "  ahead  promptsync deploy\n" in released.ok("status", "--label", "prod").out
    released.ok("label", "set", "b", "canary")
    assert "promptsync push --label canary" in released.ok("status", "--label", "canary").out
