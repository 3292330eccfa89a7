"""``eval``, ``agent`` and ``dataset`` as a person and a pipeline run them."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from worlds import Run

from promptsync.cli import run

FIXTURES = """
datasets:
  - name: cases
    rows: [{question: one, expect: one}, {question: two, expect: nothing}]
  - {name: other, rows: [{a: 1}]}
evaluations:
  - {name: quality, dataset: cases, prompt: ask, scores: [contains: "{{ expect }}"]}
  - {name: unscored, dataset: cases, prompt: ask}
agents:
  - {name: bot, labels: [prod], nodes: [{name: first, prompt: ask}, {name: last, prompt: ask, output: true}]}
"""


@dataclass
class Copy:
    root: Path
    capsys: pytest.CaptureFixture[str]
    environ: dict[str, str]

    def run(self, *arguments: str) -> Run:
        code = run(["-C", str(self.root), *arguments], self.environ)
        shown = self.capsys.readouterr()
        return Run(code, shown.out, shown.err)


class SlowModel:
    """A model that takes requests and never answers; its URL."""

    def __enter__(self) -> str:
        self._server = socket.create_server(("127.0.0.1", 0))
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def __exit__(self, *error: object) -> None:
        self._server.close()


@pytest.fixture
def here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Copy]:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/ask.yaml").write_text("messages: [{role: user, content: '{question}'}]\n")
    (tmp_path / "registry.yaml").write_text(FIXTURES)
    (tmp_path / "promptsync.yaml").write_text('remotes: {local: {url: "local:", fixtures: registry.yaml}}\n')
    copy = Copy(tmp_path, capsys, {"NO_COLOR": "1"})
    assert copy.run("push", "-y").code == 0
    yield copy


def test_a_score_under_the_minimum_is_exit_1(here: Copy) -> None:
    assert here.run("eval", "run", "quality", "--min-score", "50").code == 0
    ran = here.run("eval", "run", "quality", "--min-score", "50.5")
    assert ran.code == 1
    assert ran.lines[1][:9] == ["quality", "v1", "4", "50", "50", "0", "50.5", "failed:", "score"]
    assert "quality: score 50 is below the minimum of 50.5" in ran.err
    assert "quality: row 2, contains: check returned false" in ran.out
    (found,) = here.run("eval", "run", "quality", "--min-score", "50.5", "--json").document["runs"]
    assert found["missed_cells"] == [{"row": 2, "column": "contains", "reason": "check returned false"}]
    assert "answered by echo" in ran.out


def test_failed_cells_are_exit_1_with_row_and_reason(here: Copy, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    here.environ["PROMPTSYNC_MODEL_URL"] = f"http://127.0.0.1:{port}"
    here.environ["PROMPTSYNC_MODEL_NAME"] = "m"
    ran = here.run("eval", "run", "quality", "--json")
    assert ran.code == 1
    (found,) = ran.document["runs"]
    assert [(cell["row"], cell["column"]) for cell in found["failed_cells"]] == [
        (row, column) for row in (1, 2) for column in ("output", "contains")
    ]
    assert "did not answer" in found["failed_cells"][0]["reason"]
    assert (found["passed"], found["model"], found["reason"]) == (False, "m", "4 failed cells")
    assert "quality: row 2, output: " in here.run("eval", "run", "quality").out


def test_the_document_of_a_run(here: Copy) -> None:
    ran = here.run("eval", "run", "1", "unscored", "--allow-unscored", "--json")
    body = ran.document
    assert (ran.code, body["changed"], [one["evaluation"] for one in body["runs"]]) == (
        0,
        [],
        ["quality", "unscored"],
    )
    assert body["runs"][0] == {
        "evaluation": "quality",
        "evaluation_id": 1,
        "report_id": body["runs"][0]["report_id"],
        "status": "completed",
        "score": 50.0,
        "previous_score": None,
        "passed": True,
        "reason": None,
        "failed_cells": [],
        "missed_cells": [],
        "version": 1,
        "model": "echo",
        "prompts": [],
        "change": None,
        "minimum": None,
        "max_drop": None,
        "live_version": None,
        "live_score": None,
        "drop": None,
        "not_compared": None,
        "unbound": [],
    }


def test_what_is_started_without_waiting_can_be_followed(here: Copy) -> None:
    ran = here.run("eval", "run", "quality", "--no-wait", "--json")
    (found,) = ran.document["runs"]
    assert (ran.code, found["status"], found["passed"]) == (0, "running", None)
    assert f"promptsync eval show {found['report_id']}" in ran.err
    shown = here.run("eval", "show", str(found["report_id"]), "--wait", "--json")
    assert [one["status"] for one in shown.document["runs"]] == ["completed"]
    assert here.run("eval", "show", "quality").code == 0


def test_lists_show_what_can_be_run_and_what_it_scored(here: Copy) -> None:
    here.run("eval", "run", "quality")
    assert here.run("eval", "list").lines[1:] == [["2", "unscored", "0", "-"], ["1", "quality", "1", "50"]]
    assert here.run("agent", "list").lines == [
        ["ID", "NAME", "VERSION", "LABELS"],
        ["1", "bot", "v1", "prod"],
    ]


@pytest.mark.parametrize("checked", ["quality", "'1'"])
@pytest.mark.parametrize("named", ["quality", "1"])
def test_a_run_has_to_reach_the_minimum_that_checks_name_by_name_or_id(
    here: Copy, checked: str, named: str
) -> None:
    config = here.root / "promptsync.yaml"
    text = config.read_text("utf-8")
    config.write_text(text + f"checks: [{{match: '*', evaluation: {checked}, min_score: 80}}]\n", "utf-8")
    ran = here.run("eval", "run", named, "--min-score", "10")
    assert ran.code == 1
    assert "below the minimum of 80" in ran.out and "check returned false" in ran.out
    shown = here.run("eval", "show", named)
    assert (shown.code, shown.err) == (1, "error: quality: score 50 is below the minimum of 80\n")


def test_a_failed_run_is_shown_with_exit_1(here: Copy) -> None:
    registry = here.root / "registry.yaml"
    registry.write_text(
        FIXTURES.replace("expect: nothing}]", "expect: nothing}]\n  - {name: empty, rows: []}").replace(
            "dataset: cases, prompt: ask}", "dataset: empty, prompt: ask}"
        )
    )
    for verb in ("run", "show"):
        ran = here.run("eval", verb, "unscored", *(["--allow-unscored"] if verb == "run" else []))
        assert (ran.code, ran.err) == (1, "error: unscored: its report has no rows\n")


def test_an_agent_that_was_only_started_is_shown_by_the_command_that_is_printed(here: Copy) -> None:
    ran = here.run("agent", "run", "bot", "--var", "question=why", "--no-wait")
    assert (ran.code, ran.lines[1]) == (0, ["bot", "-", "1", "0", "running"])
    (command,) = [line.partition(": ")[2] for line in ran.err.splitlines() if line.startswith("bot: ")]
    assert command == "promptsync agent show 1 --wait"
    shown = here.run(*shlex.split(command)[1:])
    assert (shown.code, shown.err) == (0, "")
    assert shown.lines[1] == ["execution", "1", "-", "1", "2", "passed"]
    assert shown.out.count("why") == 2 and "--- execution 1: last ---" in shown.out
    ran = here.run("agent", "run", "bot", "--var", "question=why", "--no-wait", "--remote", "local")
    assert "bot: promptsync agent show 2 --wait --remote local\n" in ran.err


def test_a_run_that_is_under_way_is_exit_0_and_says_how_to_wait(here: Copy) -> None:
    with SlowModel() as url:
        here.environ |= {"PROMPTSYNC_MODEL_URL": url, "PROMPTSYNC_MODEL_NAME": "m"}
        assert here.run("agent", "run", "bot", "--var", "question=why", "--no-wait").code == 0
        ran = here.run("agent", "show", "1")
        assert (ran.code, ran.lines[1][-1]) == (0, "running")
        assert ran.err == "execution 1: promptsync agent show 1 --wait\n"
        (found,) = here.run("agent", "show", "1", "--json").document["runs"]
        assert (found["status"], found["passed"], found["outputs"]) == ("running", None, {})


def test_a_wait_that_is_too_short_is_exit_1_and_names_the_command_that_goes_on(here: Copy) -> None:
    with SlowModel() as url:
        here.environ |= {"PROMPTSYNC_MODEL_URL": url, "PROMPTSYNC_MODEL_NAME": "m"}
        ran = here.run("agent", "run", "bot", "--var", "question=why", "--timeout", "0.01")
        shown = here.run("agent", "show", "1", "--wait", "--timeout", "0.01")
    for one in (ran, shown):
        assert one.code == 1
        assert "timed out; execution 1 is still running" in one.err
        assert one.err.splitlines()[-1] == "hint: promptsync agent show 1 --wait"


def test_a_node_that_failed_is_exit_1_with_its_reason_and_its_outputs(here: Copy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    here.environ |= {"PROMPTSYNC_MODEL_URL": url, "PROMPTSYNC_MODEL_NAME": "m"}
    assert here.run("agent", "run", "bot", "--var", "question=why").code == 1
    ran = here.run("agent", "show", "1", "--json")
    assert ran.code == ran.document["exit_code"] == 1
    assert ran.document["error"]["message"].startswith("execution 1: node first failed: ")
    (found,) = ran.document["runs"]
    assert (found["status"], found["passed"], found["execution_id"]) == ("failed", False, 1)
    assert found["outputs"]["first"]["error"]


def test_datasets_are_listed_with_their_columns(here: Copy) -> None:
    assert here.run("dataset", "list").lines[1:] == [
        ["2", "other", "v1", "a"],
        ["1", "cases", "v1", "question,", "expect"],
    ]


WRONG = [
    (["eval", "run"], "no evaluation named"),
    (["eval", "run", "quality", "--min-score", "101"], "--min-score"),
    (["eval", "run", "quality", "--timeout", "0"], "--timeout"),
    (["eval", "run", "quality", "--no-wait", "--timeout", "1"], "cannot be combined"),
    (["eval", "show", "quality", "--timeout", "1"], "--timeout needs --wait"),
    (["agent", "show", "1", "--timeout", "5"], "--timeout needs --wait"),
    (["agent", "show", "bot"], "'bot' is not the id of an execution"),
    (["agent", "show", "0"], "'0' is not the id of an execution"),
    (["agent", "show", "9" * 5000], "is not the id of an execution"),
    (["agent", "run", "bot", "--label", "a", "--version", "1"], "cannot be combined"),
    (["agent", "run", "bot", "--var", "x"], "not of the form NAME=TEXT"),
    (["eval"], "no command given"),
    (["eval", "walk"], "walk"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_a_usage_error_is_exit_2_and_sends_nothing(here: Copy, arguments: list[str], said: str) -> None:
    ran = here.run(*arguments)
    assert ran.code == 2
    assert said in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["eval", "run", "qualty"],
        ["eval", "show", "nobody"],
        ["eval", "show", "99"],
        ["eval", "show", "9" * 5000],
        ["agent", "run", "bt"],
        ["agent", "show", "99"],
    ],
)
def test_an_unknown_name_is_reported(here: Copy, arguments: list[str]) -> None:
    ran = here.run(*arguments, "--json")
    assert ran.code == 2
    assert ran.document["error"]["code"] == "not-found"
    assert ran.document["runs"] == []


def test_the_table_has_the_message_of_the_registry_and_the_error_names_the_request(here: Copy) -> None:
    (here.root / "registry.yaml").write_text(FIXTURES.replace("prompt: ask, scores", "prompt: gone, scores"))
    ran = here.run("eval", "run", "quality")
    assert ran.code == 4
    assert "The evaluation 'quality' cannot run: There is no prompt template" in ran.out.splitlines()[1]
    assert "(POST " in ran.err


def test_control_characters_of_a_registry_never_reach_the_terminal(here: Copy) -> None:
    evil = FIXTURES.replace("name: quality", r'name: "q\e[31m\u202e"').replace(
        "question: one", r'"que\estion": one'
    )
    (here.root / "registry.yaml").write_text(evil)
    for arguments in (["eval", "list"], ["dataset", "list"], ["eval", "run", "3", "--allow-unscored"]):
        ran = here.run(*arguments)
        assert "\x1b" not in ran.out + ran.err
        assert "\u202e" not in ran.out + ran.err
