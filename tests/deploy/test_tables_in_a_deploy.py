"""Deploys whose prompts are checked on tables, before anything is published."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from worlds import World, made

from promptsync.commands.shared.branches import origin as origin_of

FIXTURES = """
models:
  - name: scripted
    answers:
      - {contains: rude, answer: Go away.}
      - {contains: polite, answer: Thank you!}
"""
MODEL = {"provider": "openai", "name": "scripted"}
ROWS = 12


def evaluation(prompts: str | list[str], **more: Any) -> str:
    """An evaluation of twelve questions, whose answers have to say thanks."""
    step = {"title": "Says thanks", "type": "CONTAINS", "config": {"source": "Output", "value": "Thank"}}
    body = {
        "prompts": prompts,
        "rows": [{"name": f"Customer {number}"} for number in range(ROWS)],
        "scorecard": {"steps": [step]},
        "min_score": 90,
        **more,
    }
    return yaml.safe_dump(body, sort_keys=False)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """``a`` and ``b`` are checked by the table ``thanks``; nothing is published."""

    def build(world: World) -> None:
        config = world.root / "promptsync.yaml"
        config.write_text(f"{config.read_text()}labels: {{main: prod}}\n")
        world.put("evaluations/thanks.yaml", evaluation(["a", "b"]))
        for name in "ab":
            world.write(name, "A polite hello, {name}", model=MODEL)
        world.commit("Add prompts")

    with made(tmp_path, fixtures=FIXTURES) as world:
        yield world.built(build)


PLAN = "tables: 2 sheets to run with 24 cells, 24 of which call a model"


def test_the_plan_says_what_tables_compute_and_changes_nothing(world: World) -> None:
    plan = world.ok("deploy", "-n")
    assert PLAN in plan.out and "thanks >= 90" in plan.out
    assert world.writes == []


@pytest.mark.parametrize("how", ["option", "configuration"])
def test_more_cells_than_the_limit_are_refused_before_anything_is_made(world: World, how: str) -> None:
    options = ("--max-cells", "23")
    if how == "configuration":
        config = world.root / "promptsync.yaml"
        config.write_text(f"{config.read_text()}limits: {{cells: 23}}\n")
        world.commit("Limit the cells")
        options = ()
    done = world.run("deploy", *options)
    assert done.code == 3, str(done)
    assert "the checks would compute 24 cells, of which 24 call a model; the limit is 23" in done.err
    assert "add --max-cells 24" in done.err
    assert world.writes == []


def test_the_fingerprint_covers_rows_scorecard_and_limits(world: World) -> None:
    def fingerprint() -> str:
        found = world.run("deploy", "-n", "--json", "--allow-dirty").document
        return str(found["fingerprint"])

    seen = {fingerprint()}
    for more in ({"min_score": 91}, {"runs": 3}, {"max_drop": 5}, {"rows": [{"name": "Ada"}]}):
        world.put("evaluations/thanks.yaml", evaluation(["a", "b"], **more))
        seen.add(fingerprint())
    assert len(seen) == 5


@pytest.mark.parametrize(
    ("variables", "origin"),
    [
        ({"GITHUB_REF": "refs/pull/12/merge"}, "pull request 12"),
        ({"GITHUB_REF": "refs/heads/gh-readonly-queue/main/pr-7-0a1b2c"}, "pull request 7"),
        ({"CI_MERGE_REQUEST_IID": "3"}, "merge request 3"),
        ({"GITHUB_REF": "refs/heads/main"}, "commit {head} by Ann"),
        ({"GITHUB_REF": "refs/heads/pr-7"}, "commit {head} by Ann"),
        ({}, "commit {head} by Ann"),
    ],
)
def test_checks_run_for_a_pull_request_or_a_commit(
    world: World, variables: dict[str, str], origin: str
) -> None:
    head = world.git("rev-parse", "--short", "HEAD").strip()
    session: Any = SimpleNamespace(environment=SimpleNamespace(variables=variables))
    assert origin_of(session, world.library) == origin.format(head=head)
