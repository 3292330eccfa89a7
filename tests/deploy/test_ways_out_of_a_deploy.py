"""What a refused deploy says to type does what it says, and the next deploy goes through."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace

import pytest
from deploying import change, prod
from worlds import Reply, Run, Seen, World, asking, fault, once, template_on

TEXT = "A polite hello, {name}\n\nin the middle\n\nand at the end\n"
FIX = TEXT.replace("end", "end, fixed there")


def commands(done: Run) -> list[list[str]]:
    """The commands of promptsync that an error names."""
    hints = [line.removeprefix("hint: ") for line in done.err.splitlines() if line.startswith("hint: ")]
    return [shlex.split(hint)[1:] for hint in hints if hint.startswith("promptsync ")]


@template_on("released")
def long(world: World) -> None:
    """``a`` has several lines, so that changes on both sides can be merged."""
    world.write("a", TEXT, tags=["greeting"], commit="Write more")
    world.ok("deploy")


@pytest.mark.parametrize(
    ("above", "option", "texts"),
    [
        ("", "--merge", ("there",)),
        ("draft", "--merge", ("there", "midst")),
        ("forced push", "--passed-over", ("there",)),
    ],
)
def test_a_live_edit_is_brought_in_by_what_the_refusal_says(
    long: World, above: str, option: str, texts: tuple[str, ...]
) -> None:
    long.publish("a", FIX, tags=["greeting"], release_labels=["prod"])
    if above == "draft":
        long.publish("a", FIX.replace("middle", "midst"), tags=["greeting"])
    change(long, "A polite hello", "A polite welcome")
    if above == "forced push":
        long.ok("push", "--force", "a", "-y")
    long.forget()
    refused = long.exits(3, "deploy")
    advised = commands(refused)
    is_over = option == "--passed-over"  # what a push --force does was done
    ways = [["pull", "a", option], ["pull", "a", "--no-passed-over"]]
    assert long.writes == [] and (advised == ways if is_over else ["pull", option, "a"] in advised)
    assert ("push NAME --force" in refused.err) != is_over
    for command in advised:
        long.ok(*command)
    long.commit("Bring it in")
    long.ok("deploy")
    assert all(text in long.text("a") for text in ("welcome", *texts))
    assert long.label("a", "prod") == long.version("a")


def test_an_archived_live_prompt_is_restored_under_its_label(released: World) -> None:
    released.archive("c")
    assert "promptsync push NAME --restore, or promptsync pull --prune" in released.ok("status").out
    for line in ("rollback c", "label move c prod"):
        hint = "promptsync push c --restore\n"
        assert released.exits(2, *line.split()).err.endswith(f"it is archived\nhint: {hint}")
    advised = released.exits(3, "deploy")
    assert commands(advised) == [["push", "c", "--restore"]]
    released.ok(*commands(advised)[0])
    assert prod(released, ["c"]) == [1]
    released.ok("deploy")


def test_a_label_that_is_empty_or_kept_for_another_is_a_usage_error(released: World) -> None:
    for label in ("", "prod.previous", "prod.released"):
        released.exits(2, "deploy", "--label", label)
    assert released.seen == []


def test_a_label_that_moves_while_the_registry_is_read_never_goes_down(released: World) -> None:
    change(released, "hello", "welcome")
    released.ok("push", "a")

    def somebody_releases() -> None:
        released.publish("a", "A polite hello, {name}", tags=["greeting"], release_labels=["prod"])

    released.faults.append(once(asking("GET", "label=prod"), somebody_releases))
    assert "hint: promptsync deploy\n" in released.exits(3, "deploy").err
    assert released.label("a", "prod") == 3


def test_checks_whose_time_was_up_advise_to_wait_and_not_to_fix_the_prompt(released: World) -> None:
    change(released, "hello", "welcome")

    def running(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
        reply = forward(seen)
        return replace(reply, body={**json.loads(str(reply.body)), "status": "RUNNING"})

    released.faults.append(fault(asking("GET", "/evaluations/"), running))
    released.says(1, "hint: promptsync deploy --timeout SECONDS", "deploy", "--timeout", "0.2")
