"""How the git program is started, and what its failures become."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from promptsync.errors import PromptsyncError
from promptsync.files.git.repository import GitProgram

STAND_IN = """#!/bin/sh
echo "$@"
echo "$LC_ALL $LANGUAGE $GIT_TERMINAL_PROMPT $GIT_ICASE_PATHSPECS $GIT_OPTIONAL_LOCKS $KEPT"
cat
pwd
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "it's here"
    subprocess.run(["git", "init", "-q", root], check=True)
    return root


def stand_in(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a script in the place of git."""
    GitProgram(folder.parent).line("version")  # GitPython looks for git when it is loaded
    folder.mkdir()
    (folder / "git").write_text(text, "utf-8")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin")


def test_git_gets_the_environment_and_what_its_messages_and_paths_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path / "bin", STAND_IN, monkeypatch)
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("KEPT", "kept")
    out = GitProgram(tmp_path).run("diff", "x", sent=b"input\n")
    assert out.decode().splitlines() == [
        "-c i18n.logOutputEncoding=UTF-8 diff x",
        "C C 0 0 0 kept",
        "input",
        os.path.realpath(tmp_path),
    ]


def test_a_failure_is_told_in_the_words_of_git(repository: Path) -> None:
    with pytest.raises(PromptsyncError) as caught:
        GitProgram(repository).run("cat-file", "-p", "HEAD")
    assert str(caught.value) == f"git cat-file failed in {repository}: fatal: Not a valid object name HEAD"
    assert caught.value.hint == f"git -C {shlex.quote(str(repository))} cat-file"


def test_a_repository_of_somebody_else_has_a_hint_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "fatal: detected dubious ownership in repository at 'x'"
    stand_in(tmp_path / "bin", f'#!/bin/sh\necho "{said}" >&2\nexit 128\n', monkeypatch)
    with pytest.raises(PromptsyncError) as caught:
        GitProgram(tmp_path).run("log")
    assert caught.value.message.endswith(said)
    assert "--add safe.directory " in caught.value.hint


@pytest.mark.parametrize("argument", ["a\0b", "a" * 3_000_000])
def test_an_argument_that_no_program_can_get_is_one_error(repository: Path, argument: str) -> None:
    with pytest.raises(PromptsyncError, match="git log failed in"):
        GitProgram(repository).run("log", argument)


def test_many_objects_are_written_and_read_at_once(repository: Path) -> None:
    names = [f"{number:040x}" for number in range(1, 50_001)]
    assert GitProgram(repository).objects("--batch-check", names).count(b" missing\n") == len(names)
