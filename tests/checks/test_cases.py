"""Agents with cases: each row of an evaluation file is a run, and its scorecard judges the outputs."""

from __future__ import annotations

from typing import Any

import yaml
from thanks import MODEL, STEP
from worlds import World, own_world

FIXTURES = """
models:
  - name: scripted
    answers:
      - {contains: rude, answer: Go away.}
      - {contains: "not polite", answer: Go away.}
      - {contains: polite, answer: Thank you!}
agents:
  - name: bot
    nodes:
      - {name: think, prompt: ask}
      - {name: answer, prompt: ask, output: true}
"""
CASES: dict[str, Any] = {
    "rows": [{"name": "Ada"}, {"name": "Linus"}, {"name": "Nobody, not polite"}],
    "scorecard": {"steps": [STEP]},
    "min_score": 60,
}


@own_world(fixtures=FIXTURES)
def world(world: World) -> None:
    """``ask`` is checked by an agent with three cases, of which two are answered well."""
    world.configure("labels: {main: prod}\nchecks: [{match: ask, agent: bot, cases: cases}]")
    world.put("evaluations/cases.yaml", yaml.safe_dump(CASES))
    world.write("ask", "A polite hello, {name}", model=MODEL)
    world.commit("Add a prompt")


def runs(world: World) -> int:
    return sum(seen.method == "POST" and seen.path.endswith("/run") for seen in world.seen)


def cases(world: World, **more: Any) -> None:
    world.put("evaluations/cases.yaml", yaml.safe_dump({**CASES, **more}))
    world.commit("Change the cases")


def test_a_deploy_runs_each_case_and_judges_the_outputs(world: World) -> None:
    cases(world, min_score=80)
    done = world.says(1, "66.6667 is below the minimum of 80", "deploy")
    assert "row 3 failed (Says thanks)" in done.out and "input: Output" not in done.out
    assert runs(world) == 3 and world.label("ask", "prod") is None
    cases(world)
    done = world.ok("deploy")
    assert "1 prompt released to prod" in done.out and "66.67" in done.out, str(done)
    assert world.label("ask", "prod") == 1
    assert "evaluation-unused" not in world.ok("lint").out


def test_agent_run_judges_the_cases_of_changed_prompts(world: World) -> None:
    world.ok("deploy")
    world.edit("ask", "polite", "rude", commit="Be rude")
    world.ok("push")
    world.says(1, "below the minimum of 60", "agent", "run", "--changed", "--since", "HEAD~1")


def test_what_the_echo_answered_or_what_failed_has_no_score(world: World) -> None:
    world.write("ask", "A polite hello, {name}")
    world.commit("Without a model")
    done = world.ok("deploy")
    assert "bot" in done.out and "SCORE" not in done.out
    done = world.ok("agent", "run", "--changed", "--since", "HEAD~1")
    assert "come from the echo model, so they have no score" in done.err
    world.forget()
    world.write("ask", "A {name}", model=MODEL)
    world.commit("A text that no rule fits")
    done = world.run("deploy", "--breaking", "ask")
    assert done.code == 1 and "No scripted answer fits" in done.out, str(done)
    assert not [seen for seen in world.writes if "/tables" in seen.path]


def test_cases_that_no_file_declares_are_a_usage_error(world: World) -> None:
    world.configure("cases: other", instead="cases: cases")
    world.commit("Misspell it")
    world.says(2, "known: cases", "deploy")
    assert world.writes == []
