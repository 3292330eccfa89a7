from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_server import chat, completion

from promptsync.server.prompts.template import stored_metadata, stored_template


def message(**more):
    return {"role": "user", "content": [{"type": "text", "text": "x"}], **more}


def test_a_chat_template_gets_every_key_in_the_recorded_order():
    filled = stored_template(chat("{b} {a}"))
    assert list(filled) == [
        "messages",
        "functions",
        "tools",
        "function_call",
        "tool_choice",
        "type",
        "input_variables",
        "dataset_examples",
    ]
    assert filled["messages"] == [
        {
            "input_variables": ["a", "b"],
            "template_format": "f-string",
            "content": [{"type": "text", "text": "{b} {a}", "id": None, "annotations": None}],
            "raw_request_display_role": "",
            "dataset_examples": [],
            "role": "user",
            "name": None,
        }
    ]
    assert list(filled["messages"][0]) == [
        "input_variables",
        "template_format",
        "content",
        "raw_request_display_role",
        "dataset_examples",
        "role",
        "name",
    ]
    assert [filled[key] for key in ("functions", "tools", "function_call", "tool_choice")] == [None] * 4
    assert filled["input_variables"] == ["a", "b"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (
            {"functions": [], "function_call": "none", "tools": None},
            {"functions": [], "function_call": "none"},
        ),
        ({"tools": []}, {"tools": []}),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, None),
    ],
)
def test_empty_lists_and_none_strings_are_kept_as_sent(sent, kept):
    filled = stored_template(chat(**sent))
    assert {key: filled[key] for key in (kept or sent)} == (kept or sent)


def test_unknown_keys_are_dropped_from_chat_and_kept_in_completion_templates():
    assert "provider_base_url_name" not in stored_template(chat(provider_base_url_name="x"))
    assert stored_template(completion("x", new_key={"a": None}))["new_key"] == {"a": None}


def test_unknown_keys_of_messages_and_blocks_are_kept():
    template = {"messages": [message(future=1, content=[{"type": "future", "a": None}])]}
    kept = stored_template(template)["messages"][0]
    assert kept["future"] == 1
    assert kept["content"] == [{"type": "future", "a": None}]


def test_input_variables_are_recomputed_at_both_levels():
    template = {
        "messages": [
            message(input_variables=["stale"], content=[{"type": "text", "text": "{b}"}]),
            message(template_format="jinja2", content=[{"type": "text", "text": "{{ a }} {b2}"}]),
            {"role": "placeholder", "name": "history"},
        ],
        "input_variables": ["stale"],
        "dataset_examples": [1],
    }
    filled = stored_template(template)
    assert [item["input_variables"] for item in filled["messages"]] == [["b"], ["a"], ["history"]]
    assert filled["input_variables"] == ["a", "b", "history"]
    assert filled["dataset_examples"] == []


def test_a_template_wide_format_reaches_the_messages_without_one():
    filled = stored_template(
        {"template_format": "jinja2", "messages": [message(), message(template_format="f-string")]}
    )
    assert [item["template_format"] for item in filled["messages"]] == ["jinja2", "f-string"]
    assert "template_format" not in filled


def test_a_completion_template_is_filled_in():
    filled = stored_template({"content": "{b}{a}"})
    assert filled == {
        "content": [{"type": "text", "text": "{b}{a}", "id": None, "annotations": None}],
        "template_format": "f-string",
        "type": "completion",
        "input_variables": ["a", "b"],
        "dataset_examples": [],
    }


def test_assistant_messages_and_their_calls_are_filled_in():
    call = {"id": "1", "function": {"name": "f", "arguments": "{}"}}
    filled = stored_template({"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]})
    assert list(filled["messages"][0]) == [
        "input_variables",
        "template_format",
        "content",
        "raw_request_display_role",
        "dataset_examples",
        "role",
        "function_call",
        "name",
        "tool_calls",
    ]
    assert filled["messages"][0]["tool_calls"] == [
        {"tool_id": None, "id": "1", "type": "function", "function": call["function"]}
    ]


@pytest.mark.parametrize(
    ("tool", "stored"),
    [
        (
            {"function": {"name": "f"}},
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": "",
                    "strict": False,
                    "parameters": {"type": "object", "properties": {}},
                },
            },
        ),
        ({"type": "registry", "tool_registry_id": 3}, None),
        ({"type": "variable", "name": "tools"}, None),
        ({"type": "web_search", "id": "1", "name": "w", "config": {"a": None}}, None),
        ({"type": "future", "x": [1]}, None),
    ],
)
def test_function_tools_are_filled_in_and_others_pass(tool, stored):
    assert stored_template(chat(tools=[tool]))["tools"] == [stored or tool]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (None, None),
        ({}, {}),
        ({"owner": None, "n": 1.0}, {"owner": None, "n": 1.0}),
        ({"model": None}, {"model": None}),
        (
            {"a": 1, "model": {"name": "gpt-4o", "provider": "openai", "parameters": {"z": None, "a": 1}}},
            {
                "a": 1,
                "model": {
                    "provider": "openai",
                    "model_config_display_name": None,
                    "base_model": None,
                    "name": "gpt-4o",
                    "parameters": {"z": None, "a": 1},
                    "display_params": {},
                    "api_type": "chat-completions",
                },
            },
        ),
        (
            {"model": {"provider": "anthropic", "name": "c", "api_type": None, "extra": 1}},
            {
                "model": {
                    "provider": "anthropic",
                    "model_config_display_name": None,
                    "base_model": None,
                    "name": "c",
                    "parameters": {},
                    "display_params": {},
                    "extra": 1,
                }
            },
        ),
    ],
)
def test_metadata(sent, stored):
    filled = stored_metadata(sent)
    assert filled == stored
    if sent and sent.get("model"):
        assert list(filled["model"]) == list(stored["model"])


TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
BLOCKS = st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}) | st.fixed_dictionaries(
    {"type": st.just("thinking"), "thinking": TEXTS}, optional={"signature": st.none() | TEXTS}
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant"]), "content": st.lists(BLOCKS, max_size=3)},
    optional={"template_format": st.sampled_from(["f-string", "jinja2"]), "name": st.none() | TEXTS},
)


@given(st.lists(MESSAGES, max_size=3))
def test_normalising_twice_changes_nothing_and_no_text_is_touched(messages):
    template = {"type": "chat", "messages": messages}
    once = stored_template(template)
    assert stored_template(once) == once
    texts = [block.get("text") for item in messages for block in item["content"]]
    assert [block.get("text") for item in once["messages"] for block in item["content"]] == texts
