"""Deploys to a label that needs an approval: they wait, and the next one completes them."""

from __future__ import annotations

import pytest
from deploying import change, computed, prod, protect
from thanks import SCRIPTED, add_polite, thanks
from worlds import Run, World, own_world, template


@own_world(fixtures=SCRIPTED)
def world(world: World) -> None:
    """``a`` and ``b`` are checked by the table ``thanks``; nothing is published."""
    add_polite(world, thanks(12, prompts=["a", "b"], min_score=90))


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
    assert f"by an admin: {names[0]} v" in document["error"]["message"]
    assert not document["passed"] and not document["on_hold"]
    return names


def test_a_deploy_waits_and_the_one_after_the_approval_completes_it(released: World) -> None:
    """An approval may take longer than verdicts count: then what waits is checked again, but not after it."""
    released.configure("evaluations: {reuse: 1.0e-9}")
    change(released, "hello", "welcome", "ab")
    outputs = released.root.parent / "output"
    done = released.exits(3, "deploy", GITHUB_OUTPUT=str(outputs))
    assert "not released; 2 prompts waiting for approval of prod" in done.out
    assert "the change waits for approval of prod by an admin: a v2 (and 1 more)" in done.err
    assert "hint: approve it in the PromptLayer dashboard" in done.err and done.err.endswith(" deploy\n")
    assert "released={}\n" in outputs.read_text("utf-8")
    assert prod(released, "ab") == [1, 1] and sorted(released.published) == ["a", "b"]
    released.forget()
    assert waiting(released.run("deploy", "--json")) == ["a", "b"]
    assert released.published == [] and computed(released) == 4
    assert [sorted(released.labels(name)) for name in "ab"] == [["prod", "prod.released"]] * 2
    protect(released)
    released.forget()
    done = released.ok("deploy")
    assert "2 prompts released to prod" in done.out and "on hold" not in done.out
    assert released.published == [] and computed(released) == 0
    assert released.labels("a") == released.labels("b") == {"prod": 2, "prod.previous": 1, "prod.released": 2}


@pytest.mark.parametrize("is_first", [False, True])
def test_a_rollback_leads_to_what_was_approved_without_a_deploy(world: World, *, is_first: bool) -> None:
    if not is_first:
        world.ok("deploy")
        change(world, "hello", "welcome", "a")
    protect(world, "prod")
    live = 1 if is_first else 2
    assert waiting(world.run("deploy", "--json")) == (["a", "b"] if is_first else ["a"])
    assert is_first == (world.labels("a") == {})
    protect(world)
    protect(world, "prod")
    change(world, "hello" if is_first else "welcome", "good day", "a")
    for _ in range(2):  # again, with the same result
        world.exits(3, "deploy")
    recorded = {"prod": live, "prod.released": live} | ({} if is_first else {"prod.previous": 1})
    assert world.labels("a") == recorded
    protect(world)
    world.ok("rollback", "a")
    assert prod(world, "a") == [live]


@pytest.mark.parametrize("protected", ["{name: prod, prompts: [b]}", "prod"])
def test_some_are_approved_and_the_others_wait(released: World, protected: str) -> None:
    """Or only some of them are protected: all are released, or none is."""
    protect(released, protected)
    change(released, "hello", "welcome", "ab")
    assert "b" in waiting(released.run("deploy", "--json")) and prod(released, "ab") == [1, 1]
    protect(released, "{name: prod, prompts: [b]}")
    assert waiting(released.run("deploy", "--json")) == ["b"]
    assert prod(released, "ab") == ([2, 1] if protected == "prod" else [1, 1])
    protect(released)
    released.ok("deploy")
    assert released.labels("a") == released.labels("b") == {"prod": 2, "prod.previous": 1, "prod.released": 2}


def test_a_release_that_waits_after_a_rollback_leaves_the_way_back(released: World) -> None:
    protect(released)
    change(released, "hello", "welcome", "a")
    released.ok("deploy")
    before = released.labels("a")
    protect(released, "prod")
    assert "waits for approval" in released.exits(3, "rollback", "a").err
    assert released.labels("a") == before
    protect(released)
    assert released.label("a", "prod") == 1  # what waits is a rollback after its approval
    held = released.exits(3, "deploy", "--json").document["on_hold"]
    assert [prompt["name"] for prompt in held] == ["a"]
    protect(released, "prod")
    change(released, "welcome", "good day", "a")
    assert waiting(released.run("deploy", "--json")) == ["a"]
    assert "rolled back already" in released.exits(3, "rollback", "a").err
    # The version that waits was never live.
    released.says(3, "v3 matches HEAD, but is not known to have been live", "rollback", "a", "--to", "HEAD")
    protect(released)
    released.ok("deploy")
    assert released.label("a", "prod") == released.label("a", "prod.released") == 3
    assert "promptsync rollback a --label prod --to N" in released.exits(3, "rollback", "a").err
    assert prod(released, "a") == [3]


@pytest.mark.parametrize(
    ("answer", "code", "word"), [("forbidden", 4, "forbidden"), ("conflict", 3, "label-not-moved")]
)
def test_a_refusal_does_not_claim_that_it_waits(released: World, answer: str, code: int, word: str) -> None:
    protect(released, f"{{name: prod, answer: {answer}}}")
    change(released, "hello", "welcome", "a")
    error = released.exits(code, "deploy", "--json").document["error"]
    assert error["code"] == word and "if prod is protected, ask an administrator" in error["hint"]
    assert "is protected" in error["message"] and "waits" not in error["message"]
    assert prod(released, "ab") == [1, 1] and released.published == ["a"]
