"""A release that was taken back is not released again by whoever merges next."""

from __future__ import annotations

import pytest
from deploying import dead_after
from worlds import Reply, Seen, World


def release(world: World, name: str, old: str, new: str) -> None:
    world.edit(name, old, new)
    world.commit(f"Change {name}")
    world.ok("deploy")


@pytest.fixture
def taken_back(released: World) -> World:
    """``a`` v2 was live, and a rollback moved prod back to v1."""
    release(released, "a", "hello", "welcome")
    released.ok("rollback", "a", "--label", "prod", "-y")
    assert released.label("a", "prod") == 1
    released.forget()
    return released


def test_an_unrelated_merge_holds_it_and_goes_on_with_the_rest(taken_back: World) -> None:
    taken_back.edit("b", "hello", "welcome")
    taken_back.commit("Change b")
    done = taken_back.run("deploy", "--since", "HEAD~1", "--json")
    assert done.code == 0, str(done)
    assert done.document["on_hold"] == [{"name": "a", "version": 2, "released": 1, "touched": False}]
    assert (taken_back.label("a", "prod"), taken_back.label("b", "prod")) == (1, 2)


def test_a_push_that_touched_it_is_reported_with_exit_3_and_the_way_out(taken_back: World) -> None:
    done = taken_back.run("deploy", "--since", "HEAD~1")
    assert done.code == 3
    assert "promptsync deploy a --label prod --again" in done.err
    again = "promptsync deploy a --label prod --again --remote team\n"
    done = taken_back.run("deploy", "--since", "HEAD~1", "--remote", "team")
    assert done.code == 3 and f"; {again}" in done.out and f"hint: {again}" in done.err
    done = taken_back.run("deploy", "--label", "prod", "--again", "a", "--json")
    assert done.code == 0, str(done)
    assert [one["score"] for one in done.document["eval"]["runs"]] == [100]
    assert (taken_back.label("a", "prod"), taken_back.label("a", "prod.previous")) == (2, 1)
    assert taken_back.version("a") == 2
    assert taken_back.run("deploy").code == 0


def test_what_is_wanted_again_is_proven_first_and_held_as_before_when_that_fails(released: World) -> None:
    released.edit("a", "polite hello", "rude hello")
    released.commit("Be rude")
    released.ok("push")
    released.ok("label", "move", "a", "prod", "--version", "2")
    released.ok("rollback", "a", "--label", "prod", "-y")
    done = released.run("deploy", "--again", "prompts/a.yaml")
    assert done.code == 1, str(done)
    assert released.label("a", "prod") == released.label("a", "prod.previous") == 1
    assert [one["name"] for one in released.run("deploy", "--json").document["on_hold"]] == ["a"]


def test_a_name_that_is_wanted_again_has_to_exist(taken_back: World) -> None:
    done = taken_back.run("deploy", "--again", "aa")
    assert done.code == 2
    assert "'aa'" in done.err
    assert taken_back.label("a", "prod") == 1


def test_what_nobody_took_back_may_be_wanted_again(released: World) -> None:
    assert released.run("deploy", "--again", "a").code == 0


def test_a_rollback_in_the_registrys_own_pages_counts_as_well(released: World) -> None:
    release(released, "a", "hello", "welcome")
    release(released, "a", "welcome", "good day")
    found = released.call("GET", "/prompt-templates/labels").body["release_labels"]
    label = next(one for one in found if (one["prompt_name"], one["release_label"]) == ("a", "prod"))
    moved = released.call(
        "PATCH", f"/prompt-labels/{label['release_label_id']}", {"prompt_version_number": 1}
    )
    assert moved.status == 200
    done = released.run("deploy", "--since", "HEAD", "--json")
    assert [one["name"] for one in done.document["on_hold"]] == ["a"]
    assert released.label("a", "prod") == 1


def test_new_text_is_released(taken_back: World) -> None:
    release(taken_back, "a", "welcome", "good day")
    assert taken_back.label("a", "prod") == 3
    assert taken_back.label("a", "prod.previous") == 1


@pytest.mark.parametrize("writes", range(6))
def test_new_text_of_a_killed_deploy_is_released_by_the_next(taken_back: World, writes: int) -> None:
    taken_back.edit("a", "welcome", "good day")
    taken_back.commit("Good day")
    dead_after(taken_back, writes)
    taken_back.run("deploy")
    taken_back.faults.clear()
    done = taken_back.run("deploy", "--json")
    assert (done.code, done.document["on_hold"]) == (0, []), str(done)
    assert (taken_back.label("a", "prod"), taken_back.version("a")) == (3, 3)
    taken_back.ok("rollback", "a", "--label", "prod", "--to", "1", "-y")
    assert [one["version"] for one in taken_back.run("deploy", "--json").document["on_hold"]] == [3]


def test_a_git_revert_of_what_was_taken_back_brings_peace(taken_back: World) -> None:
    taken_back.git("revert", "--no-edit", "HEAD")
    done = taken_back.run("deploy", "--json")
    assert done.code == 0
    assert done.document["on_hold"] == []
    assert taken_back.label("a", "prod") == 3
    assert taken_back.text("a", 3) == "A polite hello, {name}"


def test_new_text_whose_gate_failed_is_left_over_and_not_held(taken_back: World) -> None:
    taken_back.edit("a", "polite welcome", "rude welcome")
    taken_back.commit("Be rude")
    assert taken_back.run("deploy").code == 1
    done = taken_back.run("deploy", "--json")
    assert done.code == 1
    assert done.document["on_hold"] == []
    assert taken_back.version("a") == 3
    release(taken_back, "a", "rude", "very polite")
    assert taken_back.label("a", "prod") == 4


def test_a_push_with_the_label_does_not_bring_it_back_either(taken_back: World) -> None:
    done = taken_back.run("push", "--label", "prod", "--skip-checks")
    assert done.code == 3
    assert "was rolled back to v1; promptsync deploy NAME --again" in done.out + done.err
    assert taken_back.label("a", "prod") == 1
    taken_back.edit("a", "welcome", "good day")
    taken_back.commit("Say it otherwise")
    taken_back.ok("push")
    taken_back.ok("push", "--label", "prod", "--skip-checks")
    assert taken_back.label("a", "prod") == 3


@pytest.mark.parametrize("status", [503, 429])
@pytest.mark.parametrize("verb", [("deploy",), ("push", "--label", "prod", "--skip-checks")])
def test_what_somebody_released_while_we_waited_to_ask_again_stays(
    released: World, status: int, verb: tuple[str, ...]
) -> None:
    released.edit("a", "hello", "welcome")
    released.commit("Change a")
    moved: list[int] = []

    def react(seen: Seen, forward: object) -> Reply | None:
        if seen.method != "PATCH" or "/prompt-labels/" not in seen.path or moved:
            return None
        moved.append(released.publish("a", "A polite hotfix, {name}"))
        answer = released.call("PATCH", seen.path, {"prompt_version_number": moved[0]})
        assert answer.status == 200
        return Reply({"message": "later"}, status)

    released.faults.append(react)
    done = released.run(*verb, "--json")
    assert done.code == 3, str(done)
    assert released.label("a", "prod") == moved[0] == 3
    assert "somebody else moved" in str(done.document)
