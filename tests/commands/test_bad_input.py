"""What is wrong with a file is told by lint and stops push, with its place and a way out."""

from __future__ import annotations

import json
import os
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


def _deep_aliases() -> str:
    chain = "".join(f"  a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 120))
    return f"content: x\nmetadata:\n  a0: &a0 [x]\n{chain}"


def _link_out(path: Path) -> None:
    outside = path.parents[2] / "outside.yaml"
    outside.write_text("content: secret\n", "utf-8")
    path.symlink_to(outside)


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def _broken_link(path: Path) -> None:
    path.symlink_to("nowhere.yaml")


def _link_to_the_directory_above(path: Path) -> None:
    path.symlink_to("..")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _holes(path: Path) -> None:
    path.write_bytes(b"content: x\n")
    os.truncate(path, 100 << 30)


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
    ("100 GB of nothing", _holes, 1, ["107,374,182,400", f"{MAX_BYTES:,}"]),
    ("link out of the directory", _link_out, 1, ["symbolic link", "replace it"]),
    ("broken link", _broken_link, 1, ["symbolic link"]),
    ("link to itself", _link_to_itself, 1, ["symbolic link"]),
    ("link to the directory above", _link_to_the_directory_above, 1, ["symbolic link", "replace it"]),
    ("pipe", _pipe, 1, ["neither a file nor a directory"]),
    ("device", _device, 1, ["symbolic link", "replace it"]),
    ("number in base 60", f"content: x\nmetadata:\n  a: 1{':1' * 6000}\n", 3, ["digits", "Quote it"]),
    ("long number in base 60", f"content: x\nmetadata:\n  a: 1{':1' * 600_000}\n", 3, ["digits"]),
    ("fraction in base 60", f"content: x\nmetadata: {{a: 1{':1' * 400}.5}}\n", 2, ["digits", "Quote it"]),
    ("name in base 60", f"name: 1{':1' * 6000}\ncontent: x\n", 1, ["digits", "Quote it"]),
    ("binary number", f"content: x\nmetadata: {{a: 0b1{'0' * 30_000}}}\n", 2, ["digits", "Quote it"]),
    ("long number", f"content: x\nmetadata: {{a: {'9' * 5000}}}\n", 2, ["digits", "Quote it"]),
    ("key in base 60", f"content: x\nmetadata:\n  1{':1' * 400}: a\n", 3, ["key", "Quote it"]),
    ("deep key", "content: x\nmetadata: {" + "{" * 500 + "}" * 500 + ": 1}\n", 2, ["key must be text"]),
    ("deep block", "content: x\nmetadata:\n- " + "- " * 5000 + "x\n", 3, ["nest"]),
    ("deep aliases", _deep_aliases(), 3, ["nest"]),
    ("20,000 unknown keys", "content: x\n" + "".join(f"k{n}: 1\n" for n in range(20_000)), 2, ["k0"]),
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
    assert time.process_time() - began < 40
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
    root, line, words = case
    before = {path: path.lstat().st_mtime_ns for path in (root / "prompts").iterdir()}
    assert run(["-C", str(root), "push"], {}) == (3 if words == ["conflict"] else 1)
    captured = capsys.readouterr()
    assert f"prompts/bad.yaml:{line}:" in captured.err
    assert "Traceback" not in captured.err + captured.out
    assert run(["-C", str(root), "--json", "ls-remote"], {}) == 0
    assert '"prompts": []' in capsys.readouterr().out
    assert {path: path.lstat().st_mtime_ns for path in (root / "prompts").iterdir()} == before


def test_status_counts_what_it_lists_as_invalid(
    case: tuple[Path, int, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    run(["-C", str(case[0]), "status"], {})
    out = capsys.readouterr().out
    if case[2] == ["conflict"]:
        assert "\n  conflict  " in out
        return
    is_readable = "\n  new  bad " in out
    for words in ("\n  invalid  prompts/bad.yaml:", "1 invalid", "  invalid  promptsync lint\n"):
        assert (words in out) is not is_readable, out


# -- what comes from elsewhere than prompt files ------------------------------------------------------------

DEEP = {depth: "[" * depth + "]" * depth for depth in (150, 900, 100_000)}
LONG = f"1{':1' * 6000}"

# The arguments, the file that they read, its text, the exit code, and a word of the message.
OTHERS: list[tuple[str, list[str], str, str, int, str]] = [
    *(
        (f"{name}, {depth} deep", arguments, path, text % DEEP[depth], code, "nest")
        for depth in DEEP
        for name, arguments, path, text, code in (
            ("--vars JSON", ["render", "good", "--vars", "v.json"], "v.json", '{"name": %s}', 1),
            ("--vars YAML", ["render", "good", "--vars", "v.yaml"], "v.yaml", "name: %s", 1),
            ("track request", ["track", "request", "r.json"], "r.json", '{"provider": %s}', 1),
            ("promptsync.yaml", ["status"], "promptsync.yaml", "remotes: %s", 2),
            ("registry.yaml", ["ls-remote"], "registry.yaml", "datasets: %s", 2),
        )
    ),
    ("--vars, base 60", ["render", "good", "--vars", "v.yaml"], "v.yaml", f"name: {LONG}", 1, "digits"),
    ("promptsync.yaml, base 60", ["status"], "promptsync.yaml", f"limits: {{changes: {LONG}}}", 2, "digits"),
    ("registry.yaml, base 60", ["ls-remote"], "registry.yaml", f"datasets: {LONG}", 2, "digits"),
    ("a NUL in a path", ["status"], "promptsync.yaml", 'prompts: "a\\0b"', 2, "not a path"),
    ("a long path", ["status"], "promptsync.yaml", f"prompts: {'a' * 5000}", 2, "not a path"),
    (
        "a long url",
        ["status"],
        "promptsync.yaml",
        f"remotes: {{a: {{url: 'local:{'a' * 300}'}}}}",
        2,
        "not a path",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "path", "text", "code", "word"), [one[1:] for one in OTHERS], ids=[one[0] for one in OTHERS]
)
def test_other_files_have_the_same_limits(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    path: str,
    text: str,
    code: int,
    word: str,
) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "promptsync.yaml").write_text(
        'remotes: {local: {url: "local:", fixtures: registry.yaml}}\n', "utf-8"
    )
    (tmp_path / "prompts" / "good.yaml").write_text(GOOD, "utf-8")
    (tmp_path / path).write_text(text, "utf-8")
    assert run(["-C", str(tmp_path), *arguments], {}) == code
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert word in shown


@pytest.mark.parametrize("depth", DEEP)
def test_a_variable_has_the_same_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], depth: int
) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
    (tmp_path / "prompts" / "good.yaml").write_text(GOOD, "utf-8")
    assert run(["-C", str(tmp_path), "render", "good", "--var", f"name:={DEEP[depth]}"], {}) == 2
    assert "is not JSON" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["render", "good", "--vars"], ["track", "request"]])
def test_an_endless_file_is_not_read_to_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
    (tmp_path / "prompts" / "good.yaml").write_text(GOOD, "utf-8")
    assert run(["-C", str(tmp_path), *arguments, "/dev/zero"], {}) == 1
    assert f"the limit is {MAX_BYTES:,} bytes" in capsys.readouterr().err


def test_directories_nest_only_so_deep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deep = tmp_path.joinpath("prompts", *["d"] * 300)
    deep.mkdir(parents=True)
    (deep / "x.yaml").write_text(GOOD, "utf-8")
    (tmp_path / "prompts" / "good.yaml").write_text(GOOD, "utf-8")
    (tmp_path / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
    assert run(["-C", str(tmp_path), "lint"], {}) == 1
    assert "more than 100 levels deep" in capsys.readouterr().out
