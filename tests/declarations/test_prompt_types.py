"""The types of prompts: their names, and what templates show of their variables."""

from __future__ import annotations

import itertools
import random
import re
from typing import Any

from promptsync.declarations import LANGUAGES, declarations, variables_schema
from promptsync.prompt.prompt import Prompt

TEXT, LIST = {"type": ["string", "number"]}, {"type": "array"}


def completion(*texts: str, template_format: str = "jinja2", **keys: Any) -> dict[str, Any]:
    blocks = [{"type": "text", "text": text} for text in texts]
    return {"type": "completion", "template_format": template_format, "content": blocks, **keys}


def test_a_variable_of_jinja2_is_anything_and_optional_if_it_is_tested_first() -> None:
    schema = variables_schema(completion("{{ x }} {{ y.a }} {% if z %}{{ z.a }}{% endif %}"))
    assert schema["properties"] == {"x": {}, "y": {}, "z": {}}
    assert schema["required"] == ["x", "y"]


def test_an_f_string_needs_texts_or_numbers() -> None:
    schema = variables_schema(completion("{a} {b:>10} {a.b} {{c}}", template_format="f-string"))
    assert schema["properties"] == {"a": TEXT, "b": TEXT, "a.b": TEXT}
    assert schema["required"] == ["a", "a.b", "b"]


def test_placeholders_media_and_tools_are_variables() -> None:
    blocks = [
        {"type": "media_variable", "name": "scans"},
        {"type": "image_url", "image_url": {"url": ""}, "image_variable": "photo"},
    ]
    messages = [{"role": "placeholder", "name": "talk"}, {"role": "user", "content": blocks}]
    tools = [{"type": "variable", "name": "more"}]
    schema = variables_schema({"type": "chat", "messages": messages, "tools": tools})
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


def test_names_of_types_follow_those_of_prompts_and_every_name_makes_an_identifier() -> None:
    for language, (name, base) in itertools.product(LANGUAGES, NAMES):
        assert names([Prompt(name, completion("x"))], language)[0] == f"{base}Variables"
    for name in ("2nd", "/", "😀", "²", " ", "", "\ud800"):
        alone, *_ = names([Prompt(name, completion("x"))])
        assert alone.isidentifier() and alone.startswith("Prompt")


def test_prompts_whose_names_look_alike_get_numbers_that_all_their_types_have() -> None:
    prompts = [responding("a/b", {}), responding("a-b", {}), Prompt("a_b", completion())]
    expected = ["ABVariables", "ABOutput", "AB2Variables", "AB2Output", "AB3Variables", "PromptName"]
    assert names(prompts) == expected
    random.Random(1).shuffle(prompts)
    assert names(prompts) == expected


def test_a_part_of_a_schema_never_takes_the_name_of_a_prompt() -> None:
    part = {"type": "object", "properties": {"c": {"type": "string"}}}
    schema = {"type": "object", "properties": {"variables": part, "Variables": part}}
    found = names([responding("a", schema), Prompt("a/output", completion("x"))])
    assert len({*found}) == len(found)
    assert {"AOutput", "AOutputVariables", "AOutputVariables2", "AOutputVariables3"} <= {*found}


def test_typescript_has_the_types_of_each_prompt_under_its_name() -> None:
    prompts = [responding("a/b", {"type": "object"}), Prompt('c"', completion("x"))]
    text = declarations(prompts, LANGUAGES["typescript"], "header")
    assert '    "a/b": { variables: ABVariables; output: ABOutput };\n' in text
    assert '    "c\\"": { variables: CVariables; output: unknown };\n' in text


def responding(name: str, schema: Any) -> Prompt:
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    model = {"provider": "openai", "name": "m", "parameters": {"response_format": form}}
    return Prompt(name, completion("{{ x }}"), {"model": model})


def names(prompts: list[Prompt], language: str = "python") -> list[str]:
    text = declarations(prompts, LANGUAGES[language], "header")
    kinds = r"(?:class |export interface |export type )?"
    return re.findall(rf"(?m)^{kinds}([^\W\d]\w*)(?=\(TypedDict|: TypeAlias| = | \{{)", text)
