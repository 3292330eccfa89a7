"""Checks see only what the registry renders: snippets that would be live unchecked are refused."""

from __future__ import annotations

import pytest
from deploying import dead_after
from worlds import World, asking, failing, fault


def uses(world: World, reference: str) -> None:
    """``a`` gets its politeness from the snippet ``tone``; both are released."""
    world.write("tone", content="A polite text.")
    world.write("a", f"{reference} Hello {{name}}")
    world.commit("Use a snippet")
    if "label" in reference:
        world.ok("deploy", "tone")
    world.ok("deploy")
    world.forget()


def change(world: World, text: str) -> None:
    world.write("tone", content=text)
    world.commit("Change the tone")


def live(world: World, name: str = "a") -> str:
    """What an application gets for ``name``."""
    answer = world.call(
        "POST", f"/prompt-templates/{name}", {"label": "prod", "input_variables": {"name": "Ada"}}
    )
    assert answer.status == 200, answer.body
    return str(answer.body["prompt_template"]["messages"][0]["content"][0]["text"])


def test_a_first_deploy_with_a_snippet_behind_its_label_works(world: World) -> None:
    uses(world, "@@@tone@label:prod@@@")
    assert (world.label("tone", "prod"), world.label("a", "prod")) == (1, 1)
    assert live(world) == "A polite text. Hello Ada"


def test_a_snippet_that_has_no_label_yet_gets_it_before_its_first_user(released: World) -> None:
    released.write("tone", content="Old text.")
    released.commit("Add a tone")
    released.ok("push")
    released.write("tone", content="A polite text.")
    released.write("a", "@@@tone@label:prod@@@ Hello {name}")
    released.commit("Use it")
    done = released.run("deploy", "--json")
    assert done.code == 0, str(done)
    assert (released.label("tone", "prod"), released.label("a", "prod")) == (2, 2)
    assert live(released) == "A polite text. Hello Ada"


@pytest.mark.parametrize("reference", ["@@@tone@@@", "@@@tone@label:prod@@@"])
def test_a_snippet_that_would_be_live_unchecked_is_refused_with_its_users(
    released: World, reference: str
) -> None:
    uses(released, reference)
    change(released, "Another polite text.")
    done = released.run("deploy")
    assert done.code == 3, str(done)
    assert "'a'" in done.err and "--live-snippets" in done.err
    assert released.writes == []


def test_the_plan_lists_the_prompts_that_are_checked_again(released: World) -> None:
    uses(released, "@@@tone@@@")
    change(released, "Another polite text.")
    out = released.ok("deploy", "--live-snippets", "-n").out
    rows = [line.split() for line in out.splitlines()]
    assert ["check", "a", "v2", "a", "is", "polite", ">=", "100"] in [row[:8] for row in rows]
    assert [row[:2] for row in rows if row[1:2] == ["tone"]] == [["update", "tone"]]


@pytest.mark.parametrize("reference", ["@@@tone@@@", "@@@tone@label:prod@@@"])
def test_live_snippets_are_proven_by_their_users(released: World, reference: str) -> None:
    uses(released, reference)
    change(released, "Another polite text.")
    done = released.run("deploy", "--live-snippets", "--json")
    assert done.code == 0, str(done)
    assert [one["evaluation"] for one in done.document["eval"]["runs"]] == ["a is polite"]
    assert done.document["unchecked"] == []
    (told,) = done.document["live"]
    assert told["name"] == "tone" and told["seconds"] > 0 and told["taken_back"] is False
    assert released.label("tone", "prod") == 2
    assert live(released) == "Another polite text. Hello Ada"
    assert released.run("deploy").code == 0


