"""Hypothesis strategies for what the registry can hold."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from promptsync.prompt.prompt import Prompt

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
labels = st.sampled_from(["a", "b", "order id", "größe", "x.y", "id", "name", "type"])
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | words
user_json = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(labels, inner, max_size=3),
    max_leaves=5,
)
user_objects = st.dictionaries(labels, user_json, max_size=3)


def record(required: dict[str, Any], **optional: Any) -> Any:
    return st.fixed_dictionaries(required, optional=optional)


def block(kind: str, required: dict[str, Any] | None = None, **optional: Any) -> Any:
    return record({"type": st.just(kind), **(required or {})}, **optional)


texts = block("text", {"text": words}, id=words)
blocks = st.one_of(
    texts,
    texts,
    block("thinking", {"thinking": words}, signature=words, id=words),
    block("code", {"code": words}, id=words, container_id=words),
    block("image_url", {"image_url": record({"url": words}, detail=words)}, image_variable=words),
    block("media", {"media": record({}, title=words, type=words, url=words, format=st.just("url"))}),
    block("media_variable", {"name": words}),
    block("output_media", {"url": words}, mime_type=words, media_type=st.just("video")),
    block("server_tool_use", {"id": words, "name": words}, input=user_objects),
    block(
        "web_search_tool_result", {"tool_use_id": words}, content=st.lists(record({}, url=words), max_size=2)
    ),
    block("code_execution_result", {"output": words}, outcome=words),
    block("mcp_list_tools", id=words, server_label=words),
    block("mcp_call", id=words, name=words, arguments=words, output=words),
    block("mcp_approval_request", id=words, name=words),
    block("mcp_approval_response", {"approval_request_id": words, "approve": st.booleans()}),
    block("bash_code_execution_tool_result", {"tool_use_id": words}, content=user_objects),
    block("text_editor_code_execution_tool_result", {"tool_use_id": words}),
    block("shell_call", id=words, action=user_objects, status=words),
    block("shell_call_output", output=st.lists(user_objects, max_size=2)),
    block("apply_patch_call", operation=user_objects),
    block("apply_patch_call_output", output=words),
    block("hologram", {"light": words}, depth=st.integers()),
)
contents = words | st.lists(blocks, max_size=3)
formats = st.sampled_from(["f-string", "jinja2"])
calls = st.fixed_dictionaries({"name": words, "arguments": words})
tool_calls = record({"id": words, "function": calls}, tool_id=words)
messages = st.one_of(
    record(
        {"role": st.sampled_from(["system", "user", "developer"]), "content": contents},
        template_format=formats,
        name=words,
    ),
    record(
        {"role": st.just("assistant")},
        content=contents,
        tool_calls=st.lists(tool_calls, max_size=2),
        function_call=calls,
    ),
    record({"role": st.just("tool"), "content": contents, "tool_call_id": words}, template_format=formats),
    record({"role": st.just("function"), "name": words}, content=contents),
    record({"role": st.just("placeholder"), "name": words}),
)
functions = record({"name": words}, description=words, strict=st.booleans(), parameters=user_objects)
tools = st.one_of(
    record({"function": functions}, type=st.just("function")),
    st.fixed_dictionaries(
        {
            "type": st.just("web_search"),
            "id": words,
            "name": words,
            "description": words,
            "provider": words,
            "config": user_objects,
        }
    ),
    record({"type": st.just("registry"), "tool_registry_id": st.integers(1, 99)}, label=words),
    record({"type": st.just("variable"), "name": words}),
)
chats = record(
    {"type": st.just("chat"), "messages": st.lists(messages, max_size=4)},
    functions=st.lists(functions, max_size=2),
    function_call=st.sampled_from(["auto", "none"]) | st.fixed_dictionaries({"name": words}),
    tools=st.lists(tools, max_size=3),
    tool_choice=words
    | record({"function": st.fixed_dictionaries({"name": words})}, type=st.just("function")),
)
completions = record(
    {"type": st.just("completion"), "content": contents}, template_format=formats, unheard_of=words
)
models = record(
    {"provider": st.sampled_from(["openai", "openai.azure", "anthropic"]), "name": words},
    parameters=user_objects,
    base_model=words,
    api_type=st.sampled_from(["chat-completions", "responses"]),
)
custom_metadata = st.dictionaries(st.sampled_from(["owner", "b", "ü"]), user_json, max_size=2)
metadata = st.tuples(custom_metadata, st.none() | models).map(
    lambda parts: {**parts[0], "model": parts[1]} if parts[1] else parts[0]
)
prompts = st.builds(
    Prompt,
    name=st.just("support/refund"),
    template=chats | completions,
    metadata=metadata,
    tags=st.lists(words, max_size=3).map(tuple),
    extra=st.dictionaries(st.sampled_from(["x_rank", "y"]), st.integers() | words, max_size=2),
)
