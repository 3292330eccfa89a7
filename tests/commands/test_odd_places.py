"""Places and pipes that surprise: dots in paths, full devices, gone readers, missing directories."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from worlds import World

HERE = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
NO_ROOM = ["error: the output could not be written: No space left on device"]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")


@pytest.fixture
def place(local: World) -> World:
    local.put("prompts/x.yaml", "content: 'A \u2192 B \U0001f600'\n")
    return local


def program(*arguments: str, environ: Any = (), **options: Any) -> subprocess.CompletedProcess[str]:
    """Run promptsync as a program of its own, with pipes of its own."""
    return command(sys.executable, "-m", "promptsync", *arguments, environ=environ, **options)


def command(*words: str, environ: Any = (), **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.run(words, check=False, env={**HERE, **dict(environ)}, **options)


def test_the_directories_above_are_those_of_the_real_place(place: World) -> None:
    (place.root.parent / "b").mkdir()
    done = program("-C", "../b", "push", "-n", cwd=place.root)
    assert (done.returncode, "no promptsync.yaml" in done.stderr) == (2, True)


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_a_text_that_the_encoding_of_the_output_lacks_is_escaped(place: World, encoding: str) -> None:
    done = program("-C", str(place.root), "diff", environ={"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, "")
    assert "A \\u2192 B \\U0001f600" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("line", ["status", "--help"])
def test_a_full_device_is_one_line_and_an_exit_code_of_its_own(place: World, line: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = program("-C", str(place.root), *line.split(), stdout=full)
    assert (done.returncode, done.stderr.splitlines()) == (5, NO_ROOM)


@POSIX
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_what_the_caller_closed_is_not_taken_for_a_file(place: World, closed: str) -> None:
    script = f'"$0" -m promptsync -C "$1" push --json -y {closed}'
    done = command("sh", "-c", script, sys.executable, str(place.root))
    assert (done.returncode, done.stderr) == (0, "")
    place.ok("status", "--exit-code")


_PRESSED = """
import io, signal, sys
from promptsync.cli import main
class Terminal(io.TextIOWrapper):
    def write(self, text):
        signal.raise_signal(signal.SIGINT)
sys.stdout = Terminal(sys.stdout.detach())
main(sys.argv[1:])
"""


@pytest.mark.parametrize(("line", "code"), [("schema prompt", 130), ("--help", 130), ("status --json", 2)])
def test_ctrl_c_while_the_answer_is_printed_is_no_traceback(tmp_path: Path, line: str, code: int) -> None:
    """There is no configuration, and that failure stands."""
    done = command(sys.executable, "-c", _PRESSED, *line.split(), cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)


@POSIX
@pytest.mark.parametrize("verb", ["status", "init", "serve"])
def test_a_current_directory_that_was_deleted_is_a_usage_error(place: World, verb: str) -> None:
    gone = place.root / "gone"
    words = ["sh", "-c", 'rmdir "$PWD" && exec "$0" -m promptsync "$@"', sys.executable]
    gone.mkdir()
    done = command(*words, verb, cwd=gone)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the current directory cannot be used: No such file or directory")
    gone.mkdir()
    done = command(*words, "-C", str(place.root), "push", "-n", cwd=gone)
    assert (done.returncode, done.stderr) == (0, "")


NOWHERE = {"TMPDIR": "/nowhere", "HOME": "/nowhere", "HTTPS_PROXY": "::::", "GIT_PAGER": "false"}
ODD = [
    {"COLUMNS": "0", "TERM": "", "LC_ALL": "C", "PYTHONIOENCODING": "ascii:strict", **NOWHERE},
    {"COLUMNS": "-1", "LC_ALL": "xx_YY.ZZ", "GITHUB_STEP_SUMMARY": "/nowhere/summary"},
    {"COLUMNS": "99999999", "TERM": "klingon", "GITHUB_STEP_SUMMARY": "/", "UNRELATED": "x" * 100_000},
    {"COLUMNS": "9" * 5000, "PYTHONIOENCODING": "utf-16"},
]


@POSIX
@pytest.mark.parametrize("environ", ODD, ids=range(len(ODD)))
def test_an_odd_environment_changes_no_result(place: World, environ: dict[str, str]) -> None:
    for line in ("push", "status --exit-code"):
        done = program("-C", str(place.root), *line.split(), environ=environ, text=False)
        assert done.returncode == 0, done


REMOTES = [
    "local:" + "a" * 5000,
    "local:a/" + "b" * 300,
    "http://[::1",
    "http://" + "a" * 100_000,
    "a\x1b[31m:b",
]


def test_a_remote_that_cannot_exist_is_a_usage_error(place: World) -> None:
    for remote in REMOTES:
        for done in (place.run("push", "--remote", remote), place.run("ls-remote", PROMPTSYNC_REMOTE=remote)):
            assert (done.code, done.err[:7], "\x1b" in done.err) == (2, "error: ", False)


def test_the_exit_code_stands_when_nobody_reads_on(place: World) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        done = program("-C", str(place.root), "status", "--exit-code", stdout=gone)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("answer", "ci", "code", "said"),
    [
        (None, "", 2, "--yes"),
        ("n\n", "true", 0, ""),
        ("n\n", "1", 0, ""),
        *(("n\n", value, 1, "1 prompt to publish to") for value in ("false", "0", "")),
    ],
)
def test_push_asks_outside_ci_where_somebody_can_answer(
    world: World, answer: str | None, ci: str, code: int, said: str
) -> None:
    world.write("a")
    world.commit()
    done = world.on_terminal("push", "-q", answer=answer, CI=ci)
    assert (done.code, said in done.err, "interrupted" in done.err) == (code, True, False)
    assert ("publish to" in done.err) is (code == 1)
    assert world.published == (["a"] if code == 0 else [])
