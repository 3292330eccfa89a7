"""What checks guard: no way but ``deploy`` leads to a governed label, unless somebody says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from deploying import change, prod
from worlds import World, asking, failing, fault, template_on


@template_on("released")
def rejected(world: World) -> None:
    """``a`` v2 failed its evaluation in a deploy: prod stays at v1."""
    change(world, "polite", "rude")
    assert world.run("deploy").code == 1
    assert (world.version("a"), world.label("a", "prod")) == (2, 1)


def test_a_push_does_not_move_a_governed_label(rejected: World) -> None:
    rejected.edit("b", "hello", "welcome")
    message = "only promptsync deploy moves prod, after the checks; nothing was published"
    for more in ("", "a", "--dry-run", "a --force -y", "--partial", "--label beta"):
        error = rejected.exits(3, "push", "--json", "--label", "prod", *more.split()).document["error"]
        assert (error["code"], error["hint"]) == ("governed-label", "promptsync deploy")
        assert message in error["message"]
    assert rejected.writes == []


def test_skip_checks_moves_it_and_results_list_what_went_unchecked(rejected: World, tmp_path: Path) -> None:
    change(rejected, "hello", "welcome", "b")
    push = ("push", "--label", "prod", "--skip-checks")
    assert rejected.run(*push, "--dry-run", "--json").document["unchecked"] == ["a", "b"]
    summary = tmp_path / "summary.md"
    done = rejected.ok(*push, GITHUB_STEP_SUMMARY=str(summary))
    for text in (done.out, summary.read_text("utf-8")):
        assert "unchecked  a: prod moved without checks" in text
        assert "unchecked  b: prod moved without checks" in text
    assert prod(rejected, "ab") == [2, 2]
    assert rejected.ok(*push, "--json").document["unchecked"] == []


@pytest.mark.parametrize("lists_labels", [True, False])
def test_a_rejected_version_that_is_live_is_named(rejected: World, *, lists_labels: bool) -> None:
    rejected.point("a", prod=2)
    if not lists_labels:
        rejected.faults.append(fault(asking("GET", "/prompt-templates/labels"), failing(404)))
    command = "rollback a --label prod"
    text = f"live  a: prod is at v2, which failed its checks; promptsync {command}"
    assert text in rejected.exits(1, "deploy").out
    rejected.ok(*command.split(), "--yes")
    assert rejected.label("a", "prod") == 1


def test_a_label_that_was_set_in_the_dashboard_is_checked_once(world: World) -> None:
    world.write("b", "A rude hello, {name}", tags=["greeting"], commit="Be rude")
    world.ok("push")
    for name in "ab":
        world.point(name, prod=1)
    world.ok("deploy", "a")
    assert (world.label("a", "prod"), world.label("a", "prod.released")) == (1, 1)
    assert world.run("deploy", "a", "--json").document["members"] == []
    text = "live  b: prod is at v1, which failed its checks; no earlier release is recorded, so commit a fix"
    assert f"{text}; promptsync deploy\n" in world.exits(1, "deploy", "b").out
    change(world, "rude", "polite", "b")
    world.ok("deploy")
    assert world.label("b", "prod") == 2


@pytest.mark.parametrize(("state", "previous"), [("rejected", 1), ("released", 2), ("rolled back", 1)])
def test_a_revert_is_published_and_released(released: World, state: str, previous: int) -> None:
    old, new = ("polite", "rude") if state == "rejected" else ("hello", "welcome")
    change(released, old, new)
    assert released.run("deploy").code == (1 if state == "rejected" else 0)
    if state == "rolled back":
        released.ok("rollback", "a", "--label", "prod", "-y")
    latest = released.version("a")
    released.git("revert", "--no-edit", "HEAD")
    done = released.ok("deploy", "--json")
    versions = [version["version"] for version in done.document["push"]["published"]]
    assert versions == [run["version"] for run in done.document["eval"]["runs"]] == [latest + 1]
    assert released.text("a") == "A polite hello, {name}"
    assert (released.label("a", "prod"), released.label("a", "prod.previous")) == (latest + 1, previous)
    assert done.document["on_hold"] == released.run("deploy", "--json").document["members"] == []
