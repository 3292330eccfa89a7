"""A release that breaks applications is stopped before anything is published, unless that was accepted."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_registry import Seen
from thanks import MODEL, SCRIPTED, thanks
from worlds import Run, World, made

TABLE = thanks(2, prompts=["faq"], rows=[{"question": "polite?", "customer": "Ada"}])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """``refund`` and ``faq`` are live; ``faq`` renders the snippet ``tone`` by the label, with a table."""

    def build(world: World) -> None:
        config = world.root / "promptsync.yaml"
        config.write_text(f"{config.read_text()}labels: {{main: prod}}\n")
        world.put("evaluations/thanks.yaml", TABLE)
        world.write("refund", "About {order}", model=MODEL)
        world.write("tone", content="Be brief.")
        world.commit("Add prompts")
        world.ok("deploy")
        world.write("faq", "@@@tone@label:prod@@@ {question}", model=MODEL)
        world.commit("Add faq")
        world.ok("deploy")

    with made(tmp_path, fixtures=SCRIPTED) as world:
        yield world.built(build)


def rewrite(world: World, name: str, text: str = "", **more: Any) -> None:
    """Commit another text of a prompt."""
    world.write(name, text, **({} if "content" in more else {"model": MODEL}), **more)
    world.commit(f"Change {name}")
    world.forget()


def breaks(world: World, **more: Any) -> None:
    """Commit a text of ``refund`` with a variable that applications do not send."""
    rewrite(world, "refund", "About {order} for {customer}", **more)


def contract(run: Run) -> list[tuple[str, str, bool]]:
    """The prompts whose contract changes, the verdicts, and whether it was accepted."""
    return [
        (
            prompt["name"],
            " ".join(sorted({change["verdict"] for change in prompt["changes"]})),
            prompt["accepted"],
        )
        for prompt in run.document["contract"]
    ]


def test_a_break_stops_the_deploy_before_anything_is_published(world: World) -> None:
    breaks(world)
    done = world.run("deploy")
    assert done.code == 3, str(done)
    assert "'refund' breaks applications that read prod v1: " in done.err and "customer" in done.err
    assert "hint: promptsync deploy --breaking refund\n" in done.err
    assert "hint: or set needs: app >= VERSION in prompts/refund.yaml, and commit it" in done.err
    assert re.search(r"breaking +refund: .*customer.* \(compared with prod v1\)\n", done.out)
    assert world.writes == [] and world.label("refund", "prod") == 1
    refused = world.run("deploy", "--json")
    assert refused.document["error"]["code"] == "contract"
    assert contract(refused) == [("refund", "breaking", False)]
    hint = world.run("deploy", "refund", "--label", "prod", "--json").document["error"]["hint"]
    assert hint.startswith("promptsync deploy refund --breaking refund --label prod\n")


@pytest.mark.parametrize("how", ["needs", "metadata", "flags"])
def test_an_accepted_break_is_released(world: World, how: str) -> None:
    if how == "metadata":
        breaks(world, metadata={"needs": "app >= 2"})
    else:
        breaks(world, **({"needs": "app >= 2"} if how == "needs" else {}))
    flags = ["--breaking", "faq", "--breaking", "refund"] if how == "flags" else []
    done = world.ok("deploy", *flags)
    assert re.search(r"accepted +refund: .*customer", done.out)
    assert ("needs: app >= 2" in done.out) == (not flags)
    assert ("faq: breaks nothing; --breaking is not necessary" in done.out) == bool(flags)
    assert world.label("refund", "prod") == 2
    needs = world.read("refund")["metadata"].get("needs")
    assert needs == (None if flags else "app >= 2")


def test_what_the_live_version_needs_already_excuses_no_second_break(world: World) -> None:
    breaks(world, needs="app >= 2")
    world.ok("deploy")
    rewrite(world, "refund", "About {order} for {customer} in {country}", needs="app >= 2")
    assert world.run("deploy").code == 3 and world.label("refund", "prod") == 2
    rewrite(world, "refund", "About {order} for {customer} in {country}")  # without needs: says nothing new
    assert world.run("deploy").code == 3 and world.writes == []
    rewrite(world, "refund", "About {order} for {customer} in {country}", needs="app >= 3")
    world.ok("deploy")
    assert world.label("refund", "prod") == 3


def test_what_breaks_nothing_is_released(world: World) -> None:
    for name, text in (
        ("refund", "Ahem: about {order}"),
        ("refund", "About nothing"),
        ("new", "A first release of {anything}"),
    ):
        rewrite(world, name, text)
        assert contract(world.run("deploy", "--dry-run", "--json")) == []
        world.ok("deploy")
        assert world.label(name, "prod") == world.version(name)


# -- snippets -----------------------------------------------------------------------------------------------


def test_a_snippet_breaks_the_prompts_that_render_it(world: World) -> None:
    rewrite(world, "tone", content="Be brief to {customer}.")
    done = world.run("deploy")
    assert done.code == 3, str(done)
    assert "'faq' breaks applications that read prod v1" in done.err
    assert "hint: promptsync deploy --breaking faq\n" in done.err and "tone" not in done.err
    assert world.writes == []
    # It is the prompt that breaks, so that one says what it needs.
    assert world.run("deploy", "--breaking", "tone").code == 3
    rewrite(world, "faq", "@@@tone@label:prod@@@ {question}", needs="app >= 2")
    world.ok("deploy")
    assert (world.label("tone", "prod"), world.label("faq", "prod")) == (2, 2)


def test_no_file_says_what_readers_of_another_label_need(world: World) -> None:
    rewrite(world, "faq", "@@@tone@@@ {question}")
    world.ok("deploy")
    rewrite(world, "tone", content="Be brief to {customer}.")
    done = world.run("deploy", "--label", "canary")
    assert done.code == 3 and "'faq' breaks applications that read prod v2" in done.err, str(done)
    assert "--breaking faq" in done.err and "needs:" not in done.err


def test_a_snippet_may_use_what_its_prompts_have(world: World) -> None:
    rewrite(world, "tone", content="Be brief about {question}.")
    # Whether applications read the snippet itself is unknown.
    assert contract(world.run("deploy", "--dry-run", "--json")) == [("tone", "unknown", False)]
    world.ok("deploy")
    # The variable moves from the snippet into the prompt.
    world.write("tone", content="Be brief.")
    rewrite(world, "faq", "@@@tone@label:prod@@@ Really: {question}")
    assert contract(world.run("deploy", "--dry-run", "--json")) == []


def test_a_user_whose_label_was_moved_by_hand_breaks_by_its_snippet(world: World) -> None:
    world.write("faq", "@@@tone@label:prod@@@ Please: {question}", model=MODEL)
    rewrite(world, "tone", content="Be brief to {customer}.")
    world.ok("push", "faq")
    world.point("faq", prod=2)
    changes = contract(world.run("deploy", "--dry-run", "--json"))
    assert changes == [("tone", "unknown", False), ("faq", "breaking", False)]


@pytest.mark.parametrize("pin", ["@label:prod", "@version_number:2"])
def test_a_pinned_snippet_breaks_where_the_pin_moves(world: World, pin: str) -> None:
    rewrite(world, "faq", "@@@tone@version_number:1@@@ {question}")
    world.ok("deploy")
    rewrite(world, "tone", content="Be brief to {customer}.")
    world.ok("deploy")
    rewrite(world, "faq", f"@@@tone{pin}@@@ {{question}}")
    assert contract(world.run("deploy", "--dry-run", "--json")) == [("faq", "breaking", False)]
    assert world.run("deploy").code == 3 and world.writes == []


def test_a_text_only_edit_reads_no_snippet(world: World) -> None:
    rewrite(world, "faq", "@@@tone@label:prod@@@ Please: {question}")
    world.put("evaluations/thanks.yaml", thanks(2, prompts=["refund"], rows=[{"order": "polite"}]))
    world.commit("Check another prompt")
    world.forget()
    world.ok("deploy", "--dry-run")
    assert not [seen.target for seen in world.seen if seen.target.startswith("/prompt-templates/2?")]


def test_what_cannot_be_judged_is_shown_and_released(world: World) -> None:
    tool = {"type": "registry", "tool_registry_id": 7}
    rewrite(world, "refund", "About {order}", tools=[tool])
    done = world.ok("deploy", "--dry-run")
    assert re.search(r"cannot tell +refund: ", done.out)
    assert contract(world.run("deploy", "--dry-run", "--json")) == [("refund", "unknown", False)]


# -- other roads --------------------------------------------------------------------------------------------


def test_keep_going_releases_no_break(world: World) -> None:
    world.write("faq", "@@@tone@label:prod@@@ Please: {question}", model=MODEL)
    breaks(world)
    assert world.run("deploy", "--keep-going").code == 3
    assert world.writes == []
    world.ok("deploy", "faq")  # the others, by name
    assert (world.label("faq", "prod"), world.label("refund", "prod")) == (2, 1)


def test_a_rollback_is_never_stopped(world: World) -> None:
    rewrite(world, "refund", "About nothing")
    world.ok("deploy")
    world.ok("rollback", "refund")  # which brings the variable back
    assert world.label("refund", "prod") == 1


def test_a_deploy_that_was_stopped_half_way_is_finished(world: World) -> None:
    breaks(world, needs="app >= 2")
    world.ok("push")
    world.point("refund", prod=2)
    assert contract(world.run("deploy", "--dry-run", "--json")) == []
    world.ok("deploy")


@pytest.mark.parametrize("how", [("label", "move", "refund", "prod"), ("promote", "staging", "prod")])
def test_a_label_is_moved_past_a_break_only_by_someone_who_says_so(
    world: World, how: tuple[str, ...]
) -> None:
    breaks(world)
    world.ok("push")
    world.point("refund", staging=2)
    for more in ((), ("--skip-checks",)):
        done = world.run(*how, *more)
        assert done.code == 3 and "breaks applications: " in done.err, str(done)
        assert "hint: promptsync deploy refund --label prod --breaking refund" in done.err
    done = world.on_terminal(*how, answer="n\n")
    assert done.code == 1 and "to a version that breaks applications: refund v2" in done.err
    assert world.label("refund", "prod") == 1
    world.ok(*how, "--yes")
    assert world.label("refund", "prod") == 2


@pytest.mark.parametrize(
    ("text", "code"), [("@@@tone@version_number:2@@@ {question}", 3), ("For {customer}: {question}", 0)]
)
def test_a_label_is_judged_with_snippets_in_place(world: World, text: str, code: int) -> None:
    rewrite(world, "tone", content="Be brief to {customer}.")
    rewrite(world, "faq", "@@@tone@version_number:1@@@ {question}")
    world.ok("push")
    world.point("faq", prod=2)
    if not code:  # the live version has the variable from its snippet
        rewrite(world, "faq", "@@@tone@version_number:2@@@ {question}")
        world.ok("push", "faq")
        world.point("faq", prod=3)
    rewrite(world, "faq", text)
    world.ok("push", "faq")
    done = world.run("label", "move", "faq", "prod", "--skip-checks")
    assert done.code == code, str(done)
    assert ("breaks applications: variable customer is new" in done.err) == bool(code)


def test_a_label_is_moved_to_a_version_that_says_what_it_needs(world: World) -> None:
    breaks(world, needs="app >= 2")
    world.ok("push")
    world.ok("label", "move", "refund", "prod")
    assert world.label("refund", "prod") == 2


# -- what is shown ------------------------------------------------------------------------------------------


def test_a_plan_ends_as_the_deploy_would(world: World) -> None:
    breaks(world)
    for flag in ("--dry-run", "--rehearse"):
        done = world.run("deploy", flag, "--format", "markdown")
        assert done.code == 3, str(done)
        assert "**Contract: 1 prompt would break applications**" in done.out
        assert "What to do:\n\n```text\npromptsync deploy --breaking refund\n" in done.out
        done = world.run("deploy", flag, "--format", "markdown", "--breaking", "refund")
        assert done.code == 0, str(done)
        assert "**Contract: nothing stops the deploy**" in done.out and "What to do" not in done.out


def test_a_change_of_nothing_that_breaks_is_not_stopped_by_what_an_earlier_push_left(world: World) -> None:
    breaks(world)
    world.put("README.md", "Something else")
    world.commit("Write")
    done = world.run("deploy", "--rehearse", "--since", "HEAD~1", "--format", "markdown")
    assert done.code == 0 and "**Contract: 1 prompt would break applications**" in done.out, str(done)
    assert world.run("deploy", "--rehearse", "--since", "HEAD~2").code == 3
    assert world.run("deploy", "--since", "HEAD~1").code == 3 and world.writes == []


def test_the_fingerprint_says_what_was_accepted(world: World) -> None:
    breaks(world)
    plans = [world.run("deploy", "--dry-run", "--json", *more) for more in ((), ("--breaking", "refund"))]
    stopped, accepted = (plan.document["fingerprint"] for plan in plans)
    assert stopped != accepted
    assert world.run("deploy", "--expect", stopped, "--breaking", "refund").code == 3
    world.ok("deploy", "--expect", accepted, "--breaking", "refund")


def test_another_spelling_of_what_is_needed_accepts_nothing(world: World) -> None:
    rewrite(world, "refund", "About {order}", needs="app >= 1")
    world.ok("deploy")
    for needs in ("APP >=1", " app >= 1 ", " "):
        breaks(world, needs=needs)
        assert world.run("deploy").code == 3
        world.ok("push")
        assert world.run("label", "move", "refund", "prod").code == 3
        assert world.label("refund", "prod") == 2


def test_breaking_takes_exact_names(world: World) -> None:
    breaks(world)
    for argument, message in (
        ("refnd", "did you mean 'refund'?"),
        ("ref*", "--breaking needs exact names, and 'ref*' is a pattern"),
        ("prompts", "--breaking needs exact names, and 'prompts' is a directory"),
    ):
        done = world.run("deploy", "--breaking", argument)
        assert done.code == 2 and message in done.err, str(done)
    assert world.writes == []
    world.ok("deploy", "--breaking", str(world.path("refund")))


def test_the_hint_repeats_what_was_accepted_and_what_is_released_again(world: World) -> None:
    world.write("faq", "@@@tone@label:prod@@@ {question} {customer}", model=MODEL)
    breaks(world)
    world.ok("deploy", "--breaking", "faq", "--breaking", "refund")
    world.ok("rollback", "faq", "refund")
    done = world.run("deploy", "faq", "refund", "--again", "--breaking", "refund")
    hint = "promptsync deploy faq refund --again --breaking refund --breaking faq"
    assert f"hint: {hint}\n" in done.err
    world.ok(*hint.split()[1:])


def test_status_says_that_the_next_deploy_will_be_stopped(world: World) -> None:
    note = "would break applications that read refund (prod): promptsync deploy --label prod --dry-run"
    assert "would break" not in world.ok("status").out
    breaks(world)
    done = world.ok("status")
    assert note in done.out
    assert contract(world.run("status", "--json")) == [("refund", "breaking", False)]
    world.ok("push")
    assert note in world.ok("status").out
    world.ok("deploy", "--breaking", "refund")
    world.ok("rollback", "refund")
    assert "would break" not in world.ok("status").out  # on hold, so the next deploy leaves it
    rewrite(world, "refund", "About {order} for the {customer}")
    assert note in world.ok("status").out
    breaks(world, needs="app >= 2")
    assert "would break" not in world.ok("status").out


def test_status_sees_what_a_snippet_breaks(world: World) -> None:
    rewrite(world, "tone", content="Be brief to {customer}.")
    assert "break applications that read faq (prod): " in world.ok("status").out


def test_a_status_in_sync_reads_no_version(world: World) -> None:
    world.ok("status")
    assert {seen.path for seen in world.seen} == {"/prompt-templates", "/prompt-templates/labels"}


def test_live_versions_are_read_at_once(world: World) -> None:
    """After the first one, which says what workspace it is."""
    for name in ("new", "refund"):
        rewrite(world, name, "@@@tone@label:prod@@@ {order}")
    world.ok("deploy")
    for name in ("faq", "new", "refund"):
        rewrite(world, name, "About {order} and {more}")
    both, reads = threading.Barrier(2, timeout=120), list[str]()

    def wait(seen: Seen, _: object) -> None:
        if "?version=" in seen.target:
            reads.append(seen.target)
            if len(reads) > 1:
                both.wait()

    world.faults.append(wait)
    assert "break applications that read faq (prod), new (prod), refund (prod)" in world.ok("status").out
    assert len(reads) == 3


def test_diff_says_what_breaks(world: World) -> None:
    breaks(world)
    for arguments in ((), ("refund:prod",), ("--since", "HEAD~1")):
        assert re.search(r"\n    breaking: .*customer", world.ok("diff", *arguments).out)
        markdown = world.ok("diff", *arguments, "--format", "markdown").out
        assert re.search(r"\n@ breaking: .*customer", markdown)
        (change,) = world.ok("diff", *arguments, "--json").document["changes"]
        assert [effect["verdict"] for effect in change["contract"]] == ["breaking"]


def test_what_comes_from_the_registry_is_escaped(world: World) -> None:
    name = "x\x1b[31m`]](http://evil)@ann" * 30
    rewrite(world, "refund", f"About {{{name}}}", needs="`\x1b[31m @ann")
    for arguments in (("deploy", "--dry-run"), ("diff",), ("deploy", "--dry-run", "--format", "markdown")):
        done = world.ok(*arguments)
        assert "\x1b" not in done.out
        rows = [line for line in done.out.splitlines() if "accepted" in line]
        assert all(len(row) < 600 for row in rows)
