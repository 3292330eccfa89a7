"""What a push makes of odd responses and of a list that lags behind: it blames nobody for nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from mutations import Change, everywhere, in_camel_case, mutated, null_when_empty
from scripted_registry import DROPPED, HTML, Reply, Seen
from test_hostile_answers import bomb, packed
from worlds import World, failing, fault, publishing


def old_list(world: World, times: int) -> None:
    """Let the list stay as it is now, for so many requests after the next publish."""
    before: dict[str, Reply] = {}
    left = [times]

    def answer(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        if seen.path != "/prompt-templates":
            return None
        if not world.published:
            before[seen.target] = forward(seen)
        elif seen.target in before and left[0] > 0:
            left[0] -= 1
            return before[seen.target]
        return None

    world.faults.append(answer)


def mutating(change: Change, method: str = "") -> Callable[[World], None]:
    return lambda world: world.faults.append(mutated(change, method))


def after_publish(reply: Callable[[], Reply]) -> Callable[[World], None]:
    """Publish, and send this."""
    return lambda world: world.faults.append(fault(publishing(), reply(), after=True))


def with_numbers_as_text(seen: Seen, body: Any) -> Any:
    return everywhere(
        lambda raw: {key: str(item) if key in ("id", "version") else item for key, item in raw.items()}
    )(seen, body)


def archive_meanwhile(world: World) -> None:
    meanwhile(world, lambda: world.archive("a"))


def publish_meanwhile(world: World) -> None:
    meanwhile(world, lambda: world.publish("a"))


def meanwhile(world: World, do: Callable[[], object]) -> None:
    """Let somebody do something after the publish, before its response arrives."""

    def publish(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
        reply = forward(seen)
        do()
        return reply

    world.faults.append(fault(publishing(), publish))


def every_fifth(reply: Reply) -> Callable[[World], None]:
    """Send this in place of each fifth response, and do nothing."""
    numbers = count(1)

    def answer(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        return reply if next(numbers) % 5 == 0 else None

    return lambda world: world.faults.append(answer)


PUSHES: dict[str, tuple[Callable[[World], None], int, str]] = {
    "the list lags behind once": (lambda world: old_list(world, 1), 0, ""),
    "the list lags behind twice": (lambda world: old_list(world, 2), 0, ""),
    "the list lags behind for good": (lambda world: old_list(world, 999), 0, ""),
    "429 on every fifth request": (every_fifth(failing(429)), 0, ""),
    "a dropped connection on every fifth request": (every_fifth(DROPPED), 0, ""),
    "numbers as text": (mutating(with_numbers_as_text), 0, ""),
    "null in place of empty lists": (mutating(everywhere(null_when_empty)), 0, ""),
    "another API's names after the publish": (mutating(in_camel_case, "POST"), 0, ""),
    "a web page after the publish": (after_publish(lambda: HTML), 0, ""),
    "a bomb after the publish": (after_publish(lambda: packed(bomb())), 0, ""),
    "NaN after the publish": (after_publish(lambda: Reply('{"id": NaN}')), 0, ""),
    "a web page, and no publish": (
        lambda world: world.faults.append(fault(publishing(), HTML)),
        5,
        "unknown",
    ),
    "somebody archives the prompt": (archive_meanwhile, 3, "at the same time"),
    "somebody else publishes": (publish_meanwhile, 3, "at the same time"),
}
"""What happens from the first request of a push on; its exit code; what it says."""


@pytest.mark.parametrize("is_new", [False, True], ids=["changed", "new"])
@pytest.mark.parametrize(("prepare", "code", "words"), PUSHES.values(), ids=list(PUSHES))
def test_a_push_blames_nobody_for_what_the_registry_returns(
    world: World, prepare: Callable[[World], Any], code: int, words: str, is_new: bool
) -> None:
    world.write("other")
    if not is_new:
        world.write("a")
    world.commit()
    world.ok("push")
    world.write("a", "Changed {name}")
    world.commit()
    world.forget()
    prepare(world)
    done = world.run("push")
    assert done.code == code, str(done)
    assert words in done.err
    world.faults.clear()
    if code == 0:
        assert set(world.published) == {"a"}  # twice if a 429 met the first attempt
        assert world.version("a") == (1 if is_new else 2)
        assert world.text("a") == "Changed {name}"
        assert set(world.states().values()) == {"in-sync"}
