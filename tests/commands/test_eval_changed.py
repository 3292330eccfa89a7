"""``eval run --changed``: exactly the evaluations of what changed, and which versions they check."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from checked_copy import checked_copy, document, edited, started, suites
from worlds import World, asking, failing, fault


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with checked_copy(tmp_path) as world:
        yield world


def change(world: World, name: str, text: str, **more: Any) -> None:
    """Edit a prompt and publish it."""
    world.write(name, text, **more)
    world.ok("push", "-y")
    world.forget()


def ran(done: Any) -> list[str]:
    return [one["evaluation"] for one in document(done, "eval run")["runs"]]


def test_without_changes_it_exits_0_says_so_and_sends_nothing(world: World) -> None:
    done = world.run("eval", "run", "--changed", "--junit", "out/report.xml")
    assert (done.code, done.out) == (0, "")
    nothing = "no prompt changed since {}; no evaluation ran"
    assert f"{nothing.format('HEAD')}; for the commits of a branch, add --since main...\n" in done.err
    since = world.run("eval", "run", "--changed", "--since", "main...")
    assert (since.code, since.err) == (0, f"{nothing.format('main...')}\n")
    assert world.seen == []
    assert suites(world.root / "out/report.xml") == {}
    body = document(world.run("eval", "run", "--changed", "--json"), "eval run")
    assert (body["changed"], body["runs"], body["since"]) == ([], [], "HEAD")


def test_only_the_evaluations_of_what_changed_since_a_state_run(world: World) -> None:
    change(world, "a", "A politer hello, {name}", evaluations=["a is polite"])
    done = world.run("eval", "run", "--changed", "--json")
    body = document(done, "eval run")
    assert (done.code, body["changed"], ran(done)) == (0, ["a"], ["a is polite"])
    (one,) = body["runs"]
    assert (one["prompts"], one["version"], one["passed"], one["unbound"]) == (["a"], 2, True, [])
    assert len(started(world)) == 1
    world.commit("Change a")
    assert ran(world.run("eval", "run", "--changed", "--json")) == []
    assert ran(world.run("eval", "run", "--changed", "--since", "HEAD~1", "--json")) == ["a is polite"]
    missing = world.run("eval", "run", "--changed", "--since", "nowhere", "--json")
    assert missing.code == 2 and document(missing, "eval run")["runs"] == []


def test_a_prompt_with_conflict_markers_is_refused_before_a_run(world: World) -> None:
    text = "<<<<<<< yours\nHello\n=======\nHi\n>>>>>>> registry v2\n"
    world.write("a", text, evaluations=["a is polite"])
    done = world.run("eval", "run", "--changed", "--json")
    error = document(done, "eval run")["error"]
    assert (done.code, error["code"]) == (3, "conflict-markers")
    assert error["message"].startswith("'a' has conflict markers at prompts/a.yaml:")
    assert "delete the marker lines" in error["hint"]
    assert "push" not in error["hint"]
    assert started(world) == []


def test_an_edited_snippet_runs_the_evaluations_of_its_parents_only(world: World) -> None:
    change(world, "tone", "", content="as polite as can be")
    done = world.run("eval", "run", "--changed")
    assert done.code == 0, str(done)
    assert "2 prompts changed since HEAD: b, tone" in done.err
    assert "no evaluation is assigned to tone" in done.err
    row = done.out.splitlines()[1].split("  ")
    assert [cell.strip() for cell in row if cell.strip()] == [
        *("b is polite", "b", "5", "echo", "50", "passed")
    ]
    assert len(started(world)) == 1


def test_an_evaluation_that_several_name_runs_once(world: World) -> None:
    change(world, "a", "A polite hi, {name}", evaluations=["a is polite"])
    change(world, "c", "Something else", evaluations=["a is polite"])
    done = world.run("eval", "run", "--changed", "--json")
    (one,) = document(done, "eval run")["runs"]
    assert (done.code, one["prompts"], len(started(world))) == (1, ["a", "c"], 1)
    assert [(doubt["prompt"], doubt["version"]) for doubt in one["unbound"]] == [("c", 2)]
    assert "the run used another prompt" in one["reason"]
    assert world.run("eval", "run", "--changed", "--allow-unbound").code == 0


def test_a_run_of_another_version_is_no_pass(world: World) -> None:
    change(world, "a", "A polite hi, {name}", evaluations=["a once"])
    done = world.run("eval", "run", "--changed", "--junit", "report.xml")
    assert done.code == 1
    assert "a once: a v2 was not checked: the run used v1" in done.err
    assert "--allow-unbound" in done.err
    assert suites(world.root / "report.xml") == {"a once": {"score": "passed", "checks a v2": "failure"}}
    allowed = world.run("eval", "run", "--changed", "--allow-unbound", "--junit", "report.xml")
    assert (allowed.code, "a v2 was not checked" in allowed.out) == (0, True)
    assert suites(world.root / "report.xml")["a once"]["checks a v2"] == "skipped"


def test_a_run_does_not_check_a_file_that_is_not_published(world: World) -> None:
    world.write("a", "An edit, {name}", evaluations=["a is polite"])
    done = world.run("eval", "run", "--changed", "--json")
    body = document(done, "eval run")
    assert (done.code, body["unpublished"], len(started(world))) == (1, ["a"], 1)
    assert body["runs"][0]["unbound"][0]["version"] is None
    assert body["error"]["hint"].startswith("promptsync push\n")
    assert world.run("eval", "run", "--changed", "--allow-unbound").code == 0


def test_a_name_that_the_registry_does_not_have_stops_everything_before_it_starts(world: World) -> None:
    change(world, "a", "A polite hi, {name}", evaluations=["a is polite", "a is polit"])
    done = world.run("eval", "run", "--changed", "--junit", "report.xml", "--json")
    error = document(done, "eval run")["error"]
    assert (done.code, error["code"], started(world)) == (2, "not-found", [])
    assert error["message"].startswith("prompts/a.yaml:4: ")
    assert "did you mean 'a is polite'" in error["hint"]
    assert suites(world.root / "report.xml") == {"eval run": {"run": "error"}}


def test_a_start_with_an_unknown_outcome_is_exit_5(world: World) -> None:
    change(world, "a", "A polite hi, {name}", evaluations=["a is polite"])
    world.faults.append(fault(asking("POST", "/run"), failing(500)))
    done = world.run("eval", "run", "--changed")
    assert (done.code, "may or may not have been started" in done.err, len(started(world))) == (5, True, 1)


def test_failed_cells_are_capped_in_the_text_and_whole_elsewhere(world: World) -> None:
    def cells(body: Any) -> None:
        body["stats"]["status_counts"]["FAILED"] = 30

    def rows(body: Any) -> None:
        cell = {"type": "eval", "status": "FAILED", "value": None, "error_message": "bro\x1bken " * 99}
        body.update(columns=["name", "out\x00put"], rows=[[{"type": "dataset"}, cell]] * 30, total=30)

    world.faults += [edited(rows, "/rows"), edited(cells, "/evaluations/5")]
    done = world.run("eval", "run", "a is polite", "--junit", "report.xml")
    assert (done.code, "30 failed cells" in done.err) == (1, True)
    lines = [line for line in done.out.splitlines() if ": row " in line]
    assert (len(lines), max(map(len, lines)) < 260, "\x1b" in done.out) == (10, True, False)
    assert "20 more failed cells; --json has all" in done.out
    results = suites(world.root / "report.xml")["a is polite"]
    assert list(results.values()).count("failure") == 30
    world.faults[1] = edited(cells, "/evaluations/6")
    again = document(world.run("eval", "run", "a is polite", "--json"), "eval run")
    assert len(again["runs"][0]["failed_cells"]) == 30
    assert len(again["runs"][0]["failed_cells"][0]["reason"]) == 99 * 8


def test_a_workflow_gets_a_summary_and_outputs(world: World, tmp_path: Path) -> None:
    change(world, "a", "Hi, {name}", evaluations=["a is polite"])
    summary, outputs = tmp_path / "summary", tmp_path / "outputs"
    environ = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(outputs)}
    done = world.run("eval", "run", "--changed", "--min-score", "50", **environ)
    assert done.code == 1
    text = summary.read_text()
    assert "EVALUATION   PROMPTS  REPORT  SCORE  MINIMUM  RESULT" in text
    assert "a is polite  a        5       echo   50       failed: 0 on the echo" in text
    found = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
    # What the echo model answered is no score.
    assert (found["passed"], json.loads(found["scores"])) == ("false", {})
    assert json.loads(found["changed"]) == ["a"]


# -- ``agent run --changed``: the agents of what changed, and their outputs -------------------------------


BOT = {"name": "bot", "input_variables": {"name": "Ada"}}


def runs(done: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(done, "agent run")["runs"]
    return found


def test_the_agents_of_what_changed_run_with_their_inputs(world: World) -> None:
    change(world, "a", "A politer hello, {name}", agents=[BOT])
    change(world, "b", "Bye, {name}")
    done = world.run("agent", "run", "--changed", "--json")
    (one,) = runs(done)
    assert (done.code, one["agent"], one["prompts"], one["passed"]) == (0, "bot", ["a"], True)
    assert one["input_variables"] == {"name": "Ada"}
    assert one["outputs"]["last"]["value"] == "Bye, Ada"
    assert document(done, "agent run")["without"] == ["b"]
    text = world.run("agent", "run", "--changed").out
    assert text.splitlines()[-5:] == [
        "--- bot: first ---",
        "A politer hello, Ada",
        "",
        "--- bot: last ---",
        "Bye, Ada",
    ]


def test_variables_of_the_command_line_replace_single_ones(world: World) -> None:
    change(world, "a", "Hi, {name}", agents=[BOT, {"name": "bot", "input_variables": {"name": "Linus"}}])
    found = runs(world.run("agent", "run", "--changed", "--json"))
    assert [one["outputs"]["first"]["value"] for one in found] == ["Hi, Ada", "Hi, Linus"]
    (one,) = runs(world.run("agent", "run", "--changed", "--var", "name=Bo", "--json"))
    assert one["outputs"]["first"]["value"] == "Hi, Bo"


def test_outputs_are_in_the_document_also_when_a_node_failed(world: World) -> None:
    def broken(body: Any) -> None:
        body["last"] = {"status": "FAILED", "value": None, "error_message": "out of\x1b order"}

    change(world, "a", "Hi, {name}", agents=[BOT])
    world.faults.append(edited(broken, "execution-results"))
    done = world.run("agent", "run", "--changed", "--junit", "report.xml", "--json")
    assert (done.code, "node last failed: out of" in document(done, "agent run")["error"]["message"]) == (
        1,
        True,
    )
    (run,) = runs(done)
    assert (run["agent"], run["passed"], run["prompts"]) == ("bot", False, ["a"])
    assert run["outputs"]["first"]["value"] == "Hi, Ada"
    assert suites(world.root / "report.xml") == {"bot": {"first": "passed", "last": "failure"}}
    assert "time" in ElementTree.parse(world.root / "report.xml").getroot().attrib