@pytest.mark.parametrize("reference", ["@@@tone@@@", "@@@tone@label:prod@@@"])
def test_live_snippets_that_fail_are_taken_back(released: World, reference: str) -> None:
    uses(released, reference)
    change(released, "A rude text.")
    done = released.run("deploy", "--live-snippets", "--json")
    assert done.code == 1, str(done)
    (told,) = done.document["live"]
    assert told["taken_back"] is True and told["note"] == ""
    assert live(released) == "A polite text. Hello Ada"
    assert released.label("tone", "prod") == 1
    again = released.run("deploy", "--live-snippets", "--json")
    assert again.code == 1, str(again)
    change(released, "A very polite text.")
    assert released.run("deploy", "--live-snippets").code == 0
    assert live(released) == "A very polite text. Hello Ada"


def test_a_pinned_snippet_is_released_without_its_users(released: World) -> None:
    uses(released, "@@@tone@version_number:1@@@")
    change(released, "Another polite text.")
    done = released.run("deploy", "--json")
    assert done.code == 0, str(done)
    assert done.document["eval"]["runs"] == []
    assert done.document["unchecked"] == ["tone"]
    assert released.label("tone", "prod") == 2
    assert live(released) == "A polite text. Hello Ada"


def test_users_at_any_depth_count(released: World) -> None:
    released.write("word", content="polite")
    released.write("tone", content="A @@@word@@@ text.")
    released.write("a", "@@@tone@@@ Hello {name}")
    released.commit("Nest")
    released.ok("deploy")
    released.write("word", content="very polite")
    released.commit("Change the word")
    done = released.run("deploy")
    assert done.code == 3
    assert "'a', 'tone'" in done.err
    done = released.run("deploy", "--live-snippets", "--json")
    assert done.code == 0
    assert [one["name"] for one in done.document["members"] if one["dependant"]] == ["a", "tone"]


def test_users_in_other_repositories_count(released: World) -> None:
    released.write("tone", content="A polite text.")
    released.commit("Add a tone")
    released.ok("deploy")
    released.publish("foreign", "@@@tone@@@ from elsewhere")
    config = released.root / "promptsync.yaml"
    config.write_text(config.read_text() + "include: [a, b, c, d, tone]\n")
    change(released, "Another polite text.")
    done = released.run("deploy")
    assert done.code == 3
    assert "would be live at once in foreign as soon as" in done.err


def test_what_a_stopped_deploy_made_live_is_proven_by_the_next(released: World) -> None:
    uses(released, "@@@tone@@@")
    change(released, "A rude text.")
    released.ok("push", "tone", "--skip-checks")
    done = released.run("deploy", "--json")
    assert done.code == 1, str(done)
    assert [one["evaluation"] for one in done.document["eval"]["runs"]] == ["a is polite"]
    assert released.label("tone", "prod") == 1


def test_a_label_that_a_stopped_deploy_made_beforehand_is_finished_by_the_next(released: World) -> None:
    released.write("tone", content="Old text.")
    released.commit("Add a tone")
    released.ok("deploy")
    released.write("tone", content="A polite text.")
    released.write("a", "@@@tone@label:prod@@@ Hello {name}")
    released.commit("Use it")
    released.ok("push")
    done = released.run("deploy", "--json")
    assert done.code == 0, str(done)
    assert (released.label("tone", "prod"), released.label("a", "prod")) == (2, 2)
    assert released.label("tone", "prod.previous") == 1
    assert live(released) == "A polite text. Hello Ada"


def test_a_label_that_moved_beforehand_goes_back_when_the_gate_fails(released: World) -> None:
    released.write("tone", content="A polite text.")
    released.commit("Add a tone")
    released.ok("deploy")
    released.write("tone", content="A rude text.")
    released.write("a", "@@@tone@label:prod@@@ Hello {name}")
    released.commit("Use it")
    assert released.run("deploy").code == 1
    assert (released.label("tone", "prod"), released.label("a", "prod")) == (1, 1)
    assert released.label("tone", "prod.previous") is None


