"""Places and pipes that surprise: dots in paths, full devices, gone readers, missing directories."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from worlds import World, template

HERE = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
NO_ROOM = ["error: the output could not be written: No space left on device"]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")


@pytest.fixture
def place(local: World) -> World:
    local.put("prompts/x.yaml", "content: 'A \u2192 B \U0001f600'\n")
    return local


def program(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run promptsync as a program of its own, with pipes of its own."""
    return command(sys.executable, "-m", "promptsync", *arguments, **options)


def command(*words: str, environ: Any = (), **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.run(words, check=False, env={**HERE, **dict(environ)}, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_the_exit_code_stands_on_a_full_device_and_when_nobody_reads_on(place: World) -> None:
    for line in ("status", "--help"):
        with Path("/dev/full").open("w") as full:
            done = program("-C", str(place.root), line, stdout=full)
        assert (done.returncode, done.stderr.splitlines()) == (5, NO_ROOM)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        done = program("-C", str(place.root), "status", "--exit-code", stdout=gone)
    assert (done.returncode, done.stderr) == (1, "")


@POSIX
def test_what_the_caller_closed_is_not_taken_for_a_file(place: World) -> None:
    for closed in (">&-", "<&- 2>&-", "<&- >&- 2>&-"):
        place.edit("x", "A", f"A {closed}")
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
def test_a_directory_that_was_deleted_or_has_no_configuration_above_is_a_usage_error(place: World) -> None:
    gone = place.root / "gone"
    words = ["sh", "-c", 'rmdir "$PWD" && exec "$0" -m promptsync "$@"', sys.executable]
    for verb in ("status", "init", "serve"):
        gone.mkdir()
        done = command(*words, verb, cwd=gone)
        said = "error: the current directory cannot be used: No such file or directory"
        assert (done.returncode, done.stderr.startswith(said)) == (2, True)
    gone.mkdir()
    done = command(*words, "-C", str(place.root), "push", "-n", cwd=gone)
    assert (done.returncode, done.stderr) == (0, "")
    # The directories above are those of the real place.
    (place.root.parent / "b").mkdir()
    done = program("-C", "../b", "push", "-n", cwd=place.root)
    assert (done.returncode, "no promptsync.yaml" in done.stderr) == (2, True)


NOWHERE = {"TMPDIR": "/nowhere", "HOME": "/nowhere", "HTTPS_PROXY": "::::", "GIT_PAGER": "false"}
ODD = [
    {"COLUMNS": "0", "TERM": "", "LC_ALL": "C", "PYTHONIOENCODING": "ascii:strict", **NOWHERE},
    {"COLUMNS": "-1", "LC_ALL": "xx_YY.ZZ", "GITHUB_STEP_SUMMARY": "/nowhere/summary"},
    {"COLUMNS": "99999999", "TERM": "klingon", "GITHUB_STEP_SUMMARY": "/", "UNRELATED": "x" * 100_000},
    {"COLUMNS": "9" * 5000, "PYTHONIOENCODING": "utf-16"},
]


@POSIX
def test_an_odd_environment_changes_no_result_and_what_an_encoding_lacks_is_escaped(place: World) -> None:
    done = program("-C", str(place.root), "diff", environ={"PYTHONIOENCODING": "cp1252"})
    assert (done.returncode, "A \\u2192 B \\U0001f600" in done.stdout) == (0, True), done
    for number, environ in enumerate(ODD):
        place.edit("x", "A", f"A{number} ")
        done = program("-C", str(place.root), "push", environ=environ, text=False)
        assert done.returncode == 0, done
        place.ok("status", "--exit-code")


# -- Other encodings, damaged repositories and odd settings of git: a clean result or one clear error -----


SUBJECT = "Grüße → 你好"


def raw_commit(world: World, message: bytes, encoding: str = "") -> None:
    """Commit what is staged as a program of another age would: any bytes, any name of an encoding."""
    tree = world.git("write-tree").strip()
    who = "Ann <ann@example.org> 1700000000 +0000"
    head = f"tree {tree}\nparent {world.git('rev-parse', 'HEAD').strip()}\nauthor {who}\ncommitter {who}\n"
    header = f"encoding {encoding}\n" if encoding else ""
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"],
        cwd=world.root,
        input=f"{head}{header}\n".encode() + message,
        capture_output=True,
        check=True,
    )
    world.git("update-ref", "HEAD", made.stdout.decode().strip())


@template
def committed(world: World) -> None:
    """A prompt that is pushed, with an edit that is committed."""
    world.write("a", commit="Start")
    world.ok("push")
    world.write("a", "Hi {name}")
    world.commit(SUBJECT)


SETTINGS = """core.quotePath=true color.ui=always log.showSignature=true log.decorate=full diff.noprefix=true
diff.external=false format.pretty=oneline core.pager=false core.abbrev=40"""


@pytest.mark.parametrize(
    ("encoding", "pathspecs"), [("UTF-16", "LITERAL"), ("ISO-8859-1", "NOGLOB"), ("nonsense", "ICASE")]
)
def test_the_message_is_published_as_it_was_written(
    committed: World, monkeypatch: pytest.MonkeyPatch, encoding: str, pathspecs: str
) -> None:
    monkeypatch.setenv(f"GIT_{pathspecs}_PATHSPECS", "1")
    for setting in SETTINGS.split():
        committed.git("config", *setting.split("="))
    for key in ("i18n.commitEncoding", "i18n.logOutputEncoding"):
        committed.git("config", key, encoding)
    committed.ok("push")
    assert committed.messages("a")[1].startswith(f"{SUBJECT} (")
    committed.ok("status", "--exit-code")
    assert SUBJECT in committed.ok("log", "a").out


MESSAGES = [
    ("Grüße".encode("latin-1"), "ISO-8859-1", "Grüße"),
    ("Grüße".encode("latin-1"), "", "Gr\ufffd\ufffde"),
    ("Grüße".encode(), "klingon", "Grüße"),
    (b"Fix\x00 it", "", "Fix"),
    (b"Fix\x01 \x01 it", "", "Fix ("),  # the separator of our own output
    (b"Fix\x1b[31m it", "", "Fix [31m it"),
]


def test_a_commit_in_another_encoding_has_a_message(committed: World) -> None:
    for number, (message, encoding, published) in enumerate(MESSAGES, 2):
        committed.write("a", f"Hi {{name}}, {number}")
        committed.git("add", "-A")
        raw_commit(committed, message + b"\n", encoding)
        shown = committed.ok("push").out + committed.ok("log", "a").out + committed.ok("status").out
        text = committed.messages("a")[-1]
        assert text.startswith(published) and text.endswith(f" v{number})"), text
        assert "\x1b" not in shown


# -- damaged repositories -----------------------------------------------------------------------------------


def damaged(revision: str, data: bytes | None) -> Callable[[World], None]:
    def damage(world: World) -> None:
        id_ = world.git("rev-parse", revision).strip()
        path = world.root / ".git" / "objects" / id_[:2] / id_[2:]
        path.unlink()
        if data is not None:
            path.write_bytes(data)

    return damage


COMMANDS = ["status", "push -y", "diff --since HEAD~1", "doctor --offline"]

# The exit codes of COMMANDS. Where nothing is known of the text before, it is a conflict.
REFUSED, SOUND = (2, 2, 2, 1), (0, 0, 0, 0)
DAMAGE = {
    "HEAD is missing": (damaged("HEAD", None), REFUSED),
    "its parent is missing": (damaged("HEAD~1", None), REFUSED),
    "a tree is missing": (damaged("HEAD:prompts", None), (2, 2, 0, 0)),
    "a blob is garbage": (damaged("HEAD:prompts/a.yaml", b"garbage"), SOUND),
    "an old blob is missing": (damaged("HEAD~1:prompts/a.yaml", None), (0, 3, 0, 0)),
    "HEAD names nothing": (lambda world: world.put(".git/HEAD", "ref: refs/heads/nowhere\n"), (0, 3, 2, 0)),
    "HEAD is no name": (lambda world: world.put(".git/HEAD", "garbage\n"), REFUSED),
    "the index is garbage": (lambda world: world.put(".git/index", "garbage"), REFUSED),
    "the configuration is broken": (lambda world: world.put(".git/config", "[core\nx"), REFUSED),
    "a later format": (lambda world: world.put(".git/config", "[core]\nrepositoryformatversion=99"), REFUSED),
}


@pytest.mark.parametrize(("damage", "codes"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_repository_is_one_clear_error_or_no_matter(
    committed: World, damage: Callable[[World], object], codes: tuple[int, ...]
) -> None:
    damage(committed)
    runs = []
    for verb in COMMANDS:
        version = committed.version("a")
        runs.append(committed.run(*verb.split()))
        if runs[-1].code == 2:
            assert runs[-1].err.startswith("error: ") and "hint: git " in runs[-1].err
            assert committed.version("a") == version
    assert tuple(done.code for done in runs) == codes


HISTORIES = {
    "deep": "name: a\ncontent: x\nmetadata: {a: " + "[" * 500 + "]" * 500 + "}\n",
    "deep key": "name: a\ncontent: x\nmetadata: {" + "{" * 500 + "}" * 500 + ": 1}\n",
    "base 60": f"name: a\ncontent: x\nmetadata: {{a: 1{':1' * 6000}}}\n",
    "binary": f"name: a\ncontent: x\nmetadata: {{a: 0b1{'1' * 30_000}}}\n",
    "name in base 60": f"name: 1{':1' * 6000}\ncontent: x\n",
}


def test_an_old_text_that_cannot_be_read_says_nothing(committed: World) -> None:
    for name, text in HISTORIES.items():
        good = committed.write("a", f"Hi {{name}}, {name}").read_bytes()
        committed.put("prompts/a.yaml", text)
        committed.commit("Break")
        committed.put("prompts/a.yaml", good)
        committed.commit("Repair")
        committed.ok("push")
        assert committed.messages("a")[-1].startswith("Repair ("), name
        committed.ok("log", "a")
        committed.ok("diff", "--since", "HEAD~1")
