"""The conversation of a call to a provider, by the shape of its arguments and of its response.

OpenAI has four (chat, completions, images, Responses); Anthropic, Gemini and Converse have one each. The SDK
for JavaScript sends the keys for Gemini in camel case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from promptsync.prompt.prompt import as_mapping, mappings
from promptsync.server.store.database import encoded

Turn = Mapping[str, Any]
"""One message. Its content is a list of blocks or a string."""

_MESSAGE = ("role", "name", "function_call", "tool_calls", "tool_call_id")
_TEXT_BLOCK = ("type", "text", "id", "annotations")
_TOOL = ("name", "description", "parameters", "strict")
_SCHEMAS = ("parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema")
_NESTED = ("generation_config", "generationConfig", "inferenceConfig", "additionalModelRequestFields")
_NOT_PARAMETERS = {
    *("model", "modelId", "messages", "system", "prompt", "input", "instructions", "history", "contents"),
    *("functions", "function_call", "tools", "tool_choice", "toolConfig", "tool_config"),
    *("system_instruction", "systemInstruction", *_NESTED),
}


def sent(arguments: Turn) -> Iterator[Turn]:
    """Yield the messages in the arguments of a call, the instructions first."""
    for role, content in (
        ("system", arguments.get("system")),
        ("system", arguments.get("instructions")),
        ("system", _first(_config(arguments), "system_instruction", "systemInstruction")),
        ("user", arguments.get("prompt")),
    ):
        content = as_mapping(content).get("parts", content)
        if isinstance(content, str | list):
            yield from _turns({"role": role, "content": content})
    for key in ("messages", "history", "contents"):
        for message in _listed(arguments.get(key), "content", role="user"):
            yield from _turns(message)
    yield from _items(arguments.get("input"))


def answer(response: Any) -> Iterator[Turn]:
    """Yield the assistant's turn in a response, whole or streamed."""
    response = as_mapping(response)
    choice = next(mappings(response.get("choices")), None)
    output = response.get("output")
    if choice is not None:
        message = choice.get("message")
        turn = message if isinstance(message, Mapping) else {"content": choice.get("text"), **choice}
        yield from _turns({"role": "assistant", **turn})
    elif isinstance(output, list):
        yield from _items(output)
    else:
        candidate = next(mappings(response.get("candidates")), {})
        for content in (
            response.get("content"),
            as_mapping(as_mapping(output).get("message")).get("content"),
            as_mapping(candidate.get("content")).get("parts"),
            images(response) or None,
        ):
            if isinstance(content, list):
                yield from _turns({"role": "assistant", "content": content})


def images(response: Any) -> list[dict[str, Any]]:
    """Return the blocks of the images in the response of an API that only generates images."""
    mime = f"image/{as_mapping(response).get('output_format') or 'png'}"
    data = [_first(item, "b64_json", "url") for item in mappings(as_mapping(response).get("data"))]
    return [_generated(image, mime) for image in data if isinstance(image, str)]


def api_type(response: Any) -> str | None:
    """Return the API of OpenAI that only it answers in this shape, or ``None`` for any other."""
    if images(response):
        return "images"
    return "responses" if as_mapping(response).get("object") == "response" else None


def tools(arguments: Turn) -> list[dict[str, Any]]:
    """Return the tools in the arguments of a call as a template has them."""
    holders = (arguments, as_mapping(arguments.get("toolConfig")), _config(arguments))
    listed = [tool for holder in holders for tool in mappings(holder.get("tools"))]
    groups = [
        [*mappings(_first(tool, "function_declarations", "functionDeclarations"))] or [tool]
        for tool in listed
    ]
    return [_tool(tool) for group in groups for tool in group]


def parameters(arguments: Turn) -> dict[str, Any]:
    """Return the other arguments of a call; those in the objects for them come out of these."""
    inner = {key: item for name in _NESTED for key, item in as_mapping(arguments.get(name)).items()}
    return {key: item for key, item in {**arguments, **inner}.items() if key not in _NOT_PARAMETERS}


def _config(arguments: Turn) -> Turn:
    return as_mapping(_first(arguments, "generation_config", "generationConfig"))


def _first(value: Turn, *keys: str) -> Any:
    """Return the first value that is not null."""
    return next((value[key] for key in keys if value.get(key) is not None), None)


def _listed(value: Any, key: str, **more: str) -> list[Turn]:
    """Return the objects of a list or a single one; a text becomes an object that has it under ``key``."""
    items = value if isinstance(value, list) else [value]
    return [*mappings([{**more, key: item} if isinstance(item, str) else item for item in items])]


# -- messages -------------------------------------------------------------------------------------------


def _items(items: Any) -> Iterator[Turn]:
    """Yield the turns of a list of the Responses API; what the model did in a row is one turn."""
    listed = map(_item, _listed(items, "content", role="user"))
    for role, group in groupby(listed, key=lambda item: item.get("role")):
        turns = [*group]
        if role == "assistant":
            turns = [{"role": role, "content": [block for turn in turns for block in _blocks(turn)]}]
        for turn in turns:
            yield from _turns(turn)


