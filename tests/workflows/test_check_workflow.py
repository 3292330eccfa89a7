"""The workflow of pull requests, run step by step."""

from __future__ import annotations

import re

from job import ARTIFACT
from scripted_registry import Seen
from team import MARKER, NUMBER, SOFTER, SPEC, Team

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
    assert "**1 prompt to release to `prod`**" in comment
    row = "  update  support/refund  v1 -> v2  prod v1 -> v2  refund quality >= 90, refund-agent"
    assert row in comment
    assert "**Rehearsal passed, with" in comment and "ran on the echo model (no real LLM)" in comment
    assert "refund quality" in comment and "triage accuracy" not in comment
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
    calls = team.hub.state["calls"]
    group = team.hub.run("check.yml", team.merge_group())
    assert group.passed, str(group)
    assert "**1 prompt to release to `prod`**" in group.summary and "**Rehearsal passed" in group.summary
    assert group.outcomes["Comment"] == "skipped"
    assert group.trusted == {"Evaluations": KEY, PLAN: KEY}
    assert team.hub.state["calls"] == calls and published(team) == []
    # A deploy can be bound to the plan that was reviewed.
    (fingerprint,) = re.findall(r"fingerprint `(\w+)`", comment)
    expected = ("deploy", "-n", "--expect", fingerprint)
    team.merge()
    assert team.world.run(*expected, PROMPTSYNC_REMOTE=team.world.url).code == 0


def test_the_next_push_updates_the_comment_wherever_it_stands_and_cuts_what_is_too_long(team: Team) -> None:
    others = [
        {"id": number, "issue": NUMBER, "user": {"login": "ann"}, "body": f"{MARKER}\nmine"}
        for number in range(35)
    ]
    team.hub.save(comments=others)
    team.branch()
    team.edit("support/refund", *SOFTER)
    assert team.check().passed
    assert "questions about refunds" in team.comment
    more = "".join(f"      Rule {number}: be kind.\n" for number in range(5_000))
    for name in ("refund", "triage"):
        text = team.world.path(f"support/{name}").read_text("utf-8")
        team.write(f"prompts/support/{name}.yaml", text.replace("content: |\n", f"content: |\n{more}", 1))
    done = team.check()
    assert done.outcomes["Comment"] == "success", str(done)
    assert team.comment.count("more lines, too much to show here") == 2
    assert team.hub.state["comments"][:35] == others


def test_a_fork_gets_lint_and_the_difference_from_the_base_and_is_told_what_is_missing(team: Team) -> None:
    team.branch()
    team.edit("support/refund", *SOFTER)
    team.world.forget()
    done = team.check(fork=True)
    assert done.passed, str(done)
    assert {done.outcomes[step] for step in ("Evaluations", "Report", PLAN, "Comment")} == {"skipped"}
    assert done.trusted == {}
    assert "PROMPTLAYER_API_KEY" in done.summary and "Skipped: the evaluations" in done.summary
    assert "**1 prompt differs**" in done.summary and "+You answer questions about refunds" in done.summary
    assert team.hub.state["calls"] == [] and team.world.seen == []


def test_a_worse_text_is_red_a_better_one_green_and_released_as_evaluated(team: Team) -> None:
    team.edit("support/triage", "name: gpt-4o-mini", "name: scripted")
    done = team.world.run("deploy", PROMPTSYNC_REMOTE=team.world.url)
    assert done.code == 0, str(done)
    team.world.forget()
    team.branch()
    with (team.world.root / "evaluations/triage-accuracy.yaml").open("a") as evaluation:
        evaluation.write("max_drop: 10\n")
    team.worsen()
    team.hub.variables["PROMPTSYNC_EVALUATE"] = "label"  # a team may pay only for pull requests with a label
    done = team.check()
    assert done.passed and done.outcomes["Evaluations"] == "skipped", str(done)
    assert "tables: 1 sheet to run" in team.comment
    done = team.check(labels=("bug", "evaluate"))
    assert done.outcomes["Evaluations"] == "failure" and done.outcomes[PLAN] == "success"
    assert "support/triage (triage accuracy)" in team.comment and "minimum of 90" in team.comment
    assert "row 1 got worse (" in team.comment
    assert f"({ARTIFACT}prompts.html)" in team.comment and "got worse" in done.artifacts["prompts.html"]

    team.world.git("revert", "--no-edit", "HEAD")
    team.edit("support/triage", "Choose exactly one", "Choose one")
    done = team.check(labels=("evaluate",))
    assert done.passed, str(done)
    assert "triage accuracy 100, evaluated in pull request 7" in team.comment
    assert "row 1 got worse" not in team.comment and published(team) == []
    event = team.merge()
    team.world.forget()
    done = team.deploy(event)
    assert done.passed and "triage accuracy 100, evaluated in pull request 7" in done.summary, str(done)
    assert team.world.label("support/triage", "prod") == 3
    # Nothing is published twice, or evaluated.
    assert team.deploy(event).passed and team.world.published == ["support/triage"]
    assert not [seen for seen in team.world.writes if seen.path.endswith("/operations")]


def test_a_break_makes_the_check_red_until_the_pull_request_says_what_it_needs(team: Team) -> None:
    team.branch()
    team.edit("support/delay-apology", "{order_number}", "{order_number}, {tracking_link}")
    done = team.check()
    assert done.outcomes[PLAN] == "failure"
    assert "**Contract: 1 prompt would break applications**" in team.comment
    assert "needs: app >= VERSION in prompts/support/delay-apology.yaml" in team.comment
    team.edit("support/delay-apology", "tags:", "needs: shop >= 2.4\ntags:")
    done = team.check()
    assert done.outcomes[PLAN] == "success", str(done)
    assert "**Contract: nothing stops the deploy**" in team.comment and "shop >= 2.4" in team.comment
