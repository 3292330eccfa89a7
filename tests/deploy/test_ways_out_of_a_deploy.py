"""What a refused deploy says to type does what it says, and the next deploy goes through."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from worlds import Reply, Run, Seen, World, asking, failing, fault, made, publishing

TEXT = "A polite hello, {name}\n\nin the middle\n\nand at the end\n"
FIX = TEXT.replace("end", "end, mended there")


def commands(done: Run) -> list[list[str]]:
    """The commands of promptsync that an error names."""
    lines = [line.removeprefix("hint: ") for line in done.err.splitlines() if line.startswith("hint: ")]
    return [shlex.split(one.removeprefix("promptsync ")) for one in lines if one.startswith("promptsync ")]


@pytest.fixture
def long(released: World) -> World:
    """``a`` has several lines, so that changes on both sides can be merged."""
    released.write("a", TEXT, tags=["greeting"])
    released.commit("Write more")
    released.ok("deploy")
    released.forget()
    return released


def edit(world: World) -> None:
    world.edit("a", "A polite hello", "A polite welcome")
    world.commit("Welcome")


def test_a_live_edit_below_a_draft_is_merged_by_what_the_refusal_says(long: World) -> None:
    long.publish("a", FIX, tags=["greeting"], release_labels=["prod"])
    long.publish("a", FIX.replace("middle", "midst"), tags=["greeting"])
    edit(long)
    done = long.run("deploy")
    assert done.code == 3
    for command in commands(done):
        assert long.run(*command).code in (0, 1), command
    long.commit("Merge")
    long.ok("deploy")
    assert "welcome" in long.text("a") and "mended there" in long.text("a") and "midst" in long.text("a")
    assert long.label("a", "prod") == long.version("a")


def test_a_live_edit_that_a_push_was_forced_over_is_brought_back_by_what_the_refusal_says(
    long: World,
) -> None:
    long.publish("a", FIX, tags=["greeting"], release_labels=["prod"])
    edit(long)
    long.ok("push", "--force", "a", "-y")
    done = long.run("deploy")
    assert done.code == 3
    assert ["pull", "--passed-over", "a"] in commands(done)
    for command in commands(done):
        assert long.run(*command).code in (0, 1), command
    long.commit("Bring it back")
    long.ok("deploy")
    assert "welcome" in long.text("a") and "mended there" in long.text("a")
    assert long.label("a", "prod") == long.version("a")


def test_a_refusal_names_no_label_that_the_prompt_does_not_have(tmp_path: Path) -> None:
    with made(tmp_path) as world:
        world.publish("a", "Theirs")
        world.write("a", "Mine")
        world.commit()
        done = world.run("deploy", "--label", "prod")
        assert done.code == 3
        assert ["diff", "a"] in commands(done)


def test_what_is_held_is_released_by_the_command_for_names_with_blanks_too(released: World) -> None:
    released.write("x y", "One {name}")
    released.commit()
    released.ok("deploy", "--label", "my label")
    released.edit("x y", "One", "Two")
    released.commit()
    released.ok("deploy", "--label", "my label")
    released.ok("rollback", "x y", "--label", "my label", "-y")
    done = released.run("deploy", "--label", "my label")
    assert done.code == 3
    (command,) = commands(done)
    released.ok(*command)
    assert released.label("x y", "my label") == 2
    assert released.run("deploy", "--label", "my label").code == 0


def test_an_archived_prompt_is_restored_or_left_out(released: World) -> None:
    released.archive("c")
    done = released.run("deploy")
    assert done.code == 3
    (command,) = commands(done)
    released.ok(*command)
    released.ok("deploy")
    released.archive("b")
    released.path("b").unlink()
    released.commit("Delete b")
    assert released.run("deploy").code == 0


def test_an_empty_label_is_refused_and_not_taken_for_that_of_the_branch(released: World) -> None:
    done = released.run("deploy", "--label", "")
    assert done.code == 2
    assert released.seen == []


@pytest.mark.parametrize("label", ["prod.previous", "prod.released"])
def test_a_label_that_is_kept_for_another_is_not_deployed_to(released: World, label: str) -> None:
    done = released.run("deploy", "--label", label)
    assert done.code == 2
    assert released.writes == []


@pytest.mark.parametrize(("status", "code"), [(422, 5), (500, 5), (401, 4)])
def test_a_push_that_fails_in_a_deploy_advises_to_deploy_again(
    released: World, status: int, code: int
) -> None:
    released.edit("a", "hello", "welcome")
    released.commit()
    released.faults.append(fault(publishing("a"), failing(status)))
    done = released.run("deploy")
    assert done.code == code, str(done)
    hint = "promptsync doctor" if code == 4 else "promptsync deploy"
    assert f"hint: {hint}" in done.err and "promptsync push" not in done.err


def test_a_label_that_moves_while_the_registry_is_read_never_goes_down(released: World) -> None:
    released.edit("a", "hello", "welcome")
    released.commit()
    released.ok("push", "a")
    lists = iter(range(1_000))

    def somebody_releases(seen: object, forward: object) -> None:
        if asking("GET", "label=prod")(seen) and next(lists) == 0:  # type: ignore[arg-type]
            released.publish("a", "A polite hello, {name}", tags=["greeting"], release_labels=["prod"])

    released.faults.append(somebody_releases)
    done = released.run("deploy")
    assert done.code == 3, str(done)
    assert "hint: promptsync deploy\n" in done.err
    assert released.label("a", "prod") == 3


def test_what_was_taken_back_is_remembered_when_nothing_new_could_be_published(released: World) -> None:
    released.edit("a", "hello", "welcome")
    released.commit()
    released.ok("deploy")
    released.ok("rollback", "a", "--label", "prod", "-y")
    released.edit("a", "welcome", "bonjour")
    released.commit()
    released.faults.append(fault(publishing("a"), failing(422)))
    assert released.run("deploy").code == 5
    released.faults.clear()
    assert released.label("a", "prod.previous") == 1
    released.git("revert", "--no-edit", "HEAD")
    done = released.run("deploy", "--json")
    assert [one["name"] for one in done.document["on_hold"]] == ["a"]


def test_a_result_file_that_cannot_be_written_does_not_unsay_a_release(released: World) -> None:
    released.edit("a", "hello", "welcome")
    released.commit()
    place = released.root / "out"
    place.mkdir()

    def gone(seen: object, forward: object) -> None:
        if place.exists():
            place.rmdir()

    released.faults.append(gone)
    done = released.run("deploy", "--junit", "out/junit.xml", "--json")
    assert done.code == 2, str(done)
    assert done.document["passed"] is True
    assert released.label("a", "prod") == 2


def test_a_gate_whose_time_was_up_advises_to_wait_and_not_to_mend_the_prompt(released: World) -> None:
    released.edit("a", "hello", "welcome")
    released.commit()

    def running(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
        reply = forward(seen)
        return replace(reply, body={**json.loads(str(reply.body)), "status": "RUNNING"})

    released.faults.append(fault(asking("GET", "/evaluations/"), running))
    done = released.run("deploy", "--timeout", "0.2")
    assert done.code == 1, str(done)
    assert "hint: promptsync deploy --timeout SECONDS" in done.err


def test_a_registry_that_cannot_run_a_gate_is_not_told_as_a_fault_of_the_prompt(released: World) -> None:
    released.edit("a", "hello", "welcome")
    released.commit()
    released.faults.append(fault(asking("POST", "/run"), failing(400)))
    done = released.run("deploy")
    assert done.code == 4, str(done)
    assert "fix the prompt" not in done.err and "hint: promptsync deploy\n" in done.err
