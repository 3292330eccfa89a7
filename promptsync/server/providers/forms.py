"""The forms of the providers' requests: OpenAI's and compatible ones, Claude's, Converse's and Gemini's.

OpenAI's chat follows responses recorded from PromptLayer. Claude and Converse require roles that alternate,
and the result of a tool in a turn of the user.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from promptsync.prompt.prompt import as_mapping, is_text_block, mappings
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
        "messages": [_chat_message(request, message) for message in request.messages],
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
    messages = [_chat_message(request, message, takes_files) for message in request.messages]
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


def _chat_message(request: ModelRequest, message: Message, takes_files: bool = True) -> Arguments:
    role, blocks = message.get("role"), list(mappings(message.get("content")))
    content: Any = request.parts(message, lambda block: _chat_part(block, takes_files))
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


def _chat_part(block: Message, takes_files: bool) -> Arguments | None:
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
        sent = [item for message in request.messages for item in _response_items(request, message)]
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


def _response_items(request: ModelRequest, message: Message) -> list[Arguments]:
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


_MAX_TOKENS = 4096
"""Anthropic requires a limit. Every model accepts this one."""

_CLAUDE_TOOLS = {
    "web_search": {"type": "web_search_20250305", "name": "web_search"},
    "bash": {"type": "bash_20250124", "name": "bash"},
    "text_editor": {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
    "code_interpreter": {"type": "code_execution_20250825", "name": "code_execution"},
}

_INFERENCE = ("maxTokens", "temperature", "topP", "stopSequences")
_CONVERSE_TOP = (
    *("modelId", "messages", "system", "toolConfig", "guardrailConfig", "promptVariables", "requestMetadata"),
    *("additionalModelResponseFieldPaths", "performanceConfig", "serviceTier", "outputConfig"),
    # Credentials and region, which Bedrock's clients remove before sending.
    *("aws_access_key", "aws_secret_key", "aws_session_token", "aws_region"),
)


def messages(request: ModelRequest) -> Arguments:
    """Return the arguments of Anthropic's ``messages.create``."""

    def content(message: Message) -> list[Arguments]:
        blocks = request.parts(message, _anthropic_part)
        if message.get("role") == "tool":
            return [{"type": "tool_result", "tool_use_id": message.get("tool_call_id"), "content": blocks}]
        return blocks + [
            {"type": "tool_use", "id": call_id, "name": name, "input": values}
            for call_id, name, values in parts.calls(message)
        ]

    parameters = request.parameters("max_tokens", "top_p", "top_k", "stop_sequences")
    if schema := parts.take_schema(parameters):
        parameters["output_config"] = {"format": {"type": "json_schema", "schema": schema.get("schema")}}
    functions = request.functions("name", "description", "strict", parameters="input_schema")
    tools = [{"description": "", "input_schema": {"type": "object"}, **function} for function in functions]
    tools += request.built_in(
        lambda kind, config: {**_CLAUDE_TOOLS[kind], **config} if kind in _CLAUDE_TOOLS else None
    )
    kind, name = parts.tool_choice(request.template)
    choice = kind and {"type": kind, **filled(name=name)}
    return {
        **filled(model=request.model),
        "max_tokens": _MAX_TOKENS,
        **filled(system=request.system(type="text")),
        "messages": _alternating(request, content),
        **filled(tools=tools, tool_choice=tools and choice),
        **parameters,
    }


def _anthropic_part(block: Message) -> Arguments | None:
    if is_text_block(block):
        # Anthropic rejects empty texts.
        return {"type": "text", "text": block["text"]} if block["text"] else {}
    if block.get("type") == "thinking" and block.get("signature"):
        return {key: block.get(key) for key in ("type", "thinking", "signature")}
    file = parts.media_file(block)
    if file is None or not (file.is_image or file.mime == "application/pdf"):
        return None
    source = {"type": "base64", "media_type": file.mime, "data": file.data}
    kind = "image" if file.is_image else "document"
    return {"type": kind, "source": source if file.data else {"type": "url", "url": file.url}}


