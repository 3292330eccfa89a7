"""Requests for Gemini, on Google's own API and on Vertex AI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptsync.prompt.texts import is_text_block
from promptsync.server.providers.parts import (
    Arguments,
    Message,
    ModelRequest,
    as_mapping,
    calls,
    json_object,
    media_file,
    plain_text,
    take_schema,
    tool_choice,
)

_OWN = (
    "max_output_tokens",
    "maxOutputTokens",
    "top_p",
    "topP",
    "top_k",
    "topK",
    "stop_sequences",
    "stopSequences",
    "seed",
)
_TOP = frozenset(("model", "history", "contents", "generation_config"))
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
    parameters = request.parameters(*_OWN)
    config = {**_config(request), **as_mapping(parameters.pop("generation_config", None))}
    schema = take_schema(parameters)
    if schema is not None:
        config["response_mime_type"] = "application/json"
        config |= {"response_json_schema": schema["schema"]} if schema.get("schema") else {}
    config |= {name: value for name, value in parameters.items() if name not in _TOP}
    turns = _turns(request)
    built = {**request.chosen, "contents" if request.is_completion else "history": turns}
    built |= {name: value for name, value in parameters.items() if name in _TOP}
    return built | {"generation_config": config}


def _config(request: ModelRequest) -> Arguments:
    system = [{"text": text} for text in request.instructions()]
    built: Arguments = {"system_instruction": {"parts": system}} if system else {}
    # Only this name accepts a full JSON Schema, and clients do not convert it.
    functions = [
        {key if key != "parameters" else "parametersJsonSchema": value for key, value in function.items()}
        for function in request.functions("name", "description", "parameters")
    ]
    tools: list[Arguments] = [{"function_declarations": functions}] if functions else []
    tools += request.built_in(_built_in)
    kind, name = tool_choice(request.template)
    if tools:
        built["tools"] = tools
    if functions and kind:
        only = {"allowed_function_names": [name]} if name else {}
        built["tool_config"] = {"function_calling_config": {"mode": _MODES[kind], **only}}
    return built


def _built_in(tool: Message) -> Arguments | None:
    name = _BUILT_IN.get(str(tool.get("type")))
    return None if name is None else {name: dict(as_mapping(tool.get("config")))}


def _turns(request: ModelRequest) -> list[Arguments]:
    """Return the turns. Gemini requires the results of one turn's calls to form one turn."""
    turns: list[Arguments] = []
    names: dict[str, Any] = {}
    previous: Any = None
    for message in request.turns():
        names |= {str(call.id): call.name for call in calls(message)}
        role, parts = message.get("role"), _parts(request, message, names)
        if role == previous == "tool":
            turns[-1]["parts"] += parts
        elif parts:
            turns.append({"role": "model" if role == "assistant" else "user", "parts": parts})
        previous = role
    return turns


def _parts(request: ModelRequest, message: Message, names: Mapping[str, Any]) -> list[Arguments]:
    """``names`` maps the ids of calls to functions, because a result only has the id."""
    if message.get("role") == "tool":
        answer = json_object(plain_text(message)) or {"result": plain_text(message)}
        name = names.get(str(message.get("tool_call_id"))) or message.get("name")
        return [{"function_response": {"name": name, "response": answer}}]
    made = [{"function_call": {"name": call.name, "args": call.values}} for call in calls(message)]
    return request.parts(message, _part) + made


def _part(block: Message) -> Arguments | None:
    if is_text_block(block):
        signed = {"thought_signature": block["thought_signature"]} if block.get("thought_signature") else {}
        return {"text": block["text"], **signed}
    file = media_file(block)
    if file is None:
        return None
    if file.data:
        return {"inline_data": {"mime_type": file.mime, "data": file.data}}
    return {"file_data": {"mime_type": file.mime, "file_uri": file.url}}
