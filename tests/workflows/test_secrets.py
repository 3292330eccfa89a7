"""Which step of a workflow sees which secret: every step that ran, and nothing but what it needs."""

from __future__ import annotations

import pytest
from actions import Done
from team import Team

NEEDED = {
    "check.yml": {"Plan and rehearsal / Run": ["PROMPTLAYER_API_KEY"], "Comment": ["GITHUB_TOKEN"]},
    "deploy.yml": {"Fetch the newest commit": ["GITHUB_TOKEN"], "Deploy / Run": ["PROMPTLAYER_API_KEY"]},
    "drift.yml": {"Pull / Run": ["PROMPTLAYER_API_KEY"], "Pull request": ["PROMPTSYNC_TOKEN"]},
}
INSTALLS = ("Look for an earlier installation", "Python", "Cache", "Install")


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
    steps = [f"Install promptsync / {step}" for step in INSTALLS]
    again = ["Plan and rehearsal / Look for an earlier installation", "Plan and rehearsal / Run"]
    assert list(done.secrets) == ["actions/checkout", *steps, "Lint", *again, "Comment"]


def test_a_merge_group(full: Team) -> None:
    done = full.hub.run("check.yml", full.merge_group())
    assert done.passed, str(done)
    assert seen(done) == {"Plan and rehearsal / Run": ["PROMPTLAYER_API_KEY"]}


def test_a_pull_request_from_a_fork(full: Team) -> None:
    done = full.check(fork=True)
    assert done.passed, str(done)
    assert seen(done) == {}


def test_a_deploy(full: Team) -> None:
    done = full.deploy(full.merge())
    assert done.passed, str(done)
    assert seen(done) == NEEDED["deploy.yml"]
    steps = [f"Deploy / {step}" for step in (*INSTALLS, "Run")]
    assert list(done.secrets) == ["actions/checkout", "Fetch the newest commit", *steps]


def test_a_nightly_pull(full: Team) -> None:
    full.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    done = full.drift()
    assert done.passed, str(done)
    assert seen(done) == NEEDED["drift.yml"]


def test_what_is_installed_is_locked_and_this_code(full: Team) -> None:
    assert full.check().passed
    locked, own = full.hub.installed
    assert locked.split()[:4] == ["--quiet", "--require-hashes", "--only-binary", ":all:"]
    assert locked.endswith("/requirements.lock")
    assert {"--no-index", "--no-deps", "--no-build-isolation"} < set(own.split())
