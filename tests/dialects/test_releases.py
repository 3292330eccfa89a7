"""What is released is known in every dialect, also where no list has all labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dialect_servers import customer, embedded, recorded, vendor
from dialect_world import Kind, beside
from worlds import World

PER_PAGE, COUNT = 15, 20


@pytest.fixture(params=[embedded, customer, vendor])
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    kind: Kind = request.param
    with beside(kind, tmp_path) as found:
        govern(found)
        yield found


def govern(here: World) -> None:
    path = here.root / "promptsync.yaml"
    path.write_text(path.read_text() + "labels: {main: prod}\n")


def pending(here: World) -> list[tuple[str, str, int, int | None, bool]]:
    return [
        (prompt["name"], one["label"], one["version"], one["released"], one["rolled_back"])
        for prompt in here.run("status", "--json").document["prompts"]
        for one in prompt["not_released"]
    ]


def test_status_shows_what_is_not_released(here: World) -> None:
    (refund,) = [
        one for one in here.run("status", "--json").document["prompts"] if one["name"] == "support/refund"
    ]
    assert refund["labels"]["prod"] == 2
    here.publish("support/refund", "Ask {question}")
    here.ok("pull")
    assert pending(here) == [("support/refund", "prod", 3, 2, False), ("tone", "prod", 1, None, False)]
    shown = here.run("status").out
    assert "prod v2, v3 not released" in shown
    assert "2 prompts not released to prod: promptsync deploy" in shown


@pytest.mark.parametrize("kind", [embedded, vendor])
def test_a_label_moved_in_the_dashboard_is_recorded_and_its_move_back_is_on_hold(
    kind: Kind, tmp_path: Path
) -> None:
    with beside(kind, tmp_path) as here:
        govern(here)
        deploy = ("deploy", "--label", "prod", "-y", "--json")
        here.ok(*deploy)
        here.publish("support/refund", "Ask {question}")
        here.ok("pull")
        here.point("support/refund", prod=3)
        moved = here.run(*deploy).document
        assert [(one["name"], one["version"]) for one in moved["members"]] == [("support/refund", 3)]
        assert here.labels("support/refund") == {"prod": 3, "prod.previous": 2, "prod.released": 3}
        assert here.run(*deploy).document["members"] == []
        here.point("support/refund", prod=2)
        held = here.run(*deploy).document
        assert [(one["name"], one["version"]) for one in held["on_hold"]] == [("support/refund", 3)]


@pytest.mark.parametrize("kind", [embedded, vendor])
def test_status_shows_what_was_rolled_back(kind: Kind, tmp_path: Path) -> None:
    with beside(kind, tmp_path) as here:
        govern(here)
        here.ok("rollback", "support/refund", "--label", "prod", "--to", "1", "-y")
        assert ("support/refund", "prod", 2, 1, True) in pending(here)
        assert "prod v1, v2 rolled back" in here.run("status").out


def test_a_label_is_listed(here: World) -> None:
    here.publish("tone", "Be cool.", release_labels=["prod"])
    listed = here.run("label", "list", "--label", "prod", "--json").document["labels"]
    assert [(one["name"], one["version"], one["latest"]) for one in listed] == [
        ("support/refund", 2, 2),
        ("tone", 2, 2),
    ]
    assert "prod" in here.run("ls-remote").out


@pytest.mark.parametrize("kind", [embedded, vendor])
def test_a_rollback_takes_the_only_label_of_the_named_prompts(kind: Kind, tmp_path: Path) -> None:
    with beside(kind, tmp_path) as here:
        assert here.run("rollback", "support/refund", "-y").out.split()[-4:] == ["v2", "->", "v1", "lower"]


@pytest.mark.parametrize("kind", [embedded, customer, recorded])
def test_few_requests_show_the_releases_of_many_prompts(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("paging", "prompts"):
        monkeypatch.setattr(f"promptsync.registry.promptlayer.{module}.PER_PAGE", PER_PAGE)
    with beside(kind, tmp_path) as here:
        govern(here)
        here.publish("tone", "Be cool.", release_labels=["prod"])
        for number in range(COUNT - 2):
            here.publish(f"p{number}", "Hello", release_labels=["prod"])
        here.ok("pull")
        for line in ("status --json", "label list", "label list --label prod", "ls-remote"):
            here.forget()
            here.ok(*line.split())
            asked = [one.target for one in here.seen]
            assert len(asked) < (8 if line == "status --json" else 6), (line, asked)
        assert len(here.run("status", "--json").document["prompts"]) == COUNT
        assert pending(here) == []


def test_labels_beside_others_cost_no_requests_while_everything_is_released(tmp_path: Path) -> None:
    """A list under a label costs a request for each prompt that has it."""
    with beside(vendor, tmp_path) as here:
        govern(here)
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
    with beside(vendor, tmp_path, is_empty=True) as here:
        here.write("tone", content="Rude")
        here.write("support/refund", "@@@tone@label:prod@@@")
        path = here.root / "promptsync.yaml"
        checks = "checks: [{match: support/refund, evaluation: refund quality, min_score: 90}]\n"
        path.write_text(f"{path.read_text()}labels: {{main: prod}}\n{checks}")
        here.git("init", "-q", "-b", "main")
        here.commit("Add prompts")
        assert here.run("deploy").code == 3  # the snippet comes first
        assert here.run("deploy", "support/refund").code == 3
        assert here.call("GET", "/prompt-templates/labels").body["release_labels"] == []
