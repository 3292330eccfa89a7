"""A push never changes what is live under a governed label unless somebody says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from worlds import World, failing, fault, once, own_world, publishing

from promptsync.registry.promptlayer.connection import Connection

PIN = "@@@voice@version_number:1@@@ {name}"
LIVE = "live immediately in bots/faq (prod)"


@own_world()
def guarded(world: World) -> None:
    """``deploy`` guards prod; nothing is published yet but two snippets."""
    world.configure("labels: {main: prod}")
    world.write("voice", content="Be kind.")
    world.write("middle", content="@@@voice@@@ Be short.")
    world.commit("Add snippets")
    world.ok("push")


def release(world: World, *texts: str) -> None:
    """Release the last of the texts of ``bots/faq``."""
    for text in texts:
        world.write("bots/faq", text)
        world.commit("Change the bot")
        world.ok("push")
    world.ok("label", "set", "bots/faq", "prod", "--to", str(len(texts)), "--skip-checks")


def foreign(world: World, text: str, *labels: str) -> None:
    """Somebody else publishes ``bots/faq``, which has no file here."""
    world.publish("bots/faq", text, release_labels=labels)
    world.configure("include: [voice, middle]")
    world.commit("Include what is ours")


def rewrite(world: World, text: str) -> None:
    """Change the file of ``bots/faq`` after its release."""
    world.write("bots/faq", text)
    world.commit("Change the bot again")


USERS: dict[str, tuple[bool, Callable[[World], object]]] = {
    "unpinned": (True, lambda world: release(world, "@@@voice@@@ {name}")),
    "through a pinned snippet": (True, lambda world: release(world, "@@@middle@version_number:1@@@ {name}")),
    "live, but pinned in the latest version": (
        True,
        lambda world: (release(world, "@@@voice@@@ {name}"), rewrite(world, PIN), world.ok("push")),
    ),
    "without a file, through a snippet": (True, lambda world: foreign(world, "@@@middle@@@ {name}", "prod")),
    "pinned, without a file here": (False, lambda world: foreign(world, PIN, "prod")),
    "by a label": (
        False,
        lambda world: (
            world.ok("label", "set", "voice", "prod", "--skip-checks"),
            release(world, "@@@voice@label:prod@@@ {name}"),
        ),
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
        assert "; nothing was published\nhint: promptsync deploy" in done.err


def test_skip_checks_publishes_it_and_says_so_everywhere(world: World, tmp_path: Path) -> None:
    release(world, "@@@voice@@@ {name}")
    world.write("voice", content="Be brief.")
    world.commit("Change the voice")
    told = f"unchecked  voice: {LIVE}"
    live = [{"snippet": "voice", "users": [{"name": "bots/faq", "label": "prod"}]}]
    refused = world.run("push", "--json").document
    assert (refused["error"]["code"], refused["live"]) == ("live-snippets", live)
    assert told in world.ok("push", "-n", "--skip-checks").out
    assert world.run("push", "--skip-checks", CI="").code == 2
    assert told in world.on_terminal("push", "--skip-checks", answer="n\n", NO_COLOR="1").err
    assert world.version("voice") == 1
    world.faults.append(fault(publishing("voice"), failing(422)))
    assert world.run("push", "--skip-checks", "--json").document["live"] == []
    world.faults.clear()
    summary = tmp_path / "summary.md"
    assert told in world.ok("push", "--skip-checks", GITHUB_STEP_SUMMARY=str(summary)).out
    assert told in summary.read_text("utf-8") and world.version("voice") == 2


def test_a_label_that_a_live_prompt_follows_does_not_move_either(world: World) -> None:
    world.ok("label", "set", "voice", "staging", "--yes")
    release(world, "@@@voice@label:staging@@@ {name}")
    world.write("voice", content="Be rude.")
    world.commit("Change the voice")
    refused = world.run("push", "--label", "staging")
    assert (refused.code, LIVE in refused.err) == (3, True)
    world.ok("push")
    assert world.label("voice", "staging") == 1
    hint = "hint: pin the current version, @@@voice@version_number:1@@@, and deploy only what pins it\n"
    assert world.run("push", "voice", "--label", "staging").err.endswith(f"; nothing was published\n{hint}")
    rewrite(world, PIN)
    world.ok("deploy", "bots/faq")
    world.ok("push", "voice", "--label", "staging")


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


# -- restoring ----------------------------------------------------------------------------------------------


def test_a_registry_that_does_not_restore_is_reported_with_what_to_do(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "dashboard", "https://dashboard.promptlayer.com")
    release(world, "@@@voice@@@ {name}")
    world.archive("bots/faq")
    world.faults.append(fault(publishing("bots/faq"), failing(422, "this name is archived")))
    refused = world.exits(5, "push", "bots/faq", "--restore")
    page = (
        r"this name is archived; restore it at https://dashboard\.promptlayer\.com/workspace/\d+/prompt/\d+"
    )
    assert re.search(f"{page}\n", refused.out)
    world.faults[:] = [once(publishing("bots/faq"), lambda: world.rename("bots/faq", "archived"))]
    done = world.ok("push", "bots/faq", "--restore")
    kept = "a new prompt: the registry kept the old versions and labels archived"
    assert f"bots/faq  v1  {kept}; promptsync deploy releases it\n" in done.out
    world.ok("deploy")
    assert world.label("bots/faq", "prod") == 1


def test_what_was_archived_while_live_is_restored_with_its_versions_and_labels(world: World) -> None:
    release(world, "@@@voice@@@ {name}", "Hello @@@voice@@@ {name}")
    world.ok("label", "set", "bots/faq", "staging", "--to", "1", "--yes")
    world.archive("voice")
    restore = ("push", "voice", "--restore")
    refused = world.says(3, LIVE, *restore)
    assert refused.err.endswith(" push voice --restore --skip-checks\n")
    world.archive("bots/faq")
    assert "hint: promptsync push voice --restore\n" in world.run("show", "voice").err
    rewrite(world, "Welcome @@@voice@@@ {name}")
    world.ok(*restore)
    planned = world.ok("push", "bots/faq", "--restore", "--dry-run", "--json").document["plan"][0]
    assert (planned["action"], planned["released"], planned["to"]) == ("restore", {"prod": 2}, 3)
    world.ok("push", "bots/faq", "--restore")
    assert [world.label("bots/faq", label) for label in ("staging", "prod")] == [1, 2]
    texts = [str(world.read("bots/faq", version)) for version in (1, 2, 3)]
    assert ["Hello" in text for text in texts] == [False, True, False] and "Welcome" in texts[-1]


def test_a_restored_prompt_passes_over_the_archived_text_that_its_file_lacks(world: World) -> None:
    world.write("bots/faq", "Hello {name}")
    world.commit("Add the bot")
    world.ok("push")
    world.publish("bots/faq", "Welcome {name}")
    world.archive("bots/faq")
    refused = world.says(2, "--restore needs confirmation", "push", "bots/faq", "--restore", CI="")
    assert "passes over  bots/faq: v2, the archived version, which your file does not include" in refused.out
    done = world.ok("push", "bots/faq", "--restore", "--yes")
    assert "passed over  bots/faq: v2; promptsync pull bots/faq --passed-over" in done.out
    assert world.run("status", "--drift").code == 1
    world.ok("deploy", "bots/faq")
    world.ok("pull", "--passed-over", "bots/faq")
    assert "Welcome" in world.path("bots/faq").read_text()
    world.commit("Welcome them")
    world.ok("deploy", "bots/faq")
    assert (world.label("bots/faq", "prod"), world.run("status", "--drift").code) == (4, 0)


def test_a_restored_prompt_includes_the_archived_version_that_its_key_names(world: World) -> None:
    world.write("bots/faq", "Hello {name}", commit="Add the bot")
    world.ok("push")
    world.publish("bots/faq", "Welcome {name}")
    world.ok("pull")
    world.edit("bots/faq", "Welcome", "Welcome back", commit="Welcome them back")
    world.archive("bots/faq")
    assert "passed over" not in world.ok("push", "bots/faq", "--restore", "--yes").out
    world.git("checkout", "-q", "HEAD~1")
    assert world.states()["bots/faq"] == "behind"


def test_a_shallow_clone_does_not_guess_what_a_restored_prompt_includes(world: World) -> None:
    world.write("bots/faq", "Hello {name}")
    world.commit("Add the bot")
    world.ok("push")
    rewrite(world, "Welcome {name}")
    world.archive("bots/faq")
    world.git("clone", "-q", "--depth=1", f"file://{world.root}", "../ci")
    deep, world.root = world.root, world.root.parent / "ci"
    refused = world.run("push", "bots/faq", "--restore", "--yes")
    assert (refused.code, world.published) == (3, ["bots/faq"]), str(refused)
    assert "too shallow to find out whether 'bots/faq' includes the archived v1" in refused.err
    world.root = deep
    assert "passed over" not in world.ok("push", "bots/faq", "--restore").out
    assert world.read("bots/faq")["commit_message"].endswith(" v2)")


# -- archiving ----------------------------------------------------------------------------------------------


def delete(world: World, name: str) -> None:
    world.path(name).unlink()
    world.commit(f"Delete {name}")
    world.forget()


def test_a_prompt_under_a_governed_label_is_not_archived_by_any_name(world: World) -> None:
    release(world, "Hello {name}")
    world.ok("label", "set", "bots/faq", "canary", "--yes")
    delete(world, "bots/faq")
    advice = "promptsync label delete bots/faq prod --skip-checks"
    assert f"  {advice}, or promptsync pull bots/faq\n" in world.ok("status").out
    for names in ((), ("bots/*",), ("bots/faq",), ("prompts/bots/faq.yaml",)):
        refused = world.says(3, "'bots/faq' is live: prod is at v1", "push", *names, "--prune", "--yes")
        assert refused.err.endswith(f"hint: {advice}\n") and world.writes == []
    world.ok(*advice.split()[1:])
    assert "  promptsync push --prune\n" in world.ok("status").out
    asked = world.on_terminal("push", "--prune", answer="n\n", NO_COLOR="1")
    live = "  live  bots/faq: v1 is live under canary; applications that load it get nothing\n"
    assert (asked.code, live in asked.err) == (1, True), str(asked)
    found = world.ok("push", "--prune", "--yes", "--json").document
    assert (found["archived"], found["plan"][0]["released"]) == (["bots/faq"], {"canary": 1})


KEEPERS: dict[str, tuple[str, Callable[[World], object]]] = {
    "a live prompt": ("bots/faq (prod)", lambda world: release(world, "@@@voice@@@ {name}", PIN)),
    "a live prompt without it now": (
        "bots/faq (prod)",
        lambda world: (release(world, PIN), rewrite(world, "Hello {name}"), world.ok("push")),
    ),
    "a prompt elsewhere": ("bots/faq", lambda world: foreign(world, PIN)),
    "a snippet": ("middle", lambda world: None),
}


@pytest.mark.parametrize(("user", "prepare"), KEEPERS.values(), ids=list(KEEPERS))
def test_a_snippet_that_others_use_is_not_archived(
    world: World, user: str, prepare: Callable[[World], object]
) -> None:
    if user != "middle":
        delete(world, "middle")
        world.ok("push", "--prune", "--yes")
    prepare(world)
    delete(world, "voice")
    said = f"the snippet 'voice' is used by {user}; nothing was published"
    for names in ((), ("voice",)):
        world.says(3, said, "push", *names, "--prune", "--yes")
    assert world.writes == []


def test_a_snippet_is_archived_with_or_after_its_last_user(world: World) -> None:
    world.write("bots/faq", PIN)
    world.commit("Use it")
    world.ok("push")
    world.write("bots/faq", "Hello {name}")
    world.path("voice").unlink()
    delete(world, "middle")
    assert world.ok("push", "--prune", "--yes", "--json").document["archived"] == ["middle", "voice"]


# -- a configuration that is not committed --------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"), [("labels: {main: prod}\n", ""), ("main: prod", "main: canary")], ids=["none", "another"]
)
def test_an_edit_of_the_configuration_alone_releases_and_archives_nothing(
    world: World, old: str, new: str
) -> None:
    release(world, "@@@voice@@@ {name}")
    world.write("voice", content="Be rude.")
    delete(world, "bots/faq")
    world.configure(new, instead=old)
    for arguments, why in (
        ((), LIVE),
        (("--label", "prod"), "only promptsync deploy moves prod, after the checks; nothing was published"),
        (("bots/*", "--prune", "--yes"), "'bots/faq' is live: prod is at v1"),
    ):
        world.says(3, why, "push", *arguments)
    assert world.writes == []
