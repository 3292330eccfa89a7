"""A rollback of a snippet says where its newest text stays live, because no label decides that."""

from __future__ import annotations

import pytest
from worlds import World, asking, failing, fault, own_world

PINNED = "@@@voice@version_number:1@@@ {name}"
UNPINNED = "@@@voice@@@ {name}"
BY_LABEL = "@@@voice@label:prod@@@ {name}"
WARNING = (
    "warning  voice: v2 stays live where it is not pinned: bots/faq (prod); "
    "to undo it, git revert its commit and promptsync deploy"
)


@own_world()
def world(world: World) -> None:
    world.configure("labels: {main: prod}")


def release(world: World, *texts: str) -> None:
    """Release a snippet twice, with ``bots/faq`` at the first and at the second of its texts."""
    for voice, text in zip(("Be kind.", "Be rude."), texts, strict=True):
        world.write("voice", content=voice)
        world.write("bots/faq", text, commit=voice)
        for name in ("voice", "bots/faq"):
            world.ok("push", name, "--skip-checks")
            verb = "move" if world.label(name, "prod") else "set"
            world.ok("label", verb, name, "prod", "--skip-checks")


CASES = [
    ((PINNED, UNPINNED), ("voice",), True),
    ((PINNED, UNPINNED), ("--to", "HEAD~1"), False),
    ((UNPINNED, UNPINNED + "!"), ("--to", "HEAD~1"), True),
    ((PINNED, PINNED + "!"), ("voice",), False),
    ((BY_LABEL, BY_LABEL), ("voice",), False),
]


@pytest.mark.parametrize(("texts", "arguments", "is_live"), CASES)
def test_a_rollback_names_the_prompts_that_keep_the_newest_text(
    world: World, texts: tuple[str, str], arguments: tuple[str, ...], is_live: bool
) -> None:
    release(world, *texts)
    assert (WARNING in world.ok("rollback", *arguments, "-n").out) == is_live
    assert (WARNING in world.ok("rollback", *arguments).out) == is_live
    assert world.label("voice", "prod") == 1


def test_a_rollback_names_the_prompts_under_another_label_that_change_immediately(world: World) -> None:
    world.write("voice", content="Be kind.")
    world.ok("push", "--label", "staging")
    world.write("bots/faq", "@@@voice@label:staging@@@ {name}", commit="Add the bot")
    world.ok("deploy")
    world.write("voice", content="Be rude.", commit="Be rude")
    world.ok("push")
    world.ok("label", "move", "voice", "staging", "--skip-checks")
    world.forget()
    done = world.ok("rollback", "voice", "--label", "staging")
    assert "voice: v1 is unchecked in live prompts: live immediately in bots/faq (prod)\n" in done.out
    assert sum("snippet-usage" in request.target for request in world.seen) == 1


def test_a_registry_that_cannot_say_it_does_not_stop_a_rollback(world: World) -> None:
    release(world, UNPINNED, UNPINNED)
    world.faults.append(fault(asking("GET", "/prompt-templates/labels"), failing(500)))
    world.ok("rollback", "voice")
    assert world.label("voice", "prod") == 1
