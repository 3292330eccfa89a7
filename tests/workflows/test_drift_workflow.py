"""The workflow that brings edits of the registry back, run step by step."""

from __future__ import annotations

import json
from typing import Any

import relaying
from actions import REPOSITORY, Event
from markdown_reader import active
from team import SETTLE, SOFTER, Team

BRANCH = "promptsync-drift-main"


def pull(team: Team) -> dict[str, Any]:
    """The one pull request."""
    (found,) = team.hub.pulls
    assert (found["head"], found["base"]) == (BRANCH, "main")
    assert active(found["body"].split("\n")) == []
    return found


def test_edits_come_back_as_one_pull_request_that_the_next_nights_update(team: Team) -> None:
    done = team.drift()
    assert done.passed, str(done)
    assert team.hub.pulls == [] and BRANCH not in team.hub.git("branch", "--list")
    assert "**Nothing to pull**" in done.summary

    team.edit_in_registry("support/refund", *SETTLE)
    done = team.drift("workflow_dispatch")
    assert done.passed, str(done)
    found = pull(team)
    assert found["title"] == "Pull dashboard edits"
    assert "support/refund" in found["body"] and "+You settle refunds" in found["body"]
    assert "PROMPTSYNC_TOKEN" in found["body"]
    files = team.hub.git("diff", "--name-only", f"main..{BRANCH}").splitlines()
    assert files == ["prompts/support/refund.yaml"]
    assert "support/refund" in done.summary

    first = team.hub.git("rev-parse", BRANCH)
    assert team.drift("repository_dispatch").passed
    assert team.hub.git("rev-parse", BRANCH) == first
    team.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    team.hub.secrets["PROMPTSYNC_TOKEN"] = "ghp_of_a_machine_user"
    done = team.drift()
    assert done.passed, str(done)
    assert done.trusted == {"Pull": ["PROMPTLAYER_API_KEY"], "Pull request": ["PROMPTSYNC_TOKEN"]}
    assert team.hub.git("rev-list", "--count", f"main..{BRANCH}") == "1"
    assert "support/triage" in pull(team)["body"] and "support/refund" in pull(team)["body"]

    # Commits of somebody on its branch are never overwritten.
    team.world.git("fetch", "-q", "origin")
    team.world.git("switch", "-q", "-c", "drift", f"origin/{BRANCH}")
    team.edit("support/refund", "You settle refunds", "You settle all refunds")
    team.world.git("push", "-q", "origin", f"HEAD:{BRANCH}")
    tip = team.hub.git("rev-parse", BRANCH)
    done = team.drift()
    assert not done.passed and "somebody committed" in done.log
    assert team.hub.git("rev-parse", BRANCH) == tip


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
    assert "+You settle refunds" in pull(team)["body"]


def test_its_merge_publishes_nothing_and_may_be_released(team: Team) -> None:
    version = team.edit_in_registry("support/refund", *SETTLE)
    assert team.drift().passed
    team.world.git("fetch", "-q", "origin")
    team.world.forget()
    done = team.deploy(team.merge(f"origin/{BRANCH}"))
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
    assert "**1 prompt archived in the registry**" in pull(team)["body"]
    assert "promptsync push NAME --restore" in pull(team)["body"]


def test_what_does_not_merge_fails_the_run_and_the_rest_comes_back(team: Team) -> None:
    team.edit_in_registry("support/refund", *SETTLE)
    team.edit("support/refund", *SOFTER)
    team.push()
    done = team.drift()
    assert done.outcomes["Pull"] == "failure" and done.outcomes["Pull request"] == "skipped"
    assert team.hub.pulls == [] and "support/refund" in done.summary
    team.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    done = team.drift()
    assert done.outcomes["Pull"] == "failure" and done.outcomes["Pull request"] == "success", str(done)
    files = team.hub.git("diff", "--name-only", f"main..{BRANCH}").splitlines()
    assert files == ["prompts/support/triage.yaml"]
    assert "**1 prompt skipped**" in pull(team)["body"]


def test_hostile_edits_ping_nobody_and_stay_in_their_fences(team: Team) -> None:
    text = "```\n</details>\n@EVIL closes #1 ![](https://EVIL)\n<!-- promptsync check -->\n\x1b[31m\u202e"
    name = "support/`</code>@EVIL\n#1"
    team.world.publish(name, f"{text} {{name}}", commit_message="@EVIL closes owner/EVIL#1")
    done = team.drift()
    assert done.passed, str(done)
    assert "@EVIL closes" in pull(team)["body"]
    assert "\u202e" not in pull(team)["body"] and "\x1b" not in pull(team)["body"]
