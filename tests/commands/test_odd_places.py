"""Places and pipes that surprise: dots in paths, full devices, gone readers, missing directories."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from worlds import World

from promptsync.cli import run

CONFIG = 'remotes: {local: {url: "local:"}}\n'


def tree(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")


def started(*arguments: str, environ=(), **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "promptsync", *arguments],
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **dict(environ)},
        **options,
    )


def test_the_directories_above_are_those_of_the_real_place(tmp_path):
    tree(tmp_path, {"a/promptsync.yaml": CONFIG, "a/prompts/x.yaml": "content: x\n", "b/note.txt": ""})
    done = started("-C", "../b", "push", "-n", cwd=tmp_path / "a", capture_output=True)
    assert done.returncode == 2
    assert "no promptsync.yaml" in done.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_a_text_that_the_encoding_of_the_output_lacks_is_escaped(tmp_path, encoding):
    tree(tmp_path, {"promptsync.yaml": CONFIG, "prompts/x.yaml": "content: 'A \u2192 B \U0001f600'\n"})
    done = started("-C", str(tmp_path), "diff", environ={"PYTHONIOENCODING": encoding}, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "A \\u2192 B \\U0001f600" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_device_is_one_line_and_an_exit_code_of_its_own(tmp_path):
    tree(tmp_path, {"promptsync.yaml": CONFIG, "prompts/x.yaml": "content: x\n"})
    with Path("/dev/full").open("w") as full:
        done = started("-C", str(tmp_path), "status", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 5
    assert done.stderr.splitlines() == ["error: the output could not be written: No space left on device"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["push", "--help"]])
def test_help_that_finds_no_room_is_no_bug(arguments):
    with Path("/dev/full").open("w") as full:
        done = started(*arguments, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 5
    assert done.stderr.splitlines() == ["error: the output could not be written: No space left on device"]


@pytest.mark.skipif(sys.platform == "win32", reason="closes descriptors as a POSIX shell does")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_what_the_caller_closed_is_not_taken_for_a_file(tmp_path, closed):
    tree(tmp_path, {"promptsync.yaml": CONFIG, "prompts/x.yaml": "content: x\n"})
    push = ["sh", "-c", f'"$0" -m promptsync -C "$1" push --json -y {closed}', sys.executable, str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(push, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert started("-C", str(tmp_path), "status", "--exit-code", capture_output=True).returncode == 0


_PRESSED = """
import io, signal, sys
from promptsync.cli import main
class Terminal(io.TextIOWrapper):
    def write(self, text):
        signal.raise_signal(signal.SIGINT)
