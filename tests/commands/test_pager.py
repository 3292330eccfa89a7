"""Long output goes through a pager, as git's does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from worlds import World

pty = pytest.importorskip("pty")

SHOWN = 'cat > "$PAGED"; echo paged'


@pytest.fixture
def copy(local: World) -> Path:
    """A working copy with one prompt in an embedded registry."""
    local.put("prompts/one.yaml", "content: Hello\n")
    local.ok("push")
    return local.root


def environment(root: Path, **variables: str) -> dict[str, str]:
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), "HOME": str(root)}
    return {**known, "TERM": "xterm", "PAGED": str(root / "paged"), **variables}


def on_terminal(root: Path, line: str, **variables: str) -> tuple[int, str]:
    """Run a command line whose stdout is a terminal; return its exit code and what the terminal shows."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "promptsync", "-C", str(root), *line.split()]
    environ = environment(root, **variables)
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environ) as process:
        os.close(slave)
        shown = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                break
            if not part:
                break
            shown += part
        process.wait(timeout=60)
    os.close(master)
    return process.returncode, shown.decode()


@pytest.mark.parametrize("line", ["log one", "render one", "status"])
def test_long_output_goes_through_the_pager(copy: Path, line: str) -> None:
    code, shown = on_terminal(copy, line, GIT_PAGER=SHOWN, PAGER="false")
    assert (code, "paged" in shown) == (0, True)
    assert (copy / "paged").read_text("utf-8").endswith("\n")


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        ("log one --json", {}),
        ("--no-pager log one", {}),
        *(
            ("log one", {name: value})
            for name, value in (("CI", "true"), ("TERM", "dumb"), ("GIT_PAGER", ""))
        ),
        ("push", {}),
        ("log two", {}),
    ],
)
def test_other_output_does_not(copy: Path, line: str, variables: dict[str, str]) -> None:
    _, shown = on_terminal(copy, line, **{"PAGER": SHOWN, **variables})
    assert shown.strip() and "paged" not in shown


@pytest.mark.parametrize(("variables", "has_colors"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_the_pager_gets_colors_unless_nobody_wants_them(
    copy: Path, variables: dict[str, str], has_colors: bool
) -> None:
    on_terminal(copy, "log one", PAGER=SHOWN, **variables)
    assert ("\x1b[" in (copy / "paged").read_text("utf-8")) == has_colors


def test_a_pipe_gets_the_output_itself(copy: Path) -> None:
    command = [sys.executable, "-m", "promptsync", "-C", str(copy), "show", "one"]
    environ = environment(copy, PAGER=SHOWN)
    assert b"Hello" in subprocess.run(command, env=environ, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("pager", "shows"),
    [("no-such-pager", "Hello"), ("head -c 3; exit 1", "Hello"), ("", "LESS=FRX")],
)
def test_a_pager_that_fails_loses_no_output_and_less_quits_where_it_fits(
    copy: Path, pager: str, shows: str
) -> None:
    less = copy / "less"
    less.write_text("#!/bin/sh\necho LESS=$LESS; exec cat\n", "utf-8")
    less.chmod(0o755)
    variables = {"PAGER": pager} if pager else {"PATH": f"{copy}:{os.environ['PATH']}"}
    code, shown = on_terminal(copy, "show one", **variables)
    assert (code, shows in shown, "Hello" in shown) == (0, True, True)


def test_quitting_the_pager_early_is_no_failure(copy: Path) -> None:
    (copy / "prompts/one.yaml").write_text("content: |\n" + "  Hello\n" * 50_000, "utf-8")
    code, shown = on_terminal(copy, "render one", PAGER="head -n 1")
    assert (code, shown.count("Hello")) == (0, 1)
