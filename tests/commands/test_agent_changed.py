"""``agent run --changed``: the agents of what changed, their outputs, and where a run came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from checked_copy import checked_copy, document, edited, started, suites
from worlds import World, asking, failing, fault

BOT = {"name": "bot", "input_variables": {"name": "Ada"}}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with checked_copy(tmp_path) as world:
        yield world


def change(world: World, name: str, text: str, **more: Any) -> None:
    """Edit a prompt and publish it."""
    world.write(name, text, **more)
    world.ok("push", "-y")
    world.forget()


def runs(done: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(done, "agent run")["runs"]
    return found


def test_without_changes_it_exits_0_says_so_and_sends_nothing(world: World) -> None:
    done = world.run("agent", "run", "--changed")
    assert (done.code, done.out, world.seen) == (0, "", [])
    assert "no prompt changed since HEAD: no agent was run" in done.err


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


def test_outputs_are_written_as_json_also_when_a_node_failed(world: World) -> None:
    def broken(body: Any) -> None:
        body["last"] = {"status": "FAILED", "value": None, "error_message": "out of\x1b order"}

    change(world, "a", "Hi, {name}", agents=[BOT])
    world.faults.append(edited(broken, "execution-results"))
    options = ("--output", "deep/out.json", "--junit", "report.xml")
    done = world.run("agent", "run", "--changed", *options)
    assert (done.code, "node last failed: out of\\x1b order" in done.err) == (1, True)
    (one,) = json.loads((world.root / "deep/out.json").read_text())["runs"]
    assert (one["agent"], one["passed"], one["prompts"]) == ("bot", False, ["a"])
    assert one["outputs"]["first"]["value"] == "Hi, Ada"
    assert suites(world.root / "report.xml") == {"bot": {"first": "passed", "last": "failure"}}
    assert "time" in ElementTree.parse(world.root / "report.xml").getroot().attrib


def test_when_the_time_is_up_it_is_exit_1_and_an_error_in_the_file(world: World) -> None:
    change(world, "a", "Hi, {name}", agents=[BOT])
    running = fault(asking("GET", "execution-results"), lambda seen, forward: failing(202, "running"))
    world.faults.append(running)
    done = world.run("agent", "run", "--changed", "--timeout", "0.05", "--junit", "report.xml")
    assert (done.code, "timed out; execution 1 is still running" in done.err) == (1, True)
    assert suites(world.root / "report.xml") == {"bot": {"run": "error"}}


def test_what_the_registry_fails_at_is_exit_4(world: World) -> None:
    change(world, "a", "Hi, {name}", agents=[BOT])
    world.faults.append(fault(asking("GET", "execution-results"), failing(500)))
    done = world.run("agent", "run", "--changed", "--json")
    assert (done.code, [one["status"] for one in runs(done)]) == (4, ["unreadable"])


def test_an_agent_that_pins_another_version_is_no_pass(world: World) -> None:
    change(world, "a", "Hi, {name}", agents=[{"name": "old bot", "input_variables": {"name": "Ada"}}])
    done = world.run("agent", "run", "--changed", "--json")
    (one,) = runs(done)
    assert (done.code, one["reason"]) == (1, "a v2 was not checked: step only uses v1")
    assert world.run("agent", "run", "--changed", "--allow-unbound").code == 0


def test_an_agent_that_the_registry_does_not_have_is_named_with_its_place(world: World) -> None:
    change(world, "a", "Hi, {name}", agents=["bto"])
    done = world.run("agent", "run", "--changed", "--json")
    error = document(done, "agent run")["error"]
    assert (done.code, error["code"], started(world)) == (2, "not-found", [])
    assert error["message"].startswith("prompts/a.yaml:3: ")
    assert "did you mean 'bot'" in error["hint"]


# -- where a run came from ----------------------------------------------------------------------------------


def sent(world: World) -> list[dict[str, str]]:
    """The metadata that went with runs."""
    return [one.body.get("metadata") for one in world.seen if one.path.endswith("/run")]


def test_a_trace_is_sent_with_the_run_and_a_missing_request_id_is_reported(world: World) -> None:
    change(world, "a", "Hi, {name}", agents=[BOT])
    world.commit("Change a")
    done = world.run("agent", "run", "bot", "--var", "name=Ada", "--track", "--json")
    expected = {
        "git_commit": world.git("rev-parse", "HEAD").strip(),
        "git_branch": "main",
        "prompt_version:a": "2",
        "prompt_version:b": "1",
    }
    assert (done.code, sent(world)) == (0, [expected])
    assert "the registry returned no request id" in done.err
    assert runs(done)[0]["tracked"] == {"metadata": expected, "requests": [], "with_run": True}


def test_a_trace_is_noted_on_the_requests_that_the_registry_names(world: World) -> None:
    def named(body: Any) -> None:
        body["first"]["request_id"] = logged
        body["last"]["request_ids"] = [logged, "abc"]

    logged = log_request(world)
    world.write("a", "Not committed, {name}", agents=[BOT])
    world.faults.append(edited(named, "execution-results"))
    done = world.run("agent", "run", "--changed", "--track", "--allow-unbound", "--json")
    noted = [one.body for one in world.seen if one.path == "/rest/track-metadata"]
    assert sorted(str(one["request_id"]) for one in noted) == [str(logged), "abc"]
    assert {one["metadata"]["git_commit"] for one in noted} == {world.git("rev-parse", "HEAD").strip() + "+"}
    (one,) = runs(done)
    assert (one["request_ids"], one["tracked"]["requests"]) == ([logged, "abc"], [logged])
    assert done.code == 4  # there is no request abc


def log_request(world: World) -> int:
    block = {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}
    body = {
        "provider": "openai",
        "model": "m",
        "input": block,
        "output": block,
        "request_start_time": "2026-01-01T00:00:00",
        "request_end_time": "2026-01-01T00:00:01",
    }
    return int(world.call("POST", "/log-request", body).body["id"])


def test_a_run_is_started_again_without_rejected_metadata_and_that_is_reported(world: World) -> None:
    def has_metadata(seen: Any) -> bool:
        return seen.path.endswith("/run") and "metadata" in seen.body

    world.faults.append(fault(has_metadata, failing(422, "extra fields not permitted")))
    done = world.run("agent", "run", "bot", "--track", "--var", "name=Ada", "--json")
    assert (done.code, len(started(world))) == (0, 2)
    assert "not tracked: the registry rejected metadata" in done.err
    assert runs(done)[0]["tracked"]["with_run"] is False


def test_without_track_no_metadata_is_sent(world: World) -> None:
    world.ok("agent", "run", "bot", "--var", "name=Ada")
    assert sent(world) == [None]


def test_a_detached_head_takes_the_branch_from_the_workflow(world: World) -> None:
    world.git("checkout", "-q", "--detach")
    environ = {"GITHUB_HEAD_REF": "feature", "GITHUB_REF_NAME": "7/merge"}
    assert world.run("agent", "run", "bot", "--var", "name=A", "--track", **environ).code == 0
    assert sent(world)[0]["git_branch"] == "feature"


WRONG = [
    ([], "no agent named"),
    (["bot", "--changed"], "cannot be combined"),
    (["bot", "--since", "HEAD"], "--since needs --changed"),
    (["bot", "--output", "prompts"], "--output: cannot write prompts"),
]


@pytest.mark.parametrize(("options", "said"), WRONG)
def test_a_usage_error_is_exit_2_and_sends_nothing(world: World, options: list[str], said: str) -> None:
    done = world.run("agent", "run", *options)
    assert (done.code, said in done.err, world.seen) == (2, True, [])
