"""The file of ``--junit``: writable before anything runs, and never left with old results."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from checked_copy import suites
from worlds import KEY, World

from promptsync.checks.results import CheckResults
from promptsync.commands.shared.checks import ResultFiles
from promptsync.commands.shared.session import Environment, Session
from promptsync.errors import AnswerIsNo, UsageError
from promptsync.show.github import disarmed, write_github_files


def files(directory: Path, junit: str | None = "report.xml") -> ResultFiles:
    session = Session(Environment(), directory_option=str(directory))
    return ResultFiles(session, "eval run", junit)


def test_only_directories_are_created_before_there_are_results(tmp_path: Path) -> None:
    junit = files(tmp_path, "new/deep/report.xml")
    assert list((tmp_path / "new/deep").iterdir()) == []
    assert junit.write(None, CheckResults()) is None
    assert suites(tmp_path / "new/deep/report.xml") == {}
    assert files(tmp_path, None).write(None, CheckResults()) is None


@pytest.mark.parametrize("file", ["", ".", "file/report.xml", "/proc/nowhere/report.xml"])
def test_a_file_that_cannot_be_written_is_a_usage_error(tmp_path: Path, file: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        files(tmp_path, file)


@pytest.mark.parametrize("error", [AnswerIsNo("no\x00 \ufffe\ud800 <&>"), KeyboardInterrupt()])
def test_an_error_that_ends_a_command_replaces_older_results(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "report.xml").write_text("old")
    junit = files(tmp_path)
    assert (tmp_path / "report.xml").read_text() == "old"
    with pytest.raises(type(error)), junit.errors():
        raise error
    assert suites(tmp_path / "report.xml") == {"eval run": {"run": "error"}}


def test_a_failed_write_is_an_error(tmp_path: Path) -> None:
    junit = files(tmp_path, "out/file")
    (tmp_path / "out").rmdir()
    problem = junit.write(None, CheckResults())
    assert problem is not None and problem.exit_code == 2


# -- What a verb leaves for the later steps of a GitHub workflow ------------------------------------------


def test_a_failure_becomes_the_summary_of_the_step(world: World, tmp_path: Path) -> None:
    (world.root / "promptsync.yaml").unlink()
    summary = tmp_path / "summary"
    done = world.run("status", GITHUB_STEP_SUMMARY=str(summary), GITHUB_ACTIONS="true")
    assert done.code == 2
    assert "no promptsync.yaml" in summary.read_text() and "no promptsync.yaml" in done.err
    done = world.run("status", GITHUB_STEP_SUMMARY=str(tmp_path / "missing" / "summary"))
    assert (done.code, "warning: " in done.err) == (2, True)
    assert "no command '\\x23#[group]x'" in world.run("##[group]x", GITHUB_ACTIONS="true").err


def test_outputs_of_several_lines_cannot_be_ended_by_what_is_in_them(tmp_path: Path) -> None:
    place = tmp_path / "output"
    write_github_files({"GITHUB_OUTPUT": str(place)}, (), {"released": "a=1", "body": "one\nEOF\ntwo"})
    first, opening, *rest = place.read_text().splitlines()
    assert first == "released=a=1"
    assert opening.startswith("body<<end-")
    assert rest == ["one", "EOF", "two", opening.partition("<<")[2]]


DISARMED = {
    "::error::x": "\\x3a:error::x",
    "    ::add-mask::x": "    \\x3a:add-mask::x",
    "a\n  ::stop-commands::x": "a\n  \\x3a:stop-commands::x",
    "\x1b[31m::error::x\x1b[0m": "\x1b[31m\\x3a:error::x\x1b[0m",
    "  a ##[set-output name=x;]y ##[z]": "  a \\x23#[set-output name=x;]y \\x23#[z]",
    "prompts::x": "prompts::x",
    "": "",
}


def test_no_line_of_a_log_gives_orders_to_the_workflow() -> None:
    assert disarmed([*DISARMED]) == [*DISARMED.values()]


def test_texts_of_prompts_are_shown_and_not_obeyed(world: World) -> None:
    world.write("a", "::: note\n::add-mask::secret\n##[group]x {name}")
    world.commit()
    world.ok("push")
    world.edit("a", "note", "new")
    assert "\\x3a:add-mask::secret" in world.run("diff", GITHUB_ACTIONS="true").out
    assert "\\x3a:" not in world.run("diff").out

    # what goes into a file stays as it is
    environ = {**os.environ, "PROMPTLAYER_API_KEY": KEY, "GITHUB_ACTIONS": "true"}
    command = [sys.executable, "-m", "promptsync", "-C", str(world.root), "show", "a"]
    environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    logged = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
    assert "\\x3a:: note" in logged and "\\x23#[group]x" in logged
    with (world.root / "shown.yaml").open("w+") as file:
        subprocess.run(command, env=environ, stdout=file, check=True)
    shown = yaml.safe_load((world.root / "shown.yaml").read_text("utf-8"))
    assert shown["messages"][0]["content"] == "::: note\n::add-mask::secret\n##[group]x {name}"


def test_a_summary_beyond_what_github_takes_is_left_out_and_said(tmp_path: Path) -> None:
    place = tmp_path / "summary"
    for _ in range(3):
        write_github_files({"GITHUB_STEP_SUMMARY": str(place)}, ["x" * 600_000], {})
    text = place.read_text()
    assert len(text) < 700_000
    assert "too long" in text
