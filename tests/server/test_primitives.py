"""The primitives of computed columns and scorecards, and how their results become verdicts."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from promptsync.server.checks.models import ModelError
from promptsync.server.http import ApiError
from promptsync.server.tables.compute import Aggregation, ScoringStep, Thresholds, aggregate
from promptsync.server.tables.primitives import NoResult, primitive, score_of
from promptsync.server.tables.store import SheetCell

ROW = {
    "Output": "Your refund is on its way.",
    "expected": "REFUND",
    "empty": "",
    "order": '{"id": 7, "items": [{"name": "a"}, {"name": "b"}], "a b": null}',
    "same order": '{"items": [{"name": "a"}, {"name": "b"}], "id": 7, "a b": null}',
    "number": "7.0",
    "list": [1, 2],
    "text": " Is 1.5 enough? Yes!\n\n It is, \n for you. ",
    "flag": True,
    "long": "!" * 300_000 + "x",
    "none": None,
    "not a number": '{"a": NaN}',
    "deep": "[" * 500 + "]" * 500,
    "deepest": "[" * 100_000,
    "questions": '["Is it polite?", "Is it short?"]',
}


def no_model(text: str) -> str:
    raise ModelError("no model")


def value(kind: str, config: dict[str, Any], ask: Any = no_model) -> Any:
    return primitive(kind, config, "config").result(ROW.__getitem__, ask)


def sources(*names: str, **more: Any) -> dict[str, Any]:
    return {"sources": list(names), **more}


BY_ID, NUMBER = {"type": "JSON", "json_path": "$.id"}, {"type": "NUMBER"}
FIRST_ITEM = {"source": "order", "json_path": "$.items[0].name"}


def test_the_result_for_a_row() -> None:
    for kind, config, result in (
        ("COMPARE", sources("expected", target="refund"), False),
        ("COMPARE", sources("none", "empty"), True),
        ("COMPARE", sources("list", target="[1, 2]"), True),
        ("COMPARE", sources("order", "same order", comparison_type={"type": "JSON"}), True),
        ("COMPARE", sources("order", target={"id": 7.5}, comparison_type=BY_ID), False),
        ("COMPARE", sources("flag", target=1, comparison_type="JSON"), False),
        ("COMPARE", sources("number", target=7, comparison_type="NUMBER"), True),
        ("COMPARE", sources("number", target=8, comparison_type=NUMBER | {"operator": "GTE"}), False),
        ("COMPARE", sources("number", target=8, comparison_type=NUMBER | {"operator": "LT"}), True),
        ("CONTAINS", {"source": "Output", "value": "Refund"}, True),
        ("CONTAINS", {"source": "Output", "value_source": "expected"}, True),
        ("REGEX", {"source": "Output", "regex_pattern": r"refund\b"}, True),
        ("ASSERT_VALID", {"source": "order", "type": "object"}, True),
        ("ASSERT_VALID", {"source": "number", "type": "object"}, False),
        ("ASSERT_VALID", {"source": "number", "type": "number"}, True),
        ("ASSERT_VALID", {"source": "flag", "type": "number"}, False),
        ("JSON_PATH", {"source": "order", "json_path": "$.items[-1].name"}, "b"),
        ("JSON_PATH", {**FIRST_ITEM, "return_first_match": False}, ["a"]),
        ("JSON_PATH", {"source": "order", "json_path": "$['items'][1]['name']"}, "b"),
        ("JSON_PATH", {"source": "order", "json_path": "$.nothing[0]"}, None),
        ("JSON_PATH", {"source": "order", "json_path": "$.items[0].name[0]"}, None),
        ("COMPOSITION", {"source": "list"}, [1, 2]),
        ("COALESCE", sources("none", "empty", "list", "flag"), [1, 2]),
        ("COALESCE", sources("none", "empty"), None),
        ("COUNT", {"source": "Output", "type": "chars"}, 26),
        ("COUNT", {"source": "text", "type": "words"}, 8),
        ("COUNT", {"source": "text", "type": "sentences"}, 3),
        ("COUNT", {"source": "text", "type": "paragraphs"}, 2),
        ("COUNT", {"source": "empty", "type": "words"}, 0),
        ("COUNT", {"source": "text", "type": "words", "min_count": 8, "max_count": 8}, True),
        ("COUNT", {"source": "text", "type": "words", "max_count": 7}, False),
    ):
        assert value(kind, config) == result, kind


def test_a_row_without_a_result_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptsync.server.tables.primitives.SEARCH_SECONDS", 0.1)
    for kind, config, says in (
        ("COMPARE", sources("Output", target=1, comparison_type="NUMBER"), "is not a number"),
        ("COMPARE", sources("Output", target=1, comparison_type="JSON"), "is not valid JSON"),
        ("CONTAINS", {"source": "Output", "value_source": "empty"}, "the text to look for is empty"),
        ("JSON_PATH", {"source": "not a number", "json_path": "$.a"}, "is not valid JSON"),
        ("JSON_PATH", {"source": "deep", "json_path": "$"}, "nests deeper than"),
        ("JSON_PATH", {"source": "deepest", "json_path": "$"}, "is not valid JSON"),
        ("REGEX", {"source": "long", "regex_pattern": "(!+)+$"}, "takes longer than 0.1 s"),
        ("LLM_ASSERTION", {"source": "Output", "prompt_source": "empty"}, "the assertion is empty"),
    ):
        with pytest.raises(NoResult, match=says):
            value(kind, config)


def test_a_wrong_configuration_is_refused_with_its_place() -> None:
    for kind, config, says in (
        ("CODE_EXECUTION", {"code": "x"}, "CODE_EXECUTION does not run here. These do: COMPARE, "),
        ("COALESCE", sources("a"), "expected array of length >= 2"),
        ("COUNT", {"source": "a", "type": "pages"}, "type: invalid enum value 'pages'"),
        ("COMPARE", sources("a"), "needs two sources, or one source and a target"),
        ("CONTAINS", {"source": "a"}, "needs either value or value_source"),
        ("REGEX", {"source": "a", "regex_pattern": "("}, "is not a regular expression"),
        ("JSON_PATH", {"source": "a", "json_path": "$..a"}, "is not a path of keys and indices, such as"),
        ("LLM_ASSERTION", {"source": "a"}, "needs prompt or prompt_source"),
    ):
        with pytest.raises(ApiError) as caught:
            primitive(kind, config, "config")
        assert caught.value.status == 400 and says in caught.value.message, says


JUDGED = [
    ('{"value": true, "reasoning": "kind"}', {"value": True, "reasoning": "kind"}),
    ('```json\n{"value": false}\n```', {"value": False, "reasoning": ""}),
    ("Yes, it is.", {"value": True, "reasoning": "Yes, it is."}),
    ("**FAIL**", {"value": False, "reasoning": "**FAIL**"}),
    ("no" + " " * 300_000 + ".", {"value": False, "reasoning": "no" + " " * 300_000 + "."}),
]


def test_an_assertion_is_what_the_model_answers() -> None:
    config = {"source": "Output", "prompt": "Is it polite?", "variable_mappings": {"goal": "expected"}}
    for answer, judgement in JUDGED:
        ask = Mock(return_value=answer)
        assert value("LLM_ASSERTION", config, ask) == judgement
        (asked,) = ask.call_args.args
        assert all(part in asked for part in ("Is it polite?", ROW["Output"], "goal:\nREFUND"))
    for answer in ("", "I cannot say.", "Yesterday", "[]", '{"value": "yes"}'):
        with pytest.raises(NoResult, match="did not answer true or false"):
            value("LLM_ASSERTION", config, Mock(return_value=answer))
    # Each assertion of a list is asked by itself.
    config = {"source": "Output", "prompt_source": "questions"}
    judged = value("LLM_ASSERTION", config, lambda text: "yes" if "polite" in text else "no")
    assert [(name, part["value"]) for name, part in judged.items()] == [
        ("Is it polite?", True),
        ("Is it short?", False),
    ]
    assert score_of(judged) == 0.5


# -- scores and verdicts --------------------------------------------------------------------------------


def step(**keys: Any) -> ScoringStep:
    return ScoringStep("a step", "CONTAINS", primitive_config={"source": "Output", "value": "refund"}, **keys)


def failure(behavior: str) -> dict[str, str]:
    return {"required_step_failure_behavior": behavior}


def test_the_weighted_mean_and_its_verdict() -> None:
    for steps, scores, how, result in (
        ([step()], [0.8], {}, (0.8, "pass")),
        ([step()], [0.79], {}, (0.79, "warn")),
        ([step()], [0.59], {}, (0.59, "fail")),
        ([step(), step(weight=3)], [0.0, 1.0], {}, (0.75, "warn")),
        ([step(), step(weight=3)], [0.0, 1.0], {"pass_threshold": 0.7}, (0.75, "pass")),
        ([step(required=True), step(weight=9)], [0.0, 1.0], {}, (0.9, "fail")),
        ([step(required=True), step(weight=9)], [0.6, 1.0], {}, (0.96, "pass")),
        ([step(required=True), step(weight=9)], [0.0, 1.0], failure("warn"), (0.9, "warn")),
        ([step(required=True)], [0.0], failure("warn"), (0.0, "fail")),
        ([step(), step()], [None, 1.0], {}, (0.5, "error")),
    ):
        score, verdict = aggregate(steps, scores, Aggregation(**how))
        assert (pytest.approx(score), verdict) == result, result


def test_a_step_that_cannot_be_scored_says_why() -> None:
    def result(value: Any, error: str | None = None) -> dict[str, Any]:
        cell = SheetCell("id", "sheet", "column", 0, "COMPLETED", "now", value, error)
        return step(thresholds=Thresholds(1.0, 0.5)).result(cell)

    assert result(True)["verdict"] == "pass"
    assert result(0.5)["verdict"] == "warn"
    failed = result(7)
    assert (failed["verdict"], failed["score"], failed["raw_value"]) == ("error", None, 7)
    assert failed["error_message"] == "'7' is not a score from 0 to 1"
    assert result(None, "no model")["error_message"] == "no model"
