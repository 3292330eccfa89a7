"""What a push makes of odd responses and of a list that lags behind: it blames nobody for nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from mutations import Change, everywhere, in_camel_case, mutated, null_when_empty
from scripted_registry import DROPPED, Reply, Seen
from test_hostile_answers import bomb, packed
from worlds import World, fault, publishing


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


def every_fifth(reply: Reply) -> Callable[[World], None]:
    """Send this in place of each fifth response, and do nothing."""
    numbers = count(1)

    def answer(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        return reply if next(numbers) % 5 == 0 else None

    return lambda world: world.faults.append(answer)


PUSHES: dict[str, Callable[[World], None]] = {
    "the list lags behind once": lambda world: old_list(world, 1),
    "the list lags behind twice": lambda world: old_list(world, 2),
    "the list lags behind for good": lambda world: old_list(world, 999),
    "a dropped connection on every fifth request": every_fifth(DROPPED),
    "numbers as text": mutating(with_numbers_as_text),
    "null in place of empty lists": mutating(everywhere(null_when_empty)),
    "another API's names after the publish": mutating(in_camel_case, "POST"),
    "a bomb after the publish": after_publish(lambda: packed(bomb())),
    "NaN after the publish": after_publish(lambda: Reply('{"id": NaN}')),
}
"""What happens from the first request of a push on."""


@pytest.mark.parametrize("is_new", [False, True], ids=["changed", "new"])
@pytest.mark.parametrize("prepare", PUSHES.values(), ids=list(PUSHES))
def test_a_push_blames_nobody_for_what_the_registry_returns(
    world: World, prepare: Callable[[World], Any], is_new: bool
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
    world.ok("push")
    world.faults.clear()
    assert set(world.published) == {"a"}  # twice if a lost connection met the first attempt
    assert world.version("a") == (1 if is_new else 2)
    assert world.text("a") == "Changed {name}"
    assert set(world.states().values()) == {"in-sync"}
