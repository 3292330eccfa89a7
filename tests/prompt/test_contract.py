"""What a new version changes for the applications of the live one: pairs, verdicts, reasons."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from strategies import prompts as any_prompts

from promptsync.prompt.contract import (
    ContractChange,
    contract_changes,
    response_schema,
    schema_changes,
    tools_of,
)
from promptsync.prompt.prompt import Prompt

S, INT, N, NULL = {"type": "string"}, {"type": "integer"}, {"type": "number"}, {"type": "null"}


def obj(*optional: str, **properties: Any) -> dict[str, Any]:
    """An object schema: all properties are required but the ``optional`` ones, which are strings."""
    named = {**properties, **dict.fromkeys(optional, S)}
    return {"type": "object", "properties": named, "required": [*properties]}


def listed(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def mapped(values: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


def recursive(leaf: Any) -> dict[str, Any]:
    node = obj(value=leaf, children={"type": "array", "items": {"$ref": "#/$defs/node"}})
    return {"$defs": {"node": node}, "$ref": "#/$defs/node"}


def nested(depth: int, leaf: Any) -> Any:
    for _ in range(depth):
        leaf = obj(a=leaf)
    return leaf


CAT, DOG = obj(kind={"const": "cat"}, lives=INT), obj(kind={"const": "dog"}, breed=S)
OPEN, CLOSED = obj(a=S), {**obj(a=S), "additionalProperties": False}
ONLY_A = {"type": "string", "enum": ["a"]}
ANY_OF = {"anyOf": [obj(a=S), obj(b=S)]}
VARIABLE = {"name": "options", "type": "enum_variable"}
MANY = [f"v{number}" for number in range(10_000)]

# old, new, what is reported: a letter for the verdict, the path and the reason
RESPONSES = [
    # -- nothing that a reader notices
    (S, S, []),
    (S, {**S, "description": "new", "title": "T", "examples": ["x"], "default": "x"}, []),
    ({"$ref": "#/$defs/a", "$defs": {"a": S}}, S, []),
    (
        {"allOf": [{"$ref": "#/definitions/a"}], "definitions": {"a": S}},
        {"$ref": "#/$defs/b", "$defs": {"b": S}},
        [],
    ),
    ({"anyOf": [S, NULL]}, {"type": ["string", "null"]}, []),
    ({"anyOf": [CAT, DOG]}, {"oneOf": [DOG, CAT]}, []),
    # -- properties
    (obj(a=S, b=INT), obj(a=S), ["B b is gone"]),
    (obj(a=S), obj(a=S, b=INT), []),
    (obj(a=S), obj("a"), ["B a is no longer required"]),
    (obj(a=obj(b=S, c=S)), obj(a=obj(b=S)), ["B a.c is gone"]),
    ({"type": "object", "required": ["a"]}, {"type": "object"}, ["B a is no longer required"]),
    (mapped(INT), mapped(S), ["B .* type was integer, is string"]),
    (mapped(INT), {**obj("a"), **mapped(INT)}, ["B a type was integer, is string"]),
    (obj(**{"a b": INT}), obj(**{"a b": S}), ['B ["a b"] type was integer, is string']),
    ({**obj(a=S), "minProperties": 2}, obj(a=S), ["B  minProperties was 2, is none"]),
    ({"patternProperties": {"^a": S}}, {"patternProperties": {"^a": INT}}, ["?"]),
    # -- types
    (obj(a=S), obj(a=INT), ["B a type was string, is integer"]),
    (INT, N, ["B  type was integer, is number"]),
    (S, {"type": ["string", "null"]}, ['B  type was string, is ["string","null"]']),
    ({"type": ["string", "null"]}, S, []),
    (S, {**S, "nullable": True}, ['B  type was string, is ["string","null"]']),
    (False, S, ["B"]),
    (obj(a=S), {"properties": {"a": S}, "required": ["a"]}, ["B  type was object, is any"]),
    # -- values
    ({"enum": ["a", "b"]}, {"enum": ["a"]}, []),
    ({"enum": ["a"]}, {"enum": ["a", "b"]}, ['B  enum was ["a"], is ["a","b"]']),
    ({"const": "a"}, {"enum": ["a", "b"]}, ['B  const was a, is none; enum was none, is ["a","b"]']),
    (S, ONLY_A, []),
    (ONLY_A, S, ['B  enum was ["a"], is none']),
    ({**INT, "minimum": 1}, {**INT, "minimum": 0}, ["B  minimum was 1, is 0"]),
    ({**N, "multipleOf": 2}, {**N, "multipleOf": 3}, ["?  multipleOf was 2, is 3"]),
    ({**S, "format": "date"}, {**S, "format": "date-time"}, ["B  format was date, is date-time"]),
    # -- lists
    (listed(obj(a=S)), listed(obj(b=S)), ["B [].a is gone"]),
    (listed(S), {"type": "array"}, ["B [] type was string, is any"]),
    ({"prefixItems": [S, INT]}, {"prefixItems": [S, S]}, ["B  prefixItems was"]),
    # -- alternatives
    (obj(a=S), obj(a={"anyOf": [S, NULL]}), ['B a type was string, is ["string","null"]']),
    (obj(a={"anyOf": [S, NULL]}), obj(a=S), []),
    ({"anyOf": [obj(a=S, b=S), NULL]}, {"anyOf": [obj(a=S), NULL]}, ["B b is gone"]),
    (obj(a=S, b=S), {"anyOf": [obj(a=S), NULL]}, ['B  type was object, is ["object","null"]']),
    ({"anyOf": [CAT]}, {"anyOf": [CAT, DOG]}, ["B  type was object, is any; properties was"]),
    ({"not": S}, {"not": INT}, ["?  not was"]),
    ({"if": S, "then": {"minLength": 1}}, {"if": S, "then": {"minLength": 2}}, ["?  then was"]),
    (
        {"not": {"$ref": "#/$defs/a"}, "$defs": {"a": S}},
        {"not": {"$ref": "#/$defs/a"}, "$defs": {"a": INT}},
        ["?  refers to a definition that changed"],
    ),
    ({"allOf": [ANY_OF] * 7}, {"allOf": [ANY_OF] * 8}, ["?  allOf was"]),
    # -- references
    (recursive(S), recursive(S), []),
    (
        recursive(S),
        recursive(INT),
        ["B value type was string, is integer", "B children[].value type was string"],
    ),
    ({"$ref": "#"}, {"$ref": "#", "type": "string"}, ["?  changed, and is too large or too deep"]),
    # -- what nobody can tell
    ({**S, "enum": VARIABLE}, {**S, "enum": {**VARIABLE, "name": "others"}}, ["?  enum was"]),
    ({"type": "variable", "name": "x"}, {"type": "variable", "name": "y"}, ["?"]),
    (nested(500, S), nested(500, INT), ["?  changed, and is too large or too deep to compare"]),
    ({"enum": MANY[1:]}, {"enum": MANY}, ['B  enum was ["v1","v2"']),
]


def check(changes: Iterable[ContractChange], expected: list[str]) -> None:
    letters = {"breaking": "B", "unknown": "?"}
    reported = [f"{letters[change.verdict]} {change}" for change in changes]
    assert len(reported) == len(expected), reported
    assert all(line.startswith(start) for line, start in zip(reported, expected, strict=True)), reported


ARGUMENTS = [
    (obj(a=S), obj(a=S, b=S), ["B b is new"]),
    (obj(a=S), obj("b", a=S), ["B b is new"]),
    (obj(a=obj(b=S)), obj(a=obj("c", b=S)), ["B a.c is new"]),
    (obj(a=S, b=S), obj(a=S), ["B b is gone"]),
    (obj(a=S), obj("a"), ["B a is no longer required"]),
    (obj("a"), obj(a=S), []),
    (CLOSED, OPEN, ["B  can have other properties now"]),
    (OPEN, CLOSED, []),
]
"""The arguments of a tool, where a property more breaks its code."""


@pytest.mark.parametrize(
    ("old", "new", "expected", "is_closed"),
    [*((*row, False) for row in RESPONSES), *((*row, True) for row in ARGUMENTS)],
)
def test_schemas(old, new, expected, is_closed):
    check(schema_changes(old, new, "", is_closed=is_closed), expected)


# -- whole prompts ----------------------------------------------------------------------------------------


def chat(
    *texts: str, form: str = "f-string", tools: list[Any] | None = None, **parameters: Any
) -> dict[str, Any]:
    """A prompt file in short: a chat of user messages."""
    messages = [{"role": "user", "template_format": form, "content": text} for text in texts]
    template = {"type": "chat", "messages": messages, **({"tools": tools} if tools else {})}
    return {"template": template, "model": {"provider": "openai", "name": "gpt-4o", "parameters": parameters}}


def jinja(text: str) -> dict[str, Any]:
    return chat(text, form="jinja2")


def model(**keys: Any) -> dict[str, Any]:
    return {**chat("Hi"), "model": {"provider": "openai", "name": "gpt-4o", **keys}}


def tool(name: str, *optional: str, **parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": obj(*optional, **parameters)}}


def saying(**message: Any) -> dict[str, Any]:
    return {**chat(), "template": {"type": "chat", "messages": [message]}}


def answering(schema: Any) -> dict[str, Any]:
    return chat("Hi", response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}})


HI = chat("Hi")
COMPLETION = {**HI, "template": {"type": "completion", "content": "Hi"}}
REGISTRY = {"type": "registry", "tool_registry_id": 12}
WEB = {"type": "web_search", "id": "w", "name": "web"}
NO_MODEL = {"template": HI["template"]}
ANY_JSON = chat("Hi", response_format={"type": "json_object"})

PROMPTS = [
    (HI, chat("Hello"), []),
    # -- variables
    (chat("{a}"), chat("{a} and {b}"), ["B variable b is new: the application does not send it"]),
    (jinja("Hi"), jinja("{% if a %}{{ a }}{% endif %}"), []),
    (jinja("{{ a }}"), jinja("{{ a or 'x' }}"), []),
    (jinja("{% if a %}x{% endif %}"), jinja("{{ a }}"), ["B variable a is no longer optional"]),
    (HI, saying(role="placeholder", name="history"), ["B variable history is new"]),
    (saying(role="placeholder", name="a"), chat("{a}"), ["B variable a is used as text now"]),
    (
        chat("{a}"),
        saying(role="user", content=[{"type": "media_variable", "name": "a"}]),
        ["B variable a is used as media now"],
    ),
    (HI, chat("Hi", tools=[{"type": "variable", "name": "more"}]), ["B variable more is new"]),
    # -- template format, type, provider
    (chat("{a}"), jinja("{{ a }}"), ["B template_format was f-string, is jinja2"]),
    (chat("Hi"), jinja("Hi {{ a }}"), ["B variable a is new"]),
    (HI, COMPLETION, ["B type was chat, is completion"]),
    (HI, model(provider="anthropic", name="claude"), ["B provider was openai, is anthropic"]),
    (HI, model(api_type="responses"), ["B api_type was chat-completions, is responses"]),
    (HI, NO_MODEL, ["B provider was openai, is none"]),
    (NO_MODEL, HI, ["? provider was none, is openai"]),
    # -- tools
    (HI, chat("Hi", tools=[tool("f")]), ["B tool f is new: the application may have no code for it"]),
    (chat("Hi", tools=[tool("f")]), chat("Hi", tools=[tool("g")]), ["B tool f is gone", "B tool g is new"]),
    (chat("Hi", tools=[tool("f", a=S)]), chat("Hi", tools=[tool("f", a=S, b=INT)]), ["B tool f.b is new"]),
    (chat("Hi", tools=[tool("f", a=S, b=INT)]), chat("Hi", tools=[tool("f", a=S)]), ["B tool f.b is gone"]),
    (chat("Hi", tools=[tool("f"), tool("g")]), chat("Hi", tools=[tool("g"), tool("f")]), []),
    (chat("Hi", tools=[REGISTRY]), chat("Hello", tools=[REGISTRY]), []),
    (chat("Hi", tools=[tool("f", a=S)]), chat("Hello", tools=[REGISTRY]), []),
    (
        chat("Hi", tools=[REGISTRY]),
        chat("Hi", tools=[{**REGISTRY, "tool_registry_id": 13}]),
        ["? registry tool 12", "? registry tool 13"],
    ),
    (
        chat("Hi", tools=[tool("f"), tool("g")]),
        chat("Hi", tools=[REGISTRY]),
        ["? tool f", "? tool g", "? registry tool 12"],
    ),
    (HI, chat("Hi", tools=[WEB]), ["? tool web_search is new"]),
    (
        chat("Hi", tools=[tool("web_search", a=S)]),
        chat("Hi", tools=[WEB]),
        ["? tool web_search has other parameters"],
    ),
    # -- responses
    (answering(obj(a=S)), answering(obj(b=S)), ["B response.a is gone"]),
    (answering(obj(a=S)), HI, ["B response was JSON, can be any text"]),
    (HI, answering(obj(a=S)), ["? response was any text, is JSON"]),
    (answering(obj(a=S)), ANY_JSON, ["B response.a is gone"]),
]


def as_prompt(short: dict[str, Any]) -> Prompt:
    return Prompt("p", short["template"], {"model": short["model"]} if "model" in short else {})


@pytest.mark.parametrize(("live", "new", "expected"), PROMPTS)
def test_prompts(live, new, expected):
    check(contract_changes(as_prompt(live), as_prompt(new)), expected)


@given(any_prompts(), any_prompts())
def test_any_two_prompts_can_be_compared(live, new):
    assert contract_changes(live, live) == ()
    contract_changes(live, new)


# -- where a prompt has its schemas --------------------------------------------------------------------------

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
