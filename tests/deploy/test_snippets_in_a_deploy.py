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


@pytest.mark.parametrize(
    ("texts", "then", "users", "hint"),
    [
        ({"a": UNPINNED}, None, "a (prod)", f"{PINNED}, and deploy only what pins it: promptsync deploy a\n"),
        ({"a": BY_LABEL}, None, "a (prod)", "hint: then promptsync deploy\n"),
        (
            NESTED,
            None,
            "a (prod), outer (prod)",
            f"{PINNED}, and deploy only what pins it: promptsync deploy outer\n",
        ),
        ({}, elsewhere, "bots/faq (prod)", "what pins it: promptsync deploy bots/faq\n"),
        ({"a": UNPINNED}, not_in_the_newest_version, "a (prod)", "hint: promptsync deploy a\n"),
    ],
)
def test_a_snippet_that_is_live_before_its_checks_is_refused_with_its_users_and_the_first_step(
    released: World,
    texts: dict[str, str],
    then: Callable[[World], None] | None,
    users: str,
    hint: str,
) -> None:
    release(released, **{**POLITE, **texts})
    if then is not None:
        then(released)
    write(released, tone="A rude text.")
    before = served(released)
    released.forget()
    for more in ((), ("tone",), ("--dry-run",)):
        done = released.exits(3, "deploy", *more)
        assert f"'tone' would be live immediately in {users}" in done.err
        assert hint in done.err
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


@pytest.mark.parametrize(("text", "code"), [("Another polite text.", 0), ("A rude text.", 1)])
def test_what_is_live_already_is_checked_by_its_users_before_its_label_moves(
    released: World, text: str, code: int
) -> None:
    release(released, tone="A polite text.")
    released.write("a", "@@@tone@@@ Hello {name}", tags=["greeting"], commit="Use it")
    released.ok("deploy")
    write(released, tone=text)
    released.ok("push", "tone", "--skip-checks")
    assert "renders a changed snippet" in released.ok("deploy", "-n").out
    document = released.exits(code, "deploy", "--json").document
    assert [run["evaluation"] for run in document["eval"]["runs"]] == ["a is polite"]
    assert [member["name"] for member in document["members"] if member["dependant"]] == ["a"]
    assert document["unchecked"] == []
    assert released.label("tone", "prod") == (1 if code else 2)


# -- what comes first ---------------------------------------------------------------------------------------


OLD, USE = {"tone": "Old text."}, {**POLITE, "a": BY_LABEL}


@pytest.mark.parametrize(
    ("before", "texts", "is_pushed"),
    [
        ({}, USE, False),
        (OLD, USE, False),
        (OLD, USE, True),
        (OLD, {**POLITE, "outer": BY_LABEL, "a": "@@@outer@@@"}, False),
    ],
)
def test_a_snippet_is_deployed_before_the_prompts_that_render_it_by_the_label(
    released: World, before: dict[str, str], texts: dict[str, str], *, is_pushed: bool
) -> None:
    release(released, **before)
    write(released, **texts)
    if is_pushed:
        released.ok("push", "tone")
    released.forget()
    if not before:  # only a deploy gives the snippet its first label
        assert released.exits(3, "push").err.endswith("hint: promptsync deploy tone --label prod\n")
        done = released.exits(3, "deploy", "--label", "staging")
        assert "'a' uses the snippet 'tone' at the label 'prod', which it does not have" in done.err
        assert "hint: promptsync deploy tone --label prod\n" in done.err
    for more in ((), ("a",)):
        error = released.exits(3, "deploy", *more, "--json").document["error"]
        assert (error["code"], error["hint"]) == ("snippets-first", "promptsync deploy tone")
    assert released.writes == []
    released.ok("deploy", "tone")
    at = released.label("tone", "prod")
    done = released.ok("deploy", "--json").document
    assert [run["evaluation"] for run in done["eval"]["runs"]] == ["a is polite"]
    assert (released.label("tone", "prod"), released.label("a", "prod")) == (at, 2)
    assert served(released).startswith("A polite text.")


