"""``eval``, ``agent`` and ``dataset`` as a person and a pipeline run them."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator

import pytest
from evaluation_files import contains, declared, evaluation, matches, put
from worlds import World

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
def slow() -> Iterator[dict[str, str]]:
    """The environment of a model that takes requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        yield {"PROMPTSYNC_MODEL_URL": url, "PROMPTSYNC_MODEL_NAME": "m"}


@pytest.fixture
def here(local: World) -> World:
    local.put("prompts/ask.yaml", "messages: [{role: user, content: '{question}'}]\n")
    put(local.root, FIXTURES)
    local.put("promptsync.yaml", 'remotes: {local: {url: "local:", fixtures: registry.yaml}}\n')
    local.ok("push", "-y")
    return local


def test_a_score_under_the_minimum_is_exit_1(here: World) -> None:
    assert here.run("eval", "run", "quality", "--min-score", "50").code == 0
    ran = here.run("eval", "run", "quality", "--min-score", "50.5")
    assert ran.code == 1
    assert ran.lines[1][:7] == ["quality", "v1", "4", "echo", "50.5", "failed:", "50"]
    assert "quality: 50 on the echo model is below the minimum of 50.5" in ran.err
    assert "quality: row 2, contains: check returned false" in ran.out
    (found,) = here.run("eval", "run", "quality", "--min-score", "50.5", "--json").document["runs"]
    assert found["missed_cells"] == [{"row": 2, "column": "contains", "reason": "check returned false"}]
    assert "ran on the echo model" in ran.out


def test_the_document_of_a_run(here: World) -> None:
    ran = here.run("eval", "run", "1", "unscored", "--allow-unscored", "--json")
    body = ran.document
    names = [one["evaluation"] for one in body["runs"]]
    assert (ran.code, body["changed"], names) == (0, [], ["quality", "unscored"])
    report = body["runs"][0].pop("report_id")
    nothing = {key: [] for key in ("failed_cells", "missed_cells", "prompts", "unbound")}
    run = {"evaluation": "quality", "evaluation_id": 1, "version": 1, "model": "echo", "status": "completed"}
    ending = {"score": 50.0, "minimum": None, "passed": True, "reason": None}
    assert body["runs"][0] == {**run, **nothing, **ending}
    assert here.run("eval", "show", str(report)).code == 0


def test_lists_show_what_can_be_run_and_what_it_scored(here: World) -> None:
    here.run("eval", "run", "quality")
    assert [line for line in here.run("eval", "list").lines[1:] if line[2] == "evaluation"] == [
        ["2", "unscored", "evaluation", "0", "-"],
        ["1", "quality", "evaluation", "1", "50"],
    ]
    assert here.run("agent", "list").lines == [
        ["ID", "NAME", "VERSION", "LABELS"],
        ["1", "bot", "v1", "prod"],
    ]
    assert here.run("dataset", "list").lines[1:] == [
        ["3", "unscored", "v1", "question,", "expect"],
        ["2", "quality", "v1", "question,", "expect"],
    ]


@pytest.mark.parametrize(("checked", "named"), [("quality", "1"), ("'1'", "quality")])
def test_a_run_has_to_reach_the_minimum_that_checks_name_by_name_or_id(
    here: World, checked: str, named: str
) -> None:
    config = here.root / "promptsync.yaml"
    text = config.read_text("utf-8")
    config.write_text(text + f"checks: [{{match: '*', evaluation: {checked}, min_score: 80}}]\n", "utf-8")
    ran = here.run("eval", "run", named, "--min-score", "10")
    assert ran.code == 1
    assert "below the minimum of 80" in ran.out and "check returned false" in ran.out
    shown = here.run("eval", "show", named)
    assert (shown.code, shown.err) == (1, "error: quality: 50 on the echo model is below the minimum of 80\n")


def test_a_failed_run_is_shown_with_exit_1(here: World) -> None:
    put(here.root, declared("", evaluation("broken", "ask", CASES, matches("("))))
    for verb in ("run", "show"):
        ran = here.run("eval", verb, "broken")
        assert (ran.code, ran.err) == (1, "error: broken: 2 failed cells\n")


