"""The jobs for what was merged and for dashboard edits in GitLab, run as a runner does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import gitlab_team
import pytest
import relaying
from gitlab_pipeline import Ended
from gitlab_server import PROJECT
from gitlab_team import TOKEN, Team
from team import DRIFT, SETTLE, SOFTER


@pytest.fixture
def team(template: Path, tmp_path: Path) -> Iterator[Team]:
    with gitlab_team.opened(template, tmp_path / "team") as team:
        yield team


# -- deploy ----------------------------------------------------------------------------------------------


def test_what_was_merged_is_checked_published_and_released(team: Team) -> None:
    team.branch()
    team.edit("support/refund", *SOFTER, "Soften the tone")
    done = team.deploy(team.merge())
    assert done.passed, str(done)
    assert team.world.label("support/refund", "prod") == 2
    assert "1 prompt released to prod" in done.log
    suites = ElementTree.fromstring(done.artifacts["deploy.xml"])
    assert suites.get("failures") == "0" and len(suites) > 0
    secrets = [
        line for line in done.seen if not line.startswith("git ") and line.endswith((" key", " token"))
    ]
    assert secrets == ["promptsync deploy key"]


# -- drift -----------------------------------------------------------------------------------------------


def test_only_what_pulls_and_opens_the_merge_request_gets_a_secret(team: Team) -> None:
    team.edit_in_registry("support/refund", *SETTLE)
    done = team.drift()
    assert done.passed, str(done)
    (found,) = team.runner.project.requests
    assert found["remove_source_branch"] and team.runner.project.pushes == [TOKEN]
    assert team.git("log", "-1", "--format=%an %ae", DRIFT) == (
        "promptsync promptsync@noreply.gitlab.example.com"
    )
    secrets = [line for line in done.seen if line.endswith((" key", " token"))]
    assert {line for line in secrets if not line.startswith("git ")} == {
        "promptsync pull key",
        next(line for line in secrets if line.startswith("python3 ")),
    }
    # The merge request of a fork stays as it is.
    theirs = {**found, "iid": 99, "source_project_id": PROJECT + 1, "description": "of a fork"}
    team.runner.project.requests.insert(0, theirs)
    team.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    assert team.drift().passed
    assert team.runner.project.requests.pop(0)["description"] == "of a fork"
    assert "support/triage" in team.request and len(team.runner.project.pushes) == 2


def test_without_a_token_an_edit_fails_the_job_and_is_shown(team: Team) -> None:
    del team.runner.variables["PROMPTSYNC_TOKEN"]
    team.edit_in_registry("support/refund", *SETTLE)
    done = team.drift()
    assert done.code == 1 and "set the variable PROMPTSYNC_TOKEN" in done.log
    assert "+You settle refunds" in done.log
    assert team.runner.project.requests == []


# -- what the relay triggers -----------------------------------------------------------------------------


def triggered(team: Team, payload: dict[str, Any]) -> dict[str, Ended]:
    """Run the pipeline that a webhook triggers through the relay, and return its jobs."""
    config = "labels: {main: prod}\n"
    with relaying.api() as gitlab, relaying.relaying(gitlab.url, gitlab=True, config=config) as site:
        assert site.send(payload).status_code == 202
        site.pass_time(10)
    (request,) = gitlab.requests
    form = dict(parse_qsl(request.body))
    assert form.pop("token") == relaying.TOKEN
    event = {"CI_PIPELINE_SOURCE": "trigger", "CI_COMMIT_BRANCH": form.pop("ref")}
    variables = {name.removeprefix("variables[").removesuffix("]"): value for name, value in form.items()}
    sha = team.runner.git("rev-parse", event["CI_COMMIT_BRANCH"])
    return team.runner.run(sha, {**event, **variables})


def test_a_webhook_becomes_a_merge_request_through_the_relay(team: Team) -> None:
    team.edit_in_registry("support/refund", *SETTLE)
    jobs = triggered(team, relaying.event())
    assert [*jobs] == ["prompts-drift"] and jobs["prompts-drift"].passed, str(jobs)
    assert "+You settle refunds" in team.request


def test_an_approval_continues_the_deploy_through_the_relay(team: Team) -> None:
    team.branch()
    team.edit("support/refund", *SOFTER, "Soften the tone")
    team.merge()
    jobs = triggered(team, relaying.event(relaying.APPROVAL, prompt_template_label="prod"))
    assert [*jobs] == ["prompts-deploy"] and jobs["prompts-deploy"].passed, str(jobs)
    assert team.world.label("support/refund", "prod") == 2


# -- a directory of a larger repository ------------------------------------------------------------------


def test_prompts_may_be_one_directory_of_many_and_the_image_has_no_bash(team: Team) -> None:
    git = team.world.git
    (team.world.root / "app").mkdir()
    git("mv", "prompts", "promptsync.yaml", "registry.yaml", "evaluations", ".gitignore", "app")
    team.world.commit("Make room for other things")
    team.push()
    team.runner.variables["PROMPTSYNC_DIRECTORY"] = "app"
    team.runner.shell = ("sh", "-e")
    path = team.world.root / "app/prompts/support/refund.yaml"
    team.branch()
    path.write_text(path.read_text("utf-8").replace(*SOFTER), "utf-8")
    team.world.commit("Soften the tone")
    done = team.check()
    assert done.passed and "prompts.html" in done.artifacts, str(done)
    assert "support/refund  v1 -> v2" in team.comments[0]
    done = team.deploy(team.merge())
    assert done.passed and "1 prompt released to prod" in done.log, str(done)
    team.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    assert team.drift().passed
    assert team.pulled == ["app/prompts/support/triage.yaml"]
