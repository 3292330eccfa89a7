"""``promptsync lint`` as a hook, a person and a pipeline run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from promptsync.cli import run
from promptsync.lint.rules import RULES

GOOD = "content: Be kind to {name}.\n"
BROKEN_JINJA = "template_format: jinja2\nmessages:\n- role: system\n  content: |\n    Hello\n    {% if x %}\n"
UNPINNED = "content: '@@@tone@@@ and more'\n"


def tree(root: Path, **files: str) -> Path:
    """Write a working copy; ``a__b`` is ``prompts/a/b.yaml``, ``config`` is promptsync.yaml."""
    (root / "promptsync.yaml").write_text(files.pop("config", "prompts: prompts\n"), "utf-8")
    for name, text in files.items():
        path = root / "prompts" / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def lint(root: Path, *arguments: str, **environ: str) -> int:
    return run(["-C", str(root), "lint", *arguments], environ)


def problems(root: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    lint(root, "--json", *arguments)
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["problems"]
    return found


def rules(root: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[tuple[str, str]]:
    return [(one["path"], one["rule"]) for one in problems(root, capsys, *arguments)]


def test_sound_files_give_one_line_and_exit_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(tree(tmp_path, one=GOOD, a__two=GOOD)) == 0
    assert capsys.readouterr().out == "2 files checked, no problems\n"


def test_errors_are_shown_with_place_rule_and_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lint(tree(tmp_path, a__one=BROKEN_JINJA, two="name: no\ncontent: x\n")) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("prompts/a/one.yaml:6:5: error: jinja2: ")
    assert lines[0].endswith("[jinja-syntax]")
    assert lines[2:] == [
        "prompts/two.yaml:1:1: error: name must be text, but no is the boolean false in YAML. [wrong-type]",
        '    hint: Quote it: "no".',
        "2 files checked, 2 errors",
    ]


def test_warnings_fail_only_when_they_are_asked_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, tone="content: Be kind.\n", one=UNPINNED)
    assert lint(root) == 0
    assert "[snippet-unpinned]" in capsys.readouterr().out
    assert lint(root, "--strict") == 1
    capsys.readouterr()
    lint(root, "-q")
    assert "checked" not in capsys.readouterr().out


def test_the_json_document_holds_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tree(tmp_path, one="content: x\nmodel: {name: m}\n", two="contents: x\n")
    for arguments in (["--json"], ["--format", "json"]):
        assert lint(root, *arguments) == 1
        document = json.loads(capsys.readouterr().out)
        assert (document["schema"], document["exit_code"], document["remote"]) == (1, 1, None)
        assert [(one["path"], one["rule"], one["severity"]) for one in document["problems"]] == [
            ("prompts/one.yaml", "model-incomplete", "error"),
            ("prompts/two.yaml", "prompt-kind", "error"),
            ("prompts/two.yaml", "unknown-key", "error"),
        ]
        first = document["problems"][0]
        assert (first["line"], first["column"]) == (2, 1)
        assert set(first) >= {"path", "line", "column", "rule", "severity", "message"}


# -- given files ---------------------------------------------------------------------------------------


def test_only_given_files_are_reported_and_the_others_are_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, tone="content: Be kind.\n", one=UNPINNED, two=BROKEN_JINJA)
    assert rules(root, capsys, "prompts/one.yaml") == [("prompts/one.yaml", "snippet-unpinned")]
    assert rules(root, capsys, "prompts/tone.yaml") == []
    assert rules(root, capsys, str(root / "prompts" / "two.yaml")) == [("prompts/two.yaml", "jinja-syntax")]


def test_paths_are_relative_to_the_current_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, a__one=BROKEN_JINJA, two=BROKEN_JINJA)
    assert rules(root / "prompts" / "a", capsys, "one.yaml") == [("one.yaml", "jinja-syntax")]
    found = [("../two.yaml", "jinja-syntax"), ("one.yaml", "jinja-syntax")]
    assert sorted(rules(root / "prompts" / "a", capsys)) == found


def test_a_hook_at_the_top_of_a_monorepo_finds_each_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        tree(tmp_path / name, one=BROKEN_JINJA, other=BROKEN_JINJA)
    found = rules(tmp_path, capsys, "x/prompts/one.yaml", "y/prompts/one.yaml")
    assert found == [("x/prompts/one.yaml", "jinja-syntax"), ("y/prompts/one.yaml", "jinja-syntax")]


def test_a_directory_stands_for_the_files_below_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, a__one=BROKEN_JINJA, a__b__two=BROKEN_JINJA, three=BROKEN_JINJA)
    found = rules(root, capsys, "prompts/a")
    assert [path for path, _ in found] == ["prompts/a/b/two.yaml", "prompts/a/one.yaml"]
    assert len(rules(root, capsys, "prompts")) == 3


def test_a_name_given_twice_is_reported_whichever_file_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, a="name: same\ncontent: x\n", b="name: same\ncontent: x\n")
    for file in ("prompts/a.yaml", "prompts/b.yaml"):
        assert rules(root, capsys, file) == [("prompts/b.yaml", "name-duplicate")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("prompts/none.yaml", "prompts/none.yaml does not exist"),
        ("other.yaml", "other.yaml is outside the prompts directory prompts/"),
        ("prompts/notes.txt", "prompts/notes.txt is not a prompt file"),
    ],
)
def test_what_is_no_prompt_file_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str, message: str
) -> None:
    root = tree(tmp_path, one=GOOD)
    (root / "other.yaml").write_text("a: b\n")
    (root / "prompts" / "notes.txt").write_text("hello\n")
    assert lint(root, given) == 2
    assert message in capsys.readouterr().err


def test_a_prompt_that_cannot_be_read_is_not_called_missing_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, tone="content: [\n", one=UNPINNED)
    assert [rule for _, rule in rules(root, capsys)] == ["snippet-unpinned", "yaml-syntax"]


# -- the configuration ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ("promts: x\n", [(1, "config")]),
        ("prompts: [\n", [(2, "config")]),
        ("remotes:\n  p: {url: 'https://x.example', api_key: x}\n", [(2, "config")]),
        ("remotes:\n  local:\n    url: 'local:'\n    fixtures: no.yaml\n", [(4, "fixtures-missing")]),
        ("prompts: other\n", [(1, "no-prompts")]),
    ],
)
def test_the_configuration_is_checked_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: str, found: list[tuple[int, str]]
) -> None:
    root = tree(tmp_path, one=GOOD, config=config)
    assert [(one["line"], one["rule"]) for one in problems(root, capsys)] == found
    assert [one["path"] for one in problems(root, capsys)] == ["promptsync.yaml"]
    assert [one["rule"] for one in problems(root, capsys, "promptsync.yaml")] == [found[0][1]]


def test_a_prompt_outside_include_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tree(tmp_path, a__one=GOOD, two=GOOD, config="include: ['a/*']\n")
    assert rules(root, capsys) == [("prompts/two.yaml", "not-included")]


def test_without_a_configuration_it_says_how_to_get_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lint(tmp_path) == 2
    assert "promptsync init" in capsys.readouterr().err


# -- formats -------------------------------------------------------------------------------------------


def test_github_gets_annotations_with_escaped_properties_and_errors_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, **{"a,b:c": BROKEN_JINJA, "aa": "content: '{\"50% a\": 1}'\n"})
    assert lint(root, "--format", "github") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "::error file=prompts/a%2Cb%3Ac.yaml,line=6,col=5,title=promptsync jinja-syntax::jinja2: "
    )
    assert lines[1].startswith("::warning file=prompts/aa.yaml,line=1,col=1,title=promptsync fstring-")
    assert "50%25 a" in lines[1]
    assert lines[2] == "2 files checked, 1 error and 1 warning"


def test_github_paths_are_relative_to_the_checkout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sub").mkdir()
    root = tree(tmp_path / "sub", one=BROKEN_JINJA)
    lint(root, "--format", "github", GITHUB_WORKSPACE=str(tmp_path))
    assert "file=sub/prompts/one.yaml," in capsys.readouterr().out


def test_github_shows_ten_of_a_kind_and_the_log_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, **{f"e{number:02}": BROKEN_JINJA for number in range(13)})
    lint(root, "--format", "github")
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("::error") for line in lines) == 10
    assert sum("prompts/e" in line for line in lines) == 13
    assert (
        "::notice title=promptsync lint::3 more problems in the log: GitHub shows 10 of each severity"
        in lines
    )


def test_json_and_another_format_exclude_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lint(tree(tmp_path, one=GOOD), "--json", "--format", "github") == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_control_characters_never_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path, one='content: "@@@\\e[31mred@@@"\n')
    for shape in ("text", "github", "json"):
        lint(root, "--format", shape)
        assert "\x1b" not in capsys.readouterr().out


def test_the_rules_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(tmp_path, "--rules") == 0
    assert len(capsys.readouterr().out.splitlines()) == len(RULES)
    assert lint(tmp_path, "--rules", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["rules"]
    assert {rule["id"] for rule in listed} == set(RULES)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"content: x\ncontent: y\n",
        b"content: 2024-01-01\n",
        b"content: !!python/name:os.system x\n",
        b"1: x\n",
        b"content: .inf\n",
        b"content: x\nmessages: []\n",
        b"content: x\nmodel: {name: a}\nmetadata: {model: {}}\n",
        b"content: x\nsynced: 0-3fa9c1a\n",
        b"a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
        b"c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
        b"e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\ncontent: [*e, *e, *e]\n",
        b"content: " + b"[" * 150 + b"]" * 150,
        b"content: '" + b"x" * 5_000_001 + b"'\n",
    ],
)
def test_whatever_is_wrong_with_a_file_has_a_listed_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: bytes
) -> None:
    root = tree(tmp_path, one="")
    (root / "prompts" / "one.yaml").write_bytes(text)
    found = problems(root, capsys)
    assert found
    assert {one["rule"] for one in found} <= set(RULES)


def test_it_loads_neither_http_nor_git_nor_the_server(tmp_path: Path) -> None:
    root = tree(tmp_path, one="template_format: jinja2\ncontent: '{{ x }}'\n")
    program = (
        "import sys; from promptsync.cli import run; run(['-C', sys.argv[1], 'lint'], {});"
        "print([name for name in ('httpcore', 'git', 'deepdiff', 'werkzeug', 'rich', 'promptsync.server')"
        " if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(root)], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "1 file checked, no problems\n[]\n"


@pytest.mark.parametrize("config", [True, False], ids=["outside", "no configuration"])
def test_a_hook_that_was_given_another_file_is_reported_how_to_leave_it_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: bool
) -> None:
    (tmp_path / "docs" / "prompts").mkdir(parents=True)
    (tmp_path / "docs" / "prompts" / "x.yaml").write_text(GOOD)
    if config:
        tree(tmp_path, a=GOOD)
    assert lint(tmp_path, "docs/prompts/x.yaml") == 2
    assert "narrow files: in .pre-commit-config.yaml" in capsys.readouterr().err
