"""The types of prompts: their names, and what templates show of their variables."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from promptsync.declarations.language import LANGUAGES
from promptsync.declarations.prompts import declarations, variables_schema
from promptsync.prompt.prompt import Prompt

TEXT = {"type": ["string", "number"]}
LIST = {"type": "array"}
OBJECT = {"type": "mapping"}


def completion(*texts: str, template_format: str = "jinja2", **keys: Any) -> dict[str, Any]:
    blocks = [{"type": "text", "text": text} for text in texts]
    return {"type": "completion", "template_format": template_format, "content": blocks, **keys}


def maybe(schema: Any) -> Any:
    return {"anyOf": [schema, {"type": "null"}]}


SHOWN = [
    ("{{ x }}", TEXT),
    ("{{ x | trim | upper }}", {}),
    ("{{ x ~ '!' }}", TEXT),
    ("{% for y in x %}{{ y }}{% endfor %}", LIST),
    ("{% for a, b in x %}{{ a }}{% endfor %}", LIST),
    ("{{ x[0] }}", {}),
    ("{{ x.a }} {{ x.b.c }}", OBJECT),
    ("{% for y in x.a %}{{ y }}{% endfor %}", OBJECT),
    ("{% if x %}{{ x.a }}{% endif %}", maybe(OBJECT)),
    ("{% if x %}{{ x }}{% endif %}", maybe(TEXT)),
    ("{% if x %}yes{% endif %}", maybe({})),
    ("{{ x | default('a') }}", maybe({})),
    ("{{ x or 'a' }}", maybe({})),
    ("{% if x == 'formal' %}a{% endif %}{{ x }}", TEXT),
    ("{{ x | length }}", {}),
    ("{{ x | join(', ') }}", {}),
    ("{{ x.items() }}", {}),
    ("{{ x() }}", {}),
    ("{{ x[y] }}", {}),
    ("{{ x }}{{ x.a }}", {}),
    ("{{ x * 2 }}", {}),
    ("{% set y = x %}{{ y.a }}", {}),
    ("{% set x = x or 1 %}{{ x }}", maybe({})),
    ("{% for x in [1] %}{{ x }}{% endfor %}{{ x }}", TEXT),
    ("{% for y in [1] if x %}{{ y }}{% endfor %}", {}),
    ("{{ '%s' | format(x) }}", {}),
    ("{% with a = x %}{{ a }}{% endwith %}", {}),
]


@pytest.mark.parametrize(("text", "expected"), SHOWN, ids=[case[0] for case in SHOWN])
def test_a_jinja2_text_shows_what_its_variables_are(text: str, expected: Any) -> None:
    schema = variables_schema(completion(text))
    assert schema["properties"]["x"] == expected
    assert ("x" in schema["required"]) == ("anyOf" not in expected)


def test_texts_that_use_a_variable_in_different_ways_show_nothing() -> None:
    assert variables_schema(completion("{{ x }}", "{{ x.a }}"))["properties"] == {"x": {}}
    assert variables_schema(completion("{{ x }}", "{% if x %}a{% endif %}"))["properties"] == {"x": TEXT}


def test_an_f_string_needs_texts_or_numbers() -> None:
    schema = variables_schema(completion("{a} {b:>10} {a.b} {{c}}", template_format="f-string"))
    assert schema["properties"] == {"a": TEXT, "b": TEXT, "a.b": TEXT}
    assert schema["required"] == ["a", "a.b", "b"]


def test_placeholders_media_and_tools_are_variables() -> None:
    blocks = [
        {"type": "media_variable", "name": "scans"},
        {"type": "image_url", "image_url": {"url": ""}, "image_variable": "photo"},
    ]
    schema = variables_schema(
        {
            "type": "chat",
            "messages": [{"role": "placeholder", "name": "talk"}, {"role": "user", "content": blocks}],
            "tools": [{"type": "variable", "name": "more"}],
        }
    )
    assert schema["properties"] == {"talk": LIST, "scans": LIST, "more": LIST, "photo": {}}
    assert schema["required"] == ["more", "photo", "scans", "talk"]


# -- names --------------------------------------------------------------------------------------------------

NAMES = [
    ("support/refund", "SupportRefund"),
    ("support-refund_2", "SupportRefund2"),
    ("orderStatus", "OrderStatus"),
    ("возврат/Größe", "ВозвратGröße"),
    ("返金", "返金"),
    ("class", "Class"),
    ("a b.c", "ABC"),
    ("ﬁne", "Fine"),
]


@pytest.mark.parametrize(("name", "base"), NAMES, ids=[case[0] for case in NAMES])
@pytest.mark.parametrize("language", [*LANGUAGES])
def test_names_of_types_follow_those_of_prompts(name: str, base: str, language: str) -> None:
    assert names({name: completion("x")}, language)[0] == f"{base}Variables"


@pytest.mark.parametrize("name", ["2nd", "/", "😀", "²", " ", "", "\ud800"])
def test_names_that_make_no_identifier_get_a_hash(name: str) -> None:
    (alone, *_), (*both,) = (
        names({name: completion("x")}),
        names({name: completion("x"), "A b": completion("x")}),
    )
    assert alone.isidentifier()
    assert len({*both}) == 3 and alone in both


def test_the_name_of_a_type_does_not_depend_on_other_prompts_unless_they_look_alike() -> None:
    prompts = {name: completion("{{ x }}") for name in ("a/b", "a-b", "a_b", "c")}
    everything = names(prompts)
    assert len({*everything}) == len(everything) == 5
    shuffled = [*prompts]
    random.Random(1).shuffle(shuffled)
    assert names({name: prompts[name] for name in shuffled}) == everything
    assert names({"c": prompts["c"]})[0] in everything
    hashes = [name for name in everything if re.fullmatch(r"PromptAB_[0-9a-f]{8}Variables", name)]
    assert len(hashes) == 3


def test_a_part_of_a_schema_never_takes_the_name_of_a_prompt() -> None:
    parameters = {
        "type": "object",
        "properties": {"B": {"type": "object", "properties": {"c": {"type": "string"}}}},
    }
    tools = [{"type": "function", "function": {"name": "x", "parameters": parameters}}]
    tools += [
        {"type": "function", "function": {"name": name, "parameters": parameters}} for name in ("X", "x!")
    ]
    found = names({"a": completion("x", tools=tools), "a/x/arguments/b": completion("x")})
    assert len({*found}) == len(found)
    assert {"AXArguments", "AXArguments2", "AXArguments3", "AXArgumentsB", "AXArgumentsBVariables"} <= {
        *found
    }


def names(templates: dict[str, Any], language: str = "python") -> list[str]:
    prompts = {name: (Prompt(name, template), "") for name, template in templates.items()}
    text = declarations(prompts, LANGUAGES[language], "header")
    return re.findall(
        r"(?m)^(?:class |export interface |export type )?([^\W\d]\w*)(?=\(TypedDict|: TypeAlias| = | \{)",
        text,
    )


def test_typescript_has_the_types_of_each_prompt_under_its_name() -> None:
    tool = {
        "type": "function",
        "function": {"name": "look-up", "parameters": {"type": "object", "required": ["a"]}},
    }
    template = completion("{{ x }}", tools=[tool, {"type": "web_search"}])
    text = declarations({"a/b": (Prompt("a/b", template), "")}, LANGUAGES["typescript"], "header")
    assert (
        '  "a/b": { variables: ABVariables; output: unknown; tools: { "look-up": ABLookUpArguments } };'
        in text
    )
