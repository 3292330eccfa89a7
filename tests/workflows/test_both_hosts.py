"""What GitHub's workflows and GitLab's jobs have in common: checks, deploys, and edits that come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gitlab_team
import pytest
import team as teams
from team import DRIFT, MARKER, SETTLE, SOFTER

Team = teams.Team | gitlab_team.Team


@pytest.fixture(params=[teams.opened, gitlab_team.opened], ids=["GitHub", "GitLab"])
def team(template: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Team]:
    with request.param(template, tmp_path / "team") as team:
        yield team


# -- a pull request -----------------------------------------------------------------------------------------


def test_a_lint_error_is_told_with_its_line(team: Team) -> None:
    team.branch()
    team.edit("support/refund", "refund_days }}", "refund_days }")
    done = team.check()
    assert not done.passed
    assert "prompts/support/refund.yaml" in done.log
    assert "**Failed**" in team.comment and "prompts/support/refund.yaml:" in team.comment


def test_a_change_of_no_prompt_is_told_in_no_comment_that_is_not_there(team: Team) -> None:
    team.branch()
    team.write("README.md", "Something else")
    done = team.check()
    assert done.passed and "**Nothing to release to `prod`**" in done.told, str(done)
    assert team.comments == []
    path = team.world.root / "evaluations/refund-quality.yaml"
    text = path.read_text("utf-8")
    assert "min_score: 90" in text
    team.write("evaluations/refund-quality.yaml", text.replace("min_score: 90", "min_score: 80"))
    assert team.check().passed and "refund quality" in team.comment
    team.world.git("revert", "--no-edit", "HEAD")
    assert team.check().passed and "**Nothing to release to `prod`**" in team.comment


def test_hostile_texts_stay_in_their_fences_and_cannot_pass_for_the_comment(team: Team) -> None:
    team.branch()
    lines = ["```", "/close", "</details>", MARKER, "@EVIL closes #1 ![](https://EVIL)", ""]
    team.edit("support/refund", SOFTER[0], "\n      ".join(lines), f"```\n\n/merge\n@EVIL {MARKER} #1")
    team.check()
    assert "@EVIL closes #1" in team.comment


# -- a deploy -----------------------------------------------------------------------------------------------


def test_a_check_that_fails_leaves_the_label_and_fails_the_run(team: Team) -> None:
    team.worsen()
    done = team.deploy()
    assert not done.passed and "below the minimum" in done.told, str(done)
    assert "othing was published or released" in done.told and "triage accuracy" in done.told
    assert team.world.label("support/triage", "prod") == 1 and team.world.version("support/triage") == 1
    assert "triage accuracy" in done.artifacts["prompts.html"]
    team.take_key()
    done = team.deploy()
    assert not done.passed and "PROMPTLAYER_API_KEY" in done.log and "PROMPTLAYER_API_KEY" in done.told


def test_an_old_run_that_is_run_again_releases_nothing_past_newer_checks(team: Team) -> None:
    team.edit("support/refund", *SOFTER)
    old = team.push()
    team.edit("support/refund", "questions about refunds", "all questions about refunds")
    new = team.push()
    done = team.deploy(old)  # type: ignore[arg-type]
    assert not done.passed and "main has a newer commit" in done.told, str(done)
    assert team.world.label("support/refund", "prod") == 1 and team.world.version("support/refund") == 1
    assert team.deploy(new).passed  # type: ignore[arg-type]
    assert team.world.label("support/refund", "prod") == 2


# -- edits of the dashboard ---------------------------------------------------------------------------------


def test_edits_come_back_as_one_pull_request_that_the_next_nights_update(team: Team) -> None:
    done = team.drift()
    assert done.passed and "**Nothing to pull**" in done.told, str(done)
    assert team.requests == [] and DRIFT not in team.git("branch", "--list")

    team.edit_in_registry("support/refund", *SETTLE)
    done = team.drift()
    assert done.passed and "support/refund" in done.told, str(done)
    assert "support/refund" in team.request and "+You settle refunds" in team.request
    assert team.pulled == ["prompts/support/refund.yaml"]

    first = team.git("rev-parse", DRIFT)
    assert team.drift().passed
    assert team.git("rev-parse", DRIFT) == first
    team.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    assert team.drift().passed
    assert team.git("rev-list", "--count", f"main..{DRIFT}") == "1"
    assert "support/triage" in team.request and "support/refund" in team.request

    # Commits of somebody on its branch are never overwritten.
    team.world.git("fetch", "-q", "origin")
    team.world.git("switch", "-q", "-c", "drift", f"origin/{DRIFT}")
    team.edit("support/refund", "You settle refunds", "You settle all refunds")
    team.world.git("push", "-q", "origin", f"HEAD:{DRIFT}")
    tip = team.git("rev-parse", DRIFT)
    done = team.drift()
    assert not done.passed and ("somebody committed" in done.log or "has commits of others" in done.log)
    assert team.git("rev-parse", DRIFT) == tip


def test_what_does_not_merge_fails_the_run_and_the_rest_comes_back(team: Team) -> None:
    team.edit_in_registry("support/refund", *SETTLE)
    team.edit("support/refund", *SOFTER)
    team.push()
    done = team.drift()
    assert not done.passed and team.requests == [] and "support/refund" in done.told, str(done)
    team.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    assert not team.drift().passed
    assert team.pulled == ["prompts/support/triage.yaml"]
    assert "**1 prompt skipped**" in team.request


def test_hostile_edits_ping_nobody_and_stay_in_their_fences(team: Team) -> None:
    text = "\n".join(["```", "/close", "</details>", MARKER, "@EVIL closes #1 ![](https://EVIL)"])
    name = "support/`</code>@EVIL\n#1"
    team.world.publish(
        name, f"{text}\n\x1b[31m\u202e {{name}}", commit_message="/merge @EVIL closes owner/EVIL#1"
    )
    done = team.drift()
    assert done.passed, str(done)
    assert "@EVIL closes" in team.request
    assert "\u202e" not in team.request and "\x1b" not in team.request
