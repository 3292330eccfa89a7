"""The whole way of a text: evaluated in the pull request, merged, and released as evaluated."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from actions import Done, Event, GitHub
from job import ARTIFACT
from markdown_reader import active
from team import SPEC, Team
from test_action import KEY as KEY_INPUT
from test_action import run, use
from thanks import MODEL, STEP
from worlds import KEY, World, made

from promptsync.cli import run as promptsync

FIXTURES = """
models:
  - name: scripted
    answers:
      - {contains: rude, answer: Go away.}
      - {contains: polite, answer: Thank you!}
"""
CONFIG = """
remote: production
remotes: {production: {url: https://api.promptlayer.com}}
labels: {main: prod}
"""
TABLES = "/api/public/v2/tables"
FILE = "evaluations/thanks.yaml"
EVALUATION: dict[str, Any] = {
    "prompts": ["ask", "tell"],
    "rows": [{"name": f"Customer {number}"} for number in range(12)],
    "scorecard": {"steps": [STEP]},
    "min_score": 90,
    "max_drop": 10,
}
GOOD, WORSE = "A very polite hello, {name}", "A rude hello, {name}"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two prompts and a snippet, which ``tell`` renders, pushed and deployed to ``prod``."""
    place = tmp_path_factory.mktemp("whole-way")
    with made(place, fixtures=FIXTURES) as world:
        world.put("promptsync.yaml", CONFIG)
        world.put(FILE, yaml.safe_dump(EVALUATION))
        world.write("tone", content="polite")
        world.write("ask", "A polite hello, {name}", model=MODEL)
        world.write("tell", "A @@@tone@@@ bye, {name}", model=MODEL)
        assert promptsync(["-C", str(world.root), "-q", "init", "--github", "--package", SPEC], {}) == 0
        world.commit("Start")
        done = world.run("deploy", PROMPTSYNC_REMOTE=world.url)
        assert done.code == 0, str(done)
    return place


@pytest.fixture
def team(template: Path, tmp_path: Path) -> Iterator[Team]:
    for file in template.glob("registry.db*"):
        shutil.copy(file, tmp_path)
    with made(tmp_path, git=False, fixtures=FIXTURES) as world:
        shutil.rmtree(world.root)
        shutil.copytree(template / "copy", world.root)
        hub = GitHub(tmp_path / "github")
        hub.variables["PROMPTSYNC_REMOTE"] = world.url
        hub.secrets["PROMPTLAYER_API_KEY"] = KEY
        world.git("remote", "add", "origin", str(hub.origin))
        world.git("push", "-q", "origin", "main")
        world.forget()
        yield Team(world, hub)


def proposed(team: Team, text: str, message: str = "Change the text") -> Done:
    """Push a text of ``ask`` to the pull request, and return how its check went."""
    team.world.write("ask", text, model=MODEL)
    team.world.commit(message)
    return team.check()


def computed(world: World) -> int:
    """How many sheets were computed since ``forget``."""
    return sum(seen.method == "POST" and seen.path.endswith("/operations") for seen in world.seen)


@pytest.fixture
def merged(team: Team) -> Event:
    """The push of a good text that was evaluated in its pull request."""
    team.branch()
    assert proposed(team, GOOD).passed
    event = team.merge()
    team.world.forget()
    return event


def test_a_worse_text_is_red_a_better_one_green_and_released_as_evaluated(team: Team) -> None:
    team.branch()
    done = proposed(team, WORSE)
    assert done.outcomes["Evaluations"] == "failure" and done.outcomes["Comment"] == "success", str(done)
    (comment,) = team.hub.comments
    assert re.search(r"(?m)^ask +12 +0 +100 \(v1\) .*failed", comment)
    assert "@@ row 1 got worse (Says thanks)\n  name: Customer 0\n- Thank you!\n+ Go away.\n" in comment
    assert f"[Report with differences and outputs]({ARTIFACT}prompts.html)" in comment
    assert "**1 prompt to release to `prod`**" in comment
    assert active([line for line in comment.split("\n")[2:] if ARTIFACT not in line]) == []
    assert "thanks 0, evaluated in pull request 7, below the minimum of" in comment
    assert "Go away." in done.artifacts["prompts.html"]

    done = proposed(team, GOOD)
    assert done.passed, str(done)
    (comment,) = team.hub.comments
    assert re.search(r"(?m)^ask +12 +100 +100 \(v1\) .*passed", comment)
    assert "thanks 100, evaluated in pull request 7" in comment and "Go away." not in comment
    assert team.world.published == []

    event = team.merge()
    team.world.forget()
    done = team.deploy(event)
    assert done.passed, str(done)
    assert "ask (thanks): thanks 100, evaluated in pull request 7" in done.summary
    assert computed(team.world) == 0 and team.world.published == ["ask"]
    assert team.world.label("ask", "prod") == 2
    assert done.job_outputs["released"] == '{"ask": 2}'
    # Nothing is published twice, or evaluated.
    assert team.deploy(event).passed
    assert computed(team.world) == 0 and team.world.published == ["ask"]


def test_a_row_that_is_edited_after_the_evaluation_makes_it_run_again(team: Team, merged: Event) -> None:
    sheet = next(path for path in sheets(team.world, "ask") if "very" in text_of(team.world, path))
    rows = team.world.call("GET", f"{sheet}/rows?include_columns=true").body
    (column,) = [column for column in rows["columns"] if column["title"] == "name"]
    cell = rows["data"][0]["cells"][column["id"]]
    edited = team.world.call("PATCH", f"{sheet}/cells/{cell['id']}", {"value": "Somebody else"})
    assert edited.status == 200
    done = team.deploy(merged)
    assert done.passed, str(done)
    assert computed(team.world) == 1 and "evaluated in pull request" not in done.summary
    assert team.world.label("ask", "prod") == 2


def test_a_row_that_another_merge_edits_makes_it_run_again(team: Team, merged: Event) -> None:
    rows = [*EVALUATION["rows"][1:], {"name": "Somebody else"}]
    team.world.put(FILE, yaml.safe_dump({**EVALUATION, "rows": rows}))
    team.world.commit("Edit a row")
    done = team.deploy()
    assert done.passed, str(done)
    assert computed(team.world) == 2 and team.world.label("ask", "prod") == 2  # the live text, too


def test_a_worse_text_that_is_merged_all_the_same_is_not_published(team: Team) -> None:
    team.branch()
    proposed(team, WORSE)
    event = team.merge()
    team.world.forget()
    done = team.deploy(event)
    assert done.outcomes["Deploy"] == "failure"
    assert "**Nothing was published or released; `prod` did not move**" in done.summary
    assert computed(team.world) == 0 and team.world.published == []
    assert "Go away." in done.artifacts["prompts.html"]


def test_a_snippet_that_makes_a_user_worse_is_red_and_not_published(team: Team) -> None:
    team.branch()
    team.world.write("tone", content="rude")
    team.world.commit("Change the tone")
    done = team.check()
    assert done.outcomes["Evaluations"] == "failure", str(done)
    assert "tell (thanks)" in team.hub.comments[0]
    done = team.deploy(team.merge())
    assert done.outcomes["Deploy"] == "failure"
    assert team.world.published == [] and team.world.label("tone", "prod") == 1
    team.branch("fix")
    team.world.write("tone", content="most polite")
    team.world.commit("Be polite")
    done = team.deploy(team.merge("fix"))
    assert done.passed and team.world.published == ["tone"]


def test_nothing_is_evaluated_for_a_fork(team: Team) -> None:
    team.branch()
    team.world.write("ask", WORSE, model=MODEL)
    team.world.commit("Change the text")
    done = team.check(fork=True)
    assert done.passed and done.outcomes["Evaluations"] == done.outcomes["Report"] == "skipped"
    assert team.world.seen == [] and "Skipped: the evaluations" in done.summary


@pytest.mark.parametrize(("labels", "outcome"), [((), "skipped"), (("bug", "evaluate"), "failure")])
def test_a_team_may_pay_only_for_pull_requests_with_a_label(
    team: Team, labels: tuple[str, ...], outcome: str
) -> None:
    team.hub.variables["PROMPTSYNC_EVALUATE"] = "label"
    team.branch()
    team.world.write("ask", WORSE, model=MODEL)
    team.world.commit("Change the text")
    done = team.check(labels=labels)
    assert done.outcomes["Evaluations"] == outcome, str(done)
    assert (computed(team.world) > 0) == bool(labels)
    assert "tables: 1 sheet to run" in team.hub.comments[0] or labels


def test_the_action_uploads_the_page_of_a_command(team: Team) -> None:
    team.world.write("ask", WORSE, model=MODEL)
    team.world.commit("Change the text")
    inputs = {
        "command": "deploy --yes",
        "remote": team.world.url,
        "page": "x/prompts.html",
        "api_key": KEY_INPUT,
    }
    done = run(team, use(**inputs))
    assert done.outcomes["promptsync"] == "failure"
    assert done.outputs["promptsync"]["page-url"] == f"{ARTIFACT}prompts.html"
    assert "Go away." in done.artifacts["prompts.html"]


def sheets(world: World, prompt: str) -> list[str]:
    """The paths of the sheets that ran a prompt."""
    (table,) = world.call("GET", f"{TABLES}?name=thanks").body["data"]
    listed = world.call("GET", f"{TABLES}/{table['id']}/sheets?limit=100").body["data"]
    return [
        f"{TABLES}/{table['id']}/sheets/{sheet['id']}"
        for sheet in listed
        if sheet["title"].startswith(f"promptsync {prompt} ")
    ]


def text_of(world: World, sheet: str) -> str:
    return str(world.call("GET", f"{sheet}/rows?include_columns=true").body["columns"])
