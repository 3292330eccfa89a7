"""A deploy to one label does not change what is live under another, unless somebody says so."""

from __future__ import annotations

import json

import pytest
from worlds import World


def nested(world: World) -> None:
    world.write("outer", content="So: @@@tone@label:staging@@@")
    world.write("a", "@@@outer@@@ A polite hello, {name}", tags=["greeting"])


def elsewhere(world: World) -> None:
    """The user has no file here."""
    world.publish("bots/faq", "@@@tone@label:staging@@@ {name}", release_labels=["prod"])


def without_a_pin_any_more(world: World) -> None:
    """What is live in prod uses the newest tone, and the latest version does not."""
    world.write("a", "@@@tone@@@ A polite hello, {name}", tags=["greeting"])


USERS = {
    "@@@tone@label:staging@@@": "a (prod)",
    nested: "a (prod), outer (prod)",
    elsewhere: "bots/faq (prod)",
    without_a_pin_any_more: "a (prod)",
}


@pytest.mark.parametrize("use", USERS, ids=lambda use: getattr(use, "__name__", "by label"))
def test_a_snippet_that_is_live_under_another_label_is_refused(released: World, use: object) -> None:
    released.write("tone", content="A polite text.")
    released.commit("Add a tone")
    released.ok("deploy", "--label", "staging")
    if callable(use):
        use(released)
    else:
        released.write("a", f"{use} A polite hello, {{name}}", tags=["greeting"])
    released.git("add", "-A")
    released.git("commit", "-qm", "Use it", "--allow-empty")
    released.ok("deploy", "--live-snippets")
    if use is without_a_pin_any_more:
        released.write("a", "A polite hello, {name}", tags=["greeting"])
        released.commit("Do not use it")
        released.ok("push")
    released.write("tone", content="A rude text.")
    released.commit("Be rude")
    released.forget()

    done = released.run("deploy", "--label", "staging")
    assert done.code == 3, str(done)
    assert f"live at once in {USERS[use]}" in done.err and "--live-snippets" in done.err
    assert released.writes == []

    plan = released.ok("deploy", "--label", "staging", "--live-snippets", "--dry-run")
    assert f"live at once in {USERS[use]}, unchecked there" in plan.out
    done = released.run("deploy", "--label", "staging", "--live-snippets")
    assert f"unchecked  tone: live at once in {USERS[use]}" in done.out, str(done)
    assert released.label("tone", "staging") == 2


@pytest.mark.parametrize("reference", ["@@@tone@@@", "@@@tone@label:prod@@@"])
def test_a_user_without_a_file_here_is_not_called_checked(released: World, reference: str) -> None:
    released.write("tone", content="A polite text.")
    config = released.root / "promptsync.yaml"
    config.write_text(config.read_text() + "include: [a, b, c, d, tone]\n")
    released.commit("Add a tone")
    released.ok("deploy")
    released.publish("ext/app", f"{reference} {{name}}", release_labels=["prod"])
    released.publish("ext/web", f"{reference} {{name}}")
    released.write("tone", content="Another polite text.")
    released.commit("Another tone")
    live = "live at once in ext/app (prod), ext/web, unchecked there"
    plan = released.ok("deploy", "--live-snippets", "--dry-run").out
    assert live in plan and "is checked" not in plan and "are checked" not in plan
    users = [{"name": "ext/app", "label": "prod"}, {"name": "ext/web", "label": ""}]
    document = released.ok("deploy", "--live-snippets", "--dry-run", "--json").document
    assert document["live_at_once"] == [{"snippet": "tone", "users": users}]
    done = released.ok("deploy", "--live-snippets").out
    assert f"unchecked  tone: {live}" in done and "before it was checked" not in done


@pytest.mark.parametrize("label", ["staging", "prod"])
@pytest.mark.parametrize("verb", ["label move tone {label}", "promote next {label} tone"])
def test_a_label_that_makes_a_snippet_live_at_once_moves_only_on_purpose(
    released: World, label: str, verb: str
) -> None:
    released.write("tone", content="A polite text.")
    released.commit("Add a tone")
    released.ok("push", "--label", "staging", "--skip-checks")
    released.ok("label", "set", "tone", "prod", "--yes") if label == "prod" else None
    released.write("a", f"@@@tone@label:{label}@@@ A polite hello, {{name}}", tags=["greeting"])
    released.commit("Use it")
    released.ok("deploy", "--live-snippets")
    released.write("tone", content="Another text.")
    released.commit("Another tone")
    released.ok("push", "tone", "--label", "next")
    released.forget()
    command = verb.format(label=label).split()
    for more in ((), ("--dry-run",)):
        done = released.run(*command, *more)
        assert done.code == 3 and released.writes == [], str(done)
        assert "v2 of 'tone' would be live at once in a (prod), without checks" in done.err
        assert "tone: v2 is live at once in a (prod), unchecked there" in done.out
    assert json.loads(released.run(*command, "--json").out)["error"]["code"] == "live-snippets"
    asked = released.on_terminal(*command, answer="n\n")
    assert (asked.code, released.writes) == (1, [])
    assert f"{label} moves on 1 prompt, live at once in a (prod). Continue?" in asked.err
    released.ok(*command, "--skip-checks")
    assert released.label("tone", label) == 2
