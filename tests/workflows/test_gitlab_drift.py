"""The job for dashboard edits in GitLab, run as a runner does: what only it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gitlab_team
import pytest
from gitlab_server import PROJECT
from gitlab_team import TOKEN, Team
from team import DRIFT, SETTLE


@pytest.fixture
def team(template: Path, tmp_path: Path) -> Iterator[Team]:
    with gitlab_team.opened(template, tmp_path / "team") as team:
        yield team


def test_only_what_pulls_and_opens_the_merge_request_gets_a_secret(team: Team) -> None:
    team.edit_in_registry("support/refund", *SETTLE)
    done = team.drift()
    assert done.passed, str(done)
    (found,) = team.runner.project.requests
    assert found["remove_source_branch"] and team.runner.project.pushes == [TOKEN]
    assert team.git("log", "-1", "--format=%an %ae", DRIFT) == (
        "promptsync promptsync@noreply.gitlab.example.com"
    )
    pull, opens = done.trusted
    assert pull == "promptsync pull key" and opens.startswith("python3 ") and opens.endswith(" token")
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
