"""Ctrl-C, and SIGTERM, in a real process while the registry does not answer: the run ends at once."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from interrupting import ended, held, until
from worlds import Seen, World, asking, template

LISTING = asking("GET", "/prompt-templates?")
VERSION = asking("GET", "resolve_snippets=false")


@template
def apart(world: World) -> None:
    """A long list, ten prompts of which changed here, ten there and ten on both sides."""
    for number in range(101):
        world.publish(f"p{number:03}")
    world.ok("pull")
    world.commit()
    for number in range(20):
        world.edit(f"p{number:03}", "Theirs", "Ours")
    world.commit()
    for number in range(10, 30):
        world.publish(f"p{number:03}", "Theirs, again {name}")


@pytest.mark.parametrize(
    ("verb", "matches", "number", "at_once"),
    [
        ("status", LISTING, signal.SIGTERM, 1),
        ("status", VERSION, signal.SIGINT, 5),
        ("pull", VERSION, signal.SIGINT, 1),
        ("push", LISTING, signal.SIGINT, 1),
    ],
)
def test_ctrl_c_and_sigterm_while_the_registry_is_read_end_at_once(
    apart: World, verb: str, matches: Callable[[Seen], bool], number: int, at_once: int
) -> None:
    before = apart.files()

    def is_held(seen: Seen) -> bool:
        # the first raw read tells the workspace; the others go out together
        return matches(seen) and (at_once == 1 or len([*filter(matches, apart.seen)]) > 1)

    with held(apart, is_held), apart.started(verb, "--json") as process:
        until(process, lambda: len([*filter(matches, apart.seen)]) >= at_once)
        process.send_signal(number)
        ended(process)
    assert (apart.writes, apart.files() == before) == ([], True)
