"""``llm_kwargs``: a rendered template as the arguments of a provider's client.

OpenAI's chat arguments follow recorded responses, the others what the official SDK passes on. They are never
compared or stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from promptsync.prompt.roles import ROLES
from promptsync.prompt.snippets import is_text_block, snippet_text
from promptsync.prompt.variables import mappings

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
    """Return the arguments, or ``None`` without a provider or for an unknown one.

    The model's own provider wins over the request's; without a model there is no ``model`` key. The stored
    parameters override what is built, and ``overrides`` override the stored parameters.
    """
    model = (metadata or {}).get("model") or {}
    name = model.get("provider") or provider
    parameters = {**(model.get("parameters") or {}), **(overrides or {})}
    chosen = {"model": model["name"]} if model.get("name") else {}
    if name in _ANTHROPIC:
        return {**chosen, "max_tokens": _ANTHROPIC_MAX_TOKENS, **_anthropic(template), **parameters}
    if name in _OPENAI_LIKE:
        build = _responses if model.get("api_type") == "responses" else _openai
        # The recorded order is the messages first, then the model, then everything else.
        first, *others = build(template).items()
        return {**dict([first]), **chosen, **dict(others), **parameters}
    return None


def _openai(template: Template) -> Arguments:
    if template["type"] == "completion":
        return {"prompt": snippet_text(template)}
    arguments: Arguments = {"messages": [_openai_message(message) for message in template["messages"]]}
    for key, choice in (("tools", "tool_choice"), ("functions", "function_call")):
        if template.get(key):
            arguments |= {name: template[name] for name in (key, choice) if template.get(name)}
    return arguments


def _openai_message(message: Mapping[str, Any]) -> Arguments:
    blocks = list(mappings(message.get("content")))
    content: Any = [part for block in blocks if (part := _openai_block(block)) is not None]
    # As recorded: a single text is a plain string, but a user's message always is a list.
    if message.get("role") != "user" and len(blocks) == 1 and is_text_block(blocks[0]):
        content = blocks[0]["text"]
    built: Arguments = {"role": message.get("role"), "content": content}
    if message.get("role") == "assistant":
        built["content"] = content or None
        if message.get("tool_calls"):
            built["tool_calls"] = [
                {key: call.get(key) for key in ("id", "type", "function")}
                for call in mappings(message["tool_calls"])
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
        image = {key: item for key, item in _image(block).items() if item is not None}
        return {"type": "image_url", "image_url": image}
    media = block.get("media")
    if block.get("type") == "media" and isinstance(media, Mapping) and media.get("url"):
        inline = f"data:{media.get('type', 'image/jpeg')};base64," if media.get("format") == "base64" else ""
        return {"type": "image_url", "image_url": {"url": f"{inline}{media['url']}"}}
    return None


def _responses(template: Template) -> Arguments:
    if template["type"] == "completion":
        return {"input": snippet_text(template)}
    turns = []
    for message in template["messages"]:
        kind = "output_text" if message.get("role") == "assistant" else "input_text"
        blocks = [block for block in mappings(message.get("content")) if is_text_block(block)]
        content = [{"type": kind, "text": block["text"]} for block in blocks]
        turns.append({"role": message.get("role"), "content": content})
    tools = [{"type": "function", **function} for function in _functions(template)]
    return {"input": turns, **({"tools": tools} if tools else {})}


def _functions(template: Template) -> list[Mapping[str, Any]]:
    """Return the functions among the tools of a template."""
    tools = mappings(template.get("tools"))
    return [tool["function"] for tool in tools if isinstance(tool.get("function"), Mapping)]


def _anthropic(template: Template) -> Arguments:
    if template["type"] == "completion":
        return {"messages": [{"role": "user", "content": _anthropic_blocks(template)}]}
    system: list[Arguments] = []
    messages: list[Arguments] = []
    for message in template["messages"]:
        role = ROLES.get(str(message.get("role")))
        if role is not None and role.instructs:
            system += (block for block in _anthropic_blocks(message) if block["type"] == "text")
        else:
            messages.append(_anthropic_message(message))
    tools = [
        {
            "name": function.get("name"),
            "description": function.get("description", ""),
            "input_schema": function.get("parameters"),
        }
        for function in _functions(template)
    ]
    built: Arguments = {"system": system} if system else {}
    return built | {"messages": messages} | ({"tools": tools} if tools else {})


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
            blocks.append({"type": "image", "source": {"type": "url", "url": _image(block).get("url")}})
    return blocks


def _image(block: Mapping[str, Any]) -> Mapping[str, Any]:
    # A message that fills a placeholder may hold anything.
    image = block.get("image_url")
    return image if isinstance(image, Mapping) else {}


def _arguments(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return {}
