"""A label is written, the response is lost, and nothing can be read afterwards: the outcome is unknown."""

from __future__ import annotations

import json

import pytest
from worlds import DROPPED, Reply, Seen, World, failing


def moved_and_gone(world: World, method: str) -> None:
    """Carry out the first write of a label with this method, and reject everything from then on."""
    gone = False

    def answer(seen: Seen, forward: object) -> Reply | None:
        nonlocal gone
        if gone:
            return failing(403)
        if seen.method != method or not seen.path.startswith(("/prompt-labels/", "/prompts/")):
            return None
        gone = True
        world.forward(seen)
        return DROPPED

    world.faults.append(answer)


@pytest.mark.parametrize(
    ("method", "command", "version"),
    [
        ("PATCH", ["label", "move", "a", "prod", "--to", "2", "--yes"], 2),
        ("PATCH", ["deploy", "a", "--yes"], 2),
        ("PATCH", ["deploy", "--yes"], 2),
        ("DELETE", ["label", "delete", "a", "prod", "--yes"], 1),
        ("POST", ["label", "set", "a", "beta", "--yes"], 2),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else None,
)
def test_a_write_whose_response_is_lost_is_unknown(
    released: World, method: str, command: list[str], version: int
) -> None:
    for name in "ac":
        released.edit(name, "polite", "polite and short")
    released.commit("Shorten")
    if command[0] == "label":
        released.ok("push", "a")
    moved_and_gone(released, method)
    done = released.run(*command, "--json")
    released.faults.clear()
    assert done.code == 5, str(done)
    assert json.loads(done.out)["error"]["message"].startswith("it is unknown whether ")
    assert version in {released.label(name, "beta" if method == "POST" else "prod") for name in "ac"}
    assert "did not move" not in done.err and "not moved" not in done.err


def test_a_deploy_whose_move_is_unknown_does_not_say_that_nothing_was_released(released: World) -> None:
    released.edit("a", "polite", "polite and short")
    released.commit("Shorten")
    moved_and_gone(released, "PATCH")
    done = released.run("deploy", "--format", "markdown")
    assert done.code == 5
    assert done.out.startswith("**Not released; the position of `prod` is unknown**")
    assert "  unknown  a  prod" in done.out and "not released  a" not in done.out
