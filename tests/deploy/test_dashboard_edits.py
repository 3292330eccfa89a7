"""A deploy passes over a dashboard edit that nobody uses, and says so before, while and after it does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deploying import change
from worlds import Reply, Seen, World, asking, fault

from promptsync.show.notes import ago

TEXT = "A polite hello, {name}\n\nin the middle\n\nand at the end"
EDIT = TEXT.replace("end", "end, drafted")


def signed(seen: Seen, forward: Callable[[Seen], Reply]) -> Reply:
    """A registry that tells who saved a version."""
    reply = forward(seen)
    body = json.loads(str(reply.body))
    return replace(reply, body={**body, "author": "ana"}) if "commit_message" in body else reply


@pytest.fixture
def drafted(released: World) -> World:
    """``a`` v3 was saved in the dashboard, and git has another text since."""

    def build(world: World) -> None:
        world.write("a", TEXT, tags=["greeting"], commit="Say more")
        world.ok("deploy")
        world.publish("a", EDIT, tags=["greeting"])
        change(world, "hello", "welcome")

    world = released.built(build)
    world.faults.append(fault(asking("GET", "/prompt-templates/"), signed))
    return world


def test_the_plan_names_who_saved_it_and_the_command_that_brings_it_in(drafted: World) -> None:
    done = drafted.ok("deploy", "--dry-run")
    assert "force" not in done.out
    note = "passes over v3, saved in the dashboard by ana, just now; the registry keeps it; "
    assert f"{note}promptsync pull --merge a" in done.out
    assert "or, after the deploy, leave it out for good; promptsync pull a --no-passed-over" in done.out
    asked = drafted.on_terminal("deploy", answer="n\n")
    assert asked.code == 1 and ", 1 of them without edits made in the dashboard. Continue?" in asked.err
    page = drafted.ok("deploy", "--dry-run", "--format", "markdown").out
    assert "<code>a, passed over: v2 -&gt; v3</code>" in page
    *_, change = page.split("<details>")
    assert "-and at the end\n+and at the end, drafted\n" in change and "author" not in change
    drafted.faults.clear()  # of a registry that tells no author
    (draft,) = drafted.run("deploy", "--dry-run", "--json").document["drafts"]
    assert (draft["version"], draft["origin"], drafted.writes) == (3, "saved in the dashboard", [])
    drafted.ok("pull", "--merge", "a")
    assert drafted.states()["a"] == "ahead"


def test_the_receipt_and_the_step_summary_say_it(drafted: World, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    done = drafted.ok("deploy", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
    line = "passed over  a: v3, saved in the dashboard by ana, just now; promptsync pull a --passed-over"
    other = "or  a: leave that out for good; promptsync pull a --no-passed-over"
    assert all(part in done.out and part in summary.read_text("utf-8") for part in (line, other))
    assert drafted.text("a", 3) == EDIT and drafted.label("a", "prod") == 4
    assert drafted.messages("a")[3].endswith(" v4^2)")
    drafted.ok("pull", "--passed-over", "a")
    assert "end, drafted" in drafted.path("a").read_text("utf-8")


def test_an_edit_that_another_label_points_at_stops_the_release(drafted: World) -> None:
    drafted.publish("a", EDIT + "!", tags=["greeting"], release_labels=["staging"])
    done = drafted.says(
        3, "without v4, saved in the dashboard by ana and labelled staging; nothing", "deploy"
    )
    assert "end, drafted!" in done.err and drafted.writes == []


def test_a_version_of_another_branch_under_its_label_does_not_stop_the_release(released: World) -> None:
    released.git("checkout", "-qb", "staging")
    change(released, "hello", "welcome")
    released.ok("deploy", "--label", "staging")
    released.git("checkout", "-q", "main")
    change(released, "hello", "good day")
    assert "passes over v2, pushed from" in released.ok("deploy", "--dry-run").out
    released.ok("deploy")
    assert (released.label("a", "staging"), released.label("a", "prod")) == (2, 3)


def test_a_team_may_refuse_to_pass_over_edits(drafted: World) -> None:
    drafted.configure("deploy: {dashboard_edits: refuse}")
    drafted.commit("Refuse dashboard edits")
    done = drafted.exits(3, "deploy")
    assert drafted.writes == []
    edit = "'a' would be released without v3, saved in the dashboard by ana; nothing was released"
    assert edit in done.err and "hint: promptsync diff a\nhint: promptsync pull --merge a\n" in done.err


# -- a rename below an edit ---------------------------------------------------------------------------------


def test_a_fresh_clone_sees_the_rename_below_the_edit_and_says_what_brings_it_in(released: World) -> None:
    released.rename("a", "z")
    released.publish("z", "A polite edit, {name}", tags=["greeting"])
    released.git("clone", "-q", ".", "../ci")  # without what this working copy knows
    released.root = released.root.parent / "ci"
    released.forget()
    for verb in ("deploy", "push"):
        done = released.exits(3, verb)
        assert "'a'" in done.err and "hint: promptsync mv a z" in done.err
    assert released.writes == []
    released.ok("mv", "a", "z")
    released.commit("Rename a to z")
    assert released.states()["z"] == "behind"
    released.ok("pull")
    released.commit("Pull the edit")
    released.ok("deploy")
    assert released.label("z", "prod") == 2


# -- moments -------------------------------------------------------------------------------------------------


def test_a_moment_is_told_from_now() -> None:
    moments = ("2026-03-01T11:59:00+00:00", "2026-02-01T10:00:00Z", "2026-03-01T12:00:30", "yesterday")
    told = [ago(moment, datetime(2026, 3, 1, 12, tzinfo=UTC)) for moment in moments]
    assert told == ["1 minute ago", "28 days ago", "just now", ""]
