"""The workflow of pushes to main, run step by step."""

from __future__ import annotations

import json

from actions import Event
from team import SOFTER, Team

from promptsync.server.app import create_app


def test_what_was_merged_is_published_proven_and_released(team: Team) -> None:
    team.branch()
    team.edit("support/refund", *SOFTER, "Soften the tone")
    event = team.merge()
    done = team.deploy(event)
    assert done.passed, str(done)
    assert json.loads(done.job_outputs["released"]) == {"support/refund": 2}
    assert (done.job_outputs["label"], done.job_outputs["count"]) == ("prod", "1")
    assert team.world.label("support/refund", "prod") == 2
    assert done.trusted == {
        "Fetch the newest commit": ["GITHUB_TOKEN"],
        "Deploy": ["PROMPTLAYER_API_KEY"],
    }
    assert "**1 prompt released to `prod`**" in done.summary
    for part in ("published  support/refund  v2", "refund quality", "echo", "prod  v1 -> v2"):
        assert part in done.summary
    # A second run has nothing to do.
    team.world.forget()
    done = team.deploy(event)
    assert done.passed, str(done)
    assert team.world.writes == [] and done.job_outputs["count"] == "0"
    assert "**Nothing to release to `prod`**" in done.summary


def test_by_hand_it_deploys_the_newest_commit_of_the_default_branch(team: Team) -> None:
    team.edit("support/refund", *SOFTER)
    team.push()
    payload = {"inputs": None, "ref": "refs/heads/main", "repository": {"default_branch": "main"}}
    done = team.deploy(Event("workflow_dispatch", payload, "refs/heads/main", "main"))
    assert done.passed, str(done)
    assert team.world.label("support/refund", "prod") == 2


def _approve(team: Team, *, protected: bool) -> None:
    """Protect ``prod``, or approve what waits for it."""
    directory = team.world.root.parent
    fixtures = directory / "protected.yaml"
    fixtures.write_text("protected_labels: [prod]\n" if protected else "agents: []\n", "utf-8")
    team.world.call.app.close()
    team.world.call.app = create_app(directory / "registry.db", fixtures=fixtures)


def test_an_approval_starts_it_again_and_completes_the_release(team: Team) -> None:
    _approve(team, protected=True)
    team.edit("support/house-tone", "120 words", "110 words")
    done = team.deploy()
    assert not done.passed and team.world.label("support/house-tone", "prod") == 1
    assert "waits for approval of prod by an admin: support/house-tone v2" in done.summary, str(done)
    _approve(team, protected=False)
    client = {"label": "$(exit 1)", "name": "support/house-tone"}
    payload = {"action": "promptsync-approved", "branch": "main", "client_payload": client}
    event = Event("repository_dispatch", payload, "refs/heads/main", "main")
    team.world.forget()
    done = team.deploy(event)
    assert done.passed, str(done)
    assert json.loads(done.job_outputs["released"]) == {"support/house-tone": 2}
    assert team.world.published == []
    assert team.world.labels("support/house-tone") == {"prod": 2, "prod.previous": 1, "prod.released": 2}
    assert team.deploy(event).job_outputs["count"] == "0"