def test_a_snippet_that_is_deployed_first_passes_its_own_checks(released: World) -> None:
    released.configure("- {match: tone, evaluation: tone is polite, min_score: 100}")
    write(released, tone="A rude text.", a=BY_LABEL)
    done = released.exits(1, "deploy", "tone")
    assert "tone is polite: 0 on the echo model is below the minimum of 100" in done.err
    assert (released.label("tone", "prod"), released.label("a", "prod")) == (None, 1)
    write(released, tone="A polite text.")
    released.ok("deploy", "tone")
    assert released.label("tone", "prod") == 2


def test_a_rehearsal_needs_no_order_and_knows_snippets_of_other_repositories(released: World) -> None:
    released.configure("include: [a, b, c, d, tone]")
    released.publish("foreign", content="polite words", release_labels=["prod", "stable"])
    released.publish("outer", content="@@@foreign@label:stable@@@ again", release_labels=["prod"])
    write(released, tone="A polite text.", b=PINNED)
    write(released, a=f"{BY_LABEL} @@@foreign@label:stable@@@ @@@outer@label:prod@@@")
    released.ok("deploy", "tone")
    assert "rehearsal passed" in released.ok("deploy", "--rehearse").out
    assert (released.label("a", "prod"), released.label("tone", "prod")) == (1, 1)


# -- pinned snippets ----------------------------------------------------------------------------------------


def test_the_way_out_pins_the_snippet_releases_it_and_moves_the_pins(released: World) -> None:
    release(released, **POLITE, a=UNPINNED)
    write(released, tone="Another polite text.")
    write(released, a=PINNED)
    assert "hint: promptsync deploy a\n" in released.exits(3, "deploy").err
    released.ok("deploy", "a")
    planned = released.ok("deploy", "-n").out
    assert "      once v2 is published, a will still pin v1\n" in planned
    assert sum(" tone " in line for line in planned.splitlines()) == 1
    assert "once v2 is published, a will still" in released.ok("deploy", "-n", "--format", "markdown").out
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
        step = f"pin the current version, {pin}, and deploy only what pins it: promptsync deploy {user}\n"
        assert f"hint: {step}hint: then promptsync deploy\n" in refused
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


def test_a_snippet_that_was_pushed_before_is_named_when_it_is_released(released: World) -> None:
    release(released, **POLITE, a=PINNED)
    write(released, tone="Another polite text.")
    released.ok("push")
    assert "      a still pins v1, not v2; promptsync bump tone\n" in released.ok("deploy", "-n").out
    document = released.ok("deploy", "--json").document
    assert [pin["name"] for pin in document["pins"]] == ["a"] and document["push"]["pins"] == []


# -- labels that are moved by hand --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "label"), [("label move tone {label}", "staging"), ("promote next {label} tone", "prod")]
)
def test_a_label_that_makes_a_snippet_live_at_once_moves_only_on_purpose(
    released: World, label: str, verb: str
) -> None:
    write(released, tone="A polite text.")
    released.ok("push", "--label", "staging", "--skip-checks")
    released.ok("label", "set", "tone", "prod", "--yes")
    write(released, a=f"@@@tone@label:{label}@@@")
    released.ok("deploy")
    write(released, tone="Another text.")
    released.ok("push", "tone", "--label", "next")
    released.forget()
    command = verb.format(label=label).split()
    for more in ((), ("--dry-run",)):
        done = released.exits(3, *command, *more)
        assert "v2 of 'tone' is unchecked in live prompts: live immediately in a (prod)" in done.err
        assert "tone: v2 is unchecked in live prompts: live immediately in a (prod)" in done.out
    asked = released.on_terminal(*command, answer="n\n")
    assert (asked.code, released.writes) == (1, [])
    question = (
        f"{label} moves on 1 prompt, to a version that is unchecked in live prompts: tone v2. Continue?"
    )
    assert question in asked.err
    released.ok(*command, "--skip-checks")
    assert released.label("tone", label) == 2
