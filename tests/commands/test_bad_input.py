"""What is wrong with a file is told by lint and stops push, with its place and a way out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeds import examples
from worlds import World

from promptsync.commands.lint import lint
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


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _holes(path: Path) -> None:
    path.write_bytes(b"content: x\n")
    os.truncate(path, 100 << 30)


Write = Callable[[Path], Any]

# What is in the file, then the line that is told, and words of the message or of its hint.
# tests/files has what else the reader and the schema refuse.
CASES: list[tuple[str, str | bytes | Write, int, list[str]]] = [
    ("wrong type", "name: no\ncontent: x\n", 1, ["name must be text", "boolean", "Quote it"]),
    (
        "jinja2",
        "template_format: jinja2\nmessages:\n- role: user\n  content: |\n    Hi\n    {% if x %}\n    you\n",
        6,
        ["jinja2"],
    ),
    ("alias bomb", _bomb(), 1, ["aliases", "far more"]),
    (
        "conflict markers",
        "content: |\n  <<<<<<< ours\n  a\n  =======\n  b\n  >>>>>>> theirs\n",
        2,
        ["conflict"],
    ),
    ("snippet that is nowhere", "content: Hi @@@nobody@@@\n", 1, ["nobody", "Check the name"]),
    ("Latin-1", "content: Grüße\n".encode("latin-1"), 1, ["UTF-8"]),
    ("empty", "", 1, ["empty"]),
    ("100 GB of nothing", _holes, 1, [f"{MAX_BYTES:,}"]),
    ("link out of the directory", _link("../../outside.yaml"), 1, ["symbolic link", "replace it"]),
    ("link to itself", _link("bad.yaml"), 1, ["symbolic link"]),
    ("link to the directory above", _link(".."), 1, ["symbolic link", "replace it"]),
    ("pipe", _pipe, 1, ["neither a file nor a directory"]),
    ("device", _link("/dev/zero"), 1, ["symbolic link", "replace it"]),
    ("number in base 60", f"content: x\nmetadata:\n  a: 1{':1' * 6000}\n", 3, ["digits", "Quote it"]),
    ("name in base 60", f"name: 1{':1' * 6000}\ncontent: x\n", 1, ["digits", "Quote it"]),
    ("key in base 60", f"content: x\nmetadata:\n  1{':1' * 400}: a\n", 3, ["key", "Quote it"]),
    ("deep aliases", _deep_aliases(), 3, ["nest"]),
    ("5,000 unknown keys", "content: x\n" + "".join(f"k{n}: 1\n" for n in range(5000)), 2, ["k0"]),
]


@pytest.mark.parametrize(
    ("content", "line", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_bad_file_is_reported_with_its_place_and_nothing_is_published(
    local: World, content: str | bytes | Write, line: int, words: list[str]
) -> None:
    local.put("prompts/good.yaml", GOOD)
    bad = local.path("bad")
    if callable(content):
        (local.root.parent / "outside.yaml").write_text("content: secret\n")
        content(bad)
    else:
        local.put("prompts/bad.yaml", content)
    before = {path: path.lstat().st_mtime_ns for path in bad.parent.iterdir()}

    linted = local.run("lint", "--json")
    problems = [one for one in linted.document["problems"] if one["severity"] == "error"]
    assert (linted.code, {one["path"] for one in problems}) == (1, {"prompts/bad.yaml"})
    text = " ".join(f"{one['message']} {one['hint']}" for one in problems if one["line"] == line)
    assert [word for word in words if word.lower() not in text.lower()] == []

    is_conflict = words == ["conflict"]
    pushed = local.run("push")
    assert pushed.code == (3 if is_conflict else 1)
    assert f"prompts/bad.yaml:{line}:" in pushed.err
    assert local.ok("ls-remote", "--json").document["prompts"] == []
    assert {path: path.lstat().st_mtime_ns for path in bad.parent.iterdir()} == before

    out = local.run("status").out
    assert ("\n  conflict  " in out) is is_conflict
    is_readable = is_conflict or "\n  new  bad " in out
    for part in ("\n  invalid  prompts/bad.yaml:", "1 invalid", "  invalid  promptsync lint\n"):
        assert (part in out) is not is_readable, out


# -- what comes from elsewhere than prompt files ------------------------------------------------------------

DEEP = {depth: "[" * depth + "]" * depth for depth in (150, 100_000)}
LONG = f"1{':1' * 6000}"

TOO_LONG = f"the limit is {MAX_BYTES:,} bytes"

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
            ("registry.yaml", ["ls-remote"], "registry.yaml", "agents: %s", 2),
            ("evaluation", ["lint"], "evaluations/x.yaml", "rows: [{a: %s}]", 1),
            ("evaluation of a registry", ["ls-remote"], "evaluations/x.yaml", "rows: [{a: %s}]", 2),
            ("rows", ["lint"], "evaluations/rows.jsonl", '{"a": %s}', 1),
        )
    ),
    ("--vars, base 60", ["render", "good", "--vars", "v.yaml"], "v.yaml", f"name: {LONG}", 1, "digits"),
    ("promptsync.yaml, base 60", ["status"], "promptsync.yaml", f"limits: {{changes: {LONG}}}", 2, "digits"),
    ("rows without end", ["lint"], "evaluations/y.yaml", "rows: /dev/zero.csv", 1, "beside this one"),
    ("evaluation, base 60", ["lint"], "evaluations/x.yaml", f"rows: [{{a: {LONG}}}]", 1, "digits"),
    ("registry.yaml, base 60", ["ls-remote"], "registry.yaml", f"agents: {LONG}", 2, "digits"),
    *(
        (
            f"--var, {depth} deep",
            ["render", "good", "--var", f"name:={DEEP[depth]}"],
            "x",
            "",
            2,
            "is not JSON",
        )
        for depth in DEEP
    ),
    ("--vars without end", ["render", "good", "--vars", "/dev/zero"], "x", "", 1, TOO_LONG),
    ("track request without end", ["track", "request", "/dev/zero"], "x", "", 1, TOO_LONG),
    ("a NUL in a path", ["status"], "promptsync.yaml", 'prompts: "a\\0b"', 2, "not a path"),
    ("a long path", ["status"], "promptsync.yaml", f"prompts: {'a' * 5000}", 2, "not a path"),
    (
        "a long url",
        ["status"],
        "promptsync.yaml",
        f"remotes: {{a: {{url: 'local:{'a' * 300}'}}}}",
        2,
        "not a valid URL or path",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "path", "text", "code", "word"), [row[1:] for row in OTHERS], ids=[row[0] for row in OTHERS]
)
def test_other_files_have_the_same_limits(
    world: World, arguments: list[str], path: str, text: str, code: int, word: str
) -> None:
    world.put("promptsync.yaml", 'remotes: {local: {url: "local:", fixtures: registry.yaml}}\n')
    world.put("registry.yaml", "agents: []\n")
    world.put("evaluations/rows.yaml", "rows: rows.jsonl\n")
    world.put("evaluations/rows.jsonl", '{"a": 1}\n')
    world.put("prompts/good.yaml", GOOD)
    world.put(path, text)
    done = world.run(*arguments)
    assert done.code == code
    said = done.out if arguments == ["lint"] else done.err
    assert "error: " in said and word in said and "Traceback" not in said


def test_directories_nest_only_so_deep(local: World) -> None:
    local.put(f"prompts/{'d/' * 300}x.yaml", GOOD)
    local.put("prompts/good.yaml", GOOD)
    done = local.run("lint")
    assert (done.code, "more than 100 levels deep" in done.out) == (1, True)


# -- All that keeps a file from being read is reported at once, each thing once, with its line and column -


TOP = [
    ("name: a\nname: b\n", 2, 1, "yaml-duplicate-key"),
    ("tags: 5\n", 1, 1, "wrong-type"),
    ("tags: [a, 5]\n", 1, 11, "wrong-type"),
    ("moood: x\n", 1, 1, "unknown-key"),
    ("template_format: mustache\n", 1, 1, "unknown-format"),
    ("examples: yes\n", 1, 1, "wrong-type"),
    ("metadata:\n  when: 2024-01-01\n", 2, 9, "yaml-date"),
    ("metadata:\n  a: 1\n  b: 2\n  a: 3\n", 4, 3, "yaml-duplicate-key"),
    ("metadata: {a: .inf}\n", 1, 15, "yaml-number"),
    ("model: {provider: p}\n", 1, 1, "model-incomplete"),
    ("model: {provider: p, name: 4}\n", 1, 22, "wrong-type"),
    ("tools: !!x [1]\n", 1, 8, "yaml-tag"),
    ("extra: {version: {folder_id: 3}}\n", 1, 19, "reserved-key"),
    ("agents: [{input_variables: {}}]\n", 1, 10, "missing-key"),
    ("synced: yesterday\n", 1, 1, "schema"),
]
MESSAGES = [
    ("- role: user\n  content: hi\n  content: ho\n", 3, 3, "yaml-duplicate-key"),
    ("- role: critic\n  content: x\n", 1, 3, "unknown-role"),
    ("- content: x\n", 1, 3, "missing-key"),
    ("- {role: tool, content: a}\n", 1, 3, "message-incomplete"),
    ("- role: user\n  content: {{ x }}\n", 2, 13, "yaml-key"),
    ("- role: user\n  content: 2024-01-01\n", 2, 12, "yaml-date"),
    ("- role: user\n  content: 5\n", 2, 3, "wrong-type"),
    ("- role: user\n  template_format: liquid\n  content: x\n", 2, 3, "unknown-format"),
    ("- role: user\n  content: '@@@nobody@@@'\n", 2, 3, "snippet-missing"),
    ("- role: user\n  template_format: jinja2\n  content: |\n    {% if x %}\n", 4, 5, "jinja-syntax"),
]
READABLE = {
    *("unknown-format", "model-incomplete", "reserved-key", "unknown-role", "message-incomplete"),
    *("snippet-missing", "jinja-syntax"),
}
"""Rules about files that hold what they should."""

Wrong = tuple[str, int, int, str]


def no_key_twice(chosen: list[Wrong]) -> list[Wrong]:
    return list({text.partition(":")[0]: (text, *rest) for text, *rest in chosen}.values())  # type: ignore[misc]


def written(top: list[Wrong], messages: list[Wrong]) -> tuple[str, list[tuple[int, int, str]]]:
    text, expected = "", []
    for part, line, column, rule in top:
        expected.append((text.count("\n") + line, column, rule))
        text += part
    text += "messages:\n- {role: user, content: fine}\n"
    for part, line, column, rule in messages:
        expected.append((text.count("\n") + line, column, rule))
        text += part
    return text, sorted(expected)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("copy")
    (root / "prompts").mkdir()
    (root / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
    return root


@settings(deadline=None, max_examples=examples(200))
@given(
    st.lists(st.sampled_from(TOP), unique=True, max_size=6).map(no_key_twice),
    st.lists(st.sampled_from(MESSAGES), unique=True, max_size=6),
)
def test_every_problem_of_a_file_is_reported_once(
    root: Path, top: list[Wrong], messages: list[Wrong]
) -> None:
    text, expected = written(top, messages)
    (root / "prompts" / "a.yaml").write_text(text, "utf-8")
    errors = [one for one in lint(root).problems if one.severity == "error"]
    # What a file says is checked once all of it can be read.
    reasons = [reason for reason in expected if reason[2] not in READABLE]
    assert [(one.line, one.column, one.rule) for one in errors] == (reasons or expected)
