"""The walk-throughs: typed again as they stand in the manual, they print what stands there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from walkthrough_shell import DOCUMENT, alike, rewritten, sections, steps

SECTIONS = sections(DOCUMENT.read_text("utf-8"))


@pytest.mark.skipif(sys.platform != "linux", reason="the commands are those of a GNU system")
@pytest.mark.parametrize("title", SECTIONS)
def test_the_commands_do_what_the_manual_says(title: str, tmp_path: Path) -> None:
    assert alike(rewritten(SECTIONS[title], tmp_path)) == alike(SECTIONS[title])


def test_none_is_left_out() -> None:
    assert len(SECTIONS) == DOCUMENT.read_text("utf-8").count("<details>") == 8


def test_a_command_has_its_continuation_its_output_and_its_exit_code() -> None:
    first, second = steps("$ cat <<END\n> text\n> END\ntext\n> shown\n$ false  # exit 1\n")
    assert (first.command, first.shown, first.exit_code) == ("cat <<END\ntext\nEND", "text\n> shown\n", 0)
    assert (second.shown, second.exit_code) == ("", 1)
