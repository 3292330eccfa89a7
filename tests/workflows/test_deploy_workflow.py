"""The workflows of GitHub that push to main and at night: what only they have."""

from __future__ import annotations

import json

import pytest
from actions import Event
from team import SETTLE, SOFTER, Team


def test_by_hand_it_deploys_the_newest_commit_of_the_default_branch(team: Team) -> None:
    team.edit("support/refund", *SOFTER)
    team.push()
    payload = {"inputs": None, "ref": "refs/heads/main", "repository": {"default_branch": "main"}}
    done = team.deploy(Event("workflow_dispatch", payload, "refs/heads/main", "main"))
    assert done.passed, str(done)
    assert team.world.label("support/refund", "prod") == 2
    assert json.loads(done.job_outputs["released"]) == {"support/refund": 2}
    assert (done.job_outputs["label"], done.job_outputs["count"]) == ("prod", "1")


@pytest.mark.parametrize("token", ["GITHUB_TOKEN", "PROMPTSYNC_TOKEN"])
def test_a_prompt_that_was_archived_is_told_with_the_ways_out(team: Team, token: str) -> None:
    team.world.archive("support/triage")
    team.edit_in_registry("support/refund", *SETTLE)
    if token == "PROMPTSYNC_TOKEN":
        team.hub.secrets[token] = "ghp_of_a_machine_user"
    done = team.drift()
    assert done.passed, str(done)
    assert done.trusted == {"Pull": ["PROMPTLAYER_API_KEY"], "Pull request": [token]}
    assert "**1 prompt archived in the registry**" in team.request
    assert "promptsync push NAME --restore" in team.request
    assert "PROMPTSYNC_TOKEN" in team.request  # the token of the job starts no checks on what it opens
