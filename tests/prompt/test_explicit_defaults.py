"""What a registry holds with its defaults written out is what a push from a pulled file makes again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Any

import pytest
import strategies
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from registry_filler import filled
from seeds import examples
from vendor_spec import SPEC, spec

from promptsync.prompt.canonical import canonical, to_document, to_prompt
from promptsync.prompt.prompt import Local, Prompt, plain
from promptsync.prompt.shapes import BLOCKS, SHAPES
from promptsync.server.http import ApiError
from promptsync.server.prompts.templates import check_template, stored_metadata, stored_template

IGNORED = {"input_variables", "dataset_examples", "raw_request_display_role", "display_params"}
EMPTY = {"functions", "tools", "tool_calls", "annotations"}


def stored(prompt: Prompt) -> dict[str, Any]:
    """What the embedded registry makes of a prompt."""
    check_template(prompt.template)
    metadata = stored_metadata(dict(prompt.metadata) or None)
    return {"template": stored_template(prompt.template), "metadata": metadata or {}}


def pushed_again(held: dict[str, Any]) -> dict[str, Any]:
    """What the registry makes of a push of a file that was pulled anew."""
    prompt = Prompt("p", held["template"], held["metadata"])
    return stored(to_prompt(to_document(prompt, Local(), explicit=True), "p")[0])


def comparable(value: Any) -> Any:
    """Without what the registry derives. Null is no key, and null lists of templates are empty lists."""
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if not isinstance(value, dict):
        return plain(value)
    empty = {*EMPTY, "content"} if "role" in value else EMPTY
    return {
        key: comparable(item)
        for key, item in value.items()
        if item is not None and key not in IGNORED and not (item == [] and key in empty)
    }


def _required(schema: dict[str, Any]) -> dict[str, Any]:
    """The required fields of an object with any values."""
    values = {"string": "x", "boolean": True, "integer": 1, "object": {"url": "u"}}
    return {
        key: {"title": "x"} if "$ref" in part else values[part["type"]]
        for key, part in schema["properties"].items()
        if key in schema.get("required", ()) and key != "type"
    }


def _explicit() -> Iterator[Any]:
    """Blocks of all types, each with one default of the vendor's schema, and with all of them."""
    schemas = spec()["components"]["schemas"]
    mapping = schemas["CompletionPrompt"]["properties"]["content"]["items"]["discriminator"]["mapping"]
    for kind, reference in mapping.items():
        schema = schemas[reference.rpartition("/")[2]]
        base = {"type": kind, **_required(schema)}
        if kind == "image_url":
            base["image_url"] = {"url": "u"}
        defaults = {
            key: part["default"]
            for key, part in schema["properties"].items()
            if "default" in part and key != "type"
        }
        for key, default in defaults.items():
            yield pytest.param({**base, key: default}, id=f"{kind}.{key}")
        yield pytest.param({**base, **defaults}, id=kind)
    inner = {"media": ("media", "Media"), "web_search_tool_result": ("content", "WebSearchResult")}
    for kind, (key, name) in inner.items():
        for field, part in schemas[name]["properties"].items():
            value: Any = {field: part["default"]}
            block = {"type": kind, key: value if key == "media" else [value]}
            yield pytest.param({**block, "tool_use_id": "t"}, id=f"{kind}.{key}.{field}")


EXPLICIT = [*_explicit()] if SPEC.exists() else []


@pytest.mark.parametrize("block", EXPLICIT)
def test_a_block_with_an_explicit_default_comes_back(block: dict[str, Any]) -> None:
    held = stored(Prompt("p", {"type": "completion", "content": [block, {"type": "text", "text": "x"}]}))
    assert block.items() <= held["template"]["content"][0].items()
    assert comparable(pushed_again(held)) == comparable(held)


def test_the_vendor_has_the_types_of_blocks_that_are_known() -> None:
    if not SPEC.exists():
        pytest.skip("the vendor's specification is not part of the project")
    assert {param.values[0]["type"] for param in EXPLICIT} == {*BLOCKS}
    assert SHAPES["search_result"].keys() <= {"type", "url", "title", "encrypted_content", "page_age"}


def test_an_explicit_api_type_comes_back() -> None:
    for provider, api_type in product(
        ("openai", "openai.azure", "anthropic", "google"), ("chat-completions", "responses", "chat", "")
    ):
        model = {"provider": provider, "name": "m", "api_type": api_type}
        held = stored(Prompt("p", {"type": "completion", "content": []}, {"model": model}))
        assert held["metadata"]["model"]["api_type"] == api_type
        assert pushed_again(held) == held


@given(strategies.prompts(), st.randoms(use_true_random=False))
@settings(max_examples=examples(300), deadline=None)
def test_what_a_registry_holds_is_what_a_push_makes_again(prompt: Prompt, random: Random) -> None:
    try:
        held = stored(filled(prompt, random))
    except ApiError:
        assume(False)  # such as a function without a name
    again = pushed_again(held)
    if not held["template"].get("functions") and held["template"].get("function_call") == "none":
        del held["template"]["function_call"]  # Without functions this forbids nothing.
    assert comparable(again) == comparable(held)
    versions = [Prompt("p", one["template"], one["metadata"]) for one in (held, again)]
    assert canonical(versions[0]) == canonical(versions[1])
