"""``eval``, ``agent``, ``dataset`` and ``track`` as a person and a pipeline run them."""

from __future__ import annotations

import io
import json
import shlex
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from checked_copy import checked_copy, edited, started, suites
from evaluation_files import contains, declared, evaluation, put
from registry_server import log_of
from worlds import World

CONFIG = 'remotes: {local: {url: "local:", fixtures: registry.yaml}}\n'
CASES = [{"question": "one", "expect": "one"}, {"question": "two", "expect": "nothing"}]
FIXTURES = declared(
    """
agents:
  - {name: bot, labels: [prod], nodes: [{name: first, prompt: ask}, {name: last, prompt: ask, output: true}]}
""",
    evaluation("quality", "ask", CASES, contains(column="expect")),
    evaluation("unscored", "ask", CASES),
)


@pytest.fixture
def here(local: World) -> World:
    local.put("prompts/ask.yaml", "messages: [{role: user, content: '{question}'}]\n")
    put(local.root, FIXTURES)
    local.put("promptsync.yaml", CONFIG)
    local.ok("push", "-y")
    return local


def test_a_score_under_the_minimum_is_exit_1(here: World) -> None:
    here.ok("eval", "run", "quality", "--min-score", "50")
    ran = here.exits(1, "eval", "run", "quality", "--min-score", "50.5")
    assert ran.lines[1][:7] == ["quality", "v1", "4", "echo", "50.5", "failed:", "50"]
    assert "quality: 50 on the echo model is below the minimum of 50.5" in ran.err
    assert "quality: row 2, contains: check returned false" in ran.out
    runs = here.run("eval", "run", "1", "unscored", "--allow-unscored", "--json").document["runs"]
    assert [one["evaluation"] for one in runs] == ["quality", "unscored"]
    report = runs[0].pop("report_id")
    keys = ("evaluation", "evaluation_id", "version", "model", "status", "score", "passed", "reason")
    assert [runs[0][key] for key in keys] == ["quality", 1, 1, "echo", "completed", 50.0, True, None]
    here.ok("eval", "show", str(report))
    here.configure("checks: [{match: '*', evaluation: '1', min_score: 80}]")
    here.says(1, "error: quality: 50 on the echo model is below the minimum of 80", "eval", "show", "quality")


def test_lists_show_what_can_be_run_and_what_it_scored(here: World) -> None:
    here.run("eval", "run", "quality")
    assert [line[:4] for line in here.run("eval", "list").lines[1:]] == [
        ["quality", "file", "1", "50"],  # with the runs of the evaluation that the registry made of it
        ["unscored", "file", "0", "-"],
    ]
    assert here.run("agent", "list").lines == [
        ["ID", "NAME", "VERSION", "LABELS"],
        ["1", "bot", "v1", "prod"],
    ]
    assert here.run("dataset", "list").lines[1:] == [
        ["3", "unscored", "v1", "question,", "expect"],
        ["2", "quality", "v1", "question,", "expect"],
    ]


def test_an_agent_that_was_only_started_is_shown_by_the_command_that_is_printed(here: World) -> None:
    ran = here.ok("agent", "run", "bot", "--var", "question=why", "--no-wait")
    assert ran.lines[1] == ["bot", "3", "0", "running"]
    (command,) = [line.partition(": ")[2] for line in ran.err.splitlines() if line.startswith("bot: ")]
    assert command == "promptsync agent show 3 --wait"
    shown = here.run(*shlex.split(command)[1:])
    assert (shown.code, shown.err) == (0, "")
    assert shown.lines[1] == ["execution", "3", "3", "2", "passed"]
    assert shown.out.count("why") == 2 and "--- execution 3: last ---" in shown.out
    ran = here.run("agent", "run", "bot", "--var", "question=why", "--no-wait", "--remote", "local")
    assert "bot: promptsync agent show 4 --wait --remote local\n" in ran.err


