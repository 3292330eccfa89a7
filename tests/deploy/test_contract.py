"""A release that breaks applications is stopped before anything is published, unless that was accepted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from thanks import MODEL, SCRIPTED, thanks
from worlds import Run, World, own_world

TABLE = thanks(2, prompts=["faq"], rows=[{"question": "polite?", "customer": "Ada"}])
BY_LABEL = "@@@tone@label:prod@@@"


@own_world(fixtures=SCRIPTED)
def world(world: World) -> None:
    """``refund`` and ``faq`` are live; ``faq`` renders the snippet ``tone`` by the label, with a table."""
    world.configure("labels: {main: prod}")
    world.put("evaluations/thanks.yaml", TABLE)
    world.write("refund", "About {order}", model=MODEL)
    world.write("tone", content="Be brief.", commit="Add prompts")
    world.ok("deploy")
    world.write("faq", f"{BY_LABEL} {{question}}", model=MODEL, commit="Add faq")
    world.ok("deploy")


def rewrite(world: World, name: str, text: str = "", **more: Any) -> None:
    """Commit another text of a prompt."""
    world.write(name, text, **({"content": text} if name == "tone" else {"model": MODEL}), **more)
    world.commit(f"Change {name}")
    world.forget()


def breaks(world: World, **more: Any) -> None:
    """Commit a text of ``refund`` with a variable that applications do not send."""
    rewrite(world, "refund", "About {order} for {customer}", **more)


def contract(run: Run) -> dict[str, str]:
    """The verdict on each prompt whose contract changes."""
    verdicts = {
        prompt["name"]: {change["verdict"] for change in prompt["changes"]}
        for prompt in run.document["contract"]
        if not prompt["accepted"]
    }
    return {name: " ".join(sorted(of_changes)) for name, of_changes in verdicts.items()}


def planned(world: World) -> dict[str, str]:
    return contract(world.run("deploy", "--dry-run", "--json"))


def test_a_break_stops_the_deploy_before_anything_is_published(world: World) -> None:
    breaks(world)
    done = world.exits(3, "deploy")
    assert "'refund' breaks applications that read prod v1: " in done.err and "customer" in done.err
    assert "hint: promptsync deploy --breaking refund\n" in done.err
    assert "hint: or set needs: app >= VERSION in prompts/refund.yaml, and commit it" in done.err
    refused = world.exits(3, "deploy", "refund", "--label", "prod", "--keep-going", "--json")
    error = refused.document["error"]
    assert (error["code"], contract(refused)) == ("contract", {"refund": "breaking"})
    assert error["hint"].startswith("promptsync deploy refund --breaking refund --label prod\n")
    world.says(2, "did you mean 'refund'?", "deploy", "--breaking", "refnd")
    world.says(2, "--breaking needs exact names, and 'ref*' is a pattern", "deploy", "--breaking", "ref*")
    assert world.writes == [] and world.label("refund", "prod") == 1
    rewrite(world, "faq", f"{BY_LABEL} Please: {{question}}")
    world.ok("deploy", "faq")  # the others, by name
    assert (world.label("faq", "prod"), world.label("refund", "prod")) == (2, 1)
    world.ok("deploy", "--breaking", str(world.path("refund")))


NEEDS, FLAGS = {"needs": "app >= 2"}, ("--breaking", "faq", "--breaking", "refund")


@pytest.mark.parametrize(("more", "flags"), [(NEEDS, ()), ({"metadata": NEEDS}, ()), ({}, FLAGS)])
def test_an_accepted_break_is_released(world: World, more: dict[str, Any], flags: tuple[str, ...]) -> None:
    breaks(world, **more)
    done = world.ok("deploy", *flags)
    assert re.search(r"accepted +refund: .*customer", done.out)
    note = "faq: breaks nothing; --breaking is not necessary" if flags else "needs: app >= 2"
    assert note in done.out and world.label("refund", "prod") == 2
    assert world.read("refund")["metadata"].get("needs") == (None if flags else "app >= 2")


def test_what_the_live_version_needs_already_excuses_no_second_break(world: World) -> None:
    breaks(world, needs="app >= 2")
    world.ok("push")
    world.ok("label", "move", "refund", "prod", "--skip-checks", "--yes")
    assert planned(world) == {}  # as after a deploy that was stopped half way
    world.ok("deploy")
    second = "About {order} for {customer} in {country}"
    for more in ({"needs": "APP >=2"}, {"needs": " "}, {}):
        rewrite(world, "refund", second, **more)
        world.exits(3, "deploy")
        assert world.writes == []
    rewrite(world, "refund", second, needs="app >= 3")
    world.ok("deploy")
    assert world.label("refund", "prod") == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [("refund", "Ahem: about {order}"), ("refund", "About nothing"), ("new", "A release of {anything}")],
)
def test_what_breaks_nothing_is_released(world: World, name: str, text: str) -> None:
    rewrite(world, name, text)
    assert planned(world) == {}
    world.ok("deploy")
    assert world.label(name, "prod") == world.version(name)
    if "nothing" in text:
        world.ok("rollback", "refund")  # which brings the variable back, and is never stopped
        assert world.label("refund", "prod") == 1


def test_what_cannot_be_judged_stops_nothing(world: World) -> None:
    rewrite(world, "refund", "About {order}", tools=[{"type": "registry", "tool_registry_id": 7}])
    assert "cannot tell" in world.ok("deploy", "--dry-run").out and planned(world) == {"refund": "unknown"}


def test_an_edit_of_text_alone_reads_no_snippet(world: World) -> None:
    (world.root / "evaluations/thanks.yaml").unlink()
    rewrite(world, "faq", f"{BY_LABEL} Please: {{question}}")
    assert planned(world) == {}
    tone = f"/prompt-templates/{world.read('tone')['id']}?"
    assert not [seen.target for seen in world.seen if seen.target.startswith(tone)]


# -- snippets -----------------------------------------------------------------------------------------------


def test_a_snippet_breaks_the_prompts_that_render_it(world: World) -> None:
    rewrite(world, "tone", "Be brief to {customer}.")
    done = world.says(3, "'faq' breaks applications that read prod v1", "deploy")
    assert "hint: promptsync deploy --breaking faq\n" in done.err and "tone" not in done.err
    assert "break applications that read faq (prod): " in world.ok("status").out
    # It is the prompt that breaks, so that one says what it needs.
    world.exits(3, "deploy", "--breaking", "tone")
    assert world.writes == []
    rewrite(world, "faq", f"{BY_LABEL} {{question}}", needs="app >= 2")
    world.ok("deploy")
    assert (world.label("tone", "prod"), world.label("faq", "prod")) == (2, 2)


TO_CUSTOMER = ("tone", "Be brief to {customer}.")
PINNED = [("faq", "@@@tone@version_number:1@@@ {question}"), TO_CUSTOMER]


@pytest.mark.parametrize(
    ("released", "last", "changes"),
    [
        # Applications may read the snippet itself.
        ([], ("tone", "Be brief about {question}."), {"tone": "unknown"}),
        ([("tone", "Be brief about {question}.")], ("faq", f"{BY_LABEL} Really: {{question}}"), {}),
        (PINNED, ("faq", "@@@tone@version_number:2@@@ {question}"), {"faq": "breaking"}),
        (PINNED, ("faq", "@@@tone@label:prod@@@ {question}"), {"faq": "breaking"}),
    ],
)
def test_a_variable_counts_wherever_it_comes_from(
    world: World, released: list[tuple[str, str]], last: tuple[str, str], changes: dict[str, str]
) -> None:
    for name, text in [*released, last]:
        world.ok("deploy")
        rewrite(world, name, text)
    assert planned(world) == changes
    world.exits(3 if "breaking" in changes.values() else 0, "deploy")


def test_a_version_under_a_label_that_was_moved_by_hand_counts(world: World) -> None:
    world.write("faq", f"{BY_LABEL} Please: {{question}}", model=MODEL)
    rewrite(world, "tone", TO_CUSTOMER[1])
    world.ok("push", "faq")
    world.point("faq", prod=2)
    assert planned(world) == {"tone": "unknown", "faq": "breaking"}


# -- labels that are moved by hand --------------------------------------------------------------------------


def test_a_label_is_moved_past_a_break_only_by_someone_who_says_so(world: World) -> None:
    breaks(world)
    world.ok("push")
    world.point("refund", staging=2)
    how = ("promote", "staging", "prod")
    for more in ((), ("--skip-checks",)):
        hint = "hint: promptsync deploy refund --label prod --breaking refund"
        assert "breaks applications: " in world.says(3, hint, *how, *more).err
    done = world.on_terminal(*how, answer="n\n")
    assert done.code == 1 and "to a version that breaks applications: refund v2" in done.err
    assert world.label("refund", "prod") == 1
    world.ok(*how, "--yes")
    assert world.label("refund", "prod") == 2


def test_a_label_is_judged_with_snippets_in_place(world: World) -> None:
    rewrite(world, "tone", "Be brief to {customer}.")
    for text in ("@@@tone@version_number:1@@@", "@@@tone@version_number:2@@@", "For {customer}:"):
        rewrite(world, "faq", f"{text} {{question}}")
        world.ok("push")
    for live, new, code in ((2, 3, 3), (3, 4, 0)):  # the variable comes with the snippet, and stays
        world.point("faq", prod=live)
        done = world.exits(code, "label", "move", f"faq@{new}", "prod", "--skip-checks")
        assert ("breaks applications: variable customer is new" in done.err) == bool(code)


# -- what is shown ------------------------------------------------------------------------------------------


def test_a_plan_ends_as_the_deploy_would_and_its_fingerprint_says_what_was_accepted(world: World) -> None:
    breaks(world)
    done = world.exits(3, "deploy", "--dry-run", "--format", "markdown")
    assert "**Contract: 1 prompt would break applications**" in done.out
    assert "What to do:\n\n```text\npromptsync deploy --breaking refund\n" in done.out
    done = world.ok("deploy", "--dry-run", "--format", "markdown", "--breaking", "refund")
    assert "**Contract: nothing stops the deploy**" in done.out and "What to do" not in done.out
    plans = [world.run("deploy", "--dry-run", "--json", *more) for more in ((), ("--breaking", "refund"))]
    stopped, accepted = (plan.document["fingerprint"] for plan in plans)
    assert stopped != accepted
    # A change of nothing that breaks is stopped by what an earlier push left, too.
    world.put("README.md", "Something else")
    world.commit("Write")
    for more in (("--dry-run",), ()):
        world.exits(3, "deploy", "--since", "HEAD~1", *more)
    world.exits(3, "deploy", "--expect", stopped, "--breaking", "refund")
    assert world.writes == []
    world.ok("deploy", "--expect", accepted, "--breaking", "refund")


def test_the_hint_repeats_what_was_accepted_and_what_is_released_again(world: World) -> None:
    world.write("faq", f"{BY_LABEL} {{question}} {{customer}}", model=MODEL)
    breaks(world)
    done = world.exits(3, "deploy", "faq", "refund", "--again", "--breaking", "refund")
    hint = "promptsync deploy faq refund --again --breaking refund --breaking faq"
    assert f"hint: {hint}\n" in done.err
    world.ok(*hint.split()[1:])


def test_status_says_that_the_next_deploy_will_be_stopped(world: World) -> None:
    note = "would break applications that read refund (prod): promptsync deploy --label prod --dry-run"
    world.ok("status")  # reads the sheet of what was deployed, and remembers that it passed
    world.forget()
    assert "would break" not in world.ok("status").out
    assert {seen.path for seen in world.seen} == {"/prompt-templates", "/prompt-templates/labels"}
    breaks(world)
    assert note in world.ok("status").out
    world.ok("push")
    assert contract(world.run("status", "--json")) == {"refund": "breaking"}
    world.ok("deploy", "--breaking", "refund")
    world.ok("rollback", "refund")
    assert "would break" not in world.ok("status").out  # on hold, so the next deploy leaves it
    rewrite(world, "refund", "About {order} for the {customer}")
    assert note in world.ok("status").out
    breaks(world, needs="app >= 2")
    assert "would break" not in world.ok("status").out


def test_diff_says_what_breaks(world: World) -> None:
    breaks(world)
    assert re.search(r"\n    breaking: .*customer", world.ok("diff").out)
    markdown = world.ok("diff", "refund:prod", "--format", "markdown").out
    assert re.search(r"\n@ breaking: .*customer", markdown)
    (change,) = world.ok("diff", "--since", "HEAD~1", "--json").document["changes"]
    assert [effect["verdict"] for effect in change["contract"]] == ["breaking"]
