"""A/B releases route a label to other versions than the one that it points at: no such prompt is released."""

from __future__ import annotations

from pathlib import Path

import pytest
from deploying import ab_release, change, prod
from worlds import Reply, World, asking, fault, once

ROUTES = "prod returns v{} and v{}: an A/B release routes it"


@pytest.fixture
def twice(released: World) -> World:
    """``a`` has a second version, and ``prod`` was rolled back to the first; its file equals that again."""

    def build(world: World) -> None:
        change(world, "hello", "welcome", "a")
        world.ok("deploy")
        world.ok("rollback", "a")
        change(world, "welcome", "hello", "a")
        world.ok("deploy")
        assert (world.version("a"), world.label("a", "prod")) == (3, 3)

    return released.built(build)


def test_a_status_says_what_else_the_label_returns(twice: World) -> None:
    done = twice.ok("status", "--json")
    assert done.document["routed"] == []
    plain = len(twice.seen)
    twice.faults.append(ab_release(twice, "a", 2))
    twice.forget()
    for options in ((), ("--label", "prod")):
        done = twice.ok("status", *options)
        assert f"routed  a: {ROUTES.format(3, 2)}" in done.out
    done = twice.run("status", "--json", "--exit-code")
    assert done.document["routed"] == [{"name": "a", "label": "prod", "version": 3, "other": 2}]
    assert done.code == 1
    assert twice.run("status", "b").out.count("routed") == 0
    twice.faults.clear()
    twice.forget()
    twice.ok("status", "--exit-code")
    assert len(twice.seen) == plain == 3  # the prompts, the labels, and what prod returns


def test_a_deploy_skips_what_is_routed_and_releases_the_others(twice: World) -> None:
    twice.faults.append(ab_release(twice, "a", 2))
    done = twice.run("deploy", "--json")
    assert done.code == 3 and done.document["labels"] == []
    assert done.document["skipped"][0] | {"reason": ""} == {
        "name": "a",
        "state": "routed",
        "reason": "",
        "touched": True,
    }
    assert ROUTES.format(3, 2) in done.document["error"]["message"]
    done = twice.run("deploy")
    assert f"skipped  a: {ROUTES.format(3, 2)}; end it in the PromptLayer dashboard" in done.out, str(done)
    assert "points at what is committed" not in done.out
    change(twice, "hello", "good day", "ab")
    done = twice.run("deploy")
    assert done.code == 3 and "1 prompt released to prod" in done.out, str(done)
    assert prod(twice, "ab") == [3, 2] and twice.version("a") == 3
    assert twice.run("deploy", "--since", "HEAD", "--json").code == 0  # this push changed nothing of it
    twice.faults.clear()
    twice.ok("deploy")
    assert prod(twice, "ab") == [4, 2]


def test_a_deploy_that_is_routed_elsewhere_after_the_move_claims_no_release(
    released: World, tmp_path: Path
) -> None:
    change(released, "hello", "welcome", "ab")
    released.faults.append(ab_release(released, "a", 1, lambda read: read > 0))
    output = tmp_path / "output"
    done = released.run("deploy", "--json", GITHUB_OUTPUT=str(output))
    document = done.document
    assert (done.code, document["error"]["code"], document["passed"]) == (5, "routed", False), str(done)
    assert document["error"]["message"] == f"'a' is not released: {ROUTES.format(2, 1)}"
    assert [label["reason"] for label in document["labels"]] == [ROUTES.format(2, 1), ""]
    assert 'released={"b": 2}' in output.read_text("utf-8")
    assert prod(released, "ab") == [2, 2]  # nothing is undone unasked
    done = released.run("deploy")
    assert done.code == 3 and ROUTES.format(2, 1) in done.err
    released.faults.clear()
    released.ok("deploy")


def test_a_list_that_is_behind_once_is_read_again(released: World) -> None:
    change(released, "hello", "welcome", "a")
    released.faults.append(ab_release(released, "a", 1, lambda read: read == 1))
    released.ok("deploy")


def test_a_share_of_the_reads_is_noticed_when_it_is_read(twice: World) -> None:
    twice.faults.append(ab_release(twice, "a", 2, lambda read: read % 3 == 2))
    assert ["routed" in twice.ok("status").out for _ in range(6)] == [False, False, True] * 2


@pytest.mark.parametrize("verb", ["status", "deploy"])
def test_a_label_that_moves_between_the_reads_is_not_routed(twice: World, verb: str) -> None:
    listing = asking("GET", "label=prod")
    twice.faults.append(once(listing, lambda: twice.point("a", prod=2)))
    done = twice.run(verb)
    assert "routed" not in done.out and "A/B" not in done.out + done.err, str(done)


def test_a_registry_without_a_list_of_labels_is_read_twice(twice: World) -> None:
    none = Reply({"message": "no prompt labels"}, 404)
    twice.faults.append(fault(asking("GET", "/prompt-templates/labels"), none))
    twice.ok("status")
    twice.faults.append(ab_release(twice, "a", 2, lambda read: read == 1))
    assert f"routed  a: {ROUTES.format(3, 2)}" in twice.ok("status").out
