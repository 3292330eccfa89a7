from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptsync.server.providers import table


def llm_kwargs(*given):
    return table.llm_kwargs(*given)[0]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(("function", "name", "url")), inner)
    ),
    max_leaves=4,
)
KEYS = (
    *(
        "type",
        "text",
        "image_url",
        "media",
        "content",
        "tool_calls",
        "function",
        "id",
        "tool_call_id",
        "config",
    ),
    *("tools", "tool_choice", "response_format", "generation_config", "inferenceConfig", "model", "stop"),
)


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
        (model("acme"), None, None),
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
    assert built["tools"] == [{"type": "function", "strict": False, "parameters": {}, "name": "f"}]


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


@pytest.mark.parametrize("provider", table.FORMS)
@given(
    odd=st.dictionaries(st.sampled_from(KEYS), json_values),
    parameters=st.dictionaries(st.sampled_from(KEYS), json_values),
)
def test_messages_from_placeholders_and_parameters_may_be_anything(provider, odd, parameters):
    for role in ("system", "user", "assistant", "tool", 3):
        template = {
            "type": "chat",
            "messages": [{"content": [odd, text("a")], "tool_calls": [odd], **odd, "role": role}],
            "tools": [{"type": "function", "function": {"name": "f", "strict": True}}, odd],
            "tool_choice": odd.get("tool_choice"),
        }
        for api_type in (None, "responses", "images"):
            json.dumps(table.llm_kwargs(template, model(provider, parameters=parameters, api_type=api_type)))


# -- parameters -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "stored", "overrides", "expected"),
    [
        ("openai", {"max_tokens": 1}, {}, {"max_tokens": 1}),
        ("openai", {}, {"maxOutputTokens": 2}, {"max_completion_tokens": 2}),
        (
            "openai",
            {"max_tokens": 1, "seed": 3},
            {"max_completion_tokens": 2},
            {"max_completion_tokens": 2, "seed": 3},
        ),
        ("openai", {}, {"stop_sequences": ["x"], "topP": 1}, {"stop": ["x"], "top_p": 1}),
        ("openrouter", {}, {"maxTokens": 2, "top_k": 1}, {"max_tokens": 2, "top_k": 1}),
        ("mistral", {}, {"seed": 2, "max_completion_tokens": 3}, {"random_seed": 2, "max_tokens": 3}),
        ("huggingface", {}, {"maxOutputTokens": 2}, {"max_tokens": 2}),
        (
            "cohere",
            {"p": 0.1},
            {"top_p": 0.2, "top_k": 3, "stop": "x"},
            {"p": 0.2, "k": 3, "stop_sequences": ["x"]},
        ),
        (
            "anthropic",
            {"max_tokens": 9},
            {"max_completion_tokens": 2, "stop": "x"},
            {"max_tokens": 2, "stop_sequences": ["x"]},
        ),
        (
            "anthropic",
            {"thinking": {"type": "disabled"}},
            {},
            {"max_tokens": 4096, "thinking": {"type": "disabled"}},
        ),
        (
            "google",
            {"topK": 1},
            {"max_tokens": 2},
            {"generation_config": {"topK": 1, "max_output_tokens": 2}},
        ),
        (
            "google",
            {"generation_config": {"seed": 1}},
            {"temperature": 0},
            {"generation_config": {"seed": 1, "temperature": 0}},
        ),
        (
            "amazon.bedrock",
            {"inferenceConfig": {"maxTokens": 1}, "temperature": 0},
            {},
            {"inferenceConfig": {"maxTokens": 1, "temperature": 0}},
        ),
        (
            "amazon.bedrock",
            {"max_tokens": 1, "temperature": 0, "top_k": 5, "guardrailConfig": {}, "aws_region": "eu-west-1"},
            {"topP": 1},
            {
                "inferenceConfig": {"maxTokens": 1, "temperature": 0, "topP": 1},
                "additionalModelRequestFields": {"top_k": 5},
                "guardrailConfig": {},
                "aws_region": "eu-west-1",
            },
        ),
    ],
)
def test_parameters_land_where_the_provider_has_them(provider, stored, overrides, expected):
    built = llm_kwargs(
        {"type": "chat", "messages": []}, model(provider, "m", parameters=stored), None, overrides
    )
    assert {
        key: value for key, value in built.items() if key not in ("messages", "history", "model", "modelId")
    } == expected


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}
ANY_JSON = {"type": "json_object"}


