"""Which step of a workflow sees which secret: every step that ran, and nothing but what it needs."""

from __future__ import annotations

from actions import Done
from team import SOFTER, SPEC, Team

NEEDED = {
    "check.yml": {
        "Evaluations": ["PROMPTLAYER_API_KEY"],
        "Plan and rehearsal": ["PROMPTLAYER_API_KEY"],
        "Comment": ["GITHUB_TOKEN"],
    },
    "deploy.yml": {"Fetch the newest commit": ["GITHUB_TOKEN"], "Deploy": ["PROMPTLAYER_API_KEY"]},
    "drift.yml": {"Pull": ["PROMPTLAYER_API_KEY"], "Pull request": ["PROMPTSYNC_TOKEN"]},
}


def seen(done: Done) -> dict[str, list[str]]:
    """The steps that saw a secret, of those that ran in a job that passed."""
    assert done.passed, str(done)
    return {step: secrets for step, secrets in done.secrets.items() if secrets}


def test_each_step_sees_the_secrets_that_it_needs(team: Team) -> None:
    """With every secret that a workflow names, and something for each of them to do."""
    team.hub.secrets["PROMPTSYNC_TOKEN"] = "ghp_of_a_machine_user"
    team.branch()
    team.edit("support/refund", *SOFTER)
    done = team.check()
    assert seen(done) == NEEDED["check.yml"]
    steps = ["actions/checkout", "Install promptsync", "Lint", "Evaluations", "Report"]
    steps += ["Plan and rehearsal", "Comment"]
    assert list(done.secrets) == steps
    assert team.hub.installed == [SPEC]
    keys = ["PROMPTLAYER_API_KEY"]
    group = team.hub.run("check.yml", team.merge_group())
    assert seen(group) == {"Evaluations": keys, "Plan and rehearsal": keys}
    assert seen(team.check(fork=True)) == {}
    done = team.deploy(team.merge())
    assert seen(done) == NEEDED["deploy.yml"]
    steps = ["actions/checkout", "Install promptsync", "Fetch the newest commit", "Deploy", "Report"]
    assert list(done.secrets) == steps
    team.edit_in_registry("support/triage", "Choose exactly one", "Choose one")
    assert seen(team.drift()) == NEEDED["drift.yml"]
