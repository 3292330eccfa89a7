from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
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


@pytest.mark.parametrize(
    ("said", "template"),
    [
        ({"content": "Hi {x}"}, {"type": "completion", "content": text("Hi {x}")}),
        ({"content": ""}, {"type": "completion", "content": text("")}),
        (
            {"content": "Hi", "template_format": "jinja2"},
            {"type": "completion", "content": text("Hi"), "template_format": "jinja2"},
        ),
        (
            {"messages": [{"role": "assistant"}, {**user(), "content": None}]},
            chat({"role": "assistant"}, user()),
        ),
        (
            {"template_format": "jinja2", "messages": [user(), user(template_format="f-string")]},
            chat(user(template_format="jinja2"), user(template_format="f-string")),
        ),
        (
            {"messages": [], "extra": {"template": {"mood": "calm"}}, "tools": [{"type": "registry"}]},
            chat(mood="calm", tools=[{"type": "registry"}]),
        ),
    ],
)
def test_a_file_is_read_as_the_wire_template(said: dict[str, Any], template: dict[str, Any]) -> None:
    assert to_prompt(said, "n")[0] == Prompt("n", template)


def test_local_keys_and_metadata_are_read() -> None:
    prompt, local = to_prompt(
        {
            "content": "x",
            "tags": ["b", "a"],
            "model": {"provider": "openai", "name": "gpt-4o"},
            "metadata": {"owner": None},
            "extra": {"version": {"provider_id": 3}},
            "evaluations": ["e"],
            "agents": ["bot", {"name": "other"}],
            "examples": [{"q": None}],
            "synced": "7-3fa9c1a",
        },
        "folder/n",
    )
    assert prompt.name == "folder/n"
    assert prompt.tags == ("b", "a")
    assert prompt.metadata == {"owner": None, "model": {"provider": "openai", "name": "gpt-4o"}}
    assert prompt.extra == {"provider_id": 3}
    assert local == Local(("e",), ({"name": "bot"}, {"name": "other"}), ({"q": None},), {"": ("7-3fa9c1a",)})


@pytest.mark.parametrize(
    "synced",
    [
        "7-3fa9c1a",
        ["7-3fa9c1a", "6-0c4e1f2"],
        {"local": "2-3fa9c1a", "production": ["3-0c4e1f2", "2-3fa9c1a"]},
    ],
)
def test_synced_is_one_key_or_several_or_a_map(synced: Any) -> None:
    said = {"name": "n", "content": "x", "synced": synced}
    assert to_document(*to_prompt(said, "n")) == said


FILLED_IN = user(
    [{"type": "text", "text": "{x}", "id": None, "annotations": None}],
    input_variables=["x"],
    template_format="f-string",
    raw_request_display_role="user",
    dataset_examples=[],
    name=None,
)
FUNCTION, DEFAULT = {"type": "function"}, {"parameters": {"default": None}}


@pytest.mark.parametrize(
    ("template", "said"),
    [
        pytest.param(
            chat(
                FILLED_IN,
                **dict.fromkeys(("functions", "tool_choice")),
                tools=[],
                function_call="none",
                input_variables=["x"],
                dataset_examples=[],
            ),
            {"messages": [user("{x}")]},
            id="what the server fills in",
        ),
        pytest.param(
            chat(*(user(text(said), template_format="jinja2") for said in "ab"), user(text("c"))),
            {
                "template_format": "jinja2",
                "messages": [user("a"), user("b"), user("c", template_format="f-string")],
            },
            id="the format of most messages is said once",
        ),
        pytest.param(
            chat(user([{"type": "text", "text": "a", "id": "b1"}])),
            {"messages": [user([{"type": "text", "id": "b1", "text": "a"}])]},
            id="a block with an id is no plain text",
        ),
        pytest.param(
            chat(user([]), {"role": "assistant", "content": []}),
            {"messages": [user([]), {"role": "assistant"}]},
            id="only some roles may lack content",
        ),
        pytest.param(
            chat(dataset_examples=[1], raw_request={"a": None, "b": 0}),
            {"messages": [], "extra": {"template": {"raw_request": {"b": 0}}}},
            id="unknown template keys",
        ),
        pytest.param(
            chat(functions=[{"name": "f", "description": ""}], function_call="none"),
            {"messages": [], "functions": [{"name": "f"}], "function_call": "none"},
            id="none forbids to call the functions that there are",
        ),
        pytest.param(
            chat(tools=[{**FUNCTION, "function": {"name": "f", "strict": False, **DEFAULT}}]),
            {"messages": [], "tools": [{**FUNCTION, "function": {"name": "f", **DEFAULT}}]},
            id="nulls in the parameters of a tool have a meaning",
        ),
        pytest.param({"type": "completion", "content": []}, {"content": []}, id="empty content"),
        pytest.param(
            {"type": "haiku", "content": []},
            {"content": [], "extra": {"template": {"type": "haiku"}}},
            id="kind",
        ),
    ],
)
def test_a_file_leaves_out_what_the_registry_fills_in(template: dict[str, Any], said: dict[str, Any]) -> None:
    assert document(template) == said


MODEL = {"provider": "openai", "name": "m"}


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"model": {**MODEL, "parameters": {}, "display_params": {}, "api_type": None}}, {"model": MODEL}),
        ({"model": {**MODEL, "api_type": "chat-completions"}}, {"model": MODEL}),
        (
            {"model": {**MODEL, "parameters": {"stop": None}, "display_params": {"a": "1"}}},
            {"model": {**MODEL, "parameters": {"stop": None}}},
        ),
        ({"model": "gpt", "owner": None}, {"metadata": {"owner": None, "model": "gpt"}}),
        ({"model": None}, {}),
        ({"needs": "app >= 2.4", "owner": 1}, {"needs": "app >= 2.4", "metadata": {"owner": 1}}),
        ({"needs": "app >= 2.4"}, {"needs": "app >= 2.4"}),
        ({"needs": ""}, {"metadata": {"needs": ""}}),
        ({"needs": {"app": "2.4"}}, {"metadata": {"needs": {"app": "2.4"}}}),
        ({"needs": None}, {"metadata": {"needs": None}}),
    ],
)
def test_model_settings_and_needs_are_top_level_keys(metadata: dict[str, Any], said: dict[str, Any]) -> None:
    shown = document({"type": "completion", "content": text("x")}, metadata=metadata)
    assert shown == {**said, "content": "x"}
    assert to_prompt(shown, "n")[0].metadata.get("needs") == metadata.get("needs")