@pytest.mark.parametrize(
    ("provider", "form", "expected", "left_out"),
    [
        ("openai", JSON_SCHEMA, {"response_format": JSON_SCHEMA}, ""),
        ("mistral", ANY_JSON, {"response_format": ANY_JSON}, ""),
        ("huggingface", JSON_SCHEMA, {"response_format": JSON_SCHEMA}, ""),
        ("cohere", JSON_SCHEMA, {"response_format": {"type": "json_object", "json_schema": SCHEMA}}, ""),
        ("cohere", ANY_JSON, {"response_format": ANY_JSON}, ""),
        (
            "anthropic",
            JSON_SCHEMA,
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            "",
        ),
        ("anthropic", ANY_JSON, {}, "response_format"),
        ("anthropic", {"type": "text"}, {}, ""),
        (
            "amazon.bedrock",
            JSON_SCHEMA,
            {
                "outputConfig": {
                    "textFormat": {
                        "type": "json_schema",
                        "structure": {"jsonSchema": {"schema": json.dumps(SCHEMA), "name": "n"}},
                    }
                }
            },
            "",
        ),
        ("amazon.bedrock", ANY_JSON, {}, "response_format"),
        (
            "google",
            JSON_SCHEMA,
            {"generation_config": {"response_mime_type": "application/json", "response_json_schema": SCHEMA}},
            "",
        ),
        ("google", ANY_JSON, {"generation_config": {"response_mime_type": "application/json"}}, ""),
    ],
)
def test_the_form_of_the_answer(provider, form, expected, left_out):
    metadata = model(provider, "m", parameters={"response_format": form})
    built, warnings = table.llm_kwargs({"type": "chat", "messages": []}, metadata)
    assert {key: built[key] for key in expected} == expected
    assert ("response_format" in built) == ("response_format" in expected)
    assert warnings == ([f"llm_kwargs for {provider} cannot hold: {left_out}."] if left_out else [])


def test_the_form_of_an_answer_of_the_responses_api():
    metadata = model(api_type="responses", parameters={"response_format": JSON_SCHEMA, "max_tokens": 3})
    built = llm_kwargs({"type": "completion", "content": [text("a")]}, metadata)
    form = {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}
    assert (built["text"], built["max_output_tokens"]) == ({"format": form}, 3)


NAMED = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("provider", "choice", "key", "expected"),
    [
        ("openai", "required", "tool_choice", "required"),
        ("mistral", NAMED, "tool_choice", NAMED),
        ("cohere", "required", "tool_choice", "REQUIRED"),
        ("cohere", "none", "tool_choice", "NONE"),
        ("cohere", "auto", "tool_choice", None),
        ("anthropic", "required", "tool_choice", {"type": "any"}),
        ("anthropic", "none", "tool_choice", {"type": "none"}),
        ("anthropic.bedrock", NAMED, "tool_choice", {"type": "tool", "name": "f"}),
        ("amazon.bedrock", "none", "toolConfig", None),
    ],
)
def test_the_choice_of_a_tool(provider, choice, key, expected):
    tools = [{"type": "function", "function": {"name": "f", "description": "", "strict": False}}]
    template = {"type": "chat", "messages": [], "tools": tools, "tool_choice": choice}
    assert llm_kwargs(template, model(provider, "m")).get(key) == expected


def test_the_choice_of_a_tool_for_bedrock_and_gemini():
    template = {"type": "chat", "messages": [], "tools": [NAMED], "tool_choice": NAMED}
    assert llm_kwargs(template, model("amazon.bedrock"))["toolConfig"]["toolChoice"] == {
        "tool": {"name": "f"}
    }
    assert llm_kwargs(template, model("google"))["generation_config"]["tool_config"] == {
        "function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}
    }


def test_cohere_names_what_it_has_no_place_for():
    template = {
        "type": "chat",
        "messages": [],
        "tools": [NAMED],
        "tool_choice": NAMED,
        "functions": [{"name": "g"}],
    }
    built, warnings = table.llm_kwargs(template, model("cohere"))
    assert "tool_choice" not in built
    assert warnings == ["llm_kwargs for cohere cannot hold: functions, tool_choice."]


def built_in(kind, **config):
    about = {"id": "1", "name": kind, "description": "", "provider": "p"}
    return {**about, "type": kind, "config": config}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (model(api_type="responses"), [{"type": "web_search", "search_context_size": "low"}]),
        (
            model("anthropic"),
            [{"type": "web_search_20250305", "name": "web_search", "search_context_size": "low"}],
        ),
    ],
)
def test_built_in_tools(metadata, expected):
    template = {"type": "chat", "messages": [], "tools": [built_in("web_search", search_context_size="low")]}
    assert llm_kwargs(template, metadata)["tools"] == expected


def test_built_in_tools_of_gemini_and_those_that_do_not_exist():
    template = {"type": "chat", "messages": [], "tools": [built_in("web_search"), built_in("shell")]}
    built, warnings = table.llm_kwargs(template, model("google"))
    assert built["generation_config"]["tools"] == [{"google_search": {}}]
    assert warnings == ["llm_kwargs for google cannot hold: tool shell."]
    assert table.llm_kwargs(template, model())[1] == [
        "llm_kwargs for openai cannot hold: tool web_search, tool shell."
    ]


# -- content --------------------------------------------------------------------------------------------

