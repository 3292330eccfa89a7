"""Requests for Anthropic's Messages API, also for Claude on Bedrock and on Vertex AI."""

from __future__ import annotations

from typing import Any

from promptsync.prompt.texts import is_text_block
from promptsync.server.providers.parts import (
    Arguments,
    Message,
    ModelRequest,
    as_mapping,
    calls,
    media_file,
    merged,
    take_schema,
    tool_choice,
)

_MAX_TOKENS = 4096
"""Anthropic requires a limit. Every model accepts this one."""

_BUILT_IN = {
    "web_search": {"type": "web_search_20250305", "name": "web_search"},
    "bash": {"type": "bash_20250124", "name": "bash"},
    "text_editor": {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
    "code_interpreter": {"type": "code_execution_20250825", "name": "code_execution"},
}


def messages(request: ModelRequest) -> Arguments:
    """Return the arguments of ``messages.create``."""
    system = [{"type": "text", "text": text} for text in request.instructions()]
    parameters = request.parameters("max_tokens", "top_p", "top_k", "stop_sequences")
    schema = take_schema(parameters)
    if schema:
        parameters["output_config"] = {"format": {"type": "json_schema", "schema": schema.get("schema")}}
    elif schema is not None:
        request.left_out["response_format"] = None
    built: Arguments = {**request.chosen, "max_tokens": _MAX_TOKENS}
    built |= {"system": system} if system else {}
    return (
        built
        | {"messages": merged([_turn(request, turn) for turn in request.turns()])}
        | _tools(request)
        | parameters
    )


def _turn(request: ModelRequest, message: Message) -> Arguments:
    content = request.parts(message, _part)
    if message.get("role") == "tool":
        result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id"), "content": content}
        return {"role": "user", "content": [result]}
    content += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.values}
        for call in calls(message)
    ]
    return {"role": "assistant" if message.get("role") == "assistant" else "user", "content": content}


def _part(block: Message) -> Arguments | None:
    if is_text_block(block):
        # Anthropic rejects empty texts.
        return {"type": "text", "text": block["text"]} if block["text"] else {}
    if block.get("type") == "thinking" and block.get("signature"):
        return {key: block.get(key) for key in ("type", "thinking", "signature")}
    file = media_file(block)
    if file is None or not (file.is_image or file.mime == "application/pdf"):
        return None
    source = {"type": "base64", "media_type": file.mime, "data": file.data}
    kind = "image" if file.is_image else "document"
    return {"type": kind, "source": source if file.data else {"type": "url", "url": file.url}}


def _tools(request: ModelRequest) -> Arguments:
    tools: list[Any] = [
        {
            "name": function.get("name"),
            "description": function.get("description", ""),
            "input_schema": function.get("parameters", {"type": "object"}),
            **({"strict": True} if function.get("strict") else {}),
        }
        for function in request.functions("name", "description", "parameters", "strict")
    ]
    tools += request.built_in(_built_in)
    kind, name = tool_choice(request.template)
    choice = {"type": kind, **({"name": name} if name else {})}
    return ({"tools": tools} if tools else {}) | ({"tool_choice": choice} if tools and kind else {})


def _built_in(tool: Message) -> Arguments | None:
    known = _BUILT_IN.get(str(tool.get("type")))
    return None if known is None else {**known, **as_mapping(tool.get("config"))}