def test_a_wait_that_is_too_short_is_exit_1_and_names_the_command_that_goes_on(here: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes requests and never answers
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        slow = {"PROMPTSYNC_MODEL_URL": url, "PROMPTSYNC_MODEL_NAME": "m"}
        run = ("agent", "run", "bot", "--var", "question=why", "--timeout", "0.01")
        ran = here.says(1, "timed out; execution 3 is still running", *run, **slow)
        shown = here.ok("agent", "show", "3", **slow)
    assert ran.err.splitlines()[-1] == "hint: promptsync agent show 3 --wait"
    assert shown.lines[1][-1] == "running"
    assert shown.err == "execution 3: promptsync agent show 3 --wait\n"


LONG = "9" * 5000
WRONG = {
    "no evaluation named": "eval run",
    "cannot be combined": "eval run quality --changed; eval run --changed --prompt ask; "
    "eval run quality --no-wait --timeout 1; agent run bot --label a --version 1",
    "--since needs --changed": "eval run quality --since HEAD",
    "--allow-unbound needs --changed": "eval run quality --allow-unbound",
    "--max-cells": "eval run quality --max-cells -1",
    "--min-score": "eval run quality --min-score 101",
    "Invalid value for '--timeout'": "eval run quality --timeout 0",
    "--timeout needs --wait": "eval show quality --timeout 1; agent show 1 --timeout 5",
    "is not an execution id": f"agent show bot; agent show 0; agent show {LONG}",
    "not of the form NAME=TEXT": "agent run bot --var x",
    "no command given": "eval",
    "walk": "eval walk",
    "no evaluation": f"eval show {LONG}; eval run qualty; eval show nobody",
    "no ": "agent run bt; agent show 99",
}


def test_a_usage_error_is_exit_2(here: World) -> None:
    for said, lines in WRONG.items():
        for line in lines.split("; "):
            here.says(2, said, *line.split())


# -- ``--changed``: exactly the checks of what changed, and which versions they check --------------------


@pytest.fixture
def checked(tmp_path: Path) -> Iterator[World]:
    with checked_copy(tmp_path) as checked:
        yield checked


def change(checked: World, name: str, text: str, **more: Any) -> None:
    """Edit a prompt and publish it."""
    checked.write(name, text, **more)
    checked.ok("push", "-y")
    checked.forget()


def test_without_changes_it_exits_0_says_so_and_sends_nothing(checked: World) -> None:
    done = checked.run("eval", "run", "--changed", "--junit", "out/report.xml")
    assert (done.code, done.out) == (0, "")
    nothing = "no prompt changed since {}; no evaluation ran"
    assert f"{nothing.format('HEAD')}; for the commits of a branch, add --since main...\n" in done.err
    since = checked.run("eval", "run", "--changed", "--since", "main...")
    assert (since.code, since.err) == (0, f"{nothing.format('main...')}\n")
    assert checked.seen == []
    assert suites(checked.root / "out/report.xml") == {}
    body = checked.ok("eval", "run", "--changed", "--json").document
    assert (body["changed"], body["runs"], body["since"]) == ([], [], "HEAD")


def test_the_evaluations_of_what_changed_run_on_its_versions(checked: World) -> None:
    changed = ("eval", "run", "--changed")
    checked.write("a", "An edit, {name}", evaluations=["a is polite"])
    done = checked.exits(1, *changed, "--json").document  # a run does not check what is unpublished
    assert (done["unpublished"], len(started(checked))) == (["a"], 1)
    assert done["error"]["hint"].startswith("promptsync push\n")
    checked.ok(*changed, "--allow-unbound")
    change(checked, "a", "A politer hello, {name}", evaluations=["a is polite"])
    body = checked.ok(*changed, "--json").document
    (one,) = body["runs"]
    assert (body["changed"], one["evaluation"], len(started(checked))) == (["a"], "a is polite", 1)
    assert (one["prompts"], one["version"], one["passed"], one["unbound"]) == (["a"], 2, True, [])
    checked.commit("Change a")
    for since, evaluations in ((), []), (("--since", "HEAD~1"), ["a is polite"]):
        runs = checked.ok(*changed, *since, "--json").document["runs"]
        assert [run["evaluation"] for run in runs] == evaluations
    assert checked.exits(2, *changed, "--since", "nowhere", "--json").document["runs"] == []
    # An edited snippet runs the evaluations of its parents only.
    change(checked, "tone", "", content="as polite as can be")
    done = checked.says(0, "2 prompts changed since HEAD: b, tone", *changed)
    assert "no evaluation is assigned to tone" in done.err
    assert done.lines[1][:4] == ["b", "is", "polite", "b"] and done.lines[1][-3:] == ["echo", "50", "passed"]
    # A run of another version is no pass.
    checked.commit("Change the tone")
    change(checked, "a", "A polite hi, {name}", evaluations=["a once"])
    junit = ("--junit", "report.xml")
    done = checked.says(1, "a once: a v3 was not checked: the run used v1", *changed, *junit)
    assert suites(checked.root / "report.xml") == {"a once": {"score": "passed", "checks a v3": "failure"}}
    assert "a v3 was not checked" in checked.ok(*changed, "--allow-unbound", *junit).out
    assert suites(checked.root / "report.xml")["a once"]["checks a v3"] == "skipped"


def test_failed_cells_are_capped_in_the_text_and_whole_elsewhere(checked: World) -> None:
    def cells(body: Any) -> None:
        body["stats"]["status_counts"]["FAILED"] = 30

    def rows(body: Any) -> None:
        cell = {"type": "eval", "status": "FAILED", "value": None, "error_message": "bro\x1bken " * 99}
        body.update(columns=["name", "out\x00put"], rows=[[{"type": "dataset"}, cell]] * 30, total=30)

    checked.faults += [edited(rows, "/rows"), edited(cells, "/evaluations/5")]
    done = checked.says(1, "30 failed cells", "eval", "run", "a is polite", "--junit", "report.xml")
    lines = [line for line in done.out.splitlines() if ": row " in line]
    assert (len(lines), max(map(len, lines)) < 260, "\x1b" in done.out) == (10, True, False)
    assert "20 more failed cells; --json has all" in done.out
    assert [*suites(checked.root / "report.xml")["a is polite"].values()].count("failure") == 30


# -- ``agent run --changed``: the agents of what changed, and their outputs -------------------------------


def test_the_agents_of_what_changed_run_with_their_inputs(checked: World) -> None:
    agents = [{"name": "bot", "input_variables": {"name": "Ada"}}]
    change(checked, "a", "A politer hello, {name}", agents=agents)
    change(checked, "b", "Bye, {name}")
    body = checked.ok("agent", "run", "--changed", "--json").document
    (one,) = body["runs"]
    assert (one["agent"], one["prompts"], one["passed"], body["without"]) == ("bot", ["a"], True, ["b"])
    assert one["input_variables"] == {"name": "Ada"}
    assert one["outputs"]["last"]["value"] == "Bye, Ada"
    text = checked.run("agent", "run", "--changed").out
    assert text.endswith("--- bot: first ---\nA politer hello, Ada\n\n--- bot: last ---\nBye, Ada\n")
    (one,) = checked.ok("agent", "run", "--changed", "--var", "name=Bo", "--json").document["runs"]
    assert one["outputs"]["first"]["value"] == "A politer hello, Bo"

    def broken(body: Any) -> None:
        body["last"] = {"status": "FAILED", "value": None, "error_message": "out of\x1b order"}

    checked.faults.append(edited(broken, "execution-results"))
    done = checked.exits(1, "agent", "run", "--changed", "--junit", "report.xml", "--json").document
    assert "node last failed: out of" in done["error"]["message"]
    (one,) = done["runs"]
    assert (one["passed"], one["outputs"]["first"]["value"]) == (False, "A politer hello, Ada")
    assert suites(checked.root / "report.xml") == {"bot": {"first": "passed", "last": "failure"}}


# -- ``track`` as an application's script runs it --------------------------------------------------------


@pytest.fixture
def logged(local: World) -> World:
    local.write("ask", "{question}")
    local.put("request.json", json.dumps(log_of()))
    local.ok("push", "--label", "prod")
    return local


def kept(world: World, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(world.root / ".promptsync/registry.db")) as database:
        return database.execute(query).fetchall()


def test_a_request_is_logged_and_its_id_is_all_that_is_printed(
    logged: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged.put("bad.json", json.dumps(log_of(model=3), indent=1))
    assert logged.says(1, "bad.json:3:2: model must be text", "track", "request", "bad.json").out == ""
    done = logged.ok("track", "request", "request.json")
    assert (done.out, done.err) == ("1\n", "")
    assert logged.ok("track", "request", "request.json", "--json").document["request_id"] == 2
    assert kept(logged, "SELECT engine, latency_ms FROM requests WHERE id = 1") == [("gpt-4o", 1500)]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(log_of()).encode())))
    assert logged.ok("track", "request", "-").out == "3\n"


