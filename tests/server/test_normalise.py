"""How a published template is stored: with defaults, in the recorded order of keys, its texts untouched."""

from __future__ import annotations

import json

from registry_server import chat
from stored import block, stored_chat, stored_message, stored_model

from promptsync.server.prompts.templates import stored_metadata, stored_template


def message(**more):
    return {"role": "user", "content": [{"type": "text", "text": "x"}], **more}


CALL = {"id": "1", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"tool_id": None, "id": "1", "type": "function", "function": CALL["function"]}
CALLING = stored_message(role="assistant", content=None, tool_calls=[CALLED])
PARAMETERS = {"type": "object", "properties": {}}
FUNCTION = {"name": "f", "description": "", "strict": False, "parameters": PARAMETERS}
PASSED = [
    {"type": "registry", "tool_registry_id": 3},
    {"type": "variable", "name": "tools"},
    {"type": "web_search", "id": "1", "name": "w", "config": {"a": None}},
    {"type": "future", "x": [1]},
]


FUTURE = {"type": "future", "a": None}
STORED_COMPLETION = {"template_format": "f-string", "type": "completion"}
STALE = {"input_variables": ["stale"], "dataset_examples": [1]}


def test_a_template_is_stored_in_the_recorded_form():
    for sent, stored in (
        (
            chat("{b} {a}"),
            stored_chat(stored_message("{b} {a}", input_variables=["a", "b"]), input_variables=["a", "b"]),
        ),
        # Empty lists and other values are kept as they are sent.
        (
            chat("x", functions=[], function_call="none", tools=[]),
            stored_chat(stored_message(), functions=[], function_call="none", tools=[]),
        ),
        # Unknown keys are kept in messages, blocks and completion templates, but not in chat templates.
        (chat("x", provider_base_url_name="x"), stored_chat(stored_message())),
        (
            {"messages": [message(future=1, content=[FUTURE])]},
            stored_chat(stored_message(content=[FUTURE], future=1)),
        ),
        (
            {"content": "{b}{a}", "new_key": {"a": None}},
            {"content": [block("{b}{a}")], **STORED_COMPLETION, "input_variables": ["a", "b"]}
            | {"dataset_examples": [], "new_key": {"a": None}},
        ),
        # Variables are computed.
        (
            {
                "messages": [
                    message(input_variables=["stale"], content="{b}"),
                    message(template_format="jinja2", content="{{ a }} {b2}"),
                ],
                **STALE,
            },
            stored_chat(
                stored_message("{b}", input_variables=["b"]),
                stored_message("{{ a }} {b2}", input_variables=["a"], template_format="jinja2"),
                input_variables=["a", "b"],
            ),
        ),
        # The format of the template is that of the messages without one.
        (
            {"template_format": "jinja2", "messages": [message(), message(template_format="f-string")]},
            stored_chat(stored_message(template_format="jinja2"), stored_message()),
        ),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": [CALL]}]}, stored_chat(CALLING)),
        (
            {"messages": [], "tools": [{"function": {"name": "f"}}, *PASSED]},
            stored_chat(
                tools=[{"type": "function", "function": FUNCTION}, *PASSED], input_variables=["tools"]
            ),
        ),
    ):
        assert json.dumps(stored_template(sent)) == json.dumps(stored), sent
    assert stored_template({"messages": [{"role": "placeholder", "name": "h"}]})["input_variables"] == ["h"]


def test_only_the_model_of_metadata_gets_defaults():
    gpt = {"name": "gpt-4o", "provider": "openai", "parameters": {"z": None, "a": 1}}
    stored_gpt = stored_model("openai", "gpt-4o", {"z": None, "a": 1}, api_type="chat-completions")
    claude = {"provider": "anthropic", "name": "c", "api_type": None, "extra": 1}
    for sent, stored in (
        *((metadata, metadata) for metadata in (None, {}, {"owner": None, "n": 1.0}, {"model": None})),
        ({"a": 1, "model": gpt}, {"a": 1, "model": stored_gpt}),
        ({"model": claude}, {"model": stored_model("anthropic", "c", extra=1)}),
    ):
        assert json.dumps(stored_metadata(sent)) == json.dumps(stored), sent
