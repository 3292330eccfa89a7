"""What GitHub's workflows and GitLab's jobs have in common: checks, deploys, and edits that come back."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import gitlab_team
import pytest
import relaying
import team as teams
from actions import Done
from deploying import protect
from gitlab_team import Ended
from team import DRIFT, MARKER, NUMBER, SETTLE, SOFTER

Team = teams.Team | gitlab_team.Team
BE_KIND = 10 * "be kind, "
HOSTILE = ["```", "/close", "</details>", MARKER, "@EVIL closes #1 ![](https://EVIL)"]


@pytest.fixture(params=[teams.opened, gitlab_team.opened], ids=["GitHub", "GitLab"])
def team(template: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Team]:
    with request.param(template, tmp_path / "team") as team:
        yield team


def webhook(team: Team, payload: dict[str, Any]) -> Done | Ended:
    """Run what a webhook of PromptLayer starts through the relay."""
    is_gitlab = isinstance(team, gitlab_team.Team)
    config = "labels: {main: prod}\n"
    with relaying.api() as api, relaying.relaying(api.url, gitlab=is_gitlab, config=config) as site:
        assert site.send(payload).status_code == 202
        site.pass_time(10)
    (request,) = api.requests
    if isinstance(team, gitlab_team.Team):
        form = dict(parse_qsl(request.body))
        assert form.pop("token") == relaying.TOKEN
        return team.triggered(form)
    return team.dispatched(request.body["event_type"])


# -- a pull request -----------------------------------------------------------------------------------------


def test_the_one_comment_says_how_each_push_went_and_of_no_prompt_there_is_none(team: Team) -> None:
    # Comments of others may begin like ours, and come first on several pages. They stay as they are.
    others = copy.deepcopy([team.host.comment(NUMBER, 1, f"{MARKER}\nmine") for _ in range(120)])
    team.branch()
    team.write("README.md", "Something else")
    done = team.check()
    assert done.passed and "**Nothing to release to `prod`**" in done.summary, str(done)
    assert team.comments == []

    # Hostile texts stay in their fences, cannot pass for the comment, and are cut to what fits into one.
    rules = "\n      ".join(f"Rule {number}: {BE_KIND}" for number in range(900))
    team.edit("support/triage", "Choose exactly one", rules)
    lines = "\n      ".join([*HOSTILE, ""])
    team.edit("support/refund", SOFTER[0], lines, f"```\n\n/merge\n@EVIL {MARKER} #1")
    team.check()
    assert "@EVIL closes #1" in team.comment and "more lines, too much to show here" in team.comment

    team.world.git("revert", "--no-edit", "HEAD~2..")
    team.edit("support/refund", "refund_days }}", "refund_days }")
    done = team.check()
    assert not done.passed and "prompts/support/refund.yaml" in done.log
    assert "**Failed**" in team.comment and "prompts/support/refund.yaml:" in team.comment

    team.world.git("revert", "--no-edit", "HEAD")
    assert team.check().passed and "**Nothing to release to `prod`**" in team.comment
    assert team.host.comments[:120] == others


def test_a_fork_gets_lint_and_the_difference_from_the_base_and_is_told_what_is_missing(team: Team) -> None:
    team.branch()
    team.edit("support/refund", *SOFTER)
    team.world.forget()
    done = team.check(fork=True)
    assert done.passed and not done.trusted, str(done)
    assert "PROMPTLAYER_API_KEY" in done.summary and "+You answer questions about refunds" in done.summary
    assert team.host.calls == [] and team.world.seen == []


# -- a deploy -----------------------------------------------------------------------------------------------


def test_what_was_merged_is_checked_published_and_released_once(team: Team) -> None:
    team.edit("support/refund", *SOFTER)
    old = team.push()
    team.branch()
    team.edit("support/refund", "questions about refunds", "all questions about refunds")
    merged = team.merge()
    # An old run that is run again releases nothing past newer checks.
    done = team.deploy(old)  # type: ignore[arg-type]
    assert not done.passed and "main has 2 newer commits" in done.summary, str(done)
    assert team.world.label("support/refund", "prod") == team.world.version("support/refund") == 1

    done = team.deploy(merged)  # type: ignore[arg-type]
    assert done.passed, str(done)
    assert team.world.label("support/refund", "prod") == 2
    for part in ("published  support/refund  v2", "refund quality", "echo", "prod  v1 -> v2"):
        assert part in done.summary
    assert "1 prompt released to" in done.summary
    # Only commands that need the key or a token get them.
    secrets = {"Fetch the newest commit": ["GITHUB_TOKEN"], "Deploy": ["PROMPTLAYER_API_KEY"]}
    assert done.trusted == (secrets if isinstance(done, Done) else ["promptsync deploy key"])

    team.world.forget()
    done = team.deploy(merged)  # type: ignore[arg-type]
    assert done.passed and "othing to release to" in done.summary and team.world.writes == [], str(done)


def test_a_check_that_fails_leaves_the_label_and_fails_the_run(team: Team) -> None:
    team.worsen()
    done = team.deploy()
    assert not done.passed and "below the minimum" in done.summary, str(done)
    assert "othing was published or released" in done.summary and "triage accuracy" in done.summary
    assert team.world.label("support/triage", "prod") == 1 and team.world.version("support/triage") == 1
    assert "triage accuracy" in done.artifacts["prompts.html"]
    team.take_key()
    done = team.deploy()
    assert not done.passed and "PROMPTLAYER_API_KEY" in done.log and "PROMPTLAYER_API_KEY" in done.summary


def test_an_approval_completes_the_release_through_the_relay(team: Team) -> None:
    protect(team.world, "prod")
    team.edit("support/house-tone", "120 words", "110 words")
    team.push()
    waiting = team.world.exits(3, "deploy", PROMPTSYNC_REMOTE=team.world.url)
    assert "waits for approval of prod by an admin: support/house-tone v2" in waiting.err
    assert team.world.label("support/house-tone", "prod") == 1
    protect(team.world)
    team.world.forget()
    approval = relaying.event(relaying.APPROVAL, "support/house-tone", prompt_template_label="prod")
    done = webhook(team, approval)
    assert done.passed and team.world.published == [], str(done)
    assert team.world.labels("support/house-tone") == {"prod": 2, "prod.previous": 1, "prod.released": 2}


# -- edits of the dashboard ---------------------------------------------------------------------------------


def test_edits_come_back_as_one_pull_request_that_the_next_nights_update(team: Team) -> None:
    done = team.drift()
    assert done.passed and "**Nothing to pull**" in done.summary, str(done)
    assert team.requests == [] and DRIFT not in team.host.git("branch", "--list")

    # A webhook starts the job at once, through the relay.
    version = team.edit_in_registry("support/refund", *SETTLE)
    done = webhook(team, relaying.event(prompt_template_version_number=version))
    assert done.passed and "support/refund" in done.summary, str(done)
    assert "+You settle refunds" in team.request and team.pulled == ["prompts/support/refund.yaml"]
    if isinstance(done, Done):  # the token of the job starts no checks on what it opens
        assert done.trusted == {"Pull": ["PROMPTLAYER_API_KEY"], "Pull request": ["GITHUB_TOKEN"]}
        assert "PROMPTSYNC_TOKEN" in team.request

    first = team.host.git("rev-parse", DRIFT)
    assert team.drift().passed and team.host.git("rev-parse", DRIFT) == first
    team.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    assert team.drift().passed
    assert team.host.git("rev-list", "--count", f"main..{DRIFT}") == "1"
    assert "support/triage" in team.request and "support/refund" in team.request

    # Commits of somebody on its branch are never overwritten.
    team.world.git("fetch", "-q", "origin")
    team.world.git("switch", "-q", "-c", "drift", f"origin/{DRIFT}")
    team.edit("support/refund", "You settle refunds", "You settle all refunds")
    team.world.git("push", "-q", "origin", f"HEAD:{DRIFT}")
    tip = team.host.git("rev-parse", DRIFT)
    done = team.drift()
    assert not done.passed and ("somebody committed" in done.log or "has commits of others" in done.log)
    assert team.host.git("rev-parse", DRIFT) == tip


def test_what_does_not_merge_fails_the_run_and_the_rest_comes_back_in_fences_that_fit(team: Team) -> None:
    team.edit_in_registry("support/refund", *SETTLE)
    team.edit("support/refund", *SOFTER)
    team.push()
    team.world.archive("support/triage")
    hostile = "\n".join([*HOSTILE, "\x1b[31m\u202e {name}"])
    message = "/merge @EVIL closes owner/EVIL#1"
    team.world.publish("support/`</code>@EVIL\n#1", hostile, commit_message=message)
    team.world.publish("support/zoo", "Be kind.\n" * 9_000)
    if isinstance(team, teams.Team):
        team.hub.secrets["PROMPTSYNC_TOKEN"] = "ghp_of_a_machine_user"
    done = team.drift()
    assert not done.passed and "support/refund" in done.summary, str(done)
    if isinstance(done, Done):
        assert done.trusted == {"Pull": ["PROMPTLAYER_API_KEY"], "Pull request": ["PROMPTSYNC_TOKEN"]}
    assert len(team.pulled) == 2 and "prompts/support/zoo.yaml" in team.pulled
    assert "**1 prompt skipped**" in team.request
    assert "**1 prompt archived in the registry**" in team.request
    assert "promptsync push NAME --restore" in team.request
    assert "@EVIL closes" in team.request and "more lines, too much to show here" in team.request
    assert "\u202e" not in team.request and "\x1b" not in team.request


# -- a directory of a larger repository ---------------------------------------------------------------------


def test_prompts_may_be_one_directory_of_many(team: Team) -> None:
    git = team.world.git
    (team.world.root / "app").mkdir()
    git("mv", "prompts", "promptsync.yaml", "registry.yaml", "evaluations", ".gitignore", "app")
    team.world.commit("Make room for other things")
    team.settings["PROMPTSYNC_DIRECTORY"] = "app"
    if isinstance(team, gitlab_team.Team):  # whose image may have no bash
        team.runner.shell = ("sh", "-e")
    done = team.deploy()
    assert done.passed and "othing to release to" in done.summary, str(done)  # a move alone releases nothing
    team.branch()
    path = "app/prompts/support/refund.yaml"
    text = (team.world.root / path).read_text("utf-8").replace(SOFTER[0], f"{SOFTER[1]}\u200b")
    team.write(path, text)
    done = team.check()
    assert done.passed and "prompts.html" in done.artifacts, str(done)
    assert "support/refund  v1 -> v2" in team.comment
    if isinstance(team, teams.Team):
        assert f"::warning file={path},line=" in done.log
        assert "+You answer questions about refunds" in team.check(fork=True).summary
    team.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    assert team.drift().passed
    assert team.pulled == ["app/prompts/support/triage.yaml"]
