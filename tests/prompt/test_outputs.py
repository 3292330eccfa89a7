from __future__ import annotations

import pytest

from promptsync.prompt.contract import response_schema, tools_of
from promptsync.prompt.prompt import Prompt

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
OBJECT = {"type": "object"}


def with_parameters(**parameters: object) -> Prompt:
    return Prompt(
        "p", {"type": "chat", "messages": []}, {"model": {"provider": "x", "parameters": parameters}}
    )


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [
        ({}, None),
        ({"response_format": {"type": "json_object"}}, OBJECT),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}, SCHEMA),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": "broken"}}}, OBJECT),
        ({"response_format": {"type": "json_schema", "schema": SCHEMA}}, SCHEMA),
        ({"response_format": {"type": "json_object", "json_schema": SCHEMA}}, SCHEMA),
        ({"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}}, SCHEMA),
        ({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}, SCHEMA),
        ({"output_format": {"type": "json_schema", "schema": SCHEMA}}, SCHEMA),
        ({"response_mime_type": "application/json"}, {}),
        ({"response_mime_type": "application/json", "response_schema": SCHEMA}, SCHEMA),
        ({"responseMimeType": "application/json", "responseSchema": SCHEMA}, SCHEMA),
        ({"generation_config": {"response_json_schema": SCHEMA}}, SCHEMA),
        ({"generationConfig": {"responseJsonSchema": SCHEMA}}, SCHEMA),
        ({"response_format": None, "text": 3, "generation_config": []}, None),
    ],
)
def test_the_schema_of_a_response_is_where_its_provider_has_it(parameters, schema):
    assert response_schema(with_parameters(**parameters)) == schema


def test_tools_by_name():
    functions = [
        {"name": "find", "parameters": SCHEMA},
        {"name": "list"},
        {"name": "broken", "parameters": "x"},
        {"name": 3},
    ]
    others = [
        {"type": "web_search", "name": "web", "id": "w"},
        {"type": "registry", "tool_registry_id": 12, "label": "prod"},
        {"type": "variable", "name": "more"},
        "broken",
    ]
    tools = [{"type": "function", "function": function} for function in functions]
    old = [{"name": "old", "parameters": SCHEMA}, {"description": "no name"}]
    assert tools_of(Prompt("p", {"type": "chat", "tools": tools + others, "functions": old})) == {
        "find": SCHEMA,
        "list": {"type": "object", "properties": {}},
        **dict.fromkeys(("broken", "web_search", "registry tool 12")),
        "old": SCHEMA,
    }
