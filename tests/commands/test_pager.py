"""Long output goes through a pager, as git's does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pty = pytest.importorskip("pty")

ROOT = Path(__file__).parents[2]
SHOWN = 'cat > "$PAGED"; echo paged'


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A working copy with one prompt in an embedded registry."""
    (tmp_path / "prompts").mkdir()
    (tmp_path / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
    (tmp_path / "prompts/one.yaml").write_text("content: Hello\n", "utf-8")
    assert on_terminal(tmp_path, ["push", "-y"])[0] == 0
    return tmp_path


def on_terminal(root: Path, arguments: list[str], **variables: str) -> tuple[int, str]:
    """Run a command line whose stdout is a terminal; return its exit code and what the terminal shows."""
    master, slave = pty.openpty()
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(root),
        "TERM": "xterm",
        "PAGED": str(root / "paged"),
        **variables,
    }
    command = [sys.executable, "-m", "promptsync", "-C", str(root), *arguments]
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


LONG = [["log", "one"], ["diff", "--stat"], ["show", "one"], ["render", "one"], ["status"], ["ls-remote"]]


@pytest.mark.parametrize("arguments", LONG, ids=" ".join)
def test_long_output_goes_through_the_pager(copy: Path, arguments: list[str]) -> None:
    code, shown = on_terminal(copy, arguments, GIT_PAGER=SHOWN, PAGER="false")
    assert (code, "paged" in shown) == (0, True)
    assert (copy / "paged").read_text("utf-8").endswith("\n")


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["log", "one", "--json"], {}),
        (["log", "one", "--no-pager"], {}),
        (["--no-pager", "log", "one"], {}),
        (["log", "one"], {"CI": "true"}),
        (["log", "one"], {"TERM": "dumb"}),
        (["log", "one"], {"GIT_PAGER": ""}),
        (["log", "one"], {"GIT_PAGER": "cat"}),
        (["push"], {}),
        (["log", "two"], {}),
    ],
)
def test_other_output_does_not(copy: Path, arguments: list[str], variables: dict[str, str]) -> None:
    _, shown = on_terminal(copy, arguments, **{"PAGER": SHOWN, **variables})
    assert "paged" not in shown
    assert shown.strip()


@pytest.mark.parametrize(("variables", "has_colors"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_the_pager_gets_colors_unless_nobody_wants_them(
    copy: Path, variables: dict[str, str], has_colors: bool
) -> None:
    on_terminal(copy, ["log", "one"], PAGER=SHOWN, **variables)
    assert ("\x1b[" in (copy / "paged").read_text("utf-8")) == has_colors


def test_a_pipe_gets_the_output_itself(copy: Path) -> None:
    environ = {**os.environ, "PAGER": SHOWN, "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "promptsync", "-C", str(copy), "show", "one"]
    assert b"Hello" in subprocess.run(command, env=environ, capture_output=True, check=True).stdout


@pytest.mark.parametrize("pager", ["false", "no-such-pager", "head -c 3; exit 1"])
def test_a_pager_that_fails_loses_no_output(copy: Path, pager: str) -> None:
    code, shown = on_terminal(copy, ["show", "one"], PAGER=pager)
    assert code == 0
    assert "Hello" in shown


def test_less_quits_at_once_where_the_output_fits_on_the_screen(copy: Path) -> None:
    script = copy / "less"
    script.write_text("#!/bin/sh\necho LESS=$LESS; exec cat\n", "utf-8")
    script.chmod(0o755)
    code, shown = on_terminal(copy, ["show", "one"], PATH=f"{copy}:{os.environ['PATH']}")
    assert code == 0
    assert "LESS=FRX" in shown
    assert "Hello" in shown


def test_quitting_the_pager_early_is_no_failure(copy: Path) -> None:
    text = "content: |\n" + "  Hello\n" * 50_000
    (copy / "prompts/one.yaml").write_text(text, "utf-8")
    code, shown = on_terminal(copy, ["render", "one"], PAGER="head -n 1")
    assert (code, shown.count("Hello")) == (0, 1)