def test_an_agent_that_was_only_started_is_shown_by_the_command_that_is_printed(here: World) -> None:
    ran = here.run("agent", "run", "bot", "--var", "question=why", "--no-wait")
    assert (ran.code, ran.lines[1]) == (0, ["bot", "3", "0", "running"])
    (command,) = [line.partition(": ")[2] for line in ran.err.splitlines() if line.startswith("bot: ")]
    assert command == "promptsync agent show 3 --wait"
    shown = here.run(*shlex.split(command)[1:])
    assert (shown.code, shown.err) == (0, "")
    assert shown.lines[1] == ["execution", "3", "3", "2", "passed"]
    assert shown.out.count("why") == 2 and "--- execution 3: last ---" in shown.out
    ran = here.run("agent", "run", "bot", "--var", "question=why", "--no-wait", "--remote", "local")
    assert "bot: promptsync agent show 4 --wait --remote local\n" in ran.err


def test_a_wait_that_is_too_short_is_exit_1_and_names_the_command_that_goes_on(
    here: World, slow: dict[str, str]
) -> None:
    ran = here.run("agent", "run", "bot", "--var", "question=why", "--timeout", "0.01", **slow)
    assert ran.code == 1 and "timed out; execution 3 is still running" in ran.err
    assert ran.err.splitlines()[-1] == "hint: promptsync agent show 3 --wait"
    shown = here.run("agent", "show", "3", **slow)
    assert (shown.code, shown.lines[1][-1]) == (0, "running")
    assert shown.err == "execution 3: promptsync agent show 3 --wait\n"
    (found,) = here.run("agent", "show", "3", "--json", **slow).document["runs"]
    assert (found["status"], found["passed"], found["outputs"]) == ("running", None, {})


WRONG = [
    (["eval", "run"], "no evaluation named"),
    (["eval", "run", "quality", "--changed"], "cannot be combined"),
    (["eval", "run", "--changed", "--prompt", "ask"], "cannot be combined"),
    (["eval", "run", "quality", "--since", "HEAD"], "--since needs --changed"),
    (["eval", "run", "quality", "--allow-unbound"], "--allow-unbound needs --changed"),
    (["eval", "run", "quality", "--max-cells", "-1"], "--max-cells"),
    (["eval", "run", "quality", "--min-score", "101"], "--min-score"),
    (["eval", "run", "quality", "--timeout", "0"], "--timeout"),
    (["eval", "run", "quality", "--no-wait", "--timeout", "1"], "cannot be combined"),
    (["eval", "show", "quality", "--timeout", "1"], "--timeout needs --wait"),
    (["agent", "show", "1", "--timeout", "5"], "--timeout needs --wait"),
    (["agent", "show", "bot"], "'bot' is not an execution id"),
    (["agent", "show", "0"], "'0' is not an execution id"),
    (["agent", "show", "9" * 5000], "is not an execution id"),
    (["agent", "run", "bot", "--label", "a", "--version", "1"], "cannot be combined"),
    (["agent", "run", "bot", "--var", "x"], "not of the form NAME=TEXT"),
    (["eval"], "no command given"),
    (["eval", "walk"], "walk"),
]


def test_a_usage_error_is_exit_2(here: World) -> None:
    for arguments, said in WRONG:
        ran = here.run(*arguments)
        assert (ran.code, said in ran.err, "Traceback" in ran.err) == (2, True, False), str(ran)


def test_an_unknown_name_is_reported(here: World) -> None:
    for line in ("eval run qualty", "eval show nobody", "eval show 99", "agent run bt", "agent show 99"):
        ran = here.run(*line.split(), "--json")
        assert (ran.code, ran.document["error"]["code"], ran.document["runs"]) == (2, "not-found", []), line
    assert here.run("eval", "show", "9" * 5000).code == 2


def test_the_table_has_the_message_of_the_registry_and_the_error_names_the_request(here: World) -> None:
    put(here.root, declared("", evaluation("quality", "gone", CASES)))
    ran = here.run("eval", "run", "quality")
    assert ran.code == 4
    assert "The evaluation 'quality' cannot run: There is no prompt template" in ran.out.splitlines()[1]
    assert "(POST " in ran.err
