"""Other encodings, damaged repositories and odd settings of git: a clean result or one clear error."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from worlds import World

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


def changed(world: World) -> None:
    world.write("a", "Hi {name}")
    world.git("add", "-A")


def first(world: World) -> None:
    world.write("a")
    world.commit("Start")
    world.ok("push")
    changed(world)


SETTINGS = [
    ("i18n.commitEncoding", "UTF-16"),
    ("i18n.commitEncoding", "ISO-8859-1"),
    ("i18n.commitEncoding", "nonsense"),
    ("i18n.logOutputEncoding", "ISO-8859-1"),
    ("i18n.logOutputEncoding", "UTF-16"),
    ("i18n.logOutputEncoding", "nonsense"),
    ("core.quotePath", "true"),
    ("color.ui", "always"),
    ("log.showSignature", "true"),
    ("log.decorate", "full"),
    ("diff.noprefix", "true"),
    ("diff.external", "false"),
    ("format.pretty", "oneline"),
    ("core.pager", "false"),
    ("core.abbrev", "40"),
]


@pytest.mark.parametrize(("key", "value"), SETTINGS, ids=[f"{key}={value}" for key, value in SETTINGS])
def test_the_message_is_published_as_it_was_written(world: World, key: str, value: str) -> None:
    first(world)
    world.git("commit", "-qm", SUBJECT)
    world.git("config", key, value)
    world.ok("push")
    assert world.messages("a")[1].startswith(f"{SUBJECT} (")
    world.ok("status", "--exit-code")
    assert SUBJECT in world.ok("log", "a").out


MESSAGES = [
    pytest.param("Grüße".encode("latin-1"), "ISO-8859-1", "Grüße", id="latin-1 that says so"),
    pytest.param("日本".encode("shift-jis"), "SHIFT-JIS", "日本", id="Shift-JIS that says so"),
    pytest.param("Grüße".encode("latin-1"), "", "Gr\ufffd\ufffde", id="latin-1 that says nothing"),
    pytest.param("Grüße".encode("latin-1"), "UTF-8", "Gr\ufffd\ufffde", id="latin-1 that says UTF-8"),
    pytest.param("Grüße".encode(), "klingon", "Grüße", id="an encoding that does not exist"),
    pytest.param(b"Fix\x00 it", "", "Fix", id="NUL"),
    pytest.param(b"Fix\x01 \x01 it", "", "Fix\x01 \x01 it", id="the separator of our own output"),
    pytest.param(b"Fix\x1b[31m it", "", "Fix\x1b[31m it", id="an escape sequence"),
]


@pytest.mark.parametrize(("message", "encoding", "published"), MESSAGES)
def test_a_commit_in_another_encoding_has_a_message(
    world: World, message: bytes, encoding: str, published: str
) -> None:
    first(world)
    raw_commit(world, message + b"\n", encoding)
    done = world.run("push")
    assert done.code == 0, str(done)
    text = world.messages("a")[1]
    assert text.encode("utf-8").decode("utf-8") == text
    assert text.startswith(published[:3]) and text.endswith(" v2)")
    assert "\x1b" not in done.out + world.ok("log", "a").out + world.ok("status").out


def test_a_sha256_repository_knows_what_is_committed(world: World) -> None:
    (world.root / ".git").rename(world.root.parent / "old")
    world.git("init", "-q", "-b", "main", "--object-format=sha256")
    world.write("a")
    world.commit("Start")
    world.ok("push")
    world.publish("a", "Theirs {name}")
    world.ok("pull")
    assert not (world.root / ".promptsync" / "backup").exists()


# -- damaged repositories -----------------------------------------------------------------------------------


def object_path(world: World, revision: str) -> Path:
    id_ = world.git("rev-parse", revision).strip()
    return world.root / ".git" / "objects" / id_[:2] / id_[2:]


def damaged(revision: str, data: bytes | None) -> Callable[[World], None]:
    def damage(world: World) -> None:
        path = object_path(world, revision)
        path.unlink()
        if data is not None:
            path.write_bytes(data)

    return damage


def written(path: str, data: str) -> Callable[[World], None]:
    return lambda world: (world.root / path).write_text(data, "utf-8") and None


DAMAGE = {
    "HEAD is missing": damaged("HEAD", None),
    "HEAD is garbage": damaged("HEAD", b"garbage"),
    "its parent is missing": damaged("HEAD~1", None),
    "a tree is missing": damaged("HEAD:prompts", None),
    "a blob is garbage": damaged("HEAD:prompts/a.yaml", b"garbage"),
    "an old blob is missing": damaged("HEAD~1:prompts/a.yaml", None),
    "HEAD names nothing": written(".git/HEAD", "ref: refs/heads/nowhere\n"),
    "HEAD is no name": written(".git/HEAD", "garbage\n"),
    "the branch is garbage": written(".git/refs/heads/main", "garbage\n"),
    "the index is garbage": written(".git/index", "garbage"),
    "the configuration is broken": written(".git/config", "[core\nx"),
    "a later format": written(".git/config", "[core]\nrepositoryformatversion = 99\n"),
    "grafts are garbage": written(".git/shallow", "garbage\n"),
}


@pytest.mark.parametrize(("shown", "damage"), DAMAGE.items(), ids=DAMAGE)
def test_a_damaged_repository_is_one_clear_error_or_no_matter(
    world: World, shown: str, damage: Callable[[World], None]
) -> None:
    first(world)
    world.commit("Change")
    damage(world)
    for verb in (["status"], ["diff"], ["push", "-y"], ["status", "--since", "HEAD~1"], ["pull", "-n"]):
        published = world.version("a")
        done = world.run(*verb)
        # Before the first commit nothing is known of the text, so it is a conflict.
        assert done.code in (0, 2) or (done.code == 3 and shown == "HEAD names nothing"), str(done)
        if done.code == 2:
            assert done.err.startswith(("error: git ", "error: "))
            assert "hint: git " in done.err
            assert world.version("a") == published
    assert world.run("doctor", "--offline").code in (0, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("GIT_GLOB_PATHSPECS", "1"),
        ("GIT_NOGLOB_PATHSPECS", "1"),
        ("GIT_ICASE_PATHSPECS", "1"),
    ],
)
def test_variables_that_change_what_paths_mean_change_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    first(world)
    world.git("commit", "-qm", "Change")
    monkeypatch.setenv(name, value)
    world.ok("push")
    assert world.messages("a")[1].startswith("Change (")


def test_git_that_cannot_be_started_is_one_clear_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first(world)
    monkeypatch.setenv("PATH", str(world.root))
    done = world.run("push")
    assert done.code == 2, str(done)
    assert "git cannot be run: PATH has no such program" in done.err
    assert world.version("a") == 1


HISTORIES = {
    "deep": "name: a\ncontent: x\nmetadata: {a: " + "[" * 500 + "]" * 500 + "}\n",
    "deep key": "name: a\ncontent: x\nmetadata: {" + "{" * 500 + "}" * 500 + ": 1}\n",
    "base 60": f"name: a\ncontent: x\nmetadata: {{a: 1{':1' * 6000}}}\n",
    "binary": f"name: a\ncontent: x\nmetadata: {{a: 0b1{'1' * 30_000}}}\n",
    "name in base 60": f"name: 1{':1' * 6000}\ncontent: x\n",
}


@pytest.mark.parametrize("text", HISTORIES.values(), ids=HISTORIES)
def test_an_old_text_that_cannot_be_read_says_nothing(world: World, text: str) -> None:
    first(world)
    good = world.path("a").read_bytes()
    world.path("a").write_text(text, "utf-8")
    world.commit("Break")
    world.path("a").write_bytes(good)
    world.commit("Repair")
    assert "Repair (" in world.ok("push").out
    world.ok("log", "a")
    world.ok("status", "--since", "HEAD~1")