def test_everything_can_be_noted_about_a_request(logged: World) -> None:
    logged.ok("track", "request", "request.json")
    group = logged.ok("track", "group", "--new").out.strip()
    for line in (
        "prompt 1 ask --label prod --var question=why --var n:=3",
        "score 1 70",
        "score 1 90 --name tone",
        "score 1 80",
        "metadata 1 user=42 url=a=b empty=",
        f"group 1 {group}",
    ):
        done = logged.ok("track", *line.split())
        assert (done.out[:11], done.err) == ("request 1: ", "")
    ((version, *notes, group_id),) = kept(
        logged, "SELECT version_id, prompt_input_variables, scores, metadata, group_id FROM requests"
    )
    assert (version, group_id) == (1, int(group))
    assert [json.loads(note) for note in notes] == [
        {"question": "why", "n": 3},
        {"default": 80, "tone": 90},
        {"empty": "", "url": "a=b", "user": "42"},
    ]
    body = logged.ok("track", "group", "1", "--new", "--json").document
    assert body["request_id"] == 1
    assert kept(logged, "SELECT group_id FROM requests") == [(body["group_id"],)]


NOT_TRACKED = {
    "cannot read nowhere.json": "request nowhere.json",
    "101": "score 1 101",
    "good": "score 1 good",
    "is not a request id": "score 0 1",
    "Missing argument": "score; metadata 1",
    "-1": "score -1 1",
    "--name is empty": "score 1 1 --name ' '",
    "not of the form KEY=VALUE": "metadata 1 user; metadata 1 =x",
    "cannot be combined": "prompt 1 ask --label a --version 1",
    "--new": "group; group 1; group 1 2 --new",
    "no request with the id 7": "score 7 1; group 7 1; prompt 7 ask; metadata 7 a=b",
}


def test_a_usage_error_is_exit_2_and_a_rejection_has_the_message_of_the_registry(logged: World) -> None:
    for said, lines in NOT_TRACKED.items():
        for line in lines.split("; "):
            done = logged.says(4 if said.startswith("no request") else 2, said, "track", *shlex.split(line))
            assert done.out == "", str(done)
