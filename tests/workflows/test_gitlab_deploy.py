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
from markdown_reader import active
from team import SETTLE, SOFTER

BRANCH = "promptsync-drift-main"


@pytest.fixture
def team(template: Path, tmp_path: Path) -> Iterator[Team]:
    with gitlab_team.opened(template, tmp_path / "team") as team:
        yield team


def request(team: Team) -> dict[str, Any]:
    """The one merge request."""
    (found,) = team.runner.project.requests
    assert (found["source_branch"], found["target_branch"]) == (BRANCH, "main")
    assert active(found["description"].split("\n")) == []
    return found


def files(team: Team) -> list[str]:
    return team.runner.git("diff", "--name-only", f"main..{BRANCH}").splitlines()


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


def test_a_check_that_fails_leaves_the_label_and_fails_the_job(team: Team) -> None:
    team.worsen()
    done = team.deploy()
    assert done.code == 1 and "below the minimum" in done.log, str(done)
    assert team.world.label("support/triage", "prod") == 1 and team.world.version("support/triage") == 1
    assert "triage accuracy" in done.artifacts["prompts.html"]
    team.runner.variables.pop("PROMPTLAYER_API_KEY")
    done = team.deploy()
    assert not done.passed and "PROMPTLAYER_API_KEY" in done.log


def test_a_job_of_an_older_commit_releases_nothing(team: Team) -> None:
    team.edit("support/refund", *SOFTER)
    old = team.push()
    team.edit("support/refund", "questions about refunds", "all questions about refunds")
    new = team.push()
    done = team.deploy(old)
    assert done.code == 3 and "main has a newer commit" in done.log, str(done)
    assert team.world.label("support/refund", "prod") == 1 and team.world.version("support/refund") == 1
    assert team.deploy(new).passed
    assert team.world.label("support/refund", "prod") == 2
    again = team.deploy(new, CI_PIPELINE_SOURCE="web")
    assert again.passed and team.world.version("support/refund") == 2, str(again)


# -- drift -----------------------------------------------------------------------------------------------


def test_edits_come_back_as_one_merge_request_that_the_next_nights_update(team: Team) -> None:
    done = team.drift()
    assert done.passed and "**Nothing to pull**" in done.log, str(done)
    assert team.runner.project.requests == team.runner.project.calls == []
    assert BRANCH not in team.runner.git("branch", "--list")

    team.edit_in_registry("support/refund", *SETTLE)
    done = team.drift()
    assert done.passed, str(done)
    found = request(team)
    assert found["title"] == "Pull dashboard edits" and found["remove_source_branch"]
    assert "support/refund" in found["description"] and "+You settle refunds" in found["description"]
    assert files(team) == ["prompts/support/refund.yaml"]
    assert team.runner.project.pushes == [TOKEN]
    assert team.runner.git("log", "-1", "--format=%an %ae", BRANCH) == (
        "promptsync promptsync@noreply.gitlab.example.com"
    )
    secrets = [line for line in done.seen if line.endswith((" key", " token"))]
    assert {line for line in secrets if not line.startswith("git ")} == {
        "promptsync pull key",
        next(line for line in secrets if line.startswith("python3 ")),
    }

    theirs = {"iid": 99, "state": "opened", "source_project_id": PROJECT + 1, "description": "of a fork"}
    theirs |= {"source_branch": BRANCH, "target_branch": "main"}
    first = team.runner.git("rev-parse", BRANCH)
    assert team.drift().passed
    assert team.runner.git("rev-parse", BRANCH) == first
    team.runner.project.requests.insert(0, theirs)
    team.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    assert team.drift().passed
    assert team.runner.git("rev-list", "--count", f"main..{BRANCH}") == "1"
    assert team.runner.project.requests.pop(0)["description"] == "of a fork"
    assert "support/triage" in request(team)["description"]
    assert len(team.runner.project.pushes) == 2

    # Commits of others on its branch are never overwritten.
    team.world.git("fetch", "-q", "origin")
    team.world.git("switch", "-q", "-c", "drift", f"origin/{BRANCH}")
    team.edit("support/refund", "You settle refunds", "You settle all refunds")
    team.world.git("push", "-q", "origin", f"HEAD:{BRANCH}")
    tip = team.runner.git("rev-parse", BRANCH)
    done = team.drift()
    assert done.code == 1 and f"{BRANCH} has commits of others" in done.log
    assert team.runner.git("rev-parse", BRANCH) == tip


def test_what_does_not_merge_fails_the_job_and_the_rest_comes_back(team: Team) -> None:
    team.edit_in_registry("support/refund", *SETTLE)
    team.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    team.edit("support/refund", *SOFTER)
    team.push()
    done = team.drift()
    assert done.code == 3, str(done)
    assert files(team) == ["prompts/support/triage.yaml"]
    assert "**1 prompt skipped**" in request(team)["description"]


def test_without_a_token_an_edit_fails_the_job_and_is_shown(team: Team) -> None:
    del team.runner.variables["PROMPTSYNC_TOKEN"]
    team.edit_in_registry("support/refund", *SETTLE)
    done = team.drift()
    assert done.code == 1 and "set the variable PROMPTSYNC_TOKEN" in done.log
    assert "+You settle refunds" in done.log
    assert team.runner.project.requests == []


def test_hostile_edits_stay_in_their_fences_and_are_no_quick_actions(team: Team) -> None:
    text = "```\n/close\n</details>\n@EVIL closes #1 ![](https://EVIL)\n\x1b[31m\u202e"
    team.world.publish("support/`</code>@EVIL\n#1", f"{text} {{name}}", commit_message="/merge @EVIL")
    done = team.drift()
    assert done.passed, str(done)
    description = request(team)["description"]
    assert "@EVIL closes" in description and "\u202e" not in description and "\x1b" not in description
    assert not any(line.startswith("/") for line in description.splitlines())


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
    assert "+You settle refunds" in request(team)["description"]


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
    assert "support/refund  v1 -> v2" in team.notes[0]
    done = team.deploy(team.merge())
    assert done.passed and "1 prompt released to prod" in done.log, str(done)
    team.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    assert team.drift().passed
    assert files(team) == ["app/prompts/support/triage.yaml"]
