"""Which step of a workflow sees which secret: every step that ran, and nothing but what it needs."""

from __future__ import annotations

import pytest
from actions import Done
from team import SPEC, Team

NEEDED = {
    "check.yml": {
        "Evaluations": ["PROMPTLAYER_API_KEY"],
        "Plan and rehearsal": ["PROMPTLAYER_API_KEY"],
        "Comment": ["GITHUB_TOKEN"],
    },
    "deploy.yml": {"Fetch the newest commit": ["GITHUB_TOKEN"], "Deploy": ["PROMPTLAYER_API_KEY"]},
    "drift.yml": {"Pull": ["PROMPTLAYER_API_KEY"], "Pull request": ["PROMPTSYNC_TOKEN"]},
}


@pytest.fixture
def full(team: Team) -> Team:
    """The team with every secret that a workflow names, and something for each of them to do."""
    team.hub.secrets["PROMPTSYNC_TOKEN"] = "ghp_of_a_machine_user"
    team.branch()
    team.edit("support/refund", "You answer refund questions", "You answer questions about refunds")
    return team


def seen(done: Done) -> dict[str, list[str]]:
    """The steps that saw a secret, of those that ran."""
    return {step: secrets for step, secrets in done.secrets.items() if secrets}


def test_a_pull_request(full: Team) -> None:
    done = full.check()
    assert done.passed, str(done)
    assert seen(done) == NEEDED["check.yml"]
    steps = ["actions/checkout", "Install promptsync", "Lint", "Evaluations", "Report"]
    steps += ["Plan and rehearsal", "Comment"]
    assert list(done.secrets) == steps


def test_a_merge_group(full: Team) -> None:
    done = full.hub.run("check.yml", full.merge_group())
    assert done.passed, str(done)
    keys = ["PROMPTLAYER_API_KEY"]
    assert seen(done) == {"Evaluations": keys, "Plan and rehearsal": keys}


def test_a_pull_request_from_a_fork(full: Team) -> None:
    done = full.check(fork=True)
    assert done.passed, str(done)
    assert seen(done) == {}


def test_a_deploy(full: Team) -> None:
    done = full.deploy(full.merge())
    assert done.passed, str(done)
    assert seen(done) == NEEDED["deploy.yml"]
    steps = ["actions/checkout", "Install promptsync", "Fetch the newest commit", "Deploy", "Report"]
    assert list(done.secrets) == steps


def test_a_nightly_pull(full: Team) -> None:
    full.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    done = full.drift()
    assert done.passed, str(done)
    assert seen(done) == NEEDED["drift.yml"]


def test_what_is_installed_is_what_init_wrote(full: Team) -> None:
    assert full.check().passed
    assert full.hub.installed == [SPEC]
