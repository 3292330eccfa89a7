"""The workflows of GitHub, run step by step: what only they have."""

from __future__ import annotations

import json
import re

import pytest
from actions import ARTIFACT, Event
from deploying import computed
from scripted_registry import Seen
from team import SOFTER, SPEC, Team

PLAN = "Plan"
KEY = ["PROMPTLAYER_API_KEY"]


def published(team: Team) -> list[Seen]:
    """What was changed in the registry, but for the sheets that tables run on."""
    return [seen for seen in team.world.writes if "/tables" not in seen.path]


LAST = 'Answer with a JSON object: "category", "urgency", "language", "order_number", "reason".'


@pytest.fixture
def live(team: Team) -> Team:
    """``support/triage`` is live on a model that answers, and ends with the snippet ``support/last``."""
    team.world.write("support/last", content=LAST)
    team.edit("support/triage", LAST, "@@@support/last@@@")
    team.edit("support/triage", "name: gpt-4o-mini", "name: scripted")
    team.world.ok("deploy", PROMPTSYNC_REMOTE=team.world.url)
    team.world.forget()
    team.branch()
    return team


def edit_evaluation(team: Team, old: str, new: str) -> None:
    path = team.world.root / "evaluations/triage-accuracy.yaml"
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")


def test_a_row_that_is_edited_after_the_evaluation_makes_it_run_again(live: Team) -> None:
    live.edit("support/triage", "Choose exactly one", "Choose one")
    assert live.check().passed
    live.merge()
    edit_evaluation(live, "are too small", "are too large")
    live.world.commit("Edit a row")
    live.world.forget()
    done = live.deploy()
    assert done.passed and "evaluated in pull request" not in done.summary, str(done)
    assert computed(live.world) == 2 and live.world.label("support/triage", "prod") == 3  # the live text, too


def test_a_snippet_that_makes_its_user_worse_is_red_and_not_published(live: Team) -> None:
    live.world.write("support/last", content="Thank you.", commit="Be polite")
    done = live.check()
    assert done.outcomes["Evaluations"] == "failure" and "support/triage" in live.comment, str(done)
    done = live.deploy(live.merge())
    assert done.outcomes["Deploy"] == "failure"
    assert live.world.published == [] and live.world.label("support/last", "prod") == 1


def test_a_worse_text_is_red_a_better_one_green_and_released_as_evaluated(live: Team) -> None:
    edit_evaluation(live, "min_score: 90\n", "min_score: 90\nmax_drop: 10\n")
    live.edit("support/triage", "@@@support/last@@@", "")
    live.hub.variables["PROMPTSYNC_EVALUATE"] = "label"  # a team may pay only for pull requests with a label
    done = live.check()
    assert done.passed and done.outcomes["Evaluations"] == "skipped", str(done)
    assert "tables: 1 sheet to run" in live.comment

    done = live.check(labels=("bug", "evaluate"))
    assert done.outcomes["Evaluations"] == "failure" and done.outcomes[PLAN] == "success"
    assert "support/triage (triage accuracy)" in live.comment and "minimum of 90" in live.comment
    assert "row 1 got worse (" in live.comment
    assert f"({ARTIFACT}prompts.html)" in live.comment and "got worse" in done.artifacts["prompts.html"]

    live.world.git("revert", "--no-edit", "HEAD")
    live.edit("support/triage", "Choose exactly one", "Choose one")
    live.edit("support/refund", *SOFTER)
    done = live.check(labels=("evaluate",))
    assert done.passed, str(done)
    comment = live.comment
    assert "triage accuracy 100, evaluated in pull request 7" in comment
    assert "row 1 got worse" not in comment and published(live) == []
    assert "2 prompts to release to `prod`" in comment and "+You answer questions about refunds" in comment
    assert done.summary[done.summary.index("**2 prompts") :].strip() in comment
    # Only the steps that need a secret get one.
    assert done.trusted == {"Evaluations": KEY, PLAN: KEY, "Comment": ["GITHUB_TOKEN"]}
    assert done.outcomes["Difference, without the registry"] == "skipped" and {*live.hub.installed} == {SPEC}
    assert live.hub.secrets["PROMPTLAYER_API_KEY"] not in done.log + done.summary + comment

    # A merge group is planned without a comment.
    calls = [*live.host.calls]
    group = live.hub.run("check.yml", live.merge_group())
    assert group.passed and group.outcomes["Comment"] == "skipped", str(group)
    assert "**2 prompts to release to `prod`**" in group.summary
    assert live.host.calls == calls and published(live) == []

    # A deploy can be bound to the plan that was reviewed.
    (fingerprint,) = re.findall(r"fingerprint `(\w+)`", comment)
    event = live.merge()
    assert live.world.run("deploy", "-n", "--expect", fingerprint, PROMPTSYNC_REMOTE=live.world.url).code == 0
    live.world.forget()
    payload = {"inputs": None, "ref": "refs/heads/main", "repository": {"default_branch": "main"}}
    done = live.deploy(Event("workflow_dispatch", payload, "refs/heads/main", "main"))  # by hand
    assert done.passed and "triage accuracy 100, evaluated in pull request 7" in done.summary, str(done)
    assert json.loads(done.job_outputs["released"]) == {"support/refund": 2, "support/triage": 3}
    assert (done.job_outputs["label"], done.job_outputs["count"]) == ("prod", "2")
    # Nothing is published twice, or evaluated but for the echo model, which gives no score to use again.
    assert live.deploy(event).passed
    assert sorted(live.world.published) == ["support/refund", "support/triage"] and computed(live.world) == 2
