"""Which evaluations and agents prompts name, in their files and by ``checks:``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptsync.checks.assignment import AgentCheck, EvaluationCheck, Selection, select_checks
from promptsync.files.config import Config
from promptsync.files.prompt_file import PromptFile, parse


def file(name: str, **local: Any) -> PromptFile:
    body = {"name": name, "content": "Hello", **local}
    return parse(yaml.safe_dump(body, sort_keys=False).encode(), f"prompts/{name}.yaml", name)


def config(*checks: Mapping[str, Any]) -> Config:
    return Config(Path("/copy"), Path("/copy/promptsync.yaml"), checks=checks)


def select(names: Sequence[str], files: Sequence[PromptFile], *checks: Mapping[str, Any]) -> Selection:
    return select_checks(names, {one.prompt.name: one for one in files}, config(*checks))


A = file("a", evaluations=["quality", "tone"], agents=["bot"])
B = file("b", evaluations=["quality"], agents=[{"name": "bot", "input_variables": {"x": 1}}])
C = file("c")


def test_an_evaluation_is_run_once_with_all_prompts_that_name_it() -> None:
    found = select(["b", "a", "a"], [A, B])
    assert found.evaluations == (EvaluationCheck("quality", ("a", "b")), EvaluationCheck("tone", ("a",)))
    assert found.unchecked == ()


def test_an_agent_is_run_once_for_the_same_inputs() -> None:
    same = file("d", agents=[{"name": "bot", "input_variables": {}}])
    found = select(["a", "b", "d"], [A, B, same])
    assert found.agents == (AgentCheck("bot", ("a", "d"), {}), AgentCheck("bot", ("b",), {"x": 1}))


def test_only_the_named_prompts_count() -> None:
    assert select(["b"], [A, B]).evaluations == (EvaluationCheck("quality", ("b",)),)
    assert select([], [A, B]) == Selection()


def test_a_prompt_without_checks_is_unchecked() -> None:
    assert select(["a", "c", "gone"], [A, C]).unchecked == ("c", "gone")


def test_checks_of_the_configuration_count_for_the_names_that_they_match() -> None:
    checks = [
        {"match": "support/*", "evaluation": "quality"},
        {"match": "support/deep*", "agent": "bot", "input_variables": {"x": 2}},
        {"match": "sales/*", "evaluation": "tone"},
    ]
    found = select(["support/deep/one", "support/two", "Support/three"], [], *checks)
    assert found.evaluations == (EvaluationCheck("quality", ("support/deep/one", "support/two")),)
    assert found.agents == (AgentCheck("bot", ("support/deep/one",), {"x": 2}),)
    assert found.unchecked == ("Support/three",)


MINIMA = [
    ([], None),
    ([{"match": "a", "evaluation": "quality", "min_score": 80}], 80),
    ([{"match": "b", "evaluation": "quality", "min_score": 80}], None),
    (
        [
            {"match": "*", "evaluation": "quality", "min_score": 80},
            {"match": "a", "evaluation": "quality", "min_score": 90},
            {"match": "b", "evaluation": "quality", "min_score": 95},
            {"match": "a", "evaluation": "tone", "min_score": 99},
        ],
        90,
    ),
]


@pytest.mark.parametrize(("checks", "least"), MINIMA)
def test_the_highest_minimum_of_those_that_apply_counts(
    checks: list[Mapping[str, Any]], least: float | None
) -> None:
    assert select(["a"], [A, B], *checks).evaluations[0] == EvaluationCheck("quality", ("a",), least)


def test_the_lowest_limit_of_a_drop_counts() -> None:
    checks = [
        {"match": "*", "evaluation": "quality", "max_drop": 5},
        {"match": "a", "evaluation": "quality", "max_drop": 2.5, "min_score": 10},
        {"match": "b", "evaluation": "quality", "max_drop": 0},
    ]
    (found, *_) = select(["a"], [A, B], *checks).evaluations
    assert found == EvaluationCheck("quality", ("a",), 10, 2.5)


def test_a_check_knows_where_it_is_named() -> None:
    found = select(["a", "b"], [A, B], {"match": "a", "evaluation": "tone"})
    quality, tone = found.evaluations
    assert [str(place) for place in quality.named_in] == ["prompts/a.yaml:4", "prompts/b.yaml:4"]
    assert [str(place) for place in tone.named_in] == ["prompts/a.yaml:5", "promptsync.yaml, checks[0]"]
    assert str(found.agents[1].named_in[0]).startswith("prompts/b.yaml:6")
