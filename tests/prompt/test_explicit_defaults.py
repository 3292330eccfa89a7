"""What a registry holds with its defaults written out is what a push from a pulled file makes again."""

from __future__ import annotations

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


@pytest.mark.skipif(not SPEC.exists(), reason="the vendor's specification is not part of the project")
def test_the_vendor_has_the_types_of_blocks_that_are_known() -> None:
    schemas = spec()["components"]["schemas"]
    blocks = schemas["CompletionPrompt"]["properties"]["content"]["items"]["discriminator"]["mapping"]
    assert blocks.keys() == BLOCKS.keys()
    assert SHAPES["search_result"].keys() <= {"type", "url", "title", "encrypted_content", "page_age"}


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
