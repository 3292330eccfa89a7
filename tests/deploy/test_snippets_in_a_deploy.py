"""Checks see only what the registry renders: a snippet that would be live before them is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from deploying import served
from worlds import World

BY_LABEL = "@@@tone@label:prod@@@"
UNPINNED = "@@@tone@@@"
PINNED = "@@@tone@version_number:1@@@"


def write(world: World, **texts: str) -> None:
    """Commit texts: ``tone``, ``word`` and ``outer`` are snippets, all others prompts."""
    for name, text in texts.items():
        if name in ("tone", "word", "outer"):
            world.write(name, content=text)
        else:
            world.write(name, f"{text} A polite hello, {{name}}", tags=["greeting"])
    world.commit(f"Change {', '.join(texts)}")


def release(world: World, **texts: str) -> None:
    """Release texts one after the other, snippets first."""
    for name, text in texts.items():
        write(world, **{name: text})
        world.ok("deploy")
    world.forget()


# -- what would be live immediately ------------------------------------------------------------------------


POLITE = {"tone": "A polite text."}
NESTED = {**POLITE, "outer": f"So: {UNPINNED}", "a": "@@@outer@@@"}


def elsewhere(world: World) -> None:
    world.publish("bots/faq", f"{UNPINNED} {{name}}", release_labels=["prod"])
    world.configure("include: [a, b, c, d, tone]")
    world.commit("Only these")


def not_in_the_newest_version(world: World) -> None:
    write(world, a="")
    world.ok("push")


PIN = f"{PINNED}, and deploy only what pins it: promptsync deploy"


@pytest.mark.parametrize(
    ("texts", "then", "users", "hint"),
    [
        ({"a": UNPINNED}, None, "a (prod)", f"{PIN} a\n"),
        (NESTED, None, "a (prod), outer (prod)", f"{PIN} outer\n"),
        ({}, elsewhere, "bots/faq (prod)", f"{PIN} bots/faq\n"),
        ({"a": UNPINNED}, not_in_the_newest_version, "a (prod)", "hint: promptsync deploy a\n"),
    ],
)
def test_what_would_be_live_is_refused(
    released: World, texts: dict[str, str], then: Callable[[World], None] | None, users: str, hint: str
) -> None:
    """With its users and the first step."""
    release(released, **{**POLITE, **texts})
    if then is not None:
        then(released)
    write(released, tone="A rude text.")
    before = served(released)
    released.forget()
    for more in ((), ("tone",), ("--dry-run",)):
        assert hint in released.says(3, f"'tone' would be live immediately in {users}", "deploy", *more).err
    assert released.writes == [] and served(released) == before


def test_a_deploy_to_another_label_looks_at_what_is_live_in_prod(released: World) -> None:
    write(released, tone="A polite text.")
    released.ok("deploy", "tone", "--label", "staging")
    released.ok("deploy")
    release(released, a="@@@tone@label:staging@@@")
    write(released, tone="A rude text.")
    released.ok("push", "tone")
    released.forget()
    error = released.exits(3, "deploy", "--label", "staging", "--json").document["error"]
    assert error["code"] == "live-snippets" and "live immediately in a (prod)" in error["message"]
    assert released.writes == []


def test_what_is_live_already_is_checked_by_its_users_before_its_label_moves(released: World) -> None:
    release(released, tone="A polite text.")
    released.write("a", "@@@tone@@@ Hello {name}", tags=["greeting"], commit="Use it")
    released.ok("deploy")
    write(released, tone="A rude text.")
    released.ok("push", "tone", "--skip-checks")
    assert "renders a changed snippet" in released.ok("deploy", "-n").out
    document = released.exits(1, "deploy", "--json").document
    assert [run["evaluation"] for run in document["eval"]["runs"]] == ["a is polite"]
    assert [member["name"] for member in document["members"] if member["dependant"]] == ["a"]
    assert document["unchecked"] == []
    assert released.label("tone", "prod") == 1


# -- what comes first ---------------------------------------------------------------------------------------


OLD, USE = {"tone": "Old text."}, {**POLITE, "a": BY_LABEL}


@pytest.mark.parametrize(
    ("before", "texts"), [({}, USE), (OLD, USE), (OLD, {**POLITE, "outer": BY_LABEL, "a": "@@@outer@@@"})]
)
def test_a_snippet_is_deployed_before_the_prompts_that_render_it_by_the_label(
    released: World, before: dict[str, str], texts: dict[str, str]
) -> None:
    release(released, **before)
    write(released, **texts)
    if texts is USE and before:
        released.ok("push", "tone")
    released.forget()
    if not before:  # only a deploy gives the snippet its first label
        for command in (("push",), ("deploy", "--label", "staging")):
            assert released.exits(3, *command).err.endswith("hint: promptsync deploy tone --label prod\n")
    for more in ((), ("a",)):
        error = released.exits(3, "deploy", *more, "--json").document["error"]
        assert (error["code"], error["hint"]) == ("snippets-first", "promptsync deploy tone")
    assert released.writes == []
    released.ok("deploy", "tone")
    done = released.ok("deploy", "--json").document
    assert [run["evaluation"] for run in done["eval"]["runs"]] == ["a is polite"]
    assert released.label("a", "prod") == 2
    assert served(released).startswith("A polite text.")


# -- pinned snippets ----------------------------------------------------------------------------------------


def test_the_way_out_pins_the_snippet_releases_it_and_moves_the_pins(released: World) -> None:
    release(released, **POLITE, a=UNPINNED)
    write(released, tone="Another polite text.")
    write(released, a=PINNED)
    assert "hint: promptsync deploy a\n" in released.exits(3, "deploy").err
    released.ok("deploy", "a")
    assert "      once v2 is published, a will still pin v1\n" in released.ok("deploy", "-n").out
    document = released.ok("deploy", "-n", "--json").document
    expected = [{"name": "a", "snippet": "tone", "pinned": 1, "version": 2, "problem": "outdated"}]
    assert (document["pins"], document["unchecked"]) == (expected, ["tone"])
    assert "  pinned  tone: a still pins v1, not v2; promptsync bump tone\n" in released.ok("deploy").out
    assert released.label("tone", "prod") == 2 and served(released).startswith("A polite text.")
    released.ok("bump", "tone")
    released.commit("Use the new tone")
    document = released.ok("deploy", "--json").document
    assert [run["evaluation"] for run in document["eval"]["runs"]] == ["a is polite"]
    assert document["pins"] == [] and served(released).startswith("Another polite text.")


def test_snippets_in_snippets_are_pinned_one_after_the_other(released: World) -> None:
    """Each step is the one that the refusal before it names, and the live text stays until the last one."""
    release(released, **NESTED)
    write(released, tone="Another polite text.")
    for user, text, pin in (
        ("outer", "So: {pin}", PINNED),
        ("a", "{pin}", "@@@outer@version_number:1@@@"),
    ):
        refused = released.exits(3, "deploy").err
        assert f"{pin}, and deploy only what pins it: promptsync deploy {user}\nhint: then " in refused
        write(released, **{user: text.format(pin=pin)})
    for user in ("a", "outer"):
        assert f"hint: promptsync deploy {user}\n" in released.exits(3, "deploy").err
        released.ok("deploy", user)
    refused = released.exits(3, "deploy").err
    assert "hint: promptsync bump outer\n" in refused and refused.endswith(": promptsync deploy a\n")
    released.ok("bump", "outer")
    released.commit("Move the pin")
    released.ok("deploy", "a")
    for name in ("tone", "outer"):
        assert f"promptsync bump {name}" in released.ok("deploy").out
        assert served(released).startswith("So: A polite text.")
        released.ok("bump", name)
        released.commit(f"Use the new {name}")
    released.ok("deploy")
    assert served(released).startswith("So: Another polite text.")


# -- labels that are moved by hand --------------------------------------------------------------------------


def test_a_label_that_makes_a_snippet_live_at_once_moves_only_on_purpose(released: World) -> None:
    write(released, tone="A polite text.")
    released.ok("push", "--label", "staging", "--skip-checks")
    write(released, a="@@@tone@label:staging@@@")
    released.ok("deploy")
    write(released, tone="Another text.")
    released.ok("push", "tone")
    released.forget()
    command = ("label", "move", "tone", "staging")
    released.says(3, "v2 of 'tone' is unchecked in live prompts: live immediately in a (prod)", *command)
    asked = released.on_terminal(*command, answer="n\n")
    assert (asked.code, released.writes) == (1, [])
    assert "to a version that is unchecked in live prompts: tone v2. Continue?" in asked.err
    released.ok(*command, "--skip-checks")
    assert released.label("tone", "staging") == 2
