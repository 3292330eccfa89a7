"""The workflow that brings edits of the registry back, run step by step."""

from __future__ import annotations

import json

import relaying
from actions import REPOSITORY, Event
from team import SETTLE, Team


def test_a_webhook_becomes_a_pull_request_through_the_relay(team: Team) -> None:
    version = team.edit_in_registry("support/refund", *SETTLE)
    with relaying.api() as github, relaying.relaying(github.url) as site:
        assert site.send(relaying.event(prompt_template_version_number=version)).status_code == 202
        site.pass_time(10)
    (request,) = github.requests
    action = json.loads(request.body)["event_type"]
    payload = {
        "action": action,
        "client_payload": {"by": "$(exit 1)"},
        "repository": {"full_name": REPOSITORY},
    }
    done = team.hub.run("drift.yml", Event("repository_dispatch", payload, "refs/heads/main", "main"))
    assert done.passed, str(done)
    assert "+You settle refunds" in team.request
    # The token of the job starts no checks on what it opens.
    assert "PROMPTSYNC_TOKEN" in team.request
    assert done.trusted == {"Pull": ["PROMPTLAYER_API_KEY"], "Pull request": ["GITHUB_TOKEN"]}


def test_a_prompt_that_was_archived_is_told_with_the_ways_out(team: Team) -> None:
    team.world.archive("support/triage")
    team.edit_in_registry("support/refund", *SETTLE)
    team.hub.secrets["PROMPTSYNC_TOKEN"] = "ghp_of_a_machine_user"
    done = team.drift()
    assert done.passed, str(done)
    assert done.trusted == {"Pull": ["PROMPTLAYER_API_KEY"], "Pull request": ["PROMPTSYNC_TOKEN"]}
    assert "**1 prompt archived in the registry**" in team.request
    assert "promptsync push NAME --restore" in team.request
