"""``promptsync lint`` as a hook, a person and a pipeline run it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from worlds import World, template

from promptsync.commands.lint import lint
from promptsync.lint.rules import RULES

GOOD = "content: Be kind to {name}.\n"
BROKEN = "template_format: jinja2\nmessages:\n- role: system\n  content: |\n    Hello\n    {% if x %}\n"
UNPINNED = "content: '@@@tone@@@ and more'\n"


def tree(world: World, **files: str) -> None:
    """Write prompt files; ``a__b`` is ``prompts/a/b.yaml``."""
    for name, text in files.items():
        world.put(f"prompts/{name.replace('__', '/')}.yaml", text)


def problems(world: World, *arguments: str) -> list[dict[str, Any]]:
    done = world.run("lint", "--json", *arguments)
    found: list[dict[str, Any]] = done.document["problems"]
    assert done.code == any(one["severity"] == "error" for one in found)
    return found


def rules(world: World, *arguments: str) -> list[tuple[str, str]]:
    return [(one["path"], one["rule"]) for one in problems(world, *arguments)]


def test_errors_are_shown_with_place_rule_and_hint(world: World) -> None:
    tree(world, a__one=BROKEN, two="name: no\ncontent: x\n")
    lines = world.exits(1, "lint").out.splitlines()
    assert lines[0].startswith("prompts/a/one.yaml:6:5: error: jinja2: ")
    assert lines[0].endswith("[jinja-syntax]")
    for arguments in (["--json"], ["--format", "json"]):
        document = world.exits(1, "lint", *arguments).document
        first, second = document["problems"]
        keys = "path", "line", "column", "rule", "severity"
        assert [first[key] for key in keys] == ["prompts/a/one.yaml", 6, 5, "jinja-syntax", "error"]
        assert (second["hint"], document["remote"]) == ("Quote it.", None)
    assert lines[2:] == [
        "prompts/two.yaml:1:1: error: name must be text, but it is the boolean false in YAML. [wrong-type]",
        "    hint: Quote it.",
        "2 files checked, 2 errors",
    ]
    tree(world, tone="content: [\n", one=UNPINNED, a__one=GOOD, two='content: "@@@\\e[31mred@@@"\n')
    # A prompt that cannot be read is not called missing as well.
    assert [rule for path, rule in rules(world) if path == ONE] == ["snippet-unpinned"]
    for shape in ("text", "github", "json"):
        assert "\x1b" not in world.run("lint", "--format", shape).out
    tree(world, tone=GOOD, two=GOOD)
    assert "[snippet-unpinned]" in world.ok("lint").out
    assert world.run("lint", "--strict").code == 1
    assert "checked" not in world.ok("lint", "-q").out
    world.put("promptsync.yaml", "include: ['a/*', one, tone]\n")
    assert rules(world) == [(ONE, "snippet-unpinned"), (TWO, "not-included")]
    assert len(world.ok("lint", "--rules").out.splitlines()) == len(RULES)
    assert {rule["id"] for rule in world.ok("lint", "--rules", "--json").document["rules"]} == set(RULES)


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


def test_only_named_files_are_reported_and_the_others_are_known(world: World) -> None:
    tree(world, tone="content: Be kind.\n", one=UNPINNED, two=BROKEN, a__b__two=BROKEN.replace("Hello", "Hi"))
    for place, names, expected in NAMED:
        arguments = [name.replace("{root}", str(world.root)) for name in names]
        assert rules(replace(world, root=world.root / place), *arguments) == expected
    tree(world, x=f"name: same\n{GOOD}", y=f"name: same\n{GOOD}")
    for file in ("prompts/x.yaml", "prompts/y.yaml"):
        assert rules(world, file) == [("prompts/y.yaml", "name-duplicate")]

    # A hook at the top of a monorepo finds each configuration.
    (world.root / "promptsync.yaml").unlink()
    paths = ["x/prompts/one.yaml", "y/prompts/one.yaml"]
    for path in paths:
        world.put(path, BROKEN)
        world.put(path.replace("one", "other"), BROKEN)
        world.put(path.replace("prompts/one", "promptsync"), "prompts: prompts\n")
    assert rules(world, *paths) == [(path, JINJA) for path in paths]


NARROW = "narrow files: in .pre-commit-config.yaml"


def test_what_is_no_prompt_file_is_refused_in_words(world: World) -> None:
    tree(world, one=GOOD)
    for path in ("other.yaml", "prompts/notes.txt", "docs/prompts/x.yaml"):
        world.put(path, GOOD)
    for file, message in (
        ("prompts/none.yaml", "prompts/none.yaml does not exist"),
        ("other.yaml", "other.yaml is outside the prompts directory prompts/"),
        ("prompts/notes.txt", "prompts/notes.txt is not a prompt file"),
        ("docs/prompts/x.yaml", NARROW),
        ("./docs/prompts/x.yaml", NARROW),  # from here on, there is no configuration
        (".", "promptsync init"),
    ):
        if file.startswith("."):
            (world.root / "promptsync.yaml").unlink(missing_ok=True)
        world.says(2, message, "lint", file)


# -- the configuration ---------------------------------------------------------------------------------


CONFIGS = [
    ("promts: x\n", 1, "config"),
    ("prompts: [\n", 2, "config"),
    ("remotes:\n  p: {url: 'https://x.example', api_key: x}\n", 2, "config"),
    ("remotes:\n  local:\n    url: 'local:'\n    fixtures: no.yaml\n", 4, "fixtures-missing"),
    ("prompts: other\n", 1, "no-prompts"),
]


def test_the_configuration_is_checked_too(world: World) -> None:
    tree(world, one=GOOD)
    for config, line, rule in CONFIGS:
        world.put("promptsync.yaml", config)
        (problem,) = problems(world)
        assert (problem["path"], problem["line"], problem["rule"]) == ("promptsync.yaml", line, rule)
        assert [one["rule"] for one in problems(world, "promptsync.yaml")] == [rule]


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


@pytest.mark.parametrize(
    ("file", "loaded"),
    [
        ("content: 'No markup'\n", []),
        ("content: '{{ x }}'\n", ["jinja2"]),
        ("content: '{{ x }}'\nexamples: [{x: 1}]\n", ["jinja2", "jinja2.meta"]),
    ],
)
def test_it_loads_neither_http_nor_git_and_jinja2_only_for_what_needs_it(
    world: World, file: str, loaded: list[str]
) -> None:
    """A text without markup is not parsed. Only examples need variables, which take longer than parsing."""
    tree(world, one=f"template_format: jinja2\n{file}")
    program = (
        "import sys; from promptsync.cli import run; run(['-C', sys.argv[1], 'lint'], {});"
        "names = 'httpx', 'git', 'deepdiff', 'werkzeug', 'promptsync.server', 'jinja2', 'jinja2.meta';"
        "print([name for name in names if name in sys.modules])"
    )
    done = world.outside("-c", program, str(world.root))
    assert done.out == f"1 file checked, no problems\n{loaded}\n"


# -- ``lint --deleted``: who uses a prompt that is deleted or renamed, in files that the commit leaves alone


@template
def team(world: World) -> None:
    """``user`` includes ``tone``, ``other`` nothing, and ``draft``, which is not in git, a later prompt."""
    world.write("tone", content="Be kind.")
    world.write("user", content="Answer. @@@tone@version_number:1@@@")
    world.write("other", content="Hello.", commit="Change prompts")
    world.write("draft", content="@@@later@version_number:1@@@")


def gone(world: World, *files: str) -> list[tuple[str, str]]:
    found = problems(world, "--deleted", *(str(world.root / file) for file in files))
    return [(Path(one["path"]).name, one["rule"]) for one in found]


def _rename_file(world: World) -> None:
    world.edit("tone", "name: tone\n", "")
    world.git("commit", "-qam", "Name it by its file")
    world.git("mv", "prompts/tone.yaml", "prompts/voice.yaml")


CHANGES: list[Callable[[World], object]] = [
    lambda world: world.git("rm", "-q", "prompts/tone.yaml"),
    lambda world: world.path("tone").unlink(),
    _rename_file,
    lambda world: world.edit("tone", "name: tone", "name: voice"),
]


def test_a_reference_to_a_prompt_that_is_gone_is_found(team: World) -> None:
    named: list[tuple[str, ...]] = [(), ("prompts/other.yaml",), ("prompts/user.yaml",)]
    begin = team.git("rev-parse", "HEAD").strip()
    for change in CHANGES:
        assert [gone(team, *files) for files in named] == [[]] * 3
        change(team)
        assert [gone(team, *files) for files in named] == [[("user.yaml", "snippet-missing")]] * 3
        assert gone(team, "prompts/draft.yaml")[0] == ("draft.yaml", "snippet-missing")
        team.edit("user", "@@@tone@version_number:1@@@", "Kindly.")
        assert [gone(team, *files) for files in named] == [[]] * 3
        team.git("reset", "-q", "--hard", begin)


def test_all_configurations_of_a_repository_are_looked_at(team: World, tmp_path: Path) -> None:
    team.git("mv", "prompts/tone.yaml", "prompts/voice.yaml")
    assert gone(team) == []  # the name stays
    for service in ("services/bot", "services/shop"):
        team.put(f"{service}/promptsync.yaml", "prompts: prompts\n")
        team.put(f"{service}/prompts/tone.yaml", "content: Be kind.\n")
        team.put(f"{service}/prompts/user.yaml", "content: '@@@tone@version_number:1@@@'\n")
    team.git("rm", "-q", "promptsync.yaml")
    team.commit("Add two services")
    (team.root / "services/shop/prompts/tone.yaml").unlink()
    (problem,) = problems(team, "--deleted")
    assert (problem["path"], problem["rule"]) == ("services/shop/prompts/user.yaml", "snippet-missing")
    team.put("services/shop/promptsync.yaml", "{{ template")
    (team.root / "services/bot/promptsync.yaml").unlink()
    assert gone(team) == []
    assert gone(team, "services/shop/promptsync.yaml") == [("promptsync.yaml", "config")]
    # Without history nothing is gone.
    (tmp_path / "promptsync.yaml").write_text("prompts: prompts\n", "utf-8")
    for is_repository in (False, True):
        if is_repository:
            subprocess.run(["git", "init", "-q", tmp_path], check=True)
        assert lint(tmp_path, deleted=True)[0] == []


# -- ``lint`` on evaluation files: whether they fit the prompts that they check ---------------------------


PROMPTS = {
    "prompts/support/refund.yaml": "template_format: jinja2\ncontent: '{{ question }} @@@tone@label:p@@@'\n",
    "prompts/support/sort.yaml": "content: '{question}'\n",
    "prompts/tone.yaml": "template_format: jinja2\ncontent: Be {{ mood }}.\n",
}
WHOLE = "scorecard: {steps: [{title: S, type: COMPARE, config: {sources: [Output, right]}}]}\n"
ROWS = "rows: [{question: a, mood: b, right: c}]\n"
QUESTION = "rows: [{question: a, right: c}]\n"


def lints(world: World, files: Mapping[str, str], *arguments: str) -> list[str]:
    for path, text in {**PROMPTS, **files}.items():
        world.put(path, text)
    lines = world.run("lint", *arguments).out.splitlines()
    shown = [line.removeprefix("evaluations/x.yaml:") for line in lines if "hint:" not in line]
    return [line for line in shown if not line.startswith("prompts/")][:-1]


MISSING = "error: The rows have no column for the variable 'mood' of support/refund."
MISSING += " [evaluation-missing-variable]"
TWENTY = "rows:\n" + "- {question: q, right: c}\n" * 20
LACKING: list[tuple[str, list[str]]] = [
    (f"prompts: support/sort\nmax_drop: 5\n{TWENTY}{WHOLE}", []),
    (f"prompts: support/refund\n{ROWS}{WHOLE}", []),
    (f"prompts: support/refund\n{QUESTION}{WHOLE}", [f"2:1: {MISSING}"]),
    (f"prompts: support/refund\n{QUESTION}variables: {{mood: right}}\n{WHOLE}", []),
    (
        f"prompts: support/sort\n{ROWS}{WHOLE}",
        ["2:1: warning: Nothing uses the column 'mood' of the rows. [evaluation-unused-column]"],
    ),
    (
        f"prompts: support/sort\nmax_drop: 5\n{QUESTION}{WHOLE}",
        ["2:1: warning: max_drop 5 takes 20 rows, but there are 1. [evaluation-few-rows]"],
    ),
    # A config may use a column in a text of its own.
    (
        "prompts: support/sort\nrows: [{question: a, mood: b}]\nscorecard:\n"
        "  steps: [{title: S, type: LLM_ASSERTION, config: {source: Output, prompt: 'Is it {mood}?'}}]\n",
        [],
    ),
    (
        f"prompts: support/sort\n{QUESTION}variables: {{x: right}}\n{WHOLE}",
        ["3:13: warning: No prompt of this evaluation has the variable 'x'. [evaluation-unused-column]"],
    ),
    (
        f"prompts: [support/*, suport/*]\n{ROWS}{WHOLE}",
        ["1:22: error: No prompt file matches 'suport/*'. [evaluation-no-prompt]"],
    ),
    (f"{ROWS}{WHOLE}", ["1:1: warning: No prompt uses the evaluation 'x'. [evaluation-unused]"]),
    (
        "prompts: support/sort\nrows: [{question: a}]\n",
        ["1:1: error: The scorecard has no steps, so no row can pass or fail. [evaluation-unscored]"],
    ),
    ("rows: x.csv\n", ["1:1: error: rows: there is no file evaluations/x.csv. [evaluation]"]),
]


def test_what_an_evaluation_lacks(world: World) -> None:
    for text, wrong in LACKING:
        assert lints(world, {"evaluations/x.yaml": text}) == wrong
    files = {"evaluations/x.yaml": QUESTION + WHOLE}
    files["promptsync.yaml"] = "checks: [{match: 'support/*', table: x}]\n"
    assert lints(world, files) == [f"1:1: {MISSING}"]
    # A prompt that cannot be read is not missed.
    files = {"evaluations/x.yaml": f"prompts: support/sort\n{QUESTION}{WHOLE}"}
    files["prompts/support/sort.yaml"] = "name: support/sort\ncontnt: Hi\n"
    files["promptsync.yaml"] = "prompts: prompts\n"
    assert lints(world, files) == []


UNREAD = "1:1: warning: Nothing reads this evaluation, because it is not a .yaml file in evaluations/."


def test_an_evaluation_that_nothing_reads_is_named(world: World) -> None:
    whole = f"{QUESTION}{WHOLE}"
    places = ("evaluation/z.yaml", "evaluations/y.json", "evals/old/x.yml", "lost.yaml")
    others = {
        "evals/data.json": '{"rows": []}',
        "src/a.yaml": whole,
        "evaluations/r.jsonl": whole,
        "n.json": "{",
    }
    found = lints(world, {**dict.fromkeys(places, whole), **others})
    assert found == [f"{place}:{UNREAD} [evaluation-unread]" for place in sorted(places)]
    assert f"    hint: mkdir -p evaluations && mv -n {places[0]} evaluations/z.yaml\n" in world.ok("lint").out
    # A prompt file names an evaluation, too.
    files = {
        "evaluations/x.yaml": whole,
        "prompts/support/sort.yaml": "evaluations: [x]\ncontent: '{question}'\n",
    }
    assert not [line for line in lints(world, files) if line.startswith("1:1")]


def test_a_misspelt_variable_is_shown_where_the_prompt_and_its_snippet_use_it(world: World) -> None:
    sort = "template_format: jinja2\nmessages:\n- role: user\n  content: |\n    Sort\n    {{ quesion }}.\n"
    files = {"evaluations/x.yaml": f"prompts: ['*r*']\n{QUESTION}{WHOLE}", "prompts/sort.yaml": sort}
    assert len(lints(world, files)) == 2
    out = world.run("lint").out
    for place in ("prompts/sort.yaml:6:8", "prompts/tone.yaml:2:16"):
        assert f"Add the column, name another one in variables:, or correct {place}.\n" in out
    done = world.exits(2, "eval", "run", "x", "--prompt", "sort")
    assert "evaluations/x.yaml has no such column" in done.err and "hint: promptsync lint\n" in done.err


def test_files_that_a_hook_passes(world: World) -> None:
    files = {
        "evaluations/x.yaml": f"prompts: support/sort\nrows: x.csv\n{WHOLE}",
        "evaluations/x.csv": "a,a\n",
    }
    wrong = ["evaluations/x.csv:1:1: error: The header has the column 'a' twice. [evaluation-rows]"]
    for path in files:
        assert lints(world, files, path) == wrong
    assert lints(world, files, "prompts/tone.yaml") == []