def test_users_by_label_in_other_repositories_count(released: World) -> None:
    released.write("tone", content="A polite text.")
    released.commit("Add a tone")
    released.ok("deploy")
    released.publish("foreign", "@@@tone@label:prod@@@ from elsewhere")
    config = released.root / "promptsync.yaml"
    config.write_text(config.read_text() + "include: [a, b, c, d, tone]\n")
    change(released, "Another polite text.")
    done = released.run("deploy")
    assert done.code == 3
    assert "would be live at once in foreign as soon as" in done.err
    assert released.run("deploy", "--live-snippets").code == 0


@pytest.mark.parametrize("writes", range(8))
def test_a_label_that_was_live_unchecked_when_a_deploy_was_killed_is_not_taken_for_checked(
    released: World, writes: int
) -> None:
    uses(released, "@@@tone@label:prod@@@")
    change(released, "A rude text.")
    dead_after(released, writes)
    assert released.run("deploy", "--live-snippets").code in (1, 4, 5)
    released.faults.clear()
    done = released.run("deploy", "--live-snippets")
    assert done.code == 1, str(done)
    change(released, "A very polite text.")
    assert released.run("deploy", "--live-snippets").code == 0
    assert live(released) == "A very polite text. Hello Ada"
    assert released.label("tone", "prod.unchecked") is None
    assert released.run("deploy", "--json").document["members"] == []


def test_a_label_that_could_not_be_moved_back_is_reported_by_every_deploy_until_it_is_checked(
    released: World,
) -> None:
    uses(released, "@@@tone@label:prod@@@")
    change(released, "A rude text.")
    moves = iter(range(1_000))
    released.faults.append(
        fault(lambda seen: asking("PATCH", "/prompt-labels/")(seen) and next(moves) > 0, failing(500))
    )
    done = released.run("deploy", "--live-snippets", "--json")
    assert done.code == 5, str(done)
    assert [one["moved"] for one in done.document["labels"]] == [True]
    assert [(one["taken_back"], bool(one["note"])) for one in done.document["live"]] == [(False, True)]
    released.faults.clear()
    again = released.run("deploy")
    assert again.code == 1, str(again)
    assert "v2 is live unchecked" in again.out
    assert "promptsync rollback tone --label prod" in again.out
    released.ok("rollback", "tone", "--label", "prod", "-y")
    assert live(released) == "A polite text. Hello Ada"


def test_a_rehearsal_knows_snippets_of_other_repositories_by_their_labels(released: World) -> None:
    config = released.root / "promptsync.yaml"
    config.write_text(config.read_text() + "include: [a, b, c, d]\n")
    released.publish("foreign", content="polite words", release_labels=["prod", "stable"])
    released.publish("outer", content="@@@foreign@label:stable@@@ again", release_labels=["prod"])
    released.write("a", "polite @@@foreign@label:stable@@@ {name} @@@outer@label:prod@@@")
    released.commit()
    done = released.run("deploy", "--rehearse")
    assert done.code == 0, str(done)
    assert "rehearsal passed" in done.out
    assert released.writes == []


# -- pinned snippets ----------------------------------------------------------------------------------------


def test_a_deploy_names_who_keeps_the_old_text_and_the_bump_releases_the_new_one(released: World) -> None:
    uses(released, "@@@tone@version_number:1@@@")
    change(released, "Another polite text.")
    planned = released.ok("deploy", "-n").out
    assert "      once v2 is published, a will still pin v1; promptsync bump tone\n" in planned
    assert sum(" tone " in line for line in planned.splitlines()) == 1
    markdown = released.ok("deploy", "-n", "--format", "markdown").out
    row = "update · tone · v1 -&gt; v2 · prod v1 -&gt; v2 · unchecked · once v2 is published, a will still"
    assert row in markdown
    expected = [{"name": "a", "snippet": "tone", "pinned": 1, "version": 2, "problem": "outdated"}]
    assert released.ok("deploy", "-n", "--json").document["pins"] == expected
    done = released.ok("deploy").out
    assert "  pinned  tone: a still pins v1, not v2; promptsync bump tone\n" in done
    assert live(released) == "A polite text. Hello Ada"
    released.ok("bump", "tone")
    released.commit("Use the new tone")
    assert "pinned" not in released.ok("deploy").out
    assert live(released) == "Another polite text. Hello Ada"
    assert released.ok("deploy", "--json").document["pins"] == []


