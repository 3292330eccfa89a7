from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from registry_filler import filled
from seeds import examples
from strategies import locals_, prompts
from vendor_spec import SPEC, spec

from promptsync.prompt.canonical import TEMPLATE_KEYS, canonical, to_document, to_prompt
from promptsync.prompt.prompt import Local, Prompt, plain
from promptsync.prompt.shapes import BLOCKS, SHAPES
from promptsync.server.http import ApiError
from promptsync.server.prompts.templates import check_template, stored_metadata, stored_template

LOCAL_KEYS = ("evaluations", "agents", "examples", "synced")


def text(value: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": value}]


def document(template: dict[str, Any], **fields: Any) -> dict[str, Any]:
    written = to_document(Prompt("p", template, **fields), Local())
    assert written.pop("name") == "p"
    return written


@given(prompts(), locals_())
@settings(max_examples=examples(300))
def test_a_document_round_trips_to_an_equal_prompt(prompt: Prompt, local: Local) -> None:
    back, local_back = to_prompt(to_document(prompt, local), "default")
    assert canonical(back) == canonical(prompt)
    assert (back.name, back.tags, local_back) == (prompt.name, prompt.tags, local)


@given(prompts())
def test_a_document_is_stable_and_has_ordered_keys(prompt: Prompt) -> None:
    once = to_document(prompt, Local())
    assert to_document(*to_prompt(once, "x")) == once
    order = (
        *("name", "template_format", "tags", "model", "needs", "metadata", "messages", "content"),
        *(*TEMPLATE_KEYS, "extra", *LOCAL_KEYS),
    )
    assert list(once) == [key for key in order if key in once]


def chat(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "chat", "messages": [*messages], **more}


def user(content: Any = None, **more: Any) -> dict[str, Any]:
    said = {} if content is None else {"content": content}
    return {"role": "user", **said, **more}


def test_a_file_is_read_as_the_wire_template() -> None:
    said = {
        "template_format": "jinja2",
        "messages": [user(), user("b", template_format="f-string"), {"role": "assistant", "content": None}],
        "extra": {"template": {"mood": "calm"}},
        "tools": [{"type": "registry"}],
        "agents": ["bot", {"name": "other"}],
    }
    template = chat(
        user(template_format="jinja2"),
        user(text("b"), template_format="f-string"),
        {"role": "assistant", "template_format": "jinja2"},
        mood="calm",
        tools=[{"type": "registry"}],
    )
    agents = ({"name": "bot"}, {"name": "other"})
    assert to_prompt(said, "folder/n") == (Prompt("folder/n", template), Local(agents=agents))
    completion = {"type": "completion", "content": text("Hi"), "template_format": "jinja2"}
    assert to_prompt({"content": "Hi", "template_format": "jinja2"}, "n")[0] == Prompt("n", completion)


def test_synced_is_one_key_or_several_or_a_map() -> None:
    by_remote = {"local": "2-3fa9c1a", "production": ["3-0c4e1f2", "2-3fa9c1a"]}
    for synced in ("7-3fa9c1a", ["7-3fa9c1a", "6-0c4e1f2"], by_remote):
        said = {"name": "n", "content": "x", "synced": synced}
        assert to_document(*to_prompt(said, "n")) == said


DEFAULT = {"parameters": {"default": None}}
WRITTEN = [
    # what most messages have is said once
    (
        chat(*(user(text(said), template_format="jinja2") for said in "ab"), user(text("c"))),
        {
            "template_format": "jinja2",
            "messages": [user("a"), user("b"), user("c", template_format="f-string")],
        },
    ),
    # a block with an id is no plain text, and only some roles may lack content
    (
        chat(
            user([{"type": "text", "text": "a", "id": "b1"}]), user([]), {"role": "assistant", "content": []}
        ),
        {"messages": [user([{"type": "text", "id": "b1", "text": "a"}]), user([]), {"role": "assistant"}]},
    ),
    # nulls in the parameters of a tool have a meaning
    (
        chat(tools=[{"type": "function", "function": {"name": "f", "strict": False, **DEFAULT}}]),
        {"messages": [], "tools": [{"type": "function", "function": {"name": "f", **DEFAULT}}]},
    ),
    ({"type": "haiku", "content": []}, {"content": [], "extra": {"template": {"type": "haiku"}}}),
]


@pytest.mark.parametrize(("template", "said"), WRITTEN)
def test_a_template_is_written_as_people_would(template: dict[str, Any], said: dict[str, Any]) -> None:
    assert document(template) == said


@given(prompts(), st.randoms(use_true_random=False))
def test_a_file_leaves_out_what_the_registry_fills_in(prompt: Prompt, random: Random) -> None:
    # The type of a call is the exception: a file has it, as people write it.
    calls = (
        call for message in prompt.template.get("messages", ()) for call in message.get("tool_calls") or ()
    )
    assume(all("type" in call for call in calls))
    returned = replace(filled(prompt, random), tags=prompt.tags, extra=prompt.extra)
    assert to_document(returned, Local()) == to_document(prompt, Local())


MODEL = {"provider": "openai", "name": "m"}


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"model": {**MODEL, "parameters": {}, "display_params": {}, "api_type": None}}, {"model": MODEL}),
        (
            {"model": {**MODEL, "parameters": {"stop": None}, "display_params": {"a": "1"}}},
            {"model": {**MODEL, "parameters": {"stop": None}}},
        ),
        ({"model": "gpt", "owner": None}, {"metadata": {"owner": None, "model": "gpt"}}),
        ({"needs": "app >= 2.4", "owner": 1}, {"needs": "app >= 2.4", "metadata": {"owner": 1}}),
        ({"needs": {"app": "2.4"}}, {"metadata": {"needs": {"app": "2.4"}}}),
    ],
)
def test_model_settings_and_needs_are_top_level_keys(metadata: dict[str, Any], said: dict[str, Any]) -> None:
    shown = document({"type": "completion", "content": text("x")}, metadata=metadata)
    assert shown == {**said, "content": "x"}
    assert to_prompt(shown, "n")[0].metadata.get("needs") == metadata.get("needs")


# -- a registry that writes defaults out ---------------------------------------------------------------------

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


@given(prompts(), st.randoms(use_true_random=False))
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
