"""Which evaluations and agents prompts name, in their files and by ``checks:``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from promptsync.checks.assignment import Check, Selection, limits_in, rendered_snippets, select_checks
from promptsync.files.config import Config
from promptsync.files.prompt_file import PromptFile, parse
from promptsync.prompt.evaluation import EvaluationFile


def file(name: str, **local: Any) -> PromptFile:
    body = {"name": name, "content": "Hello", **local}
    return parse(yaml.safe_dump(body, sort_keys=False).encode(), f"prompts/{name}.yaml", name)


def config(*checks: Mapping[str, Any]) -> Config:
    return Config(Path("/copy"), Path("/copy/promptsync.yaml"), checks=checks)


def select(
    names: Sequence[str],
    files: Sequence[PromptFile],
    *checks: Mapping[str, Any],
    evaluations: Sequence[EvaluationFile] = (),
) -> Selection:
    """The checks, without the places where they are named."""
    selection = placed(names, files, *checks, evaluations=evaluations)
    return replace(selection, checks=tuple(replace(check, places=()) for check in selection.checks))


def placed(
    names: Sequence[str],
    files: Sequence[PromptFile],
    *checks: Mapping[str, Any],
    evaluations: Sequence[EvaluationFile] = (),
) -> Selection:
    return select_checks(names, {one.prompt.name: one for one in files}, config(*checks), evaluations)


A = file("a", evaluations=["quality", "tone"], agents=["bot"])
B = file("b", evaluations=["quality"], agents=[{"name": "bot", "input_variables": {"x": 1}}])
C = file("c")
QUALITY = EvaluationFile("quality", "evaluations/quality.yaml", ("a", "b/*"), min_score=80, runs=3)


def test_each_check_runs_once_with_the_named_prompts_that_have_it() -> None:
    selection = select(["d", "b", "a", "a", "c", "gone"], [A, B, C, file("d", agents=["bot"])])
    assert selection.of("evaluation") == (
        Check("evaluation", "quality", ("a", "b")),
        Check("evaluation", "tone", ("a",)),
    )
    assert selection.of("agent") == (
        Check("agent", "bot", ("a", "d"), input_variables={}),
        Check("agent", "bot", ("b",), input_variables={"x": 1}),
    )
    assert selection.unchecked == ("c", "gone")
    assert select([], [A, B]) == Selection()
    # Entries of the configuration count for the names that they match.
    checks = [
        {"match": "support/*", "evaluation": "quality"},
        {"match": "support/deep*", "agent": "bot", "input_variables": {"x": 2}},
    ]
    selection = select(["support/deep/one", "support/two", "Support/three"], [], *checks)
    assert selection.of("evaluation") == (
        Check("evaluation", "quality", ("support/deep/one", "support/two")),
    )
    assert selection.of("agent") == (Check("agent", "bot", ("support/deep/one",), input_variables={"x": 2}),)
    assert selection.unchecked == ("Support/three",)


def test_the_strictest_limits_of_those_that_apply_count() -> None:
    entries = [
        {"match": "*", "evaluation": "quality", "min_score": 80, "max_drop": 5},
        {"match": "a", "evaluation": "quality", "min_score": 90, "max_drop": 2.5},
        {"match": "b", "evaluation": "quality", "min_score": 95, "max_drop": 0},
        {"match": "a", "evaluation": "tone", "min_score": 99},
    ]
    (quality, *_) = select(["a"], [A, B], *entries).of("evaluation")
    assert quality == Check("evaluation", "quality", ("a",), 90, 2.5)
    entries = [{"match": "x", "table": "quality", "min_score": 90}, {"match": "x", "agent": "bot"}]
    limits = limits_in(config(*entries), [QUALITY])  # for any prompt
    assert [(check.kind, check.min_score) for check in limits] == [("table", 80), ("table", 90)]


def test_a_selection_knows_where_each_check_is_named() -> None:
    selection = placed(["a", "b"], [A, B], {"match": "a", "evaluation": "tone"})
    places = {check.name: [*map(str, check.places)] for check in selection.checks}
    assert places["quality"] == ["prompts/a.yaml:4", "prompts/b.yaml:4"]
    assert places["tone"] == ["prompts/a.yaml:5", "promptsync.yaml, checks[0]"]
    assert places["bot"] == ["prompts/b.yaml:6"]


def test_only_unpinned_references_and_those_by_the_label_render_the_latest_snippets() -> None:
    texts = {"a": "@@@b@@@ @@@c@label:prod@@@ @@@d@version_number:1@@@", "b": "@@@e@@@", "e": "x"}
    files = {
        name: parse(yaml.safe_dump({"name": name, "content": text}).encode(), name, name)
        for name, text in texts.items()
    }
    assert rendered_snippets(files, ["a", "e"]) == {"a": {"b": "a", "e": "b"}, "e": {}}
    assert rendered_snippets(files, ["a"], "prod") == {"a": {"b": "a", "c": "a", "e": "b"}}


# -- tables --------------------------------------------------------------------------------------------------


def table(*prompts: str, **limits: Any) -> Check:
    return Check("table", "quality", prompts, **{"min_score": 80, "runs": 3, **limits})


@pytest.mark.parametrize(
    ("names", "entries", "tables"),
    [
        (["a", "b/c", "c"], [], [table("a", "b/c")]),
        # The strictest limits and the most runs count, wherever they are.
        (
            ["a"],
            [{"match": "a", "table": "quality", "min_score": 90, "max_drop": 5}],
            [table("a", min_score=90, max_drop=5)],
        ),
        (["a"], [{"match": "a", "table": "quality", "min_score": 70, "runs": 1}], [table("a")]),
        # Another table of that kind, and another sheet of it, are checks of their own.
        (
            ["c"],
            [{"match": "c", "table": "o", "max_drop": 3}, {"match": "c", "table": "o", "sheet": "Cases"}],
            [Check("table", "o", ("c",), max_drop=3), Check("table", "o", ("c",), sheet="Cases")],
        ),
    ],
)  # fmt: skip
def test_tables_of_files_and_of_the_configuration(
    names: list[str], entries: list[Mapping[str, Any]], tables: list[Check]
) -> None:
    files = [file(name) for name in ("a", "b/c", "c")]
    selection = select(names, files, *entries, evaluations=[QUALITY])
    assert list(selection.of("table")) == tables
    assert (selection.of("evaluation"), selection.of("agent")) == ((), ())
    assert set(selection.unchecked) == set(names) - selection.prompts


def test_a_prompt_file_names_the_table_of_an_evaluation_file_and_an_entry_what_it_says() -> None:
    entry = {"match": "a", "evaluation": "quality"}
    selection = placed(["a"], [A], entry, evaluations=[QUALITY])
    assert [(check.kind, check.name) for check in selection.checks] == [
        ("table", "quality"),
        ("evaluation", "tone"),
        ("evaluation", "quality"),
        ("agent", "bot"),
    ]
    assert "evaluations/quality.yaml:1" in map(str, selection.checks[0].places)