def test_a_snippet_that_was_pushed_before_is_named_when_it_is_released(released: World) -> None:
    uses(released, "@@@tone@version_number:1@@@")
    change(released, "Another polite text.")
    released.ok("push")
    assert "      a still pins v1, not v2; promptsync bump tone\n" in released.ok("deploy", "-n").out
    found = released.ok("deploy", "--json").document
    assert [one["name"] for one in found["pins"]] == ["a"] and found["push"]["pins"] == []


def test_a_release_that_pins_a_dashboard_edit_is_named(released: World) -> None:
    uses(released, "@@@tone@version_number:1@@@")
    released.publish("tone", content="A polite edit.")
    released.edit("a", "number:1@", "number:2@")
    released.commit("Use the edit")
    note = "pins tone v2, a dashboard edit that its file does not include; promptsync pull tone\n"
    assert f"      {note}" in released.ok("deploy", "-n").out
    assert "pinned  tone: a pins v2, a dashboard edit" in released.ok("deploy").out
    released.ok("pull", "tone")
    released.commit("Take the edit")
    assert "pinned" not in released.ok("deploy").out


def checked(world: World, text: str) -> None:
    """A new snippet with a check of its own, and its first user, are committed."""
    config = world.root / "promptsync.yaml"
    gate = "- {match: tone, evaluation: tone is polite, min_score: 100}\n"
    config.write_text(config.read_text() + gate)
    world.write("tone", content=text)
    world.write("a", "@@@tone@label:prod@@@ A polite hello, {name}")
    world.commit("Use a tone")


@pytest.mark.parametrize("writes", range(7))
def test_a_snippet_whose_first_label_a_killed_deploy_set_is_checked_by_the_next(
    released: World, writes: int
) -> None:
    released.write("tone", content="A rude text.")
    released.commit("Add a tone")
    released.ok("push")
    checked(released, "A rude text.")
    dead_after(released, writes)
    assert released.run("deploy").code in (1, 4, 5)
    released.faults.clear()
    for _ in range(2):
        done = released.run("deploy")
        assert done.code == 1, str(done)
        assert "tone is polite: score 0 is below the minimum of 100" in done.err
        assert released.label("a", "prod") == 1
    released.write("tone", content="A polite text.")
    released.commit("Be polite")
    done = released.run("deploy", "--json")
    assert done.code == 0, str(done)
    assert released.label("tone", "prod.unchecked") is None
    assert [(one["name"], one["label"]) for one in done.document["push"]["labels"]] == [], str(done)


@pytest.mark.parametrize("text", ["A polite text.", "A rude text."])
def test_a_deploy_to_another_label_does_not_give_a_new_snippet_the_governed_one(
    released: World, text: str
) -> None:
    config = released.root / "promptsync.yaml"
    config.write_text(config.read_text().replace("{main: prod}", "{main: prod, dev: staging}"))
    checked(released, text)
    released.git("switch", "-qc", "dev")
    for options in (("--dry-run",), ()):
        done = released.run("deploy", "--label", "staging", *options)
        assert done.code == 3, str(done)
        assert "'a' uses the snippet 'tone' at the label 'prod', which it does not have" in done.err
        assert "hint: promptsync deploy tone --label prod\n" in done.err
    assert released.writes == []
    released.git("switch", "-q", "main")
    assert released.run("deploy", "tone").code == (0 if "polite" in text else 1)
    assert released.label("tone", "prod") == (1 if "polite" in text else None)
