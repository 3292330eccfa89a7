"""Deploys to a label that needs an approval: they wait, and the next one completes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deploying import change, prod, protect
from thanks import SCRIPTED, add_polite, thanks
from worlds import Run, World, failing, fault, is_move, made, template


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """``a`` and ``b`` are checked by the table ``thanks``; nothing is published."""

    def build(world: World) -> None:
        add_polite(world, thanks(12, prompts=["a", "b"], min_score=90))

    with made(tmp_path, fixtures=SCRIPTED) as world:
        yield world.built(build)


@template
def released(world: World) -> None:
    """Both are released as their first versions, and after that ``prod`` is protected."""
    world.ok("deploy")
    protect(world, "prod")


def waiting(done: Run) -> list[str]:
    """Which prompts wait, of a deploy that ends in exactly that."""
    document = done.document
    assert (done.code, document["error"]["code"]) == (3, "waits-for-approval"), str(done)
    names = [label["name"] for label in document["labels"] if label["waits"]]
    assert f"by an admin: {names[0]} v2" in document["error"]["message"]
    assert not document["passed"] and not document["on_hold"]
    return names


def computed(world: World) -> int:
    """How many sheets were computed."""
    return sum(seen.method == "POST" and seen.path.endswith("/operations") for seen in world.seen)


def test_a_deploy_waits_and_the_one_after_the_approval_completes_it(released: World) -> None:
    change(released, "hello", "welcome", "ab")
    done = released.run("deploy")
    assert done.code == 3 and "not released; 2 prompts waiting for approval of prod" in done.out, str(done)
    assert "the change waits for approval of prod by an admin: a v2 (and 1 more)" in done.err
    assert "hint: approve it in the PromptLayer dashboard" in done.err and done.err.endswith(" deploy\n")
    assert prod(released, "ab") == [1, 1] and sorted(released.published) == ["a", "b"]
    for _ in range(2):
        released.forget()
        assert waiting(released.run("deploy", "--json")) == ["a", "b"]
        assert released.published == [] and computed(released) == 0
        assert [sorted(released.labels(name)) for name in "ab"] == [["prod", "prod.released"]] * 2
    protect(released)
    assert prod(released, "ab") == [2, 2]
    released.forget()
    done = released.ok("deploy")
    assert "2 prompts released to prod" in done.out and "on hold" not in done.out
    assert released.published == [] and computed(released) == 0
    assert released.labels("a") == released.labels("b") == {"prod": 2, "prod.previous": 1, "prod.released": 2}
    assert "nothing to release" in released.ok("deploy").out
    released.ok("rollback", "a")
    assert prod(released, "a") == [1]


def test_an_approval_may_take_longer_than_verdicts_count(released: World) -> None:
    config = released.root / "promptsync.yaml"
    config.write_text(f"{config.read_text()}evaluations: {{reuse: 1.0e-9}}\n")
    change(released, "hello", "welcome", "a")
    waiting(released.run("deploy", "--json"))
    released.forget()
    waiting(released.run("deploy", "--json"))
    assert computed(released) == 2  # of the file and of the live version
    protect(released)
    released.forget()
    released.ok("deploy")
    assert computed(released) == 0 and prod(released, "a") == [2]


@pytest.mark.parametrize("is_first", [False, True])
def test_a_rollback_leads_to_the_version_that_was_approved_without_a_deploy_after_it(
    world: World, *, is_first: bool
) -> None:
    if not is_first:
        world.ok("deploy")
        change(world, "hello", "welcome", "a")
    protect(world, "prod")
    live = 1 if is_first else 2
    assert world.run("deploy").code == 3
    protect(world)
    assert prod(world, "a") == [live]
    protect(world, "prod")
    change(world, "hello" if is_first else "welcome", "good day", "a")
    assert world.run("deploy").code == 3
    assert world.run("deploy").code == 3  # again, with the same result
    recorded = {"prod": live, "prod.released": live} | ({} if is_first else {"prod.previous": 1})
    assert world.labels("a") == recorded
    protect(world)
    assert prod(world, "a") == [live + 1]
    world.ok("rollback", "a")
    assert prod(world, "a") == [live]


def test_the_first_release_waits_too(world: World) -> None:
    protect(world, "prod")
    done = world.run("deploy", "--json")
    assert done.code == 3 and [label["waits"] for label in done.document["labels"]] == [True, True]
    assert "by an admin: a v1 (and 1 more)" in done.document["error"]["message"]
    assert world.labels("a") == world.labels("b") == {}
    protect(world)
    world.ok("deploy")
    assert world.labels("a") == world.labels("b") == {"prod": 1, "prod.released": 1}


@pytest.mark.parametrize("protected", ["{name: prod, prompts: [b]}", "prod"])
def test_some_are_approved_and_the_others_wait(released: World, protected: str) -> None:
    """Or only some of them are protected: all are released, or none is."""
    protect(released, protected)
    change(released, "hello", "welcome", "ab")
    done = released.run("deploy", "--json")
    assert prod(released, "ab") == [1, 1] and "b" in waiting(done)
    protect(released, "{name: prod, prompts: [b]}")
    for _ in range(2):
        assert waiting(released.run("deploy", "--json")) == ["b"]
        assert prod(released, "ab") == ([2, 1] if protected == "prod" else [1, 1])
    protect(released)
    released.ok("deploy")
    assert released.labels("a") == released.labels("b") == {"prod": 2, "prod.previous": 1, "prod.released": 2}


def test_a_release_that_waits_after_a_rollback_does_not_make_the_bad_version_the_way_back(
    released: World,
) -> None:
    protect(released)
    change(released, "hello", "welcome", "a")
    released.ok("deploy")
    released.ok("rollback", "a")
    protect(released, "prod")
    change(released, "welcome", "good day", "a")
    for _ in range(2):
        done = released.run("deploy", "--json")
        assert done.code == 3 and done.document["error"]["code"] == "waits-for-approval", str(done)
    refused = released.run("rollback", "a")
    assert refused.code == 3 and "rolled back already" in refused.err
    refused = released.run("rollback", "a", "--to", "HEAD")  # the version that waits was never live
    assert refused.code == 3 and "v3 matches HEAD, but is not known to have been live" in refused.err
    protect(released)
    released.ok("deploy")
    assert released.label("a", "prod") == released.label("a", "prod.released") == 3
    refused = released.run("rollback", "a")
    assert refused.code == 3 and prod(released, "a") == [3], str(refused)
    assert "promptsync rollback a --label prod --to N" in refused.err
    released.ok("rollback", "a@1")
    change(released, "good day", "hi", "a")
    released.ok("deploy")
    assert released.labels("a") == {"prod": 4, "prod.previous": 1, "prod.released": 4}


def test_a_rollback_that_waits_is_one_after_its_approval(released: World) -> None:
    protect(released)
    change(released, "hello", "welcome", "a")
    released.ok("deploy")
    before = released.labels("a")
    protect(released, "prod")
    done = released.run("rollback", "a", "--json")
    assert (done.code, done.document["error"]["code"]) == (3, "waits-for-approval")
    assert released.labels("a") == before
    protect(released)
    assert released.label("a", "prod") == 1
    done = released.run("deploy", "--json")
    assert done.code == 3 and [held["name"] for held in done.document["on_hold"]] == ["a"]


REFUSALS = [
    ("forbidden", 4, "forbidden", "if prod is protected, ask an administrator of the workspace to move it"),
    ("conflict", 3, "label-not-moved", "if prod is protected, ask an administrator"),
]


@pytest.mark.parametrize(("answer", "code", "word", "hint"), REFUSALS)
def test_a_refusal_does_not_claim_that_anything_waits(
    released: World, answer: str, code: int, word: str, hint: str
) -> None:
    protect(released, f"{{name: prod, answer: {answer}}}")
    change(released, "hello", "welcome", "a")
    done = released.run("deploy", "--json")
    error = done.document["error"]
    assert (done.code, error["code"]) == (code, word) and hint in error["hint"], str(done)
    assert "is protected" in error["message"] and "waits" not in error["message"]
    assert prod(released, "ab") == [1, 1] and released.published == ["a"]


def test_a_failure_counts_before_what_waits(released: World) -> None:
    change(released, "hello", "welcome", "ab")
    path = released.label_path("b", "prod")
    released.faults.append(fault(lambda seen: is_move(seen) and seen.path == path, failing(409, "no")))
    done = released.run("deploy", "--json")
    labels: list[dict[str, Any]] = done.document["labels"]
    assert [label["waits"] for label in labels] == [True, False]
    assert "'prod' of 'b' was not moved" in done.document["error"]["message"]


def test_the_embedded_registry_says_how_to_approve(released: World) -> None:
    database = released.root.parent / "registry.db"
    config = released.root / "promptsync.yaml"
    config.write_text(config.read_text().replace(released.url, f"local:{database}"))
    change(released, "hello", "welcome", "a")
    done = released.run("deploy")
    assert "hint: remove the label from protected_labels: in the fixtures" in done.err, str(done)


def test_json_of_a_deploy_that_waits_is_what_ci_can_read(released: World) -> None:
    change(released, "hello", "welcome", "a")
    output = released.root.parent / "output"
    done = released.run("deploy", GITHUB_OUTPUT=str(output))
    assert done.code == 3
    outputs = dict(line.split("=", 1) for line in output.read_text("utf-8").splitlines())
    assert json.loads(outputs["released"]) == {} and outputs["passed"] == "false"
