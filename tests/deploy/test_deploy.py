"""A label says what git says once it is checked, for all prompts or for none."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable

import pytest
from deploying import change, prod
from worlds import Reply, World, asking, failing, fault, is_move

LABELS = "/prompt-templates/labels"


def test_only_what_changed_is_published_checked_and_moved(released: World) -> None:
    released.path("c").unlink()
    change(released, "hello", "welcome", "b")
    document = released.ok("deploy", "--json").document
    assert [version["name"] for version in document["push"]["published"]] == ["b"]
    assert [run["evaluation"] for run in document["eval"]["runs"]] == ["b is polite"]
    assert document["agents"]["runs"] == [] and document["deleted"] == ["c"]
    assert prod(released) == [1, 2, 1, 1]
    assert released.label("b", "prod.previous") == 1


def test_what_a_failed_check_left_pending_is_checked_again_before_it_is_released(released: World) -> None:
    change(released, "polite", "rude", "a")
    failed = released.exits(1, "deploy", "--json").document
    assert failed["passed"] is False and [label["moved"] for label in failed["labels"]] == [False]
    change(released, "hello", "welcome", "b")
    document = released.exits(1, "deploy", "--since", "HEAD~1", "--json").document
    assert document["pending"] == ["a"]
    checked = sorted(run["evaluation"] for run in document["eval"]["runs"])
    assert checked == ["a is polite", "b is polite"]
    assert prod(released) == [1, 1, 1, 1]
    assert released.version("a") == 2  # three deploys published it once
    change(released, "rude", "polite and brief", "a")
    assert released.ok("deploy", "--since", "HEAD~1", "--json").document["pending"] == ["b"]
    assert prod(released) == [3, 2, 1, 1]


def test_a_prompt_without_checks_is_named_and_refused_when_checks_are_required(world: World) -> None:
    world.write("e", "Nobody looks at {this}")
    world.commit()
    world.exits(3, "deploy", "--require-checks", "--json")
    assert world.writes == []
    assert world.run("deploy", "--dry-run").out.count("unchecked") == 1
    assert world.ok("deploy", "--json").document["unchecked"] == ["e"]
    assert world.label("e", "prod") == 1


def test_a_limit_that_an_evaluation_would_ignore_is_a_usage_error(world: World) -> None:
    world.says(2, "--max-drop compares the rows of tables, and 'a is polite'", "deploy", "--max-drop", "5")
    assert world.writes == []
    world.ok("deploy", "d", "--max-drop", "5")  # an agent never had a score


def test_checks_have_to_exist_and_reach_the_version_and_the_minimum(released: World) -> None:
    released.write("a", "Another polite {name}", evaluations=["a is polit"], commit="Misspell it")
    released.says(2, "a is polit", "deploy")
    assert released.writes == []
    # This one runs the live version.
    released.write("a", "Another polite {name}", evaluations=["a under prod"], commit="Name another")
    released.exits(1, "deploy")
    assert prod(released) == [1, 1, 1, 1]
    released.ok("deploy", "--allow-unbound")
    assert prod(released) == [2, 1, 1, 1]
    released.configure("min_score: 0", instead="min_score: 100")
    released.write("a", "A {name} hello", commit="Ask for less")
    released.says(1, "minimum", "deploy", "--min-score", "50")


def test_an_old_commit_does_not_take_a_newer_release_back(released: World) -> None:
    change(released, "hello", "welcome")
    released.ok("deploy")
    released.git("checkout", "-q", "HEAD~1")
    released.forget()
    done = released.ok("deploy", "--label", "prod", "--older", "--since", "HEAD", "--json")
    assert [prompt["state"] for prompt in done.document["skipped"]] == ["behind"]
    released.says(3, "'a' was skipped: the label is ahead", "deploy", "--label", "prod", "--older")
    assert released.writes == [] and released.label("a", "prod") == 2


def test_without_git_there_is_no_branch_to_release_for(world: World) -> None:
    shutil.rmtree(world.root / ".git")
    world.says(2, "a directory outside of git", "deploy")
    world.ok("deploy", "--label", "prod")
    assert "prod points at what your files have" in world.ok("deploy", "--label", "prod").out


# -- what fails on the way ------------------------------------------------------------------------------


FAILURES = [
    # a request that fails with a status -> the exit code, a hint
    ("PATCH", "/prompt-labels/", 403, 4, "PROMPT_DEPLOY"),
    ("PATCH", "/prompt-labels/", 409, 3, "promptsync label list"),
    ("POST", "/run", 500, 5, "check the PromptLayer dashboard"),
    ("POST", "/run", 400, 4, "copy deploy"),
    ("GET", "workflow-version-execution", 500, 4, "try again"),
    ("POST", "/rest/prompt-templates", 422, 5, "copy deploy"),
    ("POST", "/rest/prompt-templates", 401, 4, "promptsync doctor"),
]


def test_a_request_that_fails_leaves_the_labels_and_advises_to_deploy_again(released: World) -> None:
    text = "polite"
    for number, (method, part, status, code, hint) in enumerate(FAILURES, start=1):
        change(released, text, f"polite {number}", "ad")
        text = f"polite {number}"
        released.faults.append(fault(asking(method, part), failing(status)))
        done = released.exits(code, "deploy")
        assert hint in done.err.partition("hint: ")[2]
        assert "promptsync push" not in done.err and "fix the prompt" not in done.err
        assert prod(released) == [number, 1, 1, number]
        released.faults.clear()
        released.ok("deploy")
        assert prod(released) == [number + 1, 1, 1, number + 1] and released.version("a") == number + 1


# -- nothing to release -------------------------------------------------------------------------------------


def of_others(seen: object, forward: object) -> Reply:
    """A list in which each label belongs to another prompt."""
    label = {"release_label": "prod", "prompt_version_number": 1, "prompt_id": 900}
    return Reply({"release_labels": [{**label, "release_label_id": 90 + number} for number in range(4)]})


def test_nothing_to_release_reads_prompts_and_labels_once(released: World) -> None:
    # Without a list of labels: the latest versions, those under the label, twice, and those under the two
    # labels beside it.
    for answer, lists in ((None, 2), (failing(404), 5), (failing(403), 5), (of_others, 2)):
        released.faults[:] = [fault(asking("GET", LABELS), answer)] if answer else []
        released.forget()
        assert "prod points at what is committed" in released.ok("deploy").out
        assert Counter(seen.path for seen in released.seen) == {"/prompt-templates": lists, LABELS: 1}
    released.put("promptsync.yaml", "prompts: prompt\nlabels: {main: prod}\n")
    assert "no prompts to deploy" in released.ok("deploy", "--allow-dirty").out


def added(world: World) -> None:
    change(world, "hello", "welcome")
    world.ok("push")
    world.remove_label("a", "prod")
    world.remove_label("a", "prod.released")


@pytest.mark.parametrize("state", [lambda world: world.remove_label("a", "prod.released"), added])
def test_what_is_not_recorded_is_checked_and_released(
    released: World, state: Callable[[World], None]
) -> None:
    state(released)
    released.forget()
    document = released.ok("deploy", "--json").document
    assert [run["evaluation"] for run in document["eval"]["runs"]] == ["a is polite"]
    assert released.published == []
    assert released.label("a", "prod") == released.label("a", "prod.released") == released.version("a")


def test_a_first_deploy_releases_everything_with_few_requests(world: World) -> None:
    for number in range(10):
        world.write(f"p{number}", "Hello {name}")
    world.commit()
    document = world.ok("deploy", "--json").document
    assert prod(world) == [1, 1, 1, 1] and document["passed"] is True
    scores = {run["evaluation"]: run["score"] for run in document["eval"]["runs"]}
    assert scores == {f"{name} is polite": 100.0 for name in "abc"}
    assert [run["agent"] for run in document["agents"]["runs"]] == ["bot"]
    change(world, "Hello", "Welcome", [f"p{number}" for number in range(5)])
    world.forget()
    world.ok("deploy")
    requests = Counter(seen.method for seen in world.seen)
    assert requests["POST"] == 5 + 5  # the versions, and prod.previous for each
    assert sum(map(is_move, world.seen)) == requests["PATCH"] == 5 + 5  # prod and prod.released
    assert len(world.seen) <= 5 * 8 + 20, requests
