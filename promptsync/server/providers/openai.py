"""Requests for OpenAI and compatible providers: chat, completions, responses and images.

The chat follows responses recorded from PromptLayer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptsync.prompt.texts import is_text_block, mappings
from promptsync.server.providers.parts import (
    Arguments,
    Message,
    ModelRequest,
    as_mapping,
    media_file,
    plain_text,
    take_schema,
    texts_of,
    tool_choice,
)


@dataclass(frozen=True, slots=True)
class ChatDialect:
    """How a provider's chat API differs. ``own`` are its names for parameters.

    Only OpenAI itself has functions outside tools, text completions, and the role developer.
    """

    own: tuple[str, ...] = ("max_tokens", "top_p", "top_k", "stop", "seed")
    is_openai: bool = False
    takes_files: bool = False


OPENAI = ChatDialect(("max_completion_tokens", "max_tokens", "top_p", "stop", "seed"), True, True)
OPENROUTER = ChatDialect(
    ("max_tokens", "max_completion_tokens", "top_p", "top_k", "stop", "seed"), False, True
)
MISTRAL = ChatDialect(("max_tokens", "top_p", "stop", "random_seed"))
HUGGING_FACE = ChatDialect()


def chat(request: ModelRequest, dialect: ChatDialect) -> Arguments:
    """Return the arguments of a chat, in the recorded order: messages, model, everything else."""
    if request.is_completion and dialect.is_openai:
        text = plain_text(request.template)
        return {"prompt": text, **request.chosen, **request.parameters("max_tokens", "top_p", "stop", "seed")}
    messages = [_message(request, message, dialect) for message in request.messages()]
    return {
        "messages": messages,
        **request.chosen,
        **_tools(request, dialect),
        **request.parameters(*dialect.own),
    }


def _tools(request: ModelRequest, dialect: ChatDialect) -> Arguments:
    template = request.template
    built: Arguments = {}
    tools = [tool for tool in mappings(template.get("tools")) if isinstance(tool.get("function"), Mapping)]
    request.built_in(lambda tool: None)
    if tools:
        built["tools"] = tools
        if not dialect.is_openai:
            built["tools"] = [{"type": "function", "function": one} for one in request.functions()]
        if template.get("tool_choice"):
            built["tool_choice"] = template["tool_choice"]
    if template.get("functions") and dialect.is_openai:
        built |= {key: template[key] for key in ("functions", "function_call") if template.get(key)}
    elif template.get("functions"):
        request.left_out["functions"] = None
    return built


def _message(request: ModelRequest, message: Message, dialect: ChatDialect) -> Arguments:
    role, blocks = message.get("role"), list(mappings(message.get("content")))
    content: Any = request.parts(message, lambda block: _part(block, dialect))
    # As recorded: a single text becomes a plain string, except in a user's message.
    if role != "user" and len(blocks) == 1 and is_text_block(blocks[0]):
        content = blocks[0]["text"]
    if not dialect.is_openai:
        role = {"developer": "system", "function": "user"}.get(str(role), role)
    built: Arguments = {"role": role, "content": content}
    if role == "assistant":
        built["content"] = content or None
        if message.get("tool_calls"):
            built["tool_calls"] = [
                {key: call.get(key) for key in ("id", "type", "function")}
                for call in mappings(message["tool_calls"])
            ]
        if message.get("function_call") and dialect.is_openai:
            built["function_call"] = message["function_call"]
    keys = ("name", "tool_call_id") if dialect.is_openai else ("tool_call_id",)
    return built | {key: message[key] for key in keys if message.get(key)}


def _part(block: Message, dialect: ChatDialect) -> Arguments | None:
    if is_text_block(block):
        return {"type": "text", "text": block["text"]}
    file = media_file(block)
    if file is None:
        return None
    if file.is_image:
        image = {"url": file.address, "detail": file.detail}
        return {"type": "image_url", "image_url": {key: value for key, value in image.items() if value}}
    if file.data and dialect.takes_files:
        return {"type": "file", "file": {"filename": file.title or "file", "file_data": file.address}}
    return None


def responses(request: ModelRequest) -> Arguments:
    """Return the arguments of OpenAI's Responses API."""
    given: Any = plain_text(request.template)
    if not request.is_completion:
        given = [item for message in request.messages() for item in _items(request, message)]
    functions: list[Arguments] = [
        {"type": "function", "strict": False, "parameters": {}, **function}
        for function in request.functions()
    ]
    tools = functions + request.built_in(
        lambda tool: {"type": tool.get("type"), **as_mapping(tool.get("config"))}
    )
    kind, name = tool_choice(request.template)
    choice: Any = {"type": "function", "name": name} if name else {"any": "required"}.get(kind, kind)
    parameters = request.parameters("max_output_tokens", "top_p")
    schema = take_schema(parameters)
    if schema is not None:
        form = {"type": "json_schema", **schema} if schema else {"type": "json_object"}
        parameters["text"] = {"format": form}
    built = {"input": given, **request.chosen, **({"tools": tools} if tools else {})}
    return built | ({"tool_choice": choice} if tools and choice else {}) | parameters


def _items(request: ModelRequest, message: Message) -> list[Arguments]:
    if message.get("role") == "tool":
        output = {"call_id": message.get("tool_call_id"), "output": plain_text(message)}
        return [{"type": "function_call_output", **output}]
    content: Any = request.parts(message, _input_part)
    if message.get("role") == "assistant":
        # A model's message must be plain text: in a list, it would need ids that only OpenAI assigns.
        content = plain_text(message)
    role = {"function": "user"}.get(str(message.get("role")), message.get("role"))
    said = [{"role": role, "content": content}] if content else []
    return said + [
        {"type": "function_call", "call_id": call["id"], **call["function"]}
        for call in mappings(message.get("tool_calls"))
        if isinstance(call.get("function"), Mapping) and "id" in call
    ]


def _input_part(block: Message) -> Arguments | None:
    if is_text_block(block):
        return {"type": "input_text", "text": block["text"]}
    file = media_file(block)
    if file is None:
        return None
    if file.is_image:
        return {"type": "input_image", "image_url": file.address, "detail": file.detail or "auto"}
    if file.data:
        return {"type": "input_file", "filename": file.title or "file", "file_data": file.address}
    return {"type": "input_file", "file_url": file.url}


def media_generation(request: ModelRequest, argument: str = "prompt") -> Arguments:
    """Return the arguments that generate an image, a video or speech from all texts of the template."""
    text = "\n\n".join(texts_of(request.messages()))
    return {argument: text, **request.chosen, **request.parameters()}


def cohere(request: ModelRequest) -> Arguments:
    """Return the arguments of Cohere's chat API, version 2."""
    own = ("max_tokens", "p", "k", "stop_sequences", "seed")
    built = chat(request, ChatDialect(own))
    kind, _ = tool_choice(request.template)
    if built.pop("tool_choice", None) and kind in ("any", "none"):
        built["tool_choice"] = {"any": "REQUIRED", "none": "NONE"}[kind]
    elif kind == "tool":
        request.left_out["tool_choice"] = None
    for tool in mappings(built.get("tools")):
        function = tool.get("function")
        if isinstance(function, dict) and function.pop("strict", False):
            built["strict_tools"] = True
    if (form := take_schema(built)) is not None:
        schema = {"json_schema": form["schema"]} if form.get("schema") else {}
        built["response_format"] = {"type": "json_object", **schema}
    return built
