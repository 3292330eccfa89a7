"""Which checks prompts have: in their files, in evaluation files and by ``checks:``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from msgspec.structs import replace

from promptsync.checks.assignment import Check, Selection, limits_in, rendered_snippets, select_checks
from promptsync.files.config import Config
from promptsync.files.prompt_file import PromptFile, parse
from promptsync.prompt.evaluation import EvaluationFile


def file(name: str, content: str = "Hello", **local: Any) -> PromptFile:
    body = {"name": name, "content": content, **local}
    return parse(yaml.safe_dump(body, sort_keys=False).encode(), f"prompts/{name}.yaml", name)


def config(*checks: Mapping[str, Any]) -> Config:
    return Config(Path("/copy"), Path("/copy/promptsync.yaml"), checks=checks)


A = file("a", evaluations=["quality", "tone"], agents=["bot"])
B = file("b", evaluations=["quality"], agents=[{"name": "bot", "input_variables": {"x": 1}}])
FILES = {"a": A, "b": B, "c": file("c"), "d": file("d", agents=["bot"])}
QUALITY = EvaluationFile("quality", "evaluations/quality.yaml", ("a", "b/*"), min_score=80, runs=3)


def placed(
    names: Sequence[str], *checks: Mapping[str, Any], evaluations: Sequence[EvaluationFile] = ()
) -> Selection:
    return select_checks(names, FILES, config(*checks), evaluations)


def select(names: Sequence[str], *checks: Mapping[str, Any], **more: Any) -> tuple[Check, ...]:
    """The checks, without the places where they are named."""
    return tuple(replace(check, places=()) for check in placed(names, *checks, **more).checks)


def bot(*prompts: str, **inputs: int) -> Check:
    return Check("agent", "bot", prompts, input_variables=inputs)


def test_each_check_runs_once_with_the_named_prompts_that_have_it() -> None:
    quality, tone = Check("evaluation", "quality", ("a", "b")), Check("evaluation", "tone", ("a",))
    names = ["d", "b", "a", "a", "c", "gone"]
    assert select(names) == (quality, tone, bot("a", "d"), bot("b", x=1))
    assert placed(names).unchecked == ("c", "gone")
    assert placed([]) == Selection()
    # Entries of the configuration count for the names that they match.
    checks = [
        {"match": "support/*", "evaluation": "quality"},
        {"match": "support/deep*", "agent": "bot", "input_variables": {"x": 2}},
    ]
    names = ["support/deep/one", "support/two", "Support/three"]
    both = Check("evaluation", "quality", ("support/deep/one", "support/two"))
    assert select(names, *checks) == (both, bot("support/deep/one", x=2))
    assert placed(names, *checks).unchecked == ("Support/three",)


def test_the_strictest_limits_of_those_that_apply_count() -> None:
    entries = [
        {"match": "*", "evaluation": "quality", "min_score": 80, "max_drop": 5},
        {"match": "a", "evaluation": "quality", "min_score": 90, "max_drop": 2.5},
        {"match": "b", "evaluation": "quality", "min_score": 95, "max_drop": 0},
    ]
    assert select(["a"], *entries)[0] == Check("evaluation", "quality", ("a",), 90, 2.5)
    entries = [{"match": "x", "table": "quality", "min_score": 90}, {"match": "x", "agent": "bot"}]
    limits = limits_in(config(*entries), [QUALITY])  # for any prompt
    assert [(check.kind, check.min_score) for check in limits] == [("table", 80), ("table", 90)]


def test_a_check_says_where_it_is_named() -> None:
    selection = placed(["a", "b"], {"match": "a", "evaluation": "tone"})
    assert [[*map(str, check.places)] for check in selection.checks] == [
        ["prompts/a.yaml:4", "prompts/b.yaml:4"],
        ["prompts/a.yaml:5", "promptsync.yaml, checks[0]"],
        ["prompts/a.yaml:7"],
        ["prompts/b.yaml:6"],
    ]


def test_only_unpinned_references_and_those_by_the_label_render_the_latest_snippets() -> None:
    texts = {"a": "@@@b@@@ @@@c@label:prod@@@ @@@d@version_number:1@@@", "b": "@@@e@@@", "e": "x"}
    files = {name: file(name, text) for name, text in texts.items()}
    assert rendered_snippets(files, ["a", "e"]) == {"a": {"b": "a", "e": "b"}, "e": {}}
    assert rendered_snippets(files, ["a"], "prod") == {"a": {"b": "a", "c": "a", "e": "b"}}


def table(*prompts: str, name: str = "quality", **more: Any) -> Check:
    own = {"min_score": 80, "runs": 3} if name == "quality" else {}
    return Check("table", name, prompts, **{**own, **more})


def test_tables_are_checks_too() -> None:
    for names, entries, tables in (
        (["b/c", "c"], [], [table("b/c")]),
        (
            ["c"],
            [{"table": "quality", "min_score": 90, "max_drop": 5}],
            [table("c", min_score=90, max_drop=5)],
        ),
        # The strictest limits and the most runs count, wherever they are.
        (["c"], [{"table": "quality", "min_score": 70, "runs": 1}], [table("c")]),
        # Another table of that kind, and another sheet of it, are checks of their own.
        (
            ["c"],
            [{"table": "o", "max_drop": 3}, {"table": "o", "sheet": "Cases"}],
            [table("c", name="o", max_drop=3), table("c", name="o", sheet="Cases")],
        ),
    ):
        found = select(names, *({"match": "c", **entry} for entry in entries), evaluations=[QUALITY])
        assert list(found) == tables


def test_a_prompt_file_names_the_table_of_an_evaluation_file_and_an_entry_what_it_says() -> None:
    selection = placed(["a"], {"match": "a", "evaluation": "quality"}, evaluations=[QUALITY])
    assert [(check.kind, check.name) for check in selection.checks] == [
        ("table", "quality"),
        ("evaluation", "tone"),
        ("evaluation", "quality"),
        ("agent", "bot"),
    ]
    assert "evaluations/quality.yaml:1" in map(str, selection.checks[0].places)
