"""A label says what git says once it is checked, for all prompts or for none."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest
from deploying import change, prod
from worlds import Reply, World, asking, failing, fault, is_move

LIST, LABELS = "/prompt-templates", "/prompt-templates/labels"


def test_a_first_deploy_publishes_checks_and_releases_everything(world: World) -> None:
    document = world.ok("deploy", "--json").document
    assert prod(world) == [1, 1, 1, 1]
    assert document["passed"] is True
    assert {label["name"]: label["to"] for label in document["labels"]} == dict.fromkeys("abcd", 1)
    scores = {run["evaluation"]: run["score"] for run in document["eval"]["runs"]}
    assert scores == {f"{name} is polite": 100.0 for name in "abc"}
    assert [run["agent"] for run in document["agents"]["runs"]] == ["bot"]


def test_only_what_changed_is_published_checked_and_moved(released: World) -> None:
    change(released, "hello", "welcome", "b")
    document = released.run("deploy", "--json").document
    assert [version["name"] for version in document["push"]["published"]] == ["b"]
    assert [run["evaluation"] for run in document["eval"]["runs"]] == ["b is polite"]
    assert document["agents"]["runs"] == []
    assert prod(released) == [1, 2, 1, 1]
    assert released.label("b", "prod.previous") == 1


def test_what_a_failed_check_left_pending_is_checked_again_before_it_is_released(released: World) -> None:
    change(released, "polite", "rude", "a")
    failed = released.run("deploy", "--json")
    assert (failed.code, failed.document["passed"]) == (1, False)
    assert [label["moved"] for label in failed.document["labels"]] == [False]
    change(released, "hello", "welcome", "b")
    done = released.run("deploy", "--since", "HEAD~1", "--json")
    assert (done.code, done.document["pending"]) == (1, ["a"])
    assert "pending  a: " in released.run("deploy", "--since", "HEAD~1").out
    checked = sorted(run["evaluation"] for run in done.document["eval"]["runs"])
    assert checked == ["a is polite", "b is polite"]
    assert prod(released) == [1, 1, 1, 1]
    assert released.version("a") == 2  # three deploys published it once
    change(released, "rude", "polite and brief", "a")
    done = released.run("deploy", "--since", "HEAD~1", "--json")
    assert (done.code, done.document["pending"]) == (0, ["b"]), str(done)
    assert prod(released) == [3, 2, 1, 1]


def test_a_minimum_of_the_command_line_is_enough_to_stop_a_release(released: World) -> None:
    released.write("a", "A {name} hello", evaluations=["a is polite"])
    released.commit()
    done = released.run("deploy", "--min-score", "50")
    assert done.code == 1 and "minimum" in done.err


def test_a_dry_run_writes_nothing_and_prints_the_whole_sequence(released: World) -> None:
    change(released, "hello", "welcome")
    done = released.ok("deploy", "--dry-run")
    assert released.writes == []
    lines = done.out.splitlines()
    assert lines[:2] == [
        "DRY RUN: nothing was released",
        f"1 prompt to release to prod in team ({released.url})",
    ]
    for word in ("update", "a is polite", "prod v1 -> v2", "fingerprint"):
        assert word in done.out
    assert sum("  a  " in line for line in lines) == 1  # one row a prompt


def test_a_committed_file_is_committed_however_its_name_is_written(released: World) -> None:
    path = released.root / "prompts/odd.yaml"
    for text in (
        *("name:\n  x/y\n", '"name": x/y\n', "name: >-\n  x/y\n", "? name\n: x/y\n"),
        "{name: x/y, content: Hi}",
    ):
        path.write_text(text if text.startswith("{") else f"{text}content: Hi\n", "utf-8")
        released.commit("Say hi")
        assert released.ok("deploy", "--json").document["push"]["published"][0]["name"] == "x/y"
        path.write_text(path.read_text("utf-8").replace("Hi", "Ho"), "utf-8")
        released.commit("Say ho")
        (version,) = released.ok("push", "--json").document["published"]
        assert version["message"].startswith("Say ho (") and "+" not in version["message"]


def test_a_prompt_without_checks_is_named_and_refused_when_checks_are_required(world: World) -> None:
    world.write("e", "Nobody looks at {this}")
    world.commit()
    assert world.run("deploy", "--require-checks", "--json").code == 3
    assert world.writes == []
    assert world.run("deploy", "--dry-run").out.count("unchecked") == 1
    assert world.run("deploy", "--dry-run", "--json").document["unchecked"] == ["e"]
    assert [line.split()[1] for line in world.ok("deploy").out.splitlines() if "unchecked" in line] == ["e"]
    assert world.label("e", "prod") == 1


def test_a_limit_that_an_evaluation_would_ignore_is_a_usage_error(world: World) -> None:
    done = world.run("deploy", "--max-drop", "5")
    assert done.code == 2, str(done)
    assert "--max-drop compares the rows of tables, and 'a is polite' is an evaluation" in done.err
    assert world.writes == []
    world.ok("deploy", "d", "--max-drop", "5")  # an agent never had a score


def test_an_evaluation_that_the_registry_does_not_have_is_found_before_anything_is_published(
    released: World,
) -> None:
    released.write("a", "Another polite text, {name}", evaluations=["a is polit"])
    released.commit()
    done = released.run("deploy")
    assert done.code == 2 and "a is polite" in done.err
    assert released.writes == []


def test_a_run_on_another_version_does_not_count(released: World) -> None:
    released.write("a", "Another polite text, {name}", evaluations=["a under prod"])
    released.commit()
    assert released.run("deploy", "--json").code == 1
    assert released.label("a", "prod") == 1
    released.ok("deploy", "--allow-unbound")
    assert released.label("a", "prod") == 2


def test_a_prompt_deleted_in_git_keeps_its_label_and_is_named(released: World) -> None:
    released.path("c").unlink()
    released.commit("Delete c")
    assert released.ok("deploy", "--json").document["deleted"] == ["c"]
    assert released.label("c", "prod") == 1


def test_an_old_commit_does_not_take_a_newer_release_back(released: World) -> None:
    change(released, "hello", "welcome")
    released.ok("deploy")
    released.git("checkout", "-q", "HEAD~1")
    released.forget()
    done = released.ok("deploy", "--label", "prod", "--older", "--since", "HEAD", "--json")
    assert [prompt["state"] for prompt in done.document["skipped"]] == ["behind"]
    assert released.writes == [] and released.label("a", "prod") == 2
    touched = released.run("deploy", "--label", "prod", "--older")
    assert touched.code == 3 and "'a' was skipped: the label is ahead of this commit" in touched.err


def test_without_git_there_is_no_branch_to_release_for(world: World) -> None:
    shutil.rmtree(world.root / ".git")
    done = world.run("deploy")
    assert done.code == 2
    assert "a directory outside of git" in done.err and "--label" in done.err
    world.ok("deploy", "--label", "prod")
    assert "prod points at what your files have" in world.ok("deploy", "--label", "prod").out


# -- what fails on the way ------------------------------------------------------------------------------


FAILURES = [
    # a request that fails with a status -> the exit code, a hint
    ("PATCH", "/prompt-labels/", 403, 4, "PROMPT_DEPLOY"),
    ("PATCH", "/prompt-labels/", 409, 3, "promptsync label list"),
    ("PATCH", "/prompt-labels/", 500, 4, ""),
    ("POST", "/run", 500, 5, "check the PromptLayer dashboard"),
    ("POST", "/run", 409, 4, ""),
    ("POST", "/run", 400, 4, "copy deploy"),
    ("GET", "workflow-version-execution", 500, 4, "try again"),
    ("POST", "/rest/prompt-templates", 422, 5, "copy deploy"),
    ("POST", "/rest/prompt-templates", 500, 5, "copy deploy"),
    ("POST", "/rest/prompt-templates", 401, 4, "promptsync doctor"),
]


def test_a_request_that_fails_leaves_the_labels_and_advises_to_deploy_again(released: World) -> None:
    text = "polite"
    for number, (method, part, status, code, hint) in enumerate(FAILURES, start=1):
        change(released, text, f"polite {number}", "ad")
        text = f"polite {number}"
        released.faults.append(fault(asking(method, part), failing(status)))
        done = released.run("deploy")
        assert done.code == code, str(done)
        assert hint in done.err.partition("hint: ")[2]
        assert "promptsync push" not in done.err and "fix the prompt" not in done.err
        assert prod(released) == [number, 1, 1, number]
        released.faults.clear()
        released.ok("deploy")
        assert prod(released) == [number + 1, 1, 1, number + 1] and released.version("a") == number + 1


# -- nothing to release -------------------------------------------------------------------------------------


def paths(world: World) -> Counter[str]:
    requests = Counter(seen.path for seen in world.seen)
    world.forget()
    return requests


def test_nothing_to_release_reads_the_prompts_those_under_the_label_and_the_labels_once(
    released: World,
) -> None:
    done = released.ok("deploy")
    assert "prod points at what is committed" in done.out
    assert paths(released) == {LIST: 2, LABELS: 1}
    released.put("promptsync.yaml", "prompts: prompt\nlabels: {main: prod}\n")
    assert "no prompts to deploy" in released.ok("deploy", "--allow-dirty").out


@pytest.mark.parametrize("status", [404, 422, 403])
def test_a_registry_without_a_list_of_labels_is_read_by_label(released: World, status: int) -> None:
    released.faults.append(fault(asking("GET", LABELS), failing(status, "Prompt not found: labels")))
    released.ok("deploy")
    # the latest versions, those under the label, twice, and those under the two labels beside it
    requests = paths(released)
    assert (requests[LIST], requests[LABELS]) == (5, 1)


def recorded(world: World) -> None:
    world.remove_label("a", "prod.released")


def pushed(world: World) -> None:
    change(world, "hello", "welcome")
    world.ok("push")


def added(world: World) -> None:
    pushed(world)
    world.remove_label("a", "prod")
    world.remove_label("a", "prod.released")


@pytest.mark.parametrize("state", [recorded, pushed, added])
def test_a_prompt_whose_label_is_not_recorded_at_its_latest_version_is_checked_and_released(
    released: World, state: object
) -> None:
    assert callable(state)
    state(released)
    released.forget()
    document = released.ok("deploy", "--json").document
    assert [run["evaluation"] for run in document["eval"]["runs"]] == ["a is polite"]
    assert released.published == []
    assert released.label("a", "prod") == released.label("a", "prod.released") == released.version("a")


def test_a_label_of_another_prompt_with_that_name_does_not_count(released: World) -> None:
    def of_others(seen: object, forward: object) -> Reply:
        label = {"release_label": "prod", "prompt_version_number": 1, "prompt_id": 900}
        return Reply({"release_labels": [{**label, "release_label_id": 90 + number} for number in range(4)]})

    released.faults.append(fault(asking("GET", LABELS), of_others))
    released.ok("deploy")
    assert paths(released)[LIST] == 2


def test_a_deploy_of_20_prompts_among_40_needs_few_requests(world: World) -> None:
    for number in range(40):
        world.write(f"p{number:03}", "Hello {name}")
    world.commit()
    world.ok("deploy")
    for number in range(20):
        world.edit(f"p{number:03}", "Hello", "Welcome")
    world.commit()
    world.forget()
    world.ok("deploy")
    requests = Counter(seen.method for seen in world.seen)
    assert requests["POST"] == 20 + 20  # the versions, and prod.previous for each
    assert sum(map(is_move, world.seen)) == requests["PATCH"] == 20 + 20  # prod and prod.released
    assert len(world.seen) <= 20 * 8 + 20, requests
