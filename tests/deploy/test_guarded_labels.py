"""What checks guard: no way but ``deploy`` leads to a governed label, unless somebody says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from worlds import World, asking, failing, fault


@pytest.fixture
def rejected(released: World) -> World:
    """``a`` v2 failed its evaluation in a deploy: prod stays at v1."""
    released.edit("a", "polite", "rude")
    released.commit("Be rude")
    assert released.run("deploy").code == 1
    assert (released.version("a"), released.label("a", "prod")) == (2, 1)
    released.forget()
    return released


@pytest.mark.parametrize("options", [(), ("a",), ("--dry-run",), ("a", "--force", "-y"), ("--partial",)])
def test_a_push_does_not_move_a_governed_label(rejected: World, options: tuple[str, ...]) -> None:
    done = rejected.run("push", *options, "--label", "prod", "--json")
    assert done.code == 3, str(done)
    assert done.document["error"]["code"] == "governed-label"
    assert done.document["error"]["hint"] == "promptsync deploy"
    assert rejected.writes == []


def test_a_push_publishes_nothing_when_it_would_have_to_move_a_governed_label(released: World) -> None:
    released.edit("a", "hello", "welcome")
    done = released.run("push", "--label", "staging", "--label", "prod")
    assert done.code == 3
    assert "only promptsync deploy moves prod, after the checks; nothing was published" in done.err
    assert released.writes == []
    released.ok("push", "--label", "staging")
    assert (released.label("a", "staging"), released.label("a", "prod")) == (2, 1)


def test_skip_checks_moves_it_and_every_result_lists_what_went_unchecked(
    rejected: World, tmp_path: Path
) -> None:
    rejected.edit("b", "hello", "welcome")
    rejected.commit("Welcome")
    planned = rejected.run("push", "--label", "prod", "--skip-checks", "--dry-run", "--json")
    assert planned.document["unchecked"] == ["a", "b"]
    summary = tmp_path / "summary.md"
    done = rejected.run("push", "--label", "prod", "--skip-checks", GITHUB_STEP_SUMMARY=str(summary))
    assert done.code == 0, str(done)
    for text in (done.out, summary.read_text("utf-8")):
        assert "unchecked  a: prod moved without checks" in text
        assert "unchecked  b: prod moved without checks" in text
    assert (rejected.label("a", "prod"), rejected.label("b", "prod")) == (2, 2)
    again = rejected.run("push", "--label", "prod", "--skip-checks", "--json")
    assert (again.code, again.document["unchecked"]) == (0, [])


def test_checks_without_labels_govern_every_label(released: World) -> None:
    config = released.root / "promptsync.yaml"
    config.write_text(config.read_text().replace("labels: {main: prod}\n", ""))
    done = released.run("push", "--label", "staging")
    assert done.code == 3
    assert "hint: promptsync deploy --label staging\n" in done.err


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
    body = {"name": "prod", "prompt_version_number": 2}
    labels = rejected.call("GET", f"/prompt-templates/{rejected.read('a')['id']}/labels").body
    (prod,) = [one for one in labels["release_labels"] if one["release_label"] == "prod"]
    rejected.call("PATCH", f"/prompt-labels/{prod['release_label_id']}", body)
    if not lists_labels:
        rejected.faults.append(fault(asking("GET", "/prompt-templates/labels"), failing(404)))
    done = rejected.run("deploy")
    command = "rollback a --label prod"
    text = f"live  a: prod is at v2, which did not pass its checks; promptsync {command}"
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
    text = "live  b: prod is at v1, which did not pass its checks; nothing was live before it, so commit"
    assert (done.code, f"{text} a new text; promptsync deploy\n" in done.out) == (1, True), str(done)
    world.write("b", "A polite hello, {name}", tags=["greeting"])
    world.commit("Be polite")
    world.ok("deploy")
    assert world.label("b", "prod") == 2


def test_a_deploy_publishes_the_revert_of_what_failed(rejected: World) -> None:
    rejected.git("revert", "--no-edit", "HEAD")
    done = rejected.run("deploy", "--json")
    assert done.code == 0, str(done)
    assert [one["version"] for one in done.document["push"]["published"]] == [3]
    assert [one["version"] for one in done.document["eval"]["runs"]] == [3]
    assert rejected.text("a") == "A polite hello, {name}"
    assert (rejected.label("a", "prod"), rejected.label("a", "prod.previous")) == (3, 1)
    assert rejected.run("deploy", "--json").document["members"] == []


def test_the_advice_of_a_deploy_to_another_label_repeats_the_label(released: World) -> None:
    released.edit("a", "polite", "rude")
    released.commit("Be rude")
    done = released.run("deploy", "--label", "canary")
    assert done.code == 1
    assert done.err.endswith("promptsync deploy b c d --label canary\n")
    assert released.run("deploy").err.endswith("hint: promptsync deploy\n")


def test_new_text_is_released_after_a_rollback_whether_it_was_pushed_first_or_not(released: World) -> None:
    for name in ("a", "b"):
        released.edit(name, "hello", "welcome")
    released.commit("Welcome")
    released.ok("deploy")
    released.ok("rollback", "a", "b", "--label", "prod", "-y")
    assert released.label("a", "prod.released") == 2
    released.edit("a", "welcome", "good day")
    released.commit("Good day")
    released.ok("push")
    released.edit("b", "welcome", "good day")
    released.commit("Good day, b")
    done = released.run("deploy", "--json")
    assert done.code == 0, str(done)
    assert done.document["on_hold"] == []
    assert (released.label("a", "prod"), released.label("b", "prod")) == (3, 3)
    assert released.label("a", "prod.released") == 3


def test_what_was_rolled_back_stays_on_hold_when_it_is_published_again(released: World) -> None:
    released.edit("a", "hello", "welcome")
    released.commit("Welcome")
    released.ok("deploy")
    released.ok("rollback", "a", "--label", "prod", "-y")
    released.publish("a", "A dashboard draft, {name}", tags=["greeting"])
    done = released.run("deploy", "--json")
    assert done.code == 3
    assert [(one["name"], one["version"]) for one in done.document["on_hold"]] == [("a", 2)]
    assert released.label("a", "prod") == 1


def test_the_text_of_an_older_version_is_published_again(released: World) -> None:
    released.edit("a", "hello", "welcome")
    released.commit("Welcome")
    released.ok("push")
    released.publish("a", "A dashboard draft, {name}", tags=["greeting"])
    done = released.run("deploy", "--json")
    assert done.code == 0, str(done)
    assert [one["version"] for one in done.document["push"]["published"]] == [4]
    assert released.label("a", "prod") == 4
