"""``llm_kwargs``: a rendered template as the arguments of a provider's client.

OpenAI's chat arguments follow recorded answers, the others what the official SDK passes on. The structure is
nothing to compare or store.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from promptsync.prompt.defaults import ROLES
from promptsync.prompt.fill import mappings
from promptsync.prompt.snippets import is_text_block, snippet_text

_ANTHROPIC = frozenset(("anthropic", "anthropic.bedrock"))
_OPENAI_LIKE = frozenset(("openai", "openai.azure", "mistral", "openrouter"))
_ANTHROPIC_MAX_TOKENS = 4096

Template = Mapping[str, Any]
Arguments = dict[str, Any]


def llm_kwargs(
    template: Template,
    metadata: Mapping[str, Any] | None,
    provider: str | None,
    overrides: Mapping[str, Any] | None = None,
) -> Arguments | None:
    """The arguments, or ``None`` without a provider or for one whose shape is not known here.

    The model's own provider wins over the request's; without a model there is no ``model`` key. The stored
    parameters override what is built, and ``overrides`` those.
    """
    model = (metadata or {}).get("model") or {}
    name = model.get("provider") or provider
    parameters = {**(model.get("parameters") or {}), **(overrides or {})}
    if name in _ANTHROPIC:
        built = _anthropic(template)
    elif name in _OPENAI_LIKE:
        built = _responses(template) if model.get("api_type") == "responses" else _openai(template)
    else:
        return None
    chosen = {"model": model["name"]} if model.get("name") else {}
    if name in _ANTHROPIC:
        return {**chosen, "max_tokens": _ANTHROPIC_MAX_TOKENS, **built, **parameters}
    first = {key: built.pop(key) for key in ("messages", "input", "prompt") if key in built}
    return {**first, **chosen, **built, **parameters}


def _openai(template: Template) -> Arguments:
    if template["type"] == "completion":
        return {"prompt": snippet_text(template)}
    arguments: Arguments = {"messages": [_openai_message(message) for message in template["messages"]]}
    for key in ("tools", "functions"):
        if template.get(key):
            arguments[key] = template[key]
    if template.get("tools") and template.get("tool_choice"):
        arguments["tool_choice"] = template["tool_choice"]
    if template.get("functions") and template.get("function_call"):
        arguments["function_call"] = template["function_call"]
    return arguments


def _openai_message(message: Mapping[str, Any]) -> Arguments:
    blocks = list(mappings(message.get("content")))
    content: Any = [part for block in blocks if (part := _openai_block(block)) is not None]
    if message.get("role") != "user" and len(blocks) == 1 and is_text_block(blocks[0]):
        content = blocks[0]["text"]
    built: Arguments = {"role": message.get("role"), "content": content}
    if message.get("role") == "assistant":
        built["content"] = content or None
        if message.get("tool_calls"):
            built["tool_calls"] = [
                {key: call.get(key) for key in ("id", "type", "function")} for call in message["tool_calls"]
            ]
        if message.get("function_call"):
            built["function_call"] = message["function_call"]
    for key in ("name", "tool_call_id"):
        if message.get(key):
            built[key] = message[key]
    return built


def _openai_block(block: Mapping[str, Any]) -> Arguments | None:
    if is_text_block(block):
        return {"type": "text", "text": block["text"]}
    if block.get("type") == "image_url":
        return {"type": "image_url", "image_url": _without_nulls(block["image_url"])}
    media = block.get("media")
    if block.get("type") == "media" and isinstance(media, Mapping) and media.get("url"):
        return {"type": "image_url", "image_url": {"url": _media_url(media)}}
    return None


def _media_url(media: Mapping[str, Any]) -> str:
    if media.get("format") == "base64":
        return f"data:{media.get('type', 'image/jpeg')};base64,{media['url']}"
    return str(media["url"])


def _without_nulls(value: Mapping[str, Any]) -> Arguments:
    return {key: item for key, item in value.items() if item is not None}


def _responses(template: Template) -> Arguments:
    if template["type"] == "completion":
        return {"input": snippet_text(template)}
    turns = []
    for message in template["messages"]:
        kind = "output_text" if message.get("role") == "assistant" else "input_text"
        blocks = [block for block in mappings(message.get("content")) if is_text_block(block)]
        content = [{"type": kind, "text": block["text"]} for block in blocks]
        turns.append({"role": message.get("role"), "content": content})
    tools = [{"type": "function", **tool["function"]} for tool in _functions(template)]
    return {"input": turns, **({"tools": tools} if tools else {})}


def _functions(template: Template) -> Iterable[Mapping[str, Any]]:
    tools = mappings(template.get("tools"))
    return [tool for tool in tools if isinstance(tool.get("function"), Mapping)]


def _anthropic(template: Template) -> Arguments:
    if template["type"] == "completion":
        return {"messages": [{"role": "user", "content": _anthropic_blocks(template)}]}
    system = [
        {"type": "text", "text": block["text"]}
        for message in template["messages"]
        if _instructs(message)
        for block in mappings(message.get("content"))
        if is_text_block(block)
    ]
    built: Arguments = {"system": system} if system else {}
    built["messages"] = [
        _anthropic_message(message) for message in template["messages"] if not _instructs(message)
    ]
    tools = [
        {
            "name": tool["function"].get("name"),
            "description": tool["function"].get("description", ""),
            "input_schema": tool["function"].get("parameters"),
        }
        for tool in _functions(template)
    ]
    return built | ({"tools": tools} if tools else {})


def _instructs(message: Mapping[str, Any]) -> bool:
    role = ROLES.get(str(message.get("role")))
    return role is not None and role.instructs


def _anthropic_message(message: Mapping[str, Any]) -> Arguments:
    blocks = _anthropic_blocks(message)
    if message.get("role") == "tool":
        result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id"), "content": blocks}
        return {"role": "user", "content": [result]}
    calls = [
        {
            "type": "tool_use",
            "id": call.get("id"),
            "name": (call.get("function") or {}).get("name"),
            "input": _arguments((call.get("function") or {}).get("arguments")),
        }
        for call in mappings(message.get("tool_calls"))
    ]
    role = "assistant" if message.get("role") == "assistant" else "user"
    return {"role": role, "content": blocks + calls}


def _anthropic_blocks(part: Mapping[str, Any]) -> list[Arguments]:
    blocks: list[Arguments] = []
    for block in mappings(part.get("content")):
        if is_text_block(block):
            blocks.append({"type": "text", "text": block["text"]})
        elif block.get("type") == "image_url":
            source = {"type": "url", "url": block["image_url"].get("url")}
            blocks.append({"type": "image", "source": source})
    return blocks


def _arguments(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return {}
