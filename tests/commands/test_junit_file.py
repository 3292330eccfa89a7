"""The file of ``--junit``: writable before anything runs, and never left with old results."""

from __future__ import annotations

from pathlib import Path

import pytest
from checked_copy import suites

from promptsync.checks.results import CheckResults
from promptsync.commands.shared.checks import ResultFiles
from promptsync.commands.shared.session import Environment, Session
from promptsync.errors import AnswerIsNo, UsageError


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
