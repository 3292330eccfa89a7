"""The workflow that brings edits of the registry back, run step by step."""

from __future__ import annotations

import json

import relaying
from actions import REPOSITORY, Event
from team import DRIFT, SETTLE, Team


def test_a_webhook_becomes_a_pull_request_through_the_relay(team: Team) -> None:
    version = team.edit_in_registry("support/refund", *SETTLE)
    with relaying.api() as github, relaying.relaying(github.url) as site:
        assert site.send(relaying.event(prompt_template_version_number=version)).status_code == 202
        site.pass_time(10)
    (request,) = github.requests
    action = json.loads(request.body)["event_type"]
    payload = {"action": action, "client_payload": {}, "repository": {"full_name": REPOSITORY}}
    done = team.hub.run("drift.yml", Event("repository_dispatch", payload, "refs/heads/main", "main"))
    assert done.passed, str(done)
    assert "+You settle refunds" in team.request


def test_its_merge_publishes_nothing_and_may_be_released(team: Team) -> None:
    version = team.edit_in_registry("support/refund", *SETTLE)
    assert team.drift().passed
    team.world.git("fetch", "-q", "origin")
    team.world.forget()
    done = team.deploy(team.merge(f"origin/{DRIFT}"))
    assert done.passed, str(done)
    assert team.world.published == [] and team.world.version("support/refund") == version
    assert team.world.label("support/refund", "prod") == version
    team.hub.save(pulls=[])
    assert team.drift().passed
    assert team.hub.pulls == []


def test_a_prompt_that_was_archived_is_told_with_the_ways_out(team: Team) -> None:
    team.world.archive("support/triage")
    team.edit_in_registry("support/refund", *SETTLE)
    assert team.drift().passed
    assert "**1 prompt archived in the registry**" in team.request
    assert "promptsync push NAME --restore" in team.request