sys.stdout = Terminal(sys.stdout.detach())
main(sys.argv[1:])
"""


@pytest.mark.parametrize("arguments", [["schema", "prompt"], ["--help"], ["status", "--json"]])
def test_ctrl_c_while_the_answer_is_printed_is_no_traceback(tmp_path, arguments):
    command = [sys.executable, "-c", _PRESSED, *arguments]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode in (130, 2)  # 2: there is no configuration, which stands
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a directory in use cannot be deleted there")
@pytest.mark.parametrize("verb", ["status", "push", "doctor", "init", "lint", "serve"])
def test_a_current_directory_that_was_deleted_is_a_usage_error(tmp_path, verb):
    (tmp_path / "gone").mkdir()
    script = 'rmdir "$PWD" && exec "$0" -m promptsync "$@"'
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = ["sh", "-c", script, sys.executable, verb]
    done = subprocess.run(
        command, cwd=tmp_path / "gone", env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: the current directory cannot be used: No such file or directory")
    tree(tmp_path, {"promptsync.yaml": CONFIG, "prompts/x.yaml": "content: x\n"})
    (tmp_path / "gone").mkdir()
    command = ["sh", "-c", script, sys.executable, "-C", str(tmp_path), "push", "-n"]
    done = subprocess.run(
        command, cwd=tmp_path / "gone", env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


ODD_VARIABLES = {
    "COLUMNS": ["0", "-1", "99999999", "²", "9" * 5000],
    "TERM": ["", "klingon"],
    "TMPDIR": ["/nowhere"],
    "HOME": ["/nowhere"],
    "LC_ALL": ["C", "xx_YY.ZZ"],
    "PYTHONIOENCODING": ["ascii:strict", "utf-16"],
    "GITHUB_STEP_SUMMARY": ["/nowhere/summary", "/"],
    "HTTPS_PROXY": ["::::"],
    "GIT_PAGER": ["false"],
    "UNRELATED": ["x" * 100_000],
}


@pytest.mark.skipif(sys.platform == "win32", reason="some of these have another meaning there")
@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in ODD_VARIABLES.items() for value in values]
)
def test_an_odd_environment_changes_no_result(tmp_path, name, value):
    tree(tmp_path, {"promptsync.yaml": CONFIG, "prompts/x.yaml": "content: x\n"})
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    done = started("-C", str(tmp_path), "push", environ={name: value}, capture_output=True)
    assert done.returncode == 0
    done = started("-C", str(tmp_path), "status", "--exit-code", environ={name: value}, capture_output=True)
    assert done.returncode == 0


REMOTES = [
    "local:" + "a" * 5000,
    "local:a/" + "b" * 300,
    "http://[::1",
    "http://" + "a" * 100_000,
    "a\x1b[31m:b",
]


@pytest.mark.parametrize("remote", REMOTES, ids=range(len(REMOTES)))
@pytest.mark.parametrize("verb", [["status"], ["push"], ["pull"], ["ls-remote"]])
def test_a_remote_that_cannot_exist_is_a_usage_error(tmp_path, capsys, remote, verb):
    tree(tmp_path, {"promptsync.yaml": CONFIG, "prompts/x.yaml": "content: x\n"})
    for arguments, environ in (
        ([], {"PROMPTSYNC_REMOTE": remote}),
        (["--remote", remote], {}),
    ):
        assert run(["-C", str(tmp_path), *verb, *arguments], {**environ, "PROMPTLAYER_API_KEY": "k"}) == 2
        shown = capsys.readouterr().err
        assert shown.startswith("error: ") and "\x1b" not in shown


def test_choices_are_reported_in_one_line(tmp_path):
    done = started("schema", cwd=tmp_path, capture_output=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].endswith("Choose from: prompt, config, fixtures, request, output")


def test_the_exit_code_stands_when_nobody_reads_on(tmp_path):
    tree(tmp_path, {"promptsync.yaml": CONFIG, "prompts/x.yaml": "content: x\n"})
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        done = started("-C", str(tmp_path), "status", "--exit-code", stdout=gone, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_prompts_directory_that_never_was_is_no_deletion(tmp_path, capsys):
    tree(tmp_path, {"promptsync.yaml": CONFIG, "prompts/x.yaml": "content: x\n"})
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert run(["push", "-C", str(tmp_path)], {}) == 0
    (tmp_path / "promptsync.yaml").write_text(f"prompts: promtps\n{CONFIG}", "utf-8")
    for verb in ("status", "push", "pull"):
        assert run([verb, "-C", str(tmp_path)], {}) == 2
        assert "there is no directory 'promtps'" in capsys.readouterr().err


def test_a_pinned_version_that_will_not_be_there_is_refused_before_anything_is_published(tmp_path, capsys):
    parent = "messages:\n  - {role: user, content: 'Be kind. @@@tone@version_number:3@@@'}\n"
    files = {"promptsync.yaml": CONFIG, "prompts/tone.yaml": "content: Kind.\n", "prompts/a.yaml": parent}
    tree(tmp_path, files)
    assert run(["push", "-C", str(tmp_path)], {}) == 3
    assert "version 3 of the snippet 'tone'" in capsys.readouterr().err
    assert run(["ls-remote", "--json", "-C", str(tmp_path)], {}) == 0
    assert '"prompts": []' in capsys.readouterr().out


def test_a_question_that_nobody_can_answer_is_refused_and_says_how_to_say_yes(world: World) -> None:
    world.write("a")
    world.commit()
    done = world.on_terminal("push", answer=None)
    assert done.code == 2
    assert "--yes" in done.err and "interrupted" not in done.err
    assert world.published == []


@pytest.mark.parametrize(
    ("ci", "asks"), [("true", False), ("1", False), ("false", True), ("0", True), ("", True)]
)
def test_ci_that_is_off_is_off(world: World, ci: str, asks: bool) -> None:
    world.write("a")
    world.commit()
    done = world.on_terminal("push", "-q", answer="n\n", CI=ci)
    assert done.code == (1 if asks else 0)
    assert ("create" in done.err and "1 prompt to publish to" in done.err) is asks


@pytest.mark.skipif(sys.platform == "win32", reason="names are Unicode there")
def test_names_are_read_as_utf8_whatever_the_locale_says(tmp_path):
    tree(tmp_path, {"promptsync.yaml": CONFIG, "prompts/größe.yaml": "content: x\n"})
    locale = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONPATH": str(Path(__file__).parents[2])}
    for arguments, shown in ((["status"], "größe"), (["lint", "prompts/nö.yaml"], "prompts/nö.yaml")):
        command = [sys.executable, "-m", "promptsync", "-C", str(tmp_path), *arguments]
        done = subprocess.run(command, env=locale, check=False, capture_output=True)
        assert shown in (done.stdout + done.stderr).decode()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_bytes_that_are_not_utf8_are_shown_as_bytes(tmp_path):
    tree(tmp_path, {"promptsync.yaml": CONFIG, "prompts/x.yaml": "content: x\n"})
    path = os.fsdecode(b"prompts/caf\xe9.yaml")
    done = started("-C", str(tmp_path), "lint", path, capture_output=True)
    assert (done.returncode, "prompts/caf\\xe9.yaml does not exist" in done.stderr) == (2, True)
