"""What a push would change under a governed label is found in each document's registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dialect_servers import customer, embedded, vendor
from dialect_world import beside
from registry_server import completion, flat
from worlds import World

KINDS = {"embedded": embedded, "customer": customer, "vendor": vendor}


@pytest.fixture(params=KINDS)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """``voice`` is a snippet of ``bots/faq``, which another user released to the governed label."""
    with beside(KINDS[request.param], tmp_path) as found:
        config = found.root / "promptsync.yaml"
        config.write_text(f"{config.read_text()}labels: {{main: prod}}\ninclude: [voice, support/*]\n")
        found.write("voice", content="Be kind.")
        found.git("init", "-q", "-b", "main")
        found.commit("Add prompts")
        assert found.run("push").code == 0
        found.publish("bots/faq", "@@@voice@@@ {question}", release_labels=["prod"])
        yield found


def test_a_snippet_that_is_live_at_once_is_refused(here: World) -> None:
    here.edit("voice", "kind", "rude")
    done = here.run("push")
    assert (done.code, "live immediately in bots/faq (prod)" in done.err) == (3, True), done.err


def test_a_live_prompt_is_archived_only_by_name(here: World) -> None:
    here.path("support/refund").unlink()
    here.commit("Drop it")
    done = here.run("push", "--prune", "-y")
    assert (done.code, "'support/refund' is live: prod is at v2" in done.err) == (3, True), done.err
    assert "/api/public/v2/folders/entities" not in {seen.path for seen in here.seen}


def test_a_dashboard_edit_of_a_snippet_that_is_live_at_once_stops_a_deploy(here: World) -> None:
    here.call("POST", "/rest/prompt-templates", flat("voice", completion("Be quick.")))
    here.edit("voice", "kind", "brief")
    here.commit("Be brief")
    done = here.run("deploy", "--allow-dirty")
    if "cannot change release labels" in done.err:  # nothing is deployed there at all
        assert done.code == 4
    else:
        assert (done.code, "live immediately in bots/faq (prod)" in done.err) == (3, True), done.err


@pytest.mark.parametrize("name", ["voice", "support/refund"])
def test_what_would_be_live_again_is_not_restored(here: World, name: str) -> None:
    here.archive(name)
    done = here.run("push", name, "--restore")
    assert (done.code, "so a push does not restore it" in done.err) == (3, True), done.err
