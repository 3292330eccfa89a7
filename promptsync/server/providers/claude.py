"""Requests for Anthropic's Messages API, also on Bedrock and on Vertex AI, and for Amazon's Converse API.

Both require roles that alternate, and the result of a tool in a turn of the user.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from promptsync.prompt.prompt import as_mapping, is_text_block
from promptsync.server.providers import parts
from promptsync.server.providers.parts import Arguments, Message, ModelRequest, filled

_MAX_TOKENS = 4096
"""Anthropic requires a limit. Every model accepts this one."""

_BUILT_IN = {
    "web_search": {"type": "web_search_20250305", "name": "web_search"},
    "bash": {"type": "bash_20250124", "name": "bash"},
    "text_editor": {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
    "code_interpreter": {"type": "code_execution_20250825", "name": "code_execution"},
}

_INFERENCE = ("maxTokens", "temperature", "topP", "stopSequences")
_TOP = (
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
        lambda kind, config: {**_BUILT_IN[kind], **config} if kind in _BUILT_IN else None
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
        place = top if name in _TOP else inference if name in _INFERENCE else own
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
