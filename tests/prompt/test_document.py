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

from promptsync.prompt.canonical import TEMPLATE_KEYS, canonical, to_document, to_prompt
from promptsync.prompt.prompt import Local, Prompt

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