LINK = {"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}}
DATA = {"type": "media", "media": {"url": "aGk=", "format": "base64", "type": "image/webp"}}
PDF = {"type": "media", "media": {"url": "aGk=", "format": "base64", "type": "application/pdf", "title": "a"}}
PDF_LINK = {"type": "media", "media": {"url": "https://x/a.pdf", "format": "url", "type": "application/pdf"}}
IN_S3 = {"type": "image_url", "image_url": {"url": "s3://b/a.png"}}
WEBP = "data:image/webp;base64,aGk="
PDF_DATA = "data:application/pdf;base64,aGk="


@pytest.mark.parametrize(
    ("metadata", "block", "expected"),
    [
        (model(), LINK, {"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}}),
        (model(), DATA, {"type": "image_url", "image_url": {"url": WEBP}}),
        (model(), PDF, {"type": "file", "file": {"filename": "a", "file_data": PDF_DATA}}),
        (model(), PDF_LINK, None),
        (model("mistral"), PDF, None),
        (
            model(api_type="responses"),
            LINK,
            {"type": "input_image", "image_url": "https://x/a.png", "detail": "low"},
        ),
        (model(api_type="responses"), PDF_LINK, {"type": "input_file", "file_url": "https://x/a.pdf"}),
        (model("anthropic"), LINK, {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}),
        (
            model("anthropic"),
            PDF,
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
            },
        ),
        (
            model("anthropic"),
            {"type": "thinking", "thinking": "hm", "signature": "s", "id": None},
            {"type": "thinking", "thinking": "hm", "signature": "s"},
        ),
        (model("anthropic"), {"type": "thinking", "thinking": "hm"}, None),
        (model("google"), DATA, {"inline_data": {"mime_type": "image/webp", "data": "aGk="}}),
        (model("google"), LINK, {"file_data": {"mime_type": "image/png", "file_uri": "https://x/a.png"}}),
        (
            model("amazon.bedrock"),
            IN_S3,
            {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/a.png"}}}},
        ),
        (model("amazon.bedrock"), DATA, None),
    ],
)
def test_media(metadata, block, expected):
    template = {"type": "chat", "messages": [{"role": "user", "content": [text("a"), block]}]}
    built, warnings = table.llm_kwargs(template, metadata)
    turn = (built.get("messages") or built.get("input") or built.get("history"))[0]
    found = (turn.get("content") or turn.get("parts"))[1:]
    assert found == ([] if expected is None else [expected])
    kind, provider = block["type"], metadata["model"]["provider"]
    assert warnings == ([f"llm_kwargs for {provider} cannot hold: {kind}."] if expected is None else [])


def test_the_results_of_parallel_calls_are_one_turn():
    calls = [{"id": str(n), "function": {"name": f"f{n}", "arguments": "{}"}} for n in (1, 2)]
    results = [{"role": "tool", "tool_call_id": str(n), "content": [text(str(n))]} for n in (1, 2)]
    template = {
        "type": "chat",
        "messages": [
            {"role": "user", "content": [text("a")]},
            {"role": "assistant", "content": [], "tool_calls": calls},
            *results,
            {"role": "user", "content": [text("b")]},
            {"role": "user", "content": [text("c")]},
        ],
    }
    roles = [turn["role"] for turn in llm_kwargs(template, model("amazon.bedrock"))["messages"]]
    assert roles == ["user", "assistant", "user"]
    history = llm_kwargs(template, model("google"))["history"]
    # The next text stays a turn of its own, because a result must directly follow its call.
    assert [len(turn["parts"]) for turn in history] == [1, 2, 2, 1, 1]
    assert history[2]["parts"][1] == {"function_response": {"name": "f2", "response": {"result": "2"}}}


@pytest.mark.parametrize("provider", ["mistral", "cohere", "huggingface", "openrouter"])
def test_a_chat_like_openai_knows_no_developer_and_no_completion(provider):
    template = {
        "type": "chat",
        "messages": [{"role": "developer", "content": [text("Be kind")], "name": "n"}],
    }
    assert llm_kwargs(template, model(provider, "m")) == {
        "messages": [{"role": "system", "content": "Be kind"}],
        "model": "m",
    }
    built = llm_kwargs({"type": "completion", "content": [text("Once")]}, model(provider, "m"))
    assert built["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Once"}]}]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (
            model(api_type="images", parameters={"size": "s"}),
            {"prompt": "a\n\nb", "model": "gpt-4o-mini", "size": "s"},
        ),
        (model("openrouter", "m", api_type="video"), {"prompt": "a\n\nb", "model": "m"}),
        (
            model("openrouter", "m", api_type="speech", parameters={"voice": "v"}),
            {"input": "a\n\nb", "model": "m", "voice": "v"},
        ),
    ],
)
def test_what_generates_media_gets_one_text(metadata, expected):
    template = {"type": "chat", "messages": [{"role": "user", "content": [text(one)]} for one in "ab"]}
    assert llm_kwargs(template, metadata) == expected


def test_vertexai_has_two_families():
    assert "max_tokens" in llm_kwargs(CHAT, model("vertexai", "claude-sonnet-4"))
    assert "history" in llm_kwargs(CHAT, model("vertexai", "gemini-2.5-pro"))
