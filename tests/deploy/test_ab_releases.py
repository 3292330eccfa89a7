"""A/B releases route a label to other versions than the one that it points at: no such prompt is released."""

from __future__ import annotations

from pathlib import Path

import pytest
from deploying import ab_release, change, prod
from worlds import World, asking, failing, fault, once, template_on

ROUTES = "prod returns v{} and v{}: an A/B release routes it"


@template_on("released")
def twice(world: World) -> None:
    """``a`` has a second version, and ``prod`` was rolled back to the first; its file equals that again."""
    change(world, "hello", "welcome", "a")
    world.ok("deploy")
    world.ok("rollback", "a")
    change(world, "welcome", "hello", "a")
    world.ok("deploy")
    assert (world.version("a"), world.label("a", "prod")) == (3, 3)


def test_a_status_says_what_else_the_label_returns(twice: World) -> None:
    assert twice.ok("status", "--json", "--exit-code").document["routed"] == []
    assert len(twice.seen) == 3  # the prompts, the labels, and what prod returns
    twice.faults.append(ab_release(twice, "a", 2))
    for options in ((), ("--label", "prod")):
        assert f"routed  a: {ROUTES.format(3, 2)}" in twice.ok("status", *options).out
    done = twice.exits(1, "status", "--json", "--exit-code")
    assert done.document["routed"] == [{"name": "a", "label": "prod", "version": 3, "other": 2}]
    assert "routed" not in twice.run("status", "b").out
    # A share of the reads is noticed when it is read.
    twice.faults[:] = [ab_release(twice, "a", 2, lambda read: read % 3 == 2)]
    assert ["routed" in twice.ok("status").out for _ in range(6)] == [False, False, True] * 2
    # A registry without a list of labels is read twice.
    twice.faults[:] = [fault(asking("GET", "/prompt-templates/labels"), failing(404))]
    assert "routed" not in twice.ok("status").out
    twice.faults.append(ab_release(twice, "a", 2, lambda read: read == 1))
    assert f"routed  a: {ROUTES.format(3, 2)}" in twice.ok("status").out


def test_a_deploy_skips_what_is_routed_and_releases_the_others(twice: World) -> None:
    twice.faults.append(ab_release(twice, "a", 2))
    document = twice.exits(3, "deploy", "--json").document
    (skipped,) = document["skipped"]
    assert (skipped["name"], skipped["state"], skipped["touched"]) == ("a", "routed", True)
    assert document["labels"] == [] and ROUTES.format(3, 2) in document["error"]["message"]
    done = twice.run("deploy")
    assert f"skipped  a: {ROUTES.format(3, 2)}; end it in the PromptLayer dashboard" in done.out, str(done)
    change(twice, "hello", "good day", "ab")
    assert "1 prompt released to prod" in twice.exits(3, "deploy").out
    assert prod(twice, "ab") == [3, 2] and twice.version("a") == 3
    twice.ok("deploy", "--since", "HEAD", "--json")  # this push changed nothing of it
    twice.faults[:] = [ab_release(twice, "a", 3, lambda read: read == 1)]
    twice.ok("deploy")  # a list that is behind once is read again
    assert prod(twice, "ab") == [4, 2]


def test_a_deploy_that_is_routed_after_the_move_claims_no_release(released: World, tmp_path: Path) -> None:
    change(released, "hello", "welcome", "ab")
    released.faults.append(ab_release(released, "a", 1, lambda read: read > 0))
    output = tmp_path / "output"
    document = released.exits(5, "deploy", "--json", GITHUB_OUTPUT=str(output)).document
    assert (document["error"]["code"], document["passed"]) == ("routed", False)
    assert document["error"]["message"] == f"'a' is not released: {ROUTES.format(2, 1)}"
    assert [label["reason"] for label in document["labels"]] == [ROUTES.format(2, 1), ""]
    assert 'released={"b": 2}' in output.read_text("utf-8")
    assert prod(released, "ab") == [2, 2]  # nothing is undone unasked
    assert ROUTES.format(2, 1) in released.exits(3, "deploy").err
    released.faults.clear()
    released.ok("deploy")


@pytest.mark.parametrize("verb", ["status", "deploy"])
def test_a_label_that_moves_between_the_reads_is_not_routed(twice: World, verb: str) -> None:
    twice.faults.append(once(asking("GET", "label=prod"), lambda: twice.point("a", prod=2)))
    done = twice.run(verb)
    assert "routed" not in done.out and "A/B" not in done.out + done.err, str(done)