def _item(item: Turn) -> Turn:
    if item.get("type") == "function_call_output":
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")}
    return item if "role" in item else {"role": "assistant", "content": [item]}


def _turns(message: Turn) -> Iterator[Turn]:
    """Yield a provider's message with the keys of a template: calls become keys, results become turns."""
    blocks = _blocks(message)
    kept = {key: message[key] for key in _MESSAGE if key in message}
    if kept.get("role") == "model":
        kept["role"] = "assistant"
    calls = [call for call in map(_call, blocks) if call]
    results = [result for result in map(_result, blocks) if result]
    for result in results:
        yield from _turns(result)
    content = [_block(block, kept.get("role")) for block in blocks if not _call(block) and not _result(block)]
    if content or calls or not results:
        kept |= {"tool_calls": calls} if calls else {}
        yield {**kept, "raw_request_display_role": message.get("role"), "content": content}


def _blocks(message: Turn) -> list[Turn]:
    return _listed(_first(message, "content", "parts"), "text", type="text")


def _call(block: Turn) -> dict[str, Any] | None:
    call = _inside(block, "tool_use", "function_call", "toolUse", "functionCall")
    if call is None:
        return None
    values = _first(call, "input", "args", "arguments") or {}
    arguments = values if isinstance(values, str) else encoded(values)
    # Gemini pairs calls and results by the name of the function.
    call_id = _first(call, "call_id", "toolUseId", "id", "name")
    return {"id": call_id, "type": "function", "function": {"name": call.get("name"), "arguments": arguments}}


def _result(block: Turn) -> Turn | None:
    result = _inside(block, "tool_result", "toolResult", "function_response", "functionResponse")
    if result is None:
        return None
    content = _first(result, "content", "response")
    content = encoded(content) if isinstance(content, Mapping) else content
    call_id = _first(result, "toolUseId", "tool_use_id", "id", "name")
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def _inside(block: Turn, *names: str) -> Turn | None:
    """Return the object that a block has under one of the names, or the block if that is its type."""
    inner = _first(block, *names) or (block if block.get("type") in names else None)
    return inner if isinstance(inner, Mapping) else None


def _block(block: Turn, role: Any) -> dict[str, Any]:
    """Return a content block as a template has it; an unknown one is kept."""
    kind, text, thought = block.get("type"), block.get("text"), _thought(block)
    file = as_mapping(_first(block, "inline_data", "inlineData"))
    data, mime = _first(block, "result") or file.get("data"), _first(file, "mime_type", "mimeType")
    if kind == "text":
        return {key: block[key] for key in _TEXT_BLOCK if key in block}
    if thought is not None:
        return {"type": "thinking", **thought}
    if isinstance(text, str) and kind in (None, "input_text", "output_text"):
        return {"type": "text", "text": text, "annotations": block.get("annotations") or None}
    if isinstance(block.get("image_url"), str):
        return {"type": "image_url", "image_url": {"url": block["image_url"]}}
    if isinstance(data, str) and (mime or kind == "image_generation_call"):
        image = _generated(data, str(mime or "image/png"))
        media = {"title": "", "type": image["mime_type"], "url": image["url"]}
        return image if role == "assistant" else {"type": "media", "media": media}
    if kind is None and "json" in block:
        return {"type": "text", "text": encoded(block["json"])}
    return _typed(block)


def _thought(block: Turn) -> dict[str, Any] | None:
    """Return what a model thought: as Gemini, the Responses API and Converse write it."""
    if block.get("thought"):
        return {"thinking": block.get("text") or "", "signature": block.get("thought_signature")}
    if block.get("type") == "reasoning":
        return {"thinking": "\n\n".join(str(part.get("text")) for part in mappings(block.get("summary")))}
    text = as_mapping(as_mapping(block.get("reasoningContent")).get("reasoningText"))
    return {"thinking": text.get("text") or "", "signature": text.get("signature")} if text else None


def _generated(data: str, mime: str) -> dict[str, Any]:
    """Return a generated image; ``data`` is a URL or base64, which Gemini writes in the alphabet for URLs."""
    url = data if ":" in data else f"data:{mime};base64,{data.replace('-', '+').replace('_', '/')}"
    return {"type": "output_media", "url": url, "mime_type": mime, "media_type": mime.partition("/")[0]}


def _tool(tool: Turn) -> dict[str, Any]:
    """Return a tool as a template has it: a function under ``function``, or one of the provider's own."""
    spec = as_mapping(tool.get("toolSpec")) or tool
    schema = _first(spec, *_SCHEMAS) or as_mapping(spec.get("inputSchema")).get("json")
    if "function" in tool or (schema is None and tool.get("type") != "function"):
        return _typed(tool)
    function = {key: spec[key] for key in _TOOL if spec.get(key) is not None}
    return {"type": "function", "function": function | ({"parameters": schema} if schema else {})}


def _typed(value: Turn) -> dict[str, Any]:
    """Return an object with a type: where a provider has none, the name of its first value is one."""
    named = {key: item for key, item in value.items() if item is not None}
    return dict(value) if "type" in value else {"type": next(iter(named), "unknown"), **named}
