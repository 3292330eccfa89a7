"""The workflows where the prompts are one directory of many in a repository."""

from __future__ import annotations

import pytest
from team import Team

REFUND = "app/prompts/support/refund.yaml"


@pytest.fixture
def below(team: Team) -> Team:
    """The team, with all its files but the workflows in ``app``."""
    git = team.world.git
    (team.world.root / "app").mkdir()
    git("mv", "prompts", "promptsync.yaml", "registry.yaml", "evaluations", ".gitignore", "app")
    team.world.commit("Make room for other things")
    git("push", "-q", "origin", "main")
    team.hub.variables["PROMPTSYNC_DIRECTORY"] = "app"
    return team


def edit(team: Team, old: str, new: str) -> None:
    path = team.world.root / REFUND
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    team.world.commit("Change a prompt")


def test_check_deploy_and_drift_know_the_directory(below: Team) -> None:
    done = below.deploy()
    assert done.passed, str(done)
    assert done.job_outputs["count"] == "0"  # a move alone releases nothing
    below.branch()
    edit(below, "You answer refund questions", "You answer questions about refunds")
    done = below.check(fork=True)
    assert done.passed, str(done)
    assert "**1 prompt differs**" in done.summary
    done = below.check()
    assert done.passed, str(done)
    assert "support/refund  v1 -> v2" in below.comment
    edit(below, "refund_days }}", "refund_days }")
    assert f"::error file={REFUND},line=" in below.check().log
    below.edit_in_registry("support/refund", "You answer refund questions", "You settle refunds")
    done = below.drift()
    assert done.passed, str(done)
    assert below.hub.git("diff", "--name-only", "main..promptsync-drift-main") == REFUND
