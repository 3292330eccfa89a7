"""The workflows of GitHub, run step by step: what only they have."""

from __future__ import annotations

import copy
import json
import re

import pytest
from actions import Event
from deploying import computed
from job import ARTIFACT
from scripted_registry import Seen
from team import MARKER, NUMBER, SETTLE, SOFTER, SPEC, Team

PLAN = "Plan and rehearsal"
KEY = ["PROMPTLAYER_API_KEY"]


def published(team: Team) -> list[Seen]:
    """What was changed in the registry, but for the sheets that tables run on."""
    return [seen for seen in team.world.writes if "/tables" not in seen.path]


def test_a_pull_request_gets_plan_rehearsal_and_differences_as_comment_and_summary(team: Team) -> None:
    team.branch()
    team.edit("support/refund", *SOFTER, "Soften the tone")
    team.world.forget()
    done = team.check()
    assert done.passed, str(done)
    comment = team.comment
    assert "**1 prompt to release to `prod`**" in comment and "triage accuracy" not in comment
    assert "**Rehearsal passed, with" in comment and "ran on the echo model (no real LLM)" in comment
    assert "+You answer questions about refunds" in comment
    assert done.summary[done.summary.index("**1 prompt") :].strip() in comment
    assert done.outcomes["Difference, without the registry"] == "skipped"
    assert published(team) == [] and team.hub.installed == [SPEC]
    assert done.trusted == {"Evaluations": KEY, PLAN: KEY, "Comment": ["GITHUB_TOKEN"]}
    assert [*done.secrets] == [
        *("actions/checkout", "Install promptsync", "Lint", "Evaluations", "Report", PLAN, "Comment")
    ]
    assert team.hub.secrets["PROMPTLAYER_API_KEY"] not in done.log + done.summary + comment
    # A merge group is planned and rehearsed without a comment.
    calls = [*team.host.calls]
    group = team.hub.run("check.yml", team.merge_group())
    assert group.passed, str(group)
    assert "**1 prompt to release to `prod`**" in group.summary and "**Rehearsal passed" in group.summary
    assert group.outcomes["Comment"] == "skipped"
    assert group.trusted == {"Evaluations": KEY, PLAN: KEY}
    assert team.host.calls == calls and published(team) == []
    # A deploy can be bound to the plan that was reviewed.
    (fingerprint,) = re.findall(r"fingerprint `(\w+)`", comment)
    expected = ("deploy", "-n", "--expect", fingerprint)
    team.merge()
    assert team.world.run(*expected, PROMPTSYNC_REMOTE=team.world.url).code == 0


def test_the_next_push_updates_the_comment_wherever_it_stands_and_cuts_what_is_too_long(team: Team) -> None:
    others = [team.host.comment(NUMBER, 1, f"{MARKER}\nmine") for _ in range(35)]
    before = copy.deepcopy(others)
    team.branch()
    team.edit("support/refund", *SOFTER)
    assert team.check().passed
    assert "questions about refunds" in team.comment
    more = "".join(f"      Rule {number}: be kind.\n" for number in range(2_000))
    for name in ("refund", "triage"):
        text = team.world.path(f"support/{name}").read_text("utf-8")
        team.write(f"prompts/support/{name}.yaml", text.replace("content: |\n", f"content: |\n{more}", 1))
    done = team.check()
    assert done.outcomes["Comment"] == "success", str(done)
    assert team.comment.count("more lines, too much to show here") == 2
    assert team.host.comments[:35] == before


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
    done = live.check(labels=("evaluate",))
    assert done.passed, str(done)
    assert "triage accuracy 100, evaluated in pull request 7" in live.comment
    assert "row 1 got worse" not in live.comment and published(live) == []
    event = live.merge()
    live.world.forget()
    done = live.deploy(event)
    assert done.passed and "triage accuracy 100, evaluated in pull request 7" in done.summary, str(done)
    assert live.world.label("support/triage", "prod") == 3
    # Nothing is published twice, or evaluated.
    assert live.deploy(event).passed and live.world.published == ["support/triage"]
    assert computed(live.world) == 0


# -- of pushes and nights ------------------------------------------------------------------------------------


def test_by_hand_it_deploys_the_newest_commit_of_the_default_branch(team: Team) -> None:
    team.edit("support/refund", *SOFTER)
    team.push()
    payload = {"inputs": None, "ref": "refs/heads/main", "repository": {"default_branch": "main"}}
    done = team.deploy(Event("workflow_dispatch", payload, "refs/heads/main", "main"))
    assert done.passed, str(done)
    assert team.world.label("support/refund", "prod") == 2
    assert json.loads(done.job_outputs["released"]) == {"support/refund": 2}
    assert (done.job_outputs["label"], done.job_outputs["count"]) == ("prod", "1")


def test_a_prompt_that_was_archived_is_told_with_the_ways_out(team: Team) -> None:
    team.world.archive("support/triage")
    team.edit_in_registry("support/refund", *SETTLE)
    team.hub.secrets["PROMPTSYNC_TOKEN"] = "ghp_of_a_machine_user"
    done = team.drift()
    assert done.passed, str(done)
    assert done.trusted == {"Pull": KEY, "Pull request": ["PROMPTSYNC_TOKEN"]}
    assert "**1 prompt archived in the registry**" in team.request
    assert "promptsync push NAME --restore" in team.request
