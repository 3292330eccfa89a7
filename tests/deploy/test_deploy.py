"""A label says what git says once it is proven, for all prompts or for none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from deploying import FIXTURES
from worlds import World, asking, failing, fault, made, publishing


def labels(world: World, label: str = "prod") -> dict[str, int | None]:
    return {name: world.label(name, label) for name in "abcd"}


def commit(world: World, name: str, old: str, new: str) -> None:
    world.edit(name, old, new)
    world.commit(f"Change {name}")


def test_a_first_deploy_publishes_proves_and_releases_everything(world: World) -> None:
    done = world.run("deploy", "--json")
    assert done.code == 0, str(done)
    assert labels(world) == dict.fromkeys("abcd", 1)
    found = done.document
    assert found["passed"] is True
    assert {one["name"]: one["to"] for one in found["labels"]} == dict.fromkeys("abcd", 1)
    assert {one["evaluation"]: one["score"] for one in found["eval"]["runs"]} == {
        f"{name} is polite": 100.0 for name in "abc"
    }
    assert [one["agent"] for one in found["agents"]["runs"]] == ["bot"]


def test_a_second_deploy_has_nothing_to_do_and_says_so(released: World) -> None:
    done = released.run("deploy")
    assert done.code == 0
    assert "prod points at what is committed" in done.out
    assert released.writes == []


def test_only_what_changed_is_published_proven_and_moved(released: World) -> None:
    commit(released, "b", "hello", "welcome")
    found = released.run("deploy", "--json").document
    assert [one["name"] for one in found["push"]["published"]] == ["b"]
    assert [one["evaluation"] for one in found["eval"]["runs"]] == ["b is polite"]
    assert found["agents"]["runs"] == []
    assert labels(released) == {"a": 1, "b": 2, "c": 1, "d": 1}
    assert released.label("b", "prod.previous") == 1


def test_a_gate_that_fails_leaves_every_label_and_is_exit_1(released: World) -> None:
    commit(released, "a", "polite", "rude")
    commit(released, "b", "hello", "welcome")
    done = released.run("deploy", "--json")
    assert done.code == 1, str(done)
    found = done.document
    assert found["passed"] is False
    assert {one["name"]: one["moved"] for one in found["labels"]} == {"a": False, "b": False}
    assert labels(released) == dict.fromkeys("abcd", 1)
    assert released.version("a") == released.version("b") == 2
    assert "promptsync" in found["error"]["hint"]


def test_what_a_failed_gate_left_over_is_proven_again_before_it_is_released(released: World) -> None:
    commit(released, "a", "polite", "rude")
    assert released.run("deploy").code == 1
    commit(released, "b", "hello", "welcome")
    done = released.run("deploy", "--since", "HEAD~1", "--json")
    assert done.code == 1
    assert done.document["pending"] == ["a"]
    assert "pending  a: " in released.run("deploy", "--since", "HEAD~1").out
    assert sorted(one["evaluation"] for one in done.document["eval"]["runs"]) == [
        "a is polite",
        "b is polite",
    ]
    assert labels(released) == dict.fromkeys("abcd", 1)
    commit(released, "a", "rude", "polite and brief")
    done = released.run("deploy", "--since", "HEAD~1", "--json")
    assert done.code == 0, str(done)
    assert done.document["pending"] == ["b"]
    assert labels(released) == {"a": 3, "b": 2, "c": 1, "d": 1}


def test_a_deploy_again_publishes_nothing_twice(released: World) -> None:
    commit(released, "a", "polite", "rude")
    assert released.run("deploy").code == 1
    assert released.run("deploy").code == 1
    assert released.version("a") == 2


def test_a_version_that_was_pushed_before_is_used(released: World) -> None:
    commit(released, "a", "hello", "welcome")
    released.ok("push")
    released.forget()
    found = released.run("deploy", "--json").document
    assert found["push"]["published"] == []
    assert released.published == []
    assert labels(released)["a"] == 2


def test_a_failed_agent_stops_the_release(released: World) -> None:
    released.write("d", "A bye {missing}", agents=[{"name": "bot", "input_variables": {"name": "Ada"}}])
    released.commit()
    released.faults.append(fault(asking("GET", "workflow-version-execution"), failing(500)))
    assert released.run("deploy").code != 0
    assert labels(released)["d"] == 1


def test_a_minimum_that_is_not_reached_stops_the_release(released: World) -> None:
    released.write("a", "A {name} hello", evaluations=["a is polite"])
    released.commit()
    done = released.run("deploy", "--min-score", "50")
    assert done.code == 1
    assert "minimum" in done.err


def test_a_dry_run_sends_nothing_that_writes_and_prints_the_whole_sequence(released: World) -> None:
    commit(released, "a", "hello", "welcome")
    done = released.run("deploy", "--dry-run")
    assert done.code == 0, str(done)
    assert released.writes == []
    lines = done.out.splitlines()
    assert lines[:2] == [
        "DRY RUN: nothing was released",
        f"1 prompt to release to prod in team ({released.url})",
    ]
    for word in ("update", "a is polite", "prod v1 -> v2", "fingerprint"):
        assert word in done.out
    assert sum("  a  " in line for line in lines) == 1  # one row a prompt


def test_a_plan_that_was_not_reviewed_is_refused(released: World) -> None:
    commit(released, "a", "hello", "welcome")
    reviewed = released.run("deploy", "--dry-run", "--json").document["fingerprint"]
    commit(released, "b", "hello", "welcome")
    done = released.run("deploy", "--expect", reviewed)
    assert done.code == 3
    assert released.writes == []
    released.git("revert", "--no-edit", "HEAD")
    assert released.run("deploy", "--expect", reviewed).code == 0


@pytest.mark.parametrize(
    "text",
    ["name:\n  x/y\n", '"name": x/y\n', "name: >-\n  x/y\n", "{name: x/y, content: Hi}", "? name\n: x/y\n"],
)
def test_a_committed_file_is_committed_however_its_name_is_written(released: World, text: str) -> None:
    path = released.root / "prompts/odd.yaml"
    path.write_text(text if text.startswith("{") else f"{text}content: Hi\n", "utf-8")
    released.commit("Add x/y")
    assert released.ok("deploy", "--json").document["push"]["published"][0]["name"] == "x/y"
    path.write_text(path.read_text("utf-8").replace("Hi", "Ho"), "utf-8")
    released.commit("Say ho")
    (told,) = released.ok("push", "--json").document["published"]
    assert told["message"].startswith("Say ho (") and "+" not in told["message"]


def test_uncommitted_text_is_not_released(released: World) -> None:
    released.edit("a", "hello", "welcome")
    done = released.run("deploy")
    assert done.code == 3
    assert "prompts/a.yaml" in done.err and "commit" in done.err
    assert released.writes == []
    assert released.run("deploy", "--allow-dirty").code == 0
    assert labels(released)["a"] == 2


def test_a_prompt_without_checks_is_named_and_refused_when_checks_are_required(world: World) -> None:
    world.write("e", "Nobody looks at {this}")
    world.commit()
    done = world.run("deploy", "--require-checks", "--json")
    assert done.code == 3
    assert world.writes == []
    done = world.run("deploy", "--json")
    assert done.code == 0
    assert done.document["unchecked"] == ["e"]
    assert world.label("e", "prod") == 1


def test_an_evaluation_that_the_registry_does_not_have_is_found_before_anything_is_published(
    released: World,
) -> None:
    released.write("a", "Another polite text, {name}", evaluations=["a is polit"])
    released.commit()
    done = released.run("deploy")
    assert done.code == 2
    assert "a is polite" in done.err
    assert released.writes == []


def test_a_run_on_another_version_does_not_count(released: World) -> None:
    released.write("a", "Another polite text, {name}", evaluations=["a under prod"])
    released.commit()
    done = released.run("deploy", "--json")
    assert done.code == 1, str(done)
    assert labels(released)["a"] == 1
    assert released.run("deploy", "--allow-unbound").code == 0
    assert labels(released)["a"] == 2


def test_a_prompt_deleted_in_git_keeps_its_label_and_is_named(released: World) -> None:
    released.path("c").unlink()
    released.commit("Delete c")
    done = released.run("deploy", "--json")
    assert done.code == 0
    assert done.document["deleted"] == ["c"]
    assert labels(released)["c"] == 1


def test_a_git_revert_releases_the_old_text_as_a_new_version(released: World) -> None:
    commit(released, "a", "hello", "welcome")
    released.ok("deploy")
    released.git("revert", "--no-edit", "HEAD")
    released.ok("deploy")
    assert labels(released)["a"] == 3
    assert released.text("a", 3) == released.text("a", 1)


def test_an_old_commit_does_not_take_a_newer_release_back(released: World) -> None:
    commit(released, "a", "hello", "welcome")
    released.ok("deploy")
    released.git("checkout", "-q", "HEAD~1")
    released.forget()
    done = released.run("deploy", "--label", "prod", "--older", "--since", "HEAD", "--json")
    assert done.code == 0, str(done)
    assert [one["state"] for one in done.document["skipped"]] == ["behind"]
    assert released.writes == []
    assert labels(released)["a"] == 2


def test_a_draft_is_passed_over_and_named(released: World) -> None:
    released.publish("a", "A draft, polite, {name}")
    commit(released, "a", "hello", "welcome")
    done = released.run("deploy", "--json")
    assert done.code == 0, str(done)
    assert done.document["passed_over"] == [{"name": "a", "versions": [2]}]
    assert labels(released)["a"] == 3
    assert released.messages("a")[2].endswith(" v3^1)")


def test_a_draft_that_is_live_and_an_edit_in_git_are_a_conflict(released: World) -> None:
    released.publish("a", "A hot fix, polite, {name}", release_labels=["prod"])
    commit(released, "a", "hello", "welcome")
    released.forget()
    done = released.run("deploy")
    assert done.code == 3
    assert "pull --merge" in done.err
    assert released.writes == []


def test_tags_alone_are_released_too(released: World) -> None:
    released.write("a", "A polite hello, {name}", tags=["other"])
    released.commit()
    done = released.run("deploy", "--json")
    assert done.code == 0, str(done)
    assert released.read("a")["tags"] == ["other"]
    assert labels(released)["a"] == released.version("a") == 2
    assert released.run("deploy", "--json").document["members"] == []


# -- what fails on the way ------------------------------------------------------------------------------


def test_when_one_label_stays_all_of_them_do(released: World) -> None:
    commit(released, "a", "hello", "welcome")
    commit(released, "b", "hello", "welcome")
    identifier = next(
        one["release_label_id"]
        for one in released.call("GET", "/prompt-templates/labels").body["release_labels"]
        if (one["prompt_name"], one["release_label"]) == ("b", "prod")
    )
    released.faults.append(
        fault(asking("PATCH", f"/prompt-labels/{identifier}"), failing(409, "needs approval"))
    )
    done = released.run("deploy", "--json")
    assert done.code == 3, str(done)
    assert labels(released) == dict.fromkeys("abcd", 1)
    assert {one["name"]: one["moved"] for one in done.document["labels"]} == {"a": False, "b": False}
    released.faults.clear()
    again = released.run("deploy", "--json")
    assert again.code == 0
    assert again.document["push"]["published"] == []
    assert labels(released) == {"a": 2, "b": 2, "c": 1, "d": 1}


@pytest.mark.parametrize("status", [500, 403])
def test_a_publish_that_fails_stops_before_the_checks(released: World, status: int) -> None:
    commit(released, "a", "hello", "welcome")
    commit(released, "b", "hello", "welcome")
    released.faults.append(fault(publishing("b"), failing(status)))
    done = released.run("deploy", "--json")
    assert done.code == 5, str(done)
    assert done.document["eval"]["runs"] == []
    assert labels(released) == dict.fromkeys("abcd", 1)
    released.faults.clear()
    assert released.run("deploy").code == 0
    assert released.version("a") == 2


def test_a_label_that_waits_for_approval_keeps_all_where_they_are(tmp_path: Path, world: World) -> None:
    fixtures = FIXTURES + "protected_labels: [{name: prod, prompts: [b]}]\n"
    with made(tmp_path / "protected", fixtures=fixtures) as protected:
        config = protected.root / "promptsync.yaml"
        config.write_text(config.read_text() + "labels: {main: prod}\n")
        for name in "ab":
            protected.write(name)
        protected.commit()
        done = protected.run("deploy", "--json")
        assert done.code == 3, str(done)
        assert (protected.label("a", "prod"), protected.label("b", "prod")) == (None, None)
        assert "approval" in done.document["error"]["message"]


@pytest.mark.parametrize("status", [403, 409, 500])
def test_a_label_that_does_not_move_is_reported_with_its_code(released: World, status: int) -> None:
    commit(released, "a", "hello", "welcome")
    released.faults.append(fault(asking("PATCH", "/prompt-labels/"), failing(status)))
    done = released.run("deploy", "--json")
    assert done.code == {403: 4, 409: 3, 500: 4}[status], str(done)
    assert [one["moved"] for one in done.document["labels"]] == [False]
    assert labels(released)["a"] == 1


def test_a_registry_that_fails_while_proving_leaves_the_labels(released: World) -> None:
    commit(released, "a", "hello", "welcome")
    released.faults.append(fault(asking("POST", "/run"), failing(500)))
    done = released.run("deploy", "--json")
    assert done.code in (4, 5), str(done)
    assert [one["name"] for one in done.document["push"]["published"]] == ["a"]
    assert labels(released)["a"] == 1


def test_many_unchecked_prompts_are_counted_in_the_receipt_and_all_in_json(world: World) -> None:
    for number in range(15):
        world.write(f"e{number:02}")
    world.commit()
    planned = world.run("deploy", "--dry-run").out.splitlines()
    assert sum("unchecked" in line for line in planned) == 15
    shown = [line for line in world.ok("deploy").out.splitlines() if "unchecked" in line]
    assert len(shown) == 11 and "and 5 more" in shown[-1]
    assert len(world.run("deploy", "--dry-run", "--json").document["unchecked"]) == 0


def test_without_git_there_is_no_branch_to_release_for(world: World) -> None:
    shutil.rmtree(world.root / ".git")
    done = world.run("deploy")
    assert done.code == 2
    assert "a directory outside of git" in done.err and "--label" in done.err
    world.ok("deploy", "--label", "prod")
    assert "prod points at what your files have" in world.ok("deploy", "--label", "prod").out
