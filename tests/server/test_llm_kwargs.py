from __future__ import annotations

import pytest

from promptsync.server.prompts.llm_kwargs import llm_kwargs


def text(value):
    return {"type": "text", "text": value, "id": None, "annotations": None}


CHAT = {
    "type": "chat",
    "messages": [
        {"role": "system", "content": [text("Be kind")], "name": None},
        {
            "role": "user",
            "content": [text("Hi"), {"type": "image_url", "image_url": {"url": "u", "detail": None}}],
        },
    ],
    "functions": [],
    "tools": None,
    "function_call": "none",
    "tool_choice": None,
}
USER = {
    "role": "user",
    "content": [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {"url": "u"}}],
}
OPENAI_MESSAGES = [{"role": "system", "content": "Be kind"}, USER]


def model(provider="openai", name="gpt-4o-mini", **more):
    return {"model": {"provider": provider, "name": name, **more}}


@pytest.mark.parametrize(
    ("metadata", "provider", "expected"),
    [
        (None, None, None),
        ({}, None, None),
        ({"owner": "x"}, None, None),
        (None, "openai", {"messages": OPENAI_MESSAGES}),
        (model("google"), None, None),
        (model("openai"), None, {"messages": OPENAI_MESSAGES, "model": "gpt-4o-mini"}),
        (model("openai.azure"), "anthropic", {"messages": OPENAI_MESSAGES, "model": "gpt-4o-mini"}),
        (
            model(parameters={"temperature": 0, "model": "gpt-4o"}),
            None,
            {"messages": OPENAI_MESSAGES, "model": "gpt-4o", "temperature": 0},
        ),
        (model(parameters={"messages": []}), None, {"messages": [], "model": "gpt-4o-mini"}),
    ],
)
def test_openai_arguments_follow_the_recordings(metadata, provider, expected):
    built = llm_kwargs(CHAT, metadata, provider)
    assert built == expected
    if expected:
        assert list(built) == list(expected)


def test_overrides_of_the_request_win():
    assert (
        llm_kwargs(CHAT, model(parameters={"temperature": 0}), None, {"temperature": 1})["temperature"] == 1
    )


def test_openai_tools_calls_and_results():
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    call = {"tool_id": None, "id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    template = {
        "type": "chat",
        "messages": [
            {"role": "assistant", "content": [], "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": [text("42")]},
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": [text("42")]},
        ],
        "tools": [tool],
        "tool_choice": "auto",
        "functions": [{"name": "f"}],
        "function_call": "auto",
    }
    built = llm_kwargs(template, model(), None)
    assert built["messages"] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "42", "tool_call_id": "1"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "content": "42", "name": "f"},
    ]
    assert built["tools"] == [tool]
    assert (built["tool_choice"], built["function_call"], built["functions"]) == (
        "auto",
        "auto",
        [{"name": "f"}],
    )


def test_media_becomes_an_image_url():
    blocks = [
        {"type": "media", "media": {"url": "http://a", "format": "url"}},
        {"type": "media", "media": {"url": "aGk=", "format": "base64", "type": "image/png"}},
        {"type": "media", "media": {}},
        {"type": "thinking", "thinking": "hm"},
    ]
    template = {"type": "chat", "messages": [{"role": "user", "content": blocks}]}
    urls = [
        part["image_url"]["url"] for part in llm_kwargs(template, model(), None)["messages"][0]["content"]
    ]
    assert urls == ["http://a", "data:image/png;base64,aGk="]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (model(), {"prompt": "Once upon", "model": "gpt-4o-mini"}),
        (model(api_type="responses"), {"input": "Once upon", "model": "gpt-4o-mini"}),
        (
            model("anthropic", "claude"),
            {
                "model": "claude",
                "max_tokens": 4096,
                "messages": [{"role": "user", "content": [{"type": "text", "text": "Once upon"}]}],
            },
        ),
    ],
)
def test_completion_templates(metadata, expected):
    assert llm_kwargs({"type": "completion", "content": [text("Once upon")]}, metadata, None) == expected


def test_the_responses_api_gets_input():
    template = CHAT | {"tools": [{"type": "function", "function": {"name": "f"}}]}
    built = llm_kwargs(template, model(api_type="responses"), None)
    assert built["input"][0] == {"role": "system", "content": [{"type": "input_text", "text": "Be kind"}]}
    assert built["tools"] == [{"type": "function", "name": "f"}]


def test_anthropic_gets_system_messages_apart():
    call = {"id": "1", "function": {"name": "f", "arguments": '{"a": 1}'}}
    broken = {"id": "2", "function": {"name": "f", "arguments": "{"}}
    template = {
        "type": "chat",
        "messages": [
            *CHAT["messages"],
            {"role": "assistant", "content": [text("ok")], "tool_calls": [call, broken]},
            {"role": "tool", "tool_call_id": "1", "content": [text("42")]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    }
    built = llm_kwargs(template, model("anthropic", "claude", parameters={"max_tokens": 9}), None)
    assert built == {
        "model": "claude",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "Be kind"}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Hi"},
                    {"type": "image", "source": {"type": "url", "url": "u"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "ok"},
                    {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}},
                    {"type": "tool_use", "id": "2", "name": "f", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "42"}]},
                ],
            },
        ],
        "tools": [{"name": "f", "description": "", "input_schema": {"type": "object"}}],
    }


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_message_from_a_placeholder_may_lack_anything(provider):
    odd = {"role": "system", "content": [{"type": "image_url"}, {"type": "image_url", "image_url": "u"}]}
    template = {
        "type": "chat",
        "messages": [odd, {"role": "assistant", "tool_calls": ["x"], "content": None}],
    }
    assert llm_kwargs(template, model(provider), None)["messages"]
