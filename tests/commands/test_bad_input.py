"""What is wrong with a file is told by lint and stops push, with its place and a way out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptsync.cli import run
from promptsync.files.yaml.load import MAX_BYTES

GOOD = "content: Be kind to {name}.\n"


def _bomb() -> str:
    lines = ["content: x", "metadata:", "  a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for number in range(1, 9):
        aliases = ", ".join([f"*a{number - 1}"] * 10)
        lines.append(f"  a{number}: &a{number} [{aliases}]")
    return "\n".join(lines) + "\n"


def _link_out(path: Path) -> None:
    outside = path.parents[2] / "outside.yaml"
    outside.write_text("content: secret\n", "utf-8")
    path.symlink_to(outside)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"content: |\n  ")
        file.truncate(20_000_000)


Write = Callable[[Path], Any]

# What is in the file, then the line that is told, and words of the message or of its hint.
CASES: list[tuple[str, str | bytes | Write, int, list[str]]] = [
    ("duplicate key", "content: a\ntags: [x]\ncontent: b\n", 3, ["'content'", "twice", "Keep one"]),
    ("wrong type", "name: no\ncontent: x\n", 1, ["name must be text", "boolean", 'Quote it: "no"']),
    ("unknown key", "messages: []\ntool: []\n", 2, ["Unknown key tool", "Did you mean tools?"]),
    ("neither kind", "tags: [x]\n", 1, ["messages:", "content:"]),
    ("both kinds", "content: x\nmessages: []\n", 1, ["not both"]),
    ("model twice", "content: x\nmodel: {name: a}\nmetadata: {model: {name: b}}\n", 3, ["twice"]),
    (
        "jinja2",
        "template_format: jinja2\nmessages:\n- role: user\n  content: |\n    Hi\n    {% if x %}\n    you\n",
        6,
        ["jinja2"],
    ),
    ("yaml syntax", "tags: [x]\ncontent: 'never closed\n# more\n", 2, ["quote"]),
    ("tab as indentation", "messages:\n\t- role: user\n", 2, ["tab"]),
    ("unquoted variable", "messages:\n- role: user\n  content: {{ question }}\n", 3, ["quoted"]),
    ("a date", "content: 2024-01-01\n", 1, ["date", "Quote it"]),
    ("a tag", "content: !!python/object:os.system x\n", 1, ["tag"]),
    ("infinity", "content: x\nmetadata: {score: .inf}\n", 2, ["number"]),
    ("several documents", "content: a\n---\ncontent: b\n", 2, ["document"]),
    ("alias bomb", _bomb(), 1, ["aliases", "far more"]),
    ("deep nesting", "content: x\nmetadata: {a: " + "[" * 5000 + "]" * 5000 + "}\n", 2, ["nest"]),
    (
        "conflict markers",
        "content: |\n  <<<<<<< ours\n  a\n  =======\n  b\n  >>>>>>> theirs\n",
        2,
        ["conflict"],
    ),
    ("snippet that is nowhere", "content: Hi @@@nobody@@@\n", 1, ["nobody", "Check the name"]),
    ("binary", b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe\x80", 1, ["UTF-8"]),
    ("Latin-1", "content: Grüße\n".encode("latin-1"), 1, ["UTF-8"]),
    ("empty", "", 1, ["empty"]),
    ("20 MB", _huge, 1, ["20,000,000", f"{MAX_BYTES:,}"]),
    ("link out of the directory", _link_out, 1, ["link", "points outside"]),
]


@pytest.fixture(params=CASES, ids=[case[0] for case in CASES])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, int, list[str]]:
    """A working copy with a good and a bad file; the line that must be told, and words of the message."""
    _, content, line, words = request.param
    root = tmp_path / "repository"
    (root / "prompts").mkdir(parents=True)
    (root / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
    (root / "prompts" / "good.yaml").write_text(GOOD, "utf-8")
    bad = root / "prompts" / "bad.yaml"
    if callable(content):
        content(bad)
    else:
        bad.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root, line, words


def test_lint_tells_where_and_what_to_do(
    case: tuple[Path, int, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    root, line, words = case
    began = time.process_time()
    assert run(["-C", str(root), "--json", "lint"], {}) == 1
    assert time.process_time() - began < 10
    problems = [
        problem
        for problem in json.loads(capsys.readouterr().out)["problems"]
        if problem["severity"] == "error"
    ]
    assert {problem["path"] for problem in problems} == {"prompts/bad.yaml"}
    told = [problem for problem in problems if problem["line"] == line]
    assert told, problems
    text = " ".join(f"{problem['message']} {problem['hint']}" for problem in told)
    assert [word for word in words if word.lower() not in text.lower()] == []


def test_push_publishes_nothing(
    case: tuple[Path, int, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    root, line, _ = case
    before = {path: path.stat().st_mtime_ns for path in (root / "prompts").iterdir()}
    assert run(["-C", str(root), "push"], {}) == 1
    captured = capsys.readouterr()
    assert f"prompts/bad.yaml:{line}:" in captured.err
    assert "Traceback" not in captured.err + captured.out
    assert run(["-C", str(root), "--json", "ls-remote"], {}) == 0
    assert '"prompts": []' in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (root / "prompts").iterdir()} == before
