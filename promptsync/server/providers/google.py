"""Requests for Gemini, on Google's own API and on Vertex AI."""

from __future__ import annotations

from typing import Any

from promptsync.prompt.prompt import as_mapping, is_text_block
from promptsync.server.providers import parts
from promptsync.server.providers.parts import Arguments, Message, ModelRequest, filled

_SNAKE_CASE = ("max_output_tokens", "top_p", "top_k", "stop_sequences", "seed")
_CAMEL_CASE = ("maxOutputTokens", "topP", "topK", "stopSequences")
_TOP = ("model", "history", "contents", "generation_config")
_BUILT_IN = {
    "web_search": "google_search",
    "code_interpreter": "code_execution",
    "google_maps": "google_maps",
    "url_context": "url_context",
    "file_search": "file_search",
}
_MODES = {"auto": "AUTO", "none": "NONE", "any": "ANY", "tool": "ANY"}


def gemini(request: ModelRequest) -> Arguments:
    """Return the model, all turns (``contents`` for a completion) and ``generation_config``."""
    parameters = request.parameters(*_SNAKE_CASE, *_CAMEL_CASE)
    config = {**_config(request), **as_mapping(parameters.pop("generation_config", None))}
    schema = parts.take_schema(parameters)
    if schema is not None:
        config |= {"response_mime_type": "application/json"}
        config |= filled(response_json_schema=schema.get("schema"))
    config |= {name: value for name, value in parameters.items() if name not in _TOP}
    return {
        **filled(model=request.model),
        "contents" if request.is_completion else "history": _turns(request),
        **{name: value for name, value in parameters.items() if name in _TOP},
        "generation_config": config,
    }


def _config(request: ModelRequest) -> Arguments:
    system = request.system()
    # Only this name accepts a full JSON Schema, and clients do not convert it.
    functions = request.functions("name", "description", parameters="parametersJsonSchema")
    tools = [{"function_declarations": functions}] if functions else []
    tools += request.built_in(lambda kind, config: {_BUILT_IN[kind]: config} if kind in _BUILT_IN else None)
    kind, name = parts.tool_choice(request.template)
    calling = {"mode": _MODES[kind], **filled(allowed_function_names=name and [name])} if kind else {}
    return filled(
        system_instruction=system and {"parts": system},
        tools=tools,
        tool_config=functions and calling and {"function_calling_config": calling},
    )


def _turns(request: ModelRequest) -> list[Arguments]:
    """Return the turns. Gemini requires the results of one turn's calls to form one turn."""
    turns: list[Arguments] = []
    names: dict[str, Any] = {}
    previous: Any = None
    for message in request.turns:
        role = message.get("role")
        if role == "tool":
            answer = parts.json_object(parts.plain_text(message)) or {"result": parts.plain_text(message)}
            # A result has only the id of its call.
            name = names.get(str(message.get("tool_call_id"))) or message.get("name")
            blocks: list[Arguments] = [{"function_response": {"name": name, "response": answer}}]
        else:
            blocks = request.parts(message, _part)
            for call_id, name, values in parts.calls(message):
                names[str(call_id)] = name
                blocks.append({"function_call": {"name": name, "args": values}})
        if role == previous == "tool":
            turns[-1]["parts"] += blocks
        elif blocks:
            turns.append({"role": "model" if role == "assistant" else "user", "parts": blocks})
        previous = role
    return turns


def _part(block: Message) -> Arguments | None:
    if is_text_block(block):
        return {"text": block["text"], **filled(thought_signature=block.get("thought_signature"))}
    if (file := parts.media_file(block)) is None:
        return None
    if file.data:
        return {"inline_data": {"mime_type": file.mime, "data": file.data}}
    return {"file_data": {"mime_type": file.mime, "file_uri": file.url}}
