"""``promptsync lint`` as a hook, a person and a pipeline run it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from worlds import World

from promptsync.lint.rules import RULES

GOOD = "content: Be kind to {name}.\n"
BROKEN = "template_format: jinja2\nmessages:\n- role: system\n  content: |\n    Hello\n    {% if x %}\n"
UNPINNED = "content: '@@@tone@@@ and more'\n"


def tree(world: World, **files: str) -> None:
    """Write prompt files; ``a__b`` is ``prompts/a/b.yaml``."""
    for name, text in files.items():
        world.put(f"prompts/{name.replace('__', '/')}.yaml", text)


def problems(world: World, *arguments: str) -> list[dict[str, Any]]:
    return list(world.run("lint", "--json", *arguments).document["problems"])


def rules(world: World, *arguments: str) -> list[tuple[str, str]]:
    return [(one["path"], one["rule"]) for one in problems(world, *arguments)]


def test_errors_are_shown_with_place_rule_and_hint(world: World) -> None:
    tree(world, a__one=BROKEN, two="name: no\ncontent: x\n")
    done = world.run("lint")
    lines = done.out.splitlines()
    assert (done.code, lines[0].startswith("prompts/a/one.yaml:6:5: error: jinja2: ")) == (1, True)
    assert lines[0].endswith("[jinja-syntax]")
    assert lines[2:] == [
        "prompts/two.yaml:1:1: error: name must be text, but it is the boolean false in YAML. [wrong-type]",
        "    hint: Quote it.",
        "2 files checked, 2 errors",
    ]


def test_warnings_fail_only_when_they_are_asked_to(world: World) -> None:
    tree(world, tone="content: Be kind.\n", one=UNPINNED)
    assert "[snippet-unpinned]" in world.ok("lint").out
    assert world.run("lint", "--strict").code == 1
    assert "checked" not in world.ok("lint", "-q").out


def test_the_json_document_holds_every_problem(world: World) -> None:
    tree(world, one="content: x\nmodel: {name: m}\n", two="contents: x\n")
    for arguments in (["--json"], ["--format", "json"]):
        done = world.run("lint", *arguments)
        assert (done.code, done.document["remote"]) == (1, None)
        assert [(one["path"], one["rule"], one["severity"]) for one in done.document["problems"]] == [
            ("prompts/one.yaml", "model-incomplete", "error"),
            ("prompts/two.yaml", "prompt-kind", "error"),
            ("prompts/two.yaml", "unknown-key", "error"),
        ]
        first = done.document["problems"][0]
        assert (first["line"], first["column"]) == (2, 1)
        assert set(first) >= {"path", "line", "column", "rule", "severity", "message"}


# -- files that are named ------------------------------------------------------------------------------

A, ONE, TWO = "prompts/a/b/two.yaml", "prompts/one.yaml", "prompts/two.yaml"
JINJA = "jinja-syntax"

# Where it runs, what is named, and the problems.
NAMED: list[tuple[str, list[str], list[tuple[str, str]]]] = [
    ("", [ONE], [(ONE, "snippet-unpinned")]),
    ("", ["prompts/tone.yaml"], []),
    ("", ["{root}/prompts/two.yaml"], [(TWO, JINJA)]),
    ("", ["prompts/a"], [(A, JINJA)]),
    ("", ["prompts"], [(A, JINJA), (ONE, "snippet-unpinned"), (TWO, JINJA)]),
    ("prompts/a/b", ["two.yaml"], [("two.yaml", JINJA)]),
    ("prompts/a/b", ["../../two.yaml"], [("../../two.yaml", JINJA)]),
]


@pytest.mark.parametrize(("place", "names", "expected"), NAMED)
def test_only_named_files_are_reported_and_the_others_are_known(
    world: World, place: str, names: list[str], expected: list[tuple[str, str]]
) -> None:
    tree(world, tone="content: Be kind.\n", one=UNPINNED, two=BROKEN, a__b__two=BROKEN.replace("Hello", "Hi"))
    arguments = [name.replace("{root}", str(world.root)) for name in names]
    world.root /= place
    assert rules(world, *arguments) == expected


def test_a_name_that_two_files_have_is_reported_whichever_file_is_named(world: World) -> None:
    tree(world, a=f"name: same\n{GOOD}", b=f"name: same\n{GOOD}")
    for file in ("prompts/a.yaml", "prompts/b.yaml"):
        assert rules(world, file) == [("prompts/b.yaml", "name-duplicate")]


def test_a_hook_at_the_top_of_a_monorepo_finds_each_configuration(world: World) -> None:
    (world.root / "promptsync.yaml").unlink()
    paths = ["x/prompts/one.yaml", "y/prompts/one.yaml"]
    for path in paths:
        world.put(path, BROKEN)
        world.put(path.replace("one", "other"), BROKEN)
        world.put(path.replace("prompts/one", "promptsync"), "prompts: prompts\n")
    assert rules(world, *paths) == [(path, JINJA) for path in paths]


NARROW = "narrow files: in .pre-commit-config.yaml"


@pytest.mark.parametrize(
    ("file", "has_config", "message"),
    [
        ("prompts/none.yaml", True, "prompts/none.yaml does not exist"),
        ("other.yaml", True, "other.yaml is outside the prompts directory prompts/"),
        ("prompts/notes.txt", True, "prompts/notes.txt is not a prompt file"),
        ("docs/prompts/x.yaml", True, NARROW),
        ("docs/prompts/x.yaml", False, NARROW),
        (".", False, "promptsync init"),
    ],
)
def test_what_is_no_prompt_file_is_refused_in_words(
    world: World, file: str, has_config: bool, message: str
) -> None:
    tree(world, one=GOOD)
    for path in ("other.yaml", "prompts/notes.txt", "docs/prompts/x.yaml"):
        world.put(path, GOOD)
    if not has_config:
        (world.root / "promptsync.yaml").unlink()
    done = world.run("lint", file)
    assert (done.code, message in done.err) == (2, True), done.err


def test_a_prompt_that_cannot_be_read_is_not_called_missing_as_well(world: World) -> None:
    tree(world, tone="content: [\n", one=UNPINNED)
    assert [rule for _, rule in rules(world)] == ["snippet-unpinned", "yaml-syntax"]


# -- the configuration ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "line", "rule"),
    [
        ("promts: x\n", 1, "config"),
        ("prompts: [\n", 2, "config"),
        ("remotes:\n  p: {url: 'https://x.example', api_key: x}\n", 2, "config"),
        ("remotes:\n  local:\n    url: 'local:'\n    fixtures: no.yaml\n", 4, "fixtures-missing"),
        ("prompts: other\n", 1, "no-prompts"),
    ],
)
def test_the_configuration_is_checked_too(world: World, config: str, line: int, rule: str) -> None:
    tree(world, one=GOOD)
    world.put("promptsync.yaml", config)
    (problem,) = problems(world)
    assert (problem["path"], problem["line"], problem["rule"]) == ("promptsync.yaml", line, rule)
    assert [one["rule"] for one in problems(world, "promptsync.yaml")] == [rule]


def test_a_prompt_outside_include_is_warned_of(world: World) -> None:
    tree(world, a__one=GOOD, two=GOOD)
    world.put("promptsync.yaml", "include: ['a/*']\n")
    assert rules(world) == [(TWO, "not-included")]


# -- formats -------------------------------------------------------------------------------------------


def test_github_gets_annotations_with_escaped_properties_and_errors_first(world: World) -> None:
    tree(world, **{"a,b:c": BROKEN, "aa": "content: '{\"50% a\": 1}'\n"})
    done = world.run("lint", "--format", "github")
    first, second, last = done.out.splitlines()
    title = "title=promptsync jinja-syntax"
    assert first.startswith(f"::error file=prompts/a%2Cb%3Ac.yaml,line=6,col=5,{title}::jinja2: ")
    assert second.startswith("::warning file=prompts/aa.yaml,line=1,col=1,title=promptsync fstring-")
    assert "50%25 a" in second
    assert (done.code, last) == (1, "2 files checked, 1 error and 1 warning")
    shown = world.run("lint", "--format", "github", GITHUB_WORKSPACE=str(world.root.parent)).out
    assert f"file={world.root.name}/prompts/aa.yaml," in shown


def test_github_shows_ten_of_a_kind_and_the_log_the_rest(world: World) -> None:
    tree(world, **{f"e{number:02}": BROKEN for number in range(13)})
    lines = world.run("lint", "--format", "github").out.splitlines()
    assert sum(line.startswith("::error") for line in lines) == 10
    assert sum("prompts/e" in line for line in lines) == 13
    note = "3 more problems in the log: GitHub shows 10 of each severity"
    assert f"::notice title=promptsync lint::{note}" in lines


def test_control_characters_never_reach_the_terminal(world: World) -> None:
    tree(world, one='content: "@@@\\e[31mred@@@"\n')
    for shape in ("text", "github", "json"):
        assert "\x1b" not in world.run("lint", "--format", shape).out


def test_the_rules_are_listed(world: World) -> None:
    assert len(world.ok("lint", "--rules").out.splitlines()) == len(RULES)
    listed = json.loads(world.ok("lint", "--rules", "--json").out)["rules"]
    assert {rule["id"] for rule in listed} == set(RULES)


def test_it_loads_neither_http_nor_git_nor_the_server(world: World) -> None:
    tree(world, one="template_format: jinja2\ncontent: '{{ x }}'\n")
    program = (
        "import sys; from promptsync.cli import run; run(['-C', sys.argv[1], 'lint'], {});"
        "print([name for name in ('httpx', 'git', 'deepdiff', 'werkzeug', 'promptsync.server')"
        " if name in sys.modules])"
    )
    assert world.outside("-c", program, str(world.root)).out == "1 file checked, no problems\n[]\n"
