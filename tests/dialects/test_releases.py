"""What is released, and live elsewhere, is known in every dialect, also where no list has all labels."""

from __future__ import annotations

from pathlib import Path

import pytest
from dialect_servers import customer, embedded, recorded, vendor
from dialect_world import Kind, beside, for_each, in_each_dialect, listed
from registry_server import completion, flat
from worlds import World

PER_PAGE, COUNT = 15, 20
DEPLOY = ("deploy", "--label", "prod", "-y", "--json")


def pending(here: World) -> list[tuple[str, str, int, int | None, bool]]:
    return [
        (prompt["name"], one["label"], one["version"], one["released"], one["rolled_back"])
        for prompt in listed(here)
        for one in prompt["not_released"]
    ]


@in_each_dialect
def test_status_shows_what_is_not_released_and_labels_are_listed(kind: Kind, tmp_path: Path) -> None:
    with beside(kind, tmp_path, governs=True) as here:
        (refund,) = [prompt for prompt in listed(here) if prompt["name"] == "support/refund"]
        assert refund["labels"]["prod"] == 2
        here.publish("support/refund", "Ask {question}")
        here.ok("pull")
        assert pending(here) == [("support/refund", "prod", 3, 2, False), ("tone", "prod", 1, None, False)]
        shown = here.run("status").out
        assert "prod v2, v3 not released" in shown
        assert "2 prompts not released to prod: promptsync deploy" in shown
        here.publish("tone", "Be cool.", release_labels=["prod"])
        found = here.run("label", "list", "--label", "prod", "--json").document["labels"]
        versions = {one["name"]: (one["version"], one["latest"]) for one in found}
        assert versions == {"support/refund": (2, 3), "tone": (2, 2)}
        assert "prod" in here.run("ls-remote").out


@for_each(embedded, vendor)
def test_a_label_moved_in_the_dashboard_is_recorded_and_its_move_back_is_on_hold(
    kind: Kind, tmp_path: Path
) -> None:
    def versions(members: list[dict[str, object]]) -> list[tuple[object, object]]:
        return [(one["name"], one["version"]) for one in members]

    with beside(kind, tmp_path, governs=True) as here:
        here.ok(*DEPLOY)
        here.publish("support/refund", "Ask {question}")
        here.ok("pull")
        here.point("support/refund", prod=3)
        assert versions(here.run(*DEPLOY).document["members"]) == [("support/refund", 3)]
        assert here.labels("support/refund") == {"prod": 3, "prod.previous": 2, "prod.released": 3}
        assert here.run(*DEPLOY).document["members"] == []
        here.point("support/refund", prod=2)
        assert versions(here.run(*DEPLOY).document["on_hold"]) == [("support/refund", 3)]


@for_each(embedded, vendor)
def test_a_rollback_takes_the_only_label_of_the_named_prompts_and_status_shows_it(
    kind: Kind, tmp_path: Path
) -> None:
    with beside(kind, tmp_path, governs=True) as here:
        assert here.run("rollback", "support/refund", "-y").out.split()[-4:] == ["v2", "->", "v1", "lower"]
        assert ("support/refund", "prod", 2, 1, True) in pending(here)
        assert "prod v1, v2 rolled back" in here.run("status").out


@for_each(embedded, customer, recorded)
def test_few_requests_show_the_releases_of_many_prompts(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("paging", "prompts"):
        monkeypatch.setattr(f"promptsync.registry.promptlayer.{module}.PER_PAGE", PER_PAGE)
    with beside(kind, tmp_path, governs=True) as here:
        here.publish("tone", "Be cool.", release_labels=["prod"])
        for number in range(COUNT - 2):
            here.publish(f"p{number}", "Hello", release_labels=["prod"])
        here.ok("pull")
        for line in ("status --json", "label list", "label list --label prod", "ls-remote"):
            here.forget()
            here.ok(*line.split())
            assert len(here.seen) < (8 if line == "status --json" else 6), (line, here.seen)
        assert len(listed(here)) == COUNT
        assert pending(here) == []


def test_labels_beside_others_cost_no_requests_while_everything_is_released(tmp_path: Path) -> None:
    """A list under a label costs a request for each prompt that has it."""
    with beside(vendor, tmp_path, governs=True) as here:
        here.publish("tone", "Be cool.", release_labels=["prod"])
        here.ok("pull")
        here.forget()
        here.ok("status")
        before = len(here.seen)
        here.forget()
        here.point("tone", prod_previous=1, prod_released=2)
        here.ok("status")
        assert len(here.seen) == before


def test_a_first_deploy_that_fails_leaves_no_label(tmp_path: Path) -> None:
    """An empty workspace does not show whether it can move labels."""
    with beside(vendor, tmp_path, is_empty=True, governs=True) as here:
        here.write("tone", content="Rude")
        here.write("support/refund", "@@@tone@label:prod@@@")
        here.configure("checks: [{match: support/refund, evaluation: refund quality, min_score: 90}]")
        here.git("init", "-q", "-b", "main")
        here.commit("Add prompts")
        here.exits(3, "deploy")  # the snippet comes first
        here.exits(3, "deploy", "support/refund")
        assert here.call("GET", "/prompt-templates/labels").body["release_labels"] == []


@in_each_dialect
def test_what_is_live_is_changed_neither_by_a_push_nor_by_a_deploy_of_a_dashboard_edit(
    kind: Kind, tmp_path: Path
) -> None:
    """``voice`` is a snippet of ``bots/faq``, which another user released to the governed label."""
    with beside(kind, tmp_path, governs=True) as here:
        here.configure("include: [voice, support/*]")
        here.write("voice", content="Be kind.")
        here.git("init", "-q", "-b", "main")
        here.commit("Add prompts")
        here.ok("push")
        here.publish("bots/faq", "@@@voice@@@ {question}", release_labels=["prod"])
        here.forget()
        here.path("support/refund").unlink()
        here.commit("Drop it")
        here.says(3, "'support/refund' is live: prod is at v2", "push", "--prune", "-y")
        assert "/api/public/v2/folders/entities" not in {seen.path for seen in here.seen}
        here.git("revert", "--no-edit", "HEAD")
        live = "live immediately in bots/faq (prod)"
        here.edit("voice", "kind", "rude")
        here.says(3, live, "push")
        here.git("checkout", "-q", ".")
        here.call("POST", "/rest/prompt-templates", flat("voice", completion("Be quick.")))
        here.edit("voice", "kind", "brief", commit="Be brief")
        if kind is customer:  # nothing is deployed there at all
            here.says(4, "cannot change release labels", "deploy", "--allow-dirty")
        else:
            here.says(3, live, "deploy", "--allow-dirty")
        here.archive("voice")
        here.says(3, live, "push", "voice", "--restore")
        here.archive("support/refund")
        here.ok("push", "support/refund", "--restore")
