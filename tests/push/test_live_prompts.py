"""A push never changes what is live under a governed label unless somebody says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from worlds import World, made

PIN = "@@@voice@version_number:1@@@ {name}"
LIVE = "live at once in bots/faq (prod)"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """``deploy`` guards prod; nothing is published yet but two snippets."""
    with made(tmp_path) as world:
        config = world.root / "promptsync.yaml"
        config.write_text(f"{config.read_text()}labels: {{main: prod}}\n")
        world.write("voice", content="Be kind.")
        world.write("middle", content="@@@voice@@@ Be short.")
        world.commit("Add snippets")
        world.ok("push")
        yield world


def release(world: World, *texts: str) -> None:
    """Release the last of the texts of ``bots/faq``."""
    for text in texts:
        world.write("bots/faq", text)
        world.commit("Change the bot")
        world.ok("push")
    world.ok("label", "set", "bots/faq", "prod", "--to", str(len(texts)), "--yes")


def foreign(world: World, text: str) -> None:
    """Somebody else releases ``bots/faq``, which has no file here."""
    world.publish("bots/faq", text, release_labels=["prod"])
    config = world.root / "promptsync.yaml"
    config.write_text(config.read_text() + "include: [voice, middle]\n")
    world.commit("Include what is ours")


def rewrite(world: World, text: str) -> None:
    """Change the file of ``bots/faq`` after its release."""
    world.write("bots/faq", text)
    world.commit("Change the bot again")


USERS: dict[str, tuple[bool, Callable[[World], object]]] = {
    "unpinned": (True, lambda world: release(world, "@@@voice@@@ {name}")),
    "through a snippet": (True, lambda world: release(world, "@@@middle@@@ {name}")),
    "through a pinned snippet": (True, lambda world: release(world, "@@@middle@version_number:1@@@ {name}")),
    "live, but pinned in the file": (
        True,
        lambda world: (release(world, "@@@voice@@@ {name}"), rewrite(world, PIN)),
    ),
    "live, but pinned in the latest version": (
        True,
        lambda world: (release(world, "@@@voice@@@ {name}"), rewrite(world, PIN), world.ok("push")),
    ),
    "without a file here": (True, lambda world: foreign(world, "@@@voice@@@ {name}")),
    "without a file, through a snippet": (True, lambda world: foreign(world, "@@@middle@@@ {name}")),
    "pinned": (False, lambda world: release(world, PIN)),
    "pinned, without a file here": (False, lambda world: foreign(world, PIN)),
    "by a label": (
        False,
        lambda world: (
            world.ok("label", "set", "voice", "prod", "--yes"),
            release(world, "@@@voice@label:prod@@@ {name}"),
        ),
    ),
    "unpinned in the file alone": (
        False,
        lambda world: (release(world, PIN), rewrite(world, "@@@voice@@@ {name}")),
    ),
    "unpinned in the latest version alone": (
        False,
        lambda world: (release(world, PIN), rewrite(world, "@@@voice@@@ {name}"), world.ok("push")),
    ),
    "not released": (False, lambda world: (rewrite(world, "@@@voice@@@ {name}"), world.ok("push"))),
}


@pytest.mark.parametrize(("is_live", "prepare"), USERS.values(), ids=list(USERS))
def test_a_snippet_that_is_live_at_once_is_refused_and_named(
    world: World, is_live: bool, prepare: Callable[[World], object]
) -> None:
    prepare(world)
    world.write("voice", content="Be rude.")
    world.commit("Change the voice")
    world.forget()
    done = world.run("push")
    assert (done.code, bool(world.published), LIVE in done.out + done.err) == (
        (3, False, True) if is_live else (0, True, False)
    ), str(done)
    if is_live:
        assert "; nothing was published\nhint: promptsync deploy\n" in done.err


def test_skip_checks_publishes_it_and_says_so_everywhere(world: World, tmp_path: Path) -> None:
    release(world, "@@@voice@@@ {name}")
    world.write("voice", content="Be brief.")
    world.commit("Change the voice")
    told = f"unchecked  voice: {LIVE}"
    live = [{"snippet": "voice", "users": [{"name": "bots/faq", "label": "prod"}]}]
    refused = world.run("push", "--json").document
    assert (refused["error"]["code"], refused["live"]) == ("live-snippets", live)
    planned = world.run("push", "-n", "--skip-checks")
    assert (planned.code, told in planned.out) == (0, True)
    assert world.run("push", "-n", "--skip-checks", "--json").document["live"] == live
    asked = world.on_terminal("push", "--skip-checks", answer="n\n", NO_COLOR="1")
    assert (asked.code, told in asked.err) == (1, True)
    assert world.version("voice") == 1
    summary = tmp_path / "summary.md"
    done = world.run("push", "--skip-checks", GITHUB_STEP_SUMMARY=str(summary))
    assert (done.code, told in done.out, told in summary.read_text("utf-8")) == (0, True, True)
    assert world.version("voice") == 2


def test_a_label_that_a_live_prompt_follows_does_not_move_either(world: World) -> None:
    world.ok("label", "set", "voice", "staging", "--yes")
    release(world, "@@@voice@label:staging@@@ {name}")
    world.write("voice", content="Be rude.")
    world.commit("Change the voice")
    refused = world.run("push", "--label", "staging")
    assert (refused.code, LIVE in refused.err) == (3, True)
    world.ok("push")
    assert world.label("voice", "staging") == 1


def test_who_uses_a_snippet_is_asked_only_when_one_is_published(world: World) -> None:
    release(world, "@@@voice@@@ {name}")
    rewrite(world, "@@@voice@@@ Hello {name}")
    world.forget()
    world.ok("push")
    assert [one.target for one in world.seen if "usage" in one.target or "label" in one.target] == []
    world.write("voice", content="Be rude.")
    world.forget()
    assert world.run("push").code == 3
    assert len(world.seen) <= 6, [one.target for one in world.seen]
