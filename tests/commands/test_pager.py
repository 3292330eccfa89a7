"""Long output goes through a pager, as git's does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import forked
import pytest
from terminals import terminal
from worlds import World

SHOWN = 'cat > "$PAGED"; echo paged'


@pytest.fixture
def copy(local: World) -> Path:
    """A working copy with one prompt in an embedded registry."""
    local.put("prompts/one.yaml", "content: Hello\n")
    local.ok("push")
    return local.root


def environment(root: Path, **variables: str) -> dict[str, str]:
    own = {"HOME": str(root), "TERM": "xterm", "PAGED": str(root / "paged")}
    return {"PATH": os.environ["PATH"], **own, **variables}


def on_terminal(root: Path, line: str, **variables: str) -> tuple[int, str]:
    """Run a command line whose stdout is a terminal; return its exit code and what the terminal shows."""
    command = [*forked.command(), "-C", str(root), *line.split()]
    with terminal(command, environment(root, **variables)) as shown:
        return shown.finish(), shown.text


def test_long_output_goes_through_the_pager(copy: Path) -> None:
    for line in ("log one", "render one", "status"):
        code, shown = on_terminal(copy, line, GIT_PAGER=SHOWN, PAGER="false")
        assert (code, "paged" in shown) == (0, True)
        assert (copy / "paged").read_text("utf-8").endswith("\n")
    # It gets colors unless nobody wants them.
    for variables, has_colors in (({}, True), ({"NO_COLOR": "1"}, False)):
        on_terminal(copy, "log one", PAGER=SHOWN, **variables)
        assert ("\x1b[" in (copy / "paged").read_text("utf-8")) == has_colors


def test_other_output_does_not(copy: Path) -> None:
    for line, variables in (
        ("log one --json", {}),
        ("--no-pager log one", {}),
        ("log one", {"CI": "true"}),
        ("log one", {"TERM": "dumb"}),
        ("log one", {"GIT_PAGER": ""}),
        ("push", {}),
        ("log two", {}),
    ):
        _, shown = on_terminal(copy, line, **{"PAGER": SHOWN, **variables})
        assert shown.strip() and "paged" not in shown
    command = [*forked.command(), "-C", str(copy), "show", "one"]
    environ = environment(copy, PAGER=SHOWN)
    assert b"Hello" in subprocess.run(command, env=environ, capture_output=True, check=True).stdout


def test_a_pager_that_fails_loses_no_output_and_one_that_is_quit_is_no_failure(copy: Path) -> None:
    less = copy / "less"
    less.write_text("#!/bin/sh\necho LESS=$LESS; exec cat\n", "utf-8")
    less.chmod(0o755)
    for pager, shows in (("no-such-pager", "Hello"), ("head -c 3; exit 1", "Hello"), ("", "LESS=FRX")):
        variables = {"PAGER": pager} if pager else {"PATH": f"{copy}:{os.environ['PATH']}"}
        code, shown = on_terminal(copy, "show one", **variables)
        assert (code, shows in shown, "Hello" in shown) == (0, True, True)
    (copy / "prompts/one.yaml").write_text("content: |\n" + "  Hello\n" * 50_000, "utf-8")
    code, shown = on_terminal(copy, "render one", PAGER="head -n 1")
    assert (code, shown.count("Hello")) == (0, 1)
