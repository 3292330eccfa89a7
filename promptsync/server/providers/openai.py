"""Requests for OpenAI and compatible providers: chat, completions, responses and images.

The chat follows responses recorded from PromptLayer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptsync.prompt.prompt import is_text_block, mappings
from promptsync.server.providers import parts
from promptsync.server.providers.parts import Arguments, Message, ModelRequest, filled


def chat(request: ModelRequest) -> Arguments:
    """Return the arguments of a chat or a text completion, in the recorded order."""
    template, model = request.template, filled(model=request.model)
    if request.is_completion:
        parameters = request.parameters("max_tokens", "top_p", "stop", "seed")
        return {"prompt": parts.plain_text(template), **model, **parameters}
    tools = [tool for tool in mappings(template.get("tools")) if isinstance(tool.get("function"), Mapping)]
    functions = ("functions", "function_call") if template.get("functions") else ()
    return {
        "messages": [_message(request, message) for message in request.messages],
        **model,
        **_tools(template, tools),
        **filled(**{key: template.get(key) for key in functions}),
        **request.parameters("max_completion_tokens", "max_tokens", "top_p", "stop", "seed"),
    }


def compatible(request: ModelRequest, own: tuple[str, ...], takes_files: bool = False) -> Arguments:
    """Return the arguments of a chat like OpenAI's, in which a completion is a message.

    ``own`` are the provider's names for parameters. Only OpenAI itself has functions outside tools, names in
    messages, and the role developer.
    """
    messages = [_message(request, message, takes_files) for message in request.messages]
    for message in messages:
        role = message["role"]
        message["role"] = {"developer": "system", "function": "user"}.get(str(role), role)
        message.pop("name", None)
        message.pop("function_call", None)
    tools = [{"type": "function", "function": function} for function in request.functions()]
    built = {"messages": messages, **filled(model=request.model), **_tools(request.template, tools)}
    return built | request.parameters(*own)


def _tools(template: Message, tools: list[Any]) -> Arguments:
    return filled(tools=tools, tool_choice=tools and template.get("tool_choice"))


def _message(request: ModelRequest, message: Message, takes_files: bool = True) -> Arguments:
    role, blocks = message.get("role"), list(mappings(message.get("content")))
    content: Any = request.parts(message, lambda block: _part(block, takes_files))
    # As recorded: a single text becomes a plain string, except in a user's message.
    if role != "user" and len(blocks) == 1 and is_text_block(blocks[0]):
        content = blocks[0]["text"]
    built: Arguments = {"role": role, "content": content}
    if role == "assistant":
        calls = [
            {key: call.get(key) for key in ("id", "type", "function")}
            for call in mappings(message.get("tool_calls"))
        ]
        built["content"] = content or None
        built |= filled(tool_calls=calls, function_call=message.get("function_call"))
    return built | filled(name=message.get("name"), tool_call_id=message.get("tool_call_id"))


def _part(block: Message, takes_files: bool) -> Arguments | None:
    if is_text_block(block):
        return {"type": "text", "text": block["text"]}
    if (file := parts.media_file(block)) is None:
        return None
    if file.is_image:
        return {"type": "image_url", "image_url": filled(url=file.address, detail=file.detail)}
    if file.data and takes_files:
        return {"type": "file", "file": {"filename": file.title or "file", "file_data": file.address}}
    return None


def responses(request: ModelRequest) -> Arguments:
    """Return the arguments of OpenAI's Responses API."""
    sent: Any = parts.plain_text(request.template)
    if not request.is_completion:
        sent = [item for message in request.messages for item in _items(request, message)]
    about = {"type": "function", "strict": False, "parameters": {}}
    tools = [{**about, **function} for function in request.functions()]
    tools += request.built_in(lambda kind, config: {"type": kind, **config})
    kind, name = parts.tool_choice(request.template)
    choice: Any = {"type": "function", "name": name} if name else {"any": "required"}.get(kind, kind)
    parameters = request.parameters("max_output_tokens", "top_p")
    schema = parts.take_schema(parameters)
    if schema is not None:
        form = {"type": "json_schema", **schema} if schema else {"type": "json_object"}
        parameters["text"] = {"format": form}
    built = {"input": sent, **filled(model=request.model, tools=tools, tool_choice=tools and choice)}
    return built | parameters


def _items(request: ModelRequest, message: Message) -> list[Arguments]:
    role = message.get("role")
    if role == "tool":
        output = {"call_id": message.get("tool_call_id"), "output": parts.plain_text(message)}
        return [{"type": "function_call_output", **output}]
    content: Any = request.parts(message, _input_part)
    if role == "assistant":
        # A model's message must be plain text: in a list, it would need ids that only OpenAI assigns.
        content = parts.plain_text(message)
    said = [{"role": "user" if role == "function" else role, "content": content}] if content else []
    return said + [
        {"type": "function_call", "call_id": call["id"], **call["function"]}
        for call in mappings(message.get("tool_calls"))
        if isinstance(call.get("function"), Mapping) and "id" in call
    ]


def _input_part(block: Message) -> Arguments | None:
    if is_text_block(block):
        return {"type": "input_text", "text": block["text"]}
    if (file := parts.media_file(block)) is None:
        return None
    if file.is_image:
        return {"type": "input_image", "image_url": file.address, "detail": file.detail or "auto"}
    if file.data:
        return {"type": "input_file", "filename": file.title or "file", "file_data": file.address}
    return {"type": "input_file", "file_url": file.url}


def media_generation(request: ModelRequest, argument: str = "prompt") -> Arguments:
    """Return the arguments that generate an image, a video or speech from all texts of the template."""
    text = "\n\n".join(filter(None, map(parts.plain_text, request.messages)))
    return {argument: text, **filled(model=request.model), **request.parameters()}


def cohere(request: ModelRequest) -> Arguments:
    """Return the arguments of Cohere's chat API, version 2."""
    built = compatible(request, ("max_tokens", "p", "k", "stop_sequences", "seed"))
    kind, _ = parts.tool_choice(request.template)
    if built.pop("tool_choice", None) and kind in ("any", "none"):
        built["tool_choice"] = {"any": "REQUIRED", "none": "NONE"}[kind]
    for tool in mappings(built.get("tools")):
        function = tool.get("function")
        if isinstance(function, dict) and function.pop("strict", False):
            built["strict_tools"] = True
    if (form := parts.take_schema(built)) is not None:
        built["response_format"] = {"type": "json_object", **filled(json_schema=form.get("schema"))}
    return built
