"""What a push makes of odd responses and of a list that lags behind: it blames nobody for nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from mutations import HARMLESS, in_camel_case, mutated
from scripted_registry import DROPPED, Reply, Seen
from test_hostile_answers import bomb, packed
from worlds import Fault, World, fault, publishing


def old_list(times: int) -> Fault:
    """Let the list stay as it is now, for so many requests after the next publish."""
    before: dict[str, Reply] = {}
    left = [times]
    is_published = [False]

    def answer(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply | None:
        is_published[0] |= publishing()(seen)
        if seen.path != "/prompt-templates":
            return None
        if not is_published[0]:
            before[seen.target] = forward(seen)
        elif seen.target in before and left[0] > 0:
            left[0] -= 1
            return before[seen.target]
        return None

    return answer


def on_every_fifth(reply: Reply) -> Fault:
    """Send this in place of each fifth response, and do nothing."""
    numbers = count(1)
    return lambda seen, forward: reply if next(numbers) % 5 == 0 else None


def after_publish(reply: Callable[[], Reply]) -> Fault:
    """Publish, and send this."""
    return fault(publishing(), lambda seen, forward: reply(), after=True)


ANSWERS: dict[str, Callable[[], Fault]] = {
    "the list lags behind once": lambda: old_list(1),
    "the list lags behind twice": lambda: old_list(2),
    "the list lags behind for good": lambda: old_list(999),
    "a dropped connection on every fifth request": lambda: on_every_fifth(DROPPED),
    "numbers as text": lambda: mutated(HARMLESS["numbers as text"]),
    "null in place of empty lists": lambda: mutated(HARMLESS["null in place of empty lists"]),
    "another API's names after the publish": lambda: mutated(in_camel_case, "POST"),
    "a bomb after the publish": lambda: after_publish(lambda: packed(bomb())),
    "NaN after the publish": lambda: after_publish(lambda: Reply('{"id": NaN}')),
}
"""What the registry does from the first request of a push on."""


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=list(ANSWERS))
def test_a_push_blames_nobody_for_what_the_registry_returns(
    world: World, answers: Callable[[], Fault]
) -> None:
    world.write("other")
    world.write("changed", commit="Add prompts")
    world.ok("push")
    for name in ("changed", "new"):
        world.write(name, "Changed {name}")
    world.commit()
    world.forget()
    world.faults.append(answers())
    world.ok("push")
    world.faults.clear()
    assert set(world.published) == {"changed", "new"}  # twice if a lost connection met the first attempt
    assert (world.version("changed"), world.version("new")) == (2, 1)
    assert world.text("changed") == world.text("new") == "Changed {name}"
    assert set(world.states().values()) == {"in-sync"}
