"""Result files: writable before anything runs, and never left with old results."""

from __future__ import annotations

from pathlib import Path

import pytest
from checked_copy import suites

from promptsync.commands.shared.checks import errors_written_to, first_result, result_file
from promptsync.commands.shared.session import Environment, Session
from promptsync.errors import AnswerIsNo, PromptsyncError, UsageError


def session(directory: Path) -> Session:
    return Session(Environment(), given_directory=str(directory))


def test_without_a_path_nothing_is_written(tmp_path: Path) -> None:
    assert result_file(session(tmp_path), "--junit", None).write(lambda: 1 / 0 and "") is None


def test_only_directories_are_created_before_there_is_a_result(tmp_path: Path) -> None:
    results = result_file(session(tmp_path), "--junit", "new/deep/report.xml")
    assert list((tmp_path / "new/deep").iterdir()) == []
    assert results.write(lambda: "text\n") is None
    assert (tmp_path / "new/deep/report.xml").read_bytes() == b"text\n"


def test_an_older_result_stays_until_there_is_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text("old")
    results = result_file(session(tmp_path), "--junit", "report.xml")
    assert (tmp_path / "report.xml").read_text() == "old"
    results.write(lambda: "new")
    assert (tmp_path / "report.xml").read_text() == "new"


@pytest.mark.parametrize("given", ["", ".", "file/report.xml"])
def test_a_file_that_cannot_be_written_is_a_usage_error(tmp_path: Path, given: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        result_file(session(tmp_path), "--junit", given)


@pytest.mark.parametrize("error", [AnswerIsNo("no\x00 \ufffe\ud800 <&>"), KeyboardInterrupt()])
def test_an_error_that_ends_a_command_is_in_its_file(tmp_path: Path, error: BaseException) -> None:
    results = result_file(session(tmp_path), "--junit", "report.xml")
    with pytest.raises(type(error)), errors_written_to(results, "eval run"):
        raise error
    assert suites(tmp_path / "report.xml") == {"eval run": {"run": "error"}}


def test_a_failed_write_is_an_error_of_its_own(tmp_path: Path) -> None:
    results = result_file(session(tmp_path), "--output", "out/file")
    (tmp_path / "out").rmdir()
    found = results.write(lambda: "text")
    assert isinstance(found, PromptsyncError) and found.exit_code == 2
    assert first_result(None, found) == (2, found)
    assert first_result(AnswerIsNo("no"), found)[0] == 1
    assert first_result(None, None) == (0, None)