def converse(request: ModelRequest) -> Arguments:
    """Return the arguments of Amazon's ``converse``.

    Parameters that Converse does not know belong to the model, so they go into
    ``additionalModelRequestFields``.
    """

    def content(message: Message) -> list[Arguments]:
        if message.get("role") == "tool":
            values, text = parts.json_object(parts.plain_text(message)), parts.plain_text(message)
            result = {"json": values} if values else {"text": text}
            return [{"toolResult": {"toolUseId": message.get("tool_call_id"), "content": [result]}}]
        return request.parts(message, _converse_part) + [
            {"toolUse": {"toolUseId": call_id, "name": name, "input": values}}
            for call_id, name, values in parts.calls(message)
        ]

    parameters = request.parameters("maxTokens", "topP", "stopSequences")
    schema = parts.take_schema(parameters)
    top = {"modelId": parameters.pop("model")} if "model" in parameters else {}
    inference = dict(as_mapping(parameters.pop("inferenceConfig", None)))
    own = dict(as_mapping(parameters.pop("additionalModelRequestFields", None)))
    for name, value in parameters.items():
        place = top if name in _CONVERSE_TOP else inference if name in _INFERENCE else own
        place[name] = value
    turns = _alternating(request, content)
    built = filled(system=request.system(), inferenceConfig=inference, additionalModelRequestFields=own)
    if schema:
        written = {**schema, "schema": json.dumps(schema.get("schema"))}
        kept = filled(**{key: written.get(key) for key in ("schema", "name", "description")})
        built["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": kept}}}
    tools = _converse_tools(request)
    return {**filled(modelId=request.model), "messages": turns, **built, **filled(toolConfig=tools), **top}


def _converse_tools(request: ModelRequest) -> Arguments:
    tools = [
        {"toolSpec": {**function, "inputSchema": {"json": function.get("inputSchema", {"type": "object"})}}}
        for function in request.functions("name", "description", parameters="inputSchema")
    ]
    kind, name = parts.tool_choice(request.template)
    # Converse cannot forbid the use of tools.
    if not tools or kind == "none":
        return {}
    return {"tools": tools, **filled(toolChoice=kind and {kind: filled(name=name)})}


def _converse_part(block: Message) -> Arguments | None:
    if is_text_block(block):
        return filled(text=block["text"])
    file = parts.media_file(block)
    # Converse accepts either bytes, which JSON cannot hold, or an S3 location.
    if file is None or not file.is_image or not file.url.startswith("s3://"):
        return None
    image = {"format": file.mime.removeprefix("image/"), "source": {"s3Location": {"uri": file.url}}}
    return {"image": image}


def _alternating(request: ModelRequest, content: Callable[[Message], list[Arguments]]) -> list[Arguments]:
    """Return the turns that have content; adjacent turns of one role are joined."""
    turns: list[Arguments] = []
    for message in request.turns:
        role, blocks = "assistant" if message.get("role") == "assistant" else "user", content(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


_SNAKE_CASE = ("max_output_tokens", "top_p", "top_k", "stop_sequences", "seed")
_CAMEL_CASE = ("maxOutputTokens", "topP", "topK", "stopSequences")
_GEMINI_TOP = ("model", "history", "contents", "generation_config")
_GEMINI_TOOLS = {
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
    config = {**_gemini_config(request), **as_mapping(parameters.pop("generation_config", None))}
    schema = parts.take_schema(parameters)
    if schema is not None:
        config |= {"response_mime_type": "application/json"}
        config |= filled(response_json_schema=schema.get("schema"))
    config |= {name: value for name, value in parameters.items() if name not in _GEMINI_TOP}
    return {
        **filled(model=request.model),
        "contents" if request.is_completion else "history": _gemini_turns(request),
        **{name: value for name, value in parameters.items() if name in _GEMINI_TOP},
        "generation_config": config,
    }


def _gemini_config(request: ModelRequest) -> Arguments:
    system = request.system()
    # Only this name accepts a full JSON Schema, and clients do not convert it.
    functions = request.functions("name", "description", parameters="parametersJsonSchema")
    tools = [{"function_declarations": functions}] if functions else []
    tools += request.built_in(
        lambda kind, config: {_GEMINI_TOOLS[kind]: config} if kind in _GEMINI_TOOLS else None
    )
    kind, name = parts.tool_choice(request.template)
    calling = {"mode": _MODES[kind], **filled(allowed_function_names=name and [name])} if kind else {}
    return filled(
        system_instruction=system and {"parts": system},
        tools=tools,
        tool_config=functions and calling and {"function_calling_config": calling},
    )


def _gemini_turns(request: ModelRequest) -> list[Arguments]:
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
            blocks = request.parts(message, _gemini_part)
            for call_id, name, values in parts.calls(message):
                names[str(call_id)] = name
                blocks.append({"function_call": {"name": name, "args": values}})
        if role == previous == "tool":
            turns[-1]["parts"] += blocks
        elif blocks:
            turns.append({"role": "model" if role == "assistant" else "user", "parts": blocks})
        previous = role
    return turns


def _gemini_part(block: Message) -> Arguments | None:
    if is_text_block(block):
        return {"text": block["text"], **filled(thought_signature=block.get("thought_signature"))}
    if (file := parts.media_file(block)) is None:
        return None
    if file.data:
        return {"inline_data": {"mime_type": file.mime, "data": file.data}}
    return {"file_data": {"mime_type": file.mime, "file_uri": file.url}}
