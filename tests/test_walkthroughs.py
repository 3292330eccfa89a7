"""The commands of the manual: run again, they print what the manual shows."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from walkthrough_shell import BLOCK, MANUAL, RECIPES, alike, pages, rewritten, steps

PAGES = pages()
GNU_ONLY = re.compile(r"\bsed -i|grep [^|\n]*\\\||readlink -f|date -d|\bcp -r\b")
FENCE = re.compile(r"^([ \t]*```[\w{}-]+)", re.MULTILINE)
KINDS = ("console", "sh", "diff", "python", "yaml", "text", "{include}", "{toctree}", "{eval-rst}")


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are for a POSIX shell")
@pytest.mark.parametrize("name", PAGES)
def test_the_commands_print_what_the_page_shows(name: str, tmp_path: Path) -> None:
    page = PAGES[name]
    assert alike(rewritten(page, tmp_path)) == alike(page.read_text("utf-8"))


def test_no_command_hides_in_a_block_that_is_not_run() -> None:
    for page in MANUAL:
        text = page.read_text("utf-8")
        assert set(FENCE.findall(text)) <= {f"```{kind}" for kind in KINDS}, page  # none is indented
        for block in re.findall(r"^```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            assert not re.search(r"^(\$ )?(promptsync|git) ", block, re.MULTILINE), page
    assert {page.name for page in RECIPES.glob("*.md")} <= {Path(name).name for name in PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_can_be_pasted_on_a_mac_and_an_edit_is_shown_as_a_diff(name: str) -> None:
    for block in BLOCK.finditer(PAGES[name].read_text("utf-8")):
        body = block["body"]
        for command in [step.command for step in steps(body)] + [body] * (block["kind"] == "sh"):
            assert not GNU_ONLY.search(command), command
            # zsh takes a comment on its command line for arguments
            assert not re.search(r"(^|\s)#\s", command), command
        assert block["kind"] == "diff" or not re.search(r"\b(perl|sed|awk) [-'\"]", body)


def test_a_command_has_its_continuation_and_its_output() -> None:
    first, second, third = steps("$ cat <<END\n> text\n> END\ntext\n> shown\n$ false\n$ echo $?\n1\n")
    assert (first.command, first.shown) == ("cat <<END\ntext\nEND", "text\n> shown\n")
    assert (second.shown, third.command, third.shown) == ("", "echo $?", "1\n")
