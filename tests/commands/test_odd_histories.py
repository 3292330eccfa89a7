"""Other encodings, damaged repositories and odd settings of git: a clean result or one clear error."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

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


def edited(world: World) -> None:
    """A prompt that is pushed, with an edit that is staged."""
    world.write("a")
    world.commit("Start")
    world.ok("push")
    world.write("a", "Hi {name}")
    world.git("add", "-A")


@pytest.fixture
def staged(world: World) -> World:
    return world.built(edited)


@pytest.fixture
def committed(staged: World) -> World:
    staged.git("commit", "-qm", SUBJECT)
    return staged


SETTINGS = """core.quotePath=true color.ui=always log.showSignature=true log.decorate=full diff.noprefix=true
diff.external=false format.pretty=oneline core.pager=false core.abbrev=40"""


@pytest.mark.parametrize(
    ("encoding", "pathspecs"),
    [("UTF-16", "LITERAL"), ("ISO-8859-1", "GLOB"), ("nonsense", "NOGLOB"), ("nonsense", "ICASE")],
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
    pytest.param("Grüße".encode("latin-1"), "ISO-8859-1", "Grüße", id="latin-1 that says so"),
    pytest.param("Grüße".encode("latin-1"), "", "Gr\ufffd\ufffde", id="latin-1 that says nothing"),
    pytest.param("Grüße".encode(), "klingon", "Grüße", id="an encoding that does not exist"),
    pytest.param(b"Fix\x00 it", "", "Fix", id="NUL"),
    pytest.param(b"Fix\x01 \x01 it", "", "Fix (", id="the separator of our own output"),
    pytest.param(b"Fix\x1b[31m it", "", "Fix [31m it", id="an escape sequence"),
]


@pytest.mark.parametrize(("message", "encoding", "published"), MESSAGES)
def test_a_commit_in_another_encoding_has_a_message(
    staged: World, message: bytes, encoding: str, published: str
) -> None:
    raw_commit(staged, message + b"\n", encoding)
    pushed = staged.ok("push").out
    text = staged.messages("a")[1]
    assert text.startswith(published) and text.endswith(" v2)")
    assert "\x1b" not in pushed + staged.ok("log", "a").out + staged.ok("status").out


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


def damaged(revision: str, data: bytes | None) -> Callable[[World], None]:
    def damage(world: World) -> None:
        id_ = world.git("rev-parse", revision).strip()
        path = world.root / ".git" / "objects" / id_[:2] / id_[2:]
        path.unlink()
        if data is not None:
            path.write_bytes(data)

    return damage


def written(path: str, data: str) -> Callable[[World], object]:
    return lambda world: world.put(path, data)


# The exit codes of VERBS. Before the first commit nothing is known of the text, so it is a conflict.
REFUSED, SOUND = (2, 2, 2, 2, 2, 1), (0, 0, 0, 0, 0, 0)
DAMAGE = {
    "HEAD is missing": (damaged("HEAD", None), REFUSED),
    "HEAD is garbage": (damaged("HEAD", b"garbage"), REFUSED),
    "its parent is missing": (damaged("HEAD~1", None), REFUSED),
    "a tree is missing": (damaged("HEAD:prompts", None), (2, 2, 2, 0, 2, 0)),
    "a blob is garbage": (damaged("HEAD:prompts/a.yaml", b"garbage"), SOUND),
    "an old blob is missing": (damaged("HEAD~1:prompts/a.yaml", None), SOUND),
    "HEAD names nothing": (written(".git/HEAD", "ref: refs/heads/nowhere\n"), (0, 0, 3, 2, 3, 0)),
    "HEAD is no name": (written(".git/HEAD", "garbage\n"), REFUSED),
    "the branch is garbage": (written(".git/refs/heads/main", "garbage\n"), REFUSED),
    "the index is garbage": (written(".git/index", "garbage"), REFUSED),
    "the configuration is broken": (written(".git/config", "[core\nx"), REFUSED),
    "a later format": (written(".git/config", "[core]\nrepositoryformatversion = 99\n"), REFUSED),
    "grafts are garbage": (written(".git/shallow", "garbage\n"), REFUSED),
}


VERBS = ["status", "diff", "push -y", "diff --since HEAD~1", "pull -n", "doctor --offline"]


@pytest.mark.parametrize(("damage", "codes"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_repository_is_one_clear_error_or_no_matter(
    committed: World, damage: Callable[[World], object], codes: tuple[int, ...]
) -> None:
    damage(committed)
    runs = []
    for verb in VERBS:
        version = committed.version("a")
        runs.append(committed.run(*verb.split()))
        if runs[-1].code == 2:
            assert runs[-1].err.startswith("error: ") and "hint: git " in runs[-1].err
            assert committed.version("a") == version
    assert tuple(done.code for done in runs) == codes


def test_git_that_cannot_be_started_is_one_clear_error(
    committed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(committed.root))
    done = committed.run("push")
    assert (done.code, committed.writes) == (2, []), str(done)
    assert "git cannot be run: PATH has no such program" in done.err


HISTORIES = {
    "deep": "name: a\ncontent: x\nmetadata: {a: " + "[" * 500 + "]" * 500 + "}\n",
    "deep key": "name: a\ncontent: x\nmetadata: {" + "{" * 500 + "}" * 500 + ": 1}\n",
    "base 60": f"name: a\ncontent: x\nmetadata: {{a: 1{':1' * 6000}}}\n",
    "binary": f"name: a\ncontent: x\nmetadata: {{a: 0b1{'1' * 30_000}}}\n",
    "name in base 60": f"name: 1{':1' * 6000}\ncontent: x\n",
}


@pytest.mark.parametrize("text", HISTORIES.values(), ids=HISTORIES)
def test_an_old_text_that_cannot_be_read_says_nothing(staged: World, text: str) -> None:
    good = staged.path("a").read_bytes()
    staged.put("prompts/a.yaml", text)
    staged.commit("Break")
    staged.put("prompts/a.yaml", good)
    staged.commit("Repair")
    staged.ok("push")
    assert staged.messages("a")[1].startswith("Repair (")
    staged.ok("log", "a")
    staged.ok("diff", "--since", "HEAD~1")
