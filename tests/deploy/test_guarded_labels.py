"""What checks guard: no way but ``deploy`` leads to a governed label, unless somebody says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from deploying import change, prod
from worlds import World, asking, failing, fault


@pytest.fixture
def rejected(released: World) -> World:
    """``a`` v2 failed its evaluation in a deploy: prod stays at v1."""

    def build(world: World) -> None:
        change(world, "polite", "rude")
        assert world.run("deploy").code == 1
        assert (world.version("a"), world.label("a", "prod")) == (2, 1)

    return released.built(build)


@pytest.mark.parametrize(
    "options",
    ["prod", "prod a", "prod --dry-run", "prod a --force -y", "prod --partial", "beta --label prod"],
)
def test_a_push_does_not_move_a_governed_label(rejected: World, options: str) -> None:
    rejected.edit("b", "hello", "welcome")
    done = rejected.run("push", "--json", "--label", *options.split())
    assert done.code == 3, str(done)
    error = done.document["error"]
    assert (error["code"], error["hint"]) == ("governed-label", "promptsync deploy")
    assert "only promptsync deploy moves prod, after the checks; nothing was published" in error["message"]
    assert rejected.writes == []


def test_checks_without_labels_govern_every_label(released: World) -> None:
    released.edit("a", "hello", "welcome")
    released.ok("push", "--label", "staging")
    assert (released.label("a", "staging"), released.label("a", "prod")) == (2, 1)
    config = released.root / "promptsync.yaml"
    config.write_text(config.read_text().replace("labels: {main: prod}\n", ""))
    done = released.run("push", "--label", "staging")
    assert done.code == 3 and "hint: promptsync deploy --label staging\n" in done.err


def test_skip_checks_moves_it_and_every_result_lists_what_went_unchecked(
    rejected: World, tmp_path: Path
) -> None:
    change(rejected, "hello", "welcome", "b")
    push = ("push", "--label", "prod", "--skip-checks")
    assert rejected.run(*push, "--dry-run", "--json").document["unchecked"] == ["a", "b"]
    summary = tmp_path / "summary.md"
    done = rejected.run(*push, GITHUB_STEP_SUMMARY=str(summary))
    assert done.code == 0, str(done)
    for text in (done.out, summary.read_text("utf-8")):
        assert "unchecked  a: prod moved without checks" in text
        assert "unchecked  b: prod moved without checks" in text
    assert prod(rejected, "ab") == [2, 2]
    assert rejected.ok(*push, "--json").document["unchecked"] == []


def test_a_new_snippet_does_not_get_a_governed_label_by_a_push(released: World) -> None:
    released.write("tone", content="Be polite.")
    released.write("e", "@@@tone@label:prod@@@ Hello {name}")
    released.commit("Add a snippet")
    done = released.run("push")
    assert done.code == 3
    assert "'e' uses the snippet 'tone' at the label 'prod', which it does not have" in done.err
    assert done.err.endswith("hint: promptsync deploy tone --label prod\n")
    assert released.writes == []
    released.ok("deploy", "tone")
    released.ok("deploy")
    assert released.label("tone", "prod") == released.label("e", "prod") == 1


@pytest.mark.parametrize("lists_labels", [True, False])
def test_a_rejected_version_that_is_live_is_named_by_every_deploy(
    rejected: World, lists_labels: bool
) -> None:
    rejected.point("a", prod=2)
    if not lists_labels:
        rejected.faults.append(fault(asking("GET", "/prompt-templates/labels"), failing(404)))
    done = rejected.run("deploy")
    command = "rollback a --label prod"
    text = f"live  a: prod is at v2, which failed its checks; promptsync {command}"
    assert (done.code, text in done.out) == (1, True), str(done)
    rejected.ok(*command.split(), "--yes")
    assert rejected.label("a", "prod") == 1


def test_a_label_that_was_set_in_the_dashboard_is_checked_once(world: World) -> None:
    world.write("b", "A rude hello, {name}", tags=["greeting"])
    world.commit("Be rude")
    world.ok("push")
    for name in "ab":
        version = {"name": "prod", "prompt_version_number": 1}
        assert world.call("POST", f"/prompts/{world.read(name)['id']}/label", version).status < 300
    world.ok("deploy", "a")
    assert (world.label("a", "prod"), world.label("a", "prod.released")) == (1, 1)
    assert world.run("deploy", "a", "--json").document["members"] == []
    done = world.run("deploy", "b")
    text = "live  b: prod is at v1, which failed its checks; nothing was live before it, so commit"
    assert (done.code, f"{text} a fix; promptsync deploy\n" in done.out) == (1, True), str(done)
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


def test_the_advice_of_a_deploy_to_another_label_repeats_the_label(released: World) -> None:
    change(released, "polite", "rude")
    done = released.run("deploy", "--label", "canary")
    assert (done.code, done.err.endswith("promptsync deploy b c d --label canary\n")) == (1, True), str(done)
    assert released.run("deploy").err.endswith(" deploy\n")
