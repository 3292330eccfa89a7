"""Requests for Amazon Bedrock's Converse API."""

from __future__ import annotations

import json

from promptsync.prompt.texts import is_text_block
from promptsync.server.providers.parts import (
    Arguments,
    Message,
    ModelRequest,
    as_mapping,
    calls,
    json_object,
    media_file,
    merged,
    plain_text,
    take_schema,
    tool_choice,
)

_INFERENCE = ("maxTokens", "temperature", "topP", "stopSequences")
_TOP = frozenset(
    (
        *(
            "modelId",
            "messages",
            "system",
            "toolConfig",
            "guardrailConfig",
            "promptVariables",
            "requestMetadata",
        ),
        *("additionalModelResponseFieldPaths", "performanceConfig", "serviceTier", "outputConfig"),
        # Credentials and region, which Bedrock's clients remove before sending.
        *("aws_access_key", "aws_secret_key", "aws_session_token", "aws_region"),
    )
)


def converse(request: ModelRequest) -> Arguments:
    """Return the arguments of ``converse``.

    Parameters that Converse does not know belong to the model, so they go into
    ``additionalModelRequestFields``.
    """
    parameters = request.parameters("maxTokens", "topP", "stopSequences")
    if "model" in parameters:
        parameters["modelId"] = parameters.pop("model")
    inference = dict(as_mapping(parameters.pop("inferenceConfig", None)))
    own = dict(as_mapping(parameters.pop("additionalModelRequestFields", None)))
    schema = take_schema(parameters)
    top = _tools(request) | {name: value for name, value in parameters.items() if name in _TOP}
    inference |= {name: value for name, value in parameters.items() if name in _INFERENCE}
    own |= {name: value for name, value in parameters.items() if name not in _TOP and name not in _INFERENCE}
    system = [{"text": text} for text in request.instructions()]
    built: Arguments = {"modelId": request.model} if request.model else {}
    built["messages"] = merged([_turn(request, message) for message in request.turns()])
    optional = {"system": system, "inferenceConfig": inference, "additionalModelRequestFields": own}
    built |= {name: value for name, value in optional.items() if value}
    if schema:
        written = {**schema, "schema": json.dumps(schema.get("schema"))}
        kept = {key: written[key] for key in ("schema", "name", "description") if written.get(key)}
        built["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": kept}}}
    elif schema is not None:
        request.left_out["response_format"] = None
    return built | top


def _tools(request: ModelRequest) -> Arguments:
    tools: list[Arguments] = []
    for function in request.functions("name", "description", "parameters"):
        schema = {"json": function.pop("parameters", {"type": "object"})}
        tools.append({"toolSpec": {**function, "inputSchema": schema}})
    request.built_in(lambda tool: None)
    kind, name = tool_choice(request.template)
    # Converse cannot forbid the use of tools.
    if not tools or kind == "none":
        return {}
    named: Arguments = {"name": name} if name else {}
    config: Arguments = {"tools": tools}
    return {"toolConfig": config | ({"toolChoice": {kind: named}} if kind else {})}


def _turn(request: ModelRequest, message: Message) -> Arguments:
    if message.get("role") == "tool":
        text = plain_text(message)
        content: Arguments = {"json": values} if (values := json_object(text)) else {"text": text}
        result = {"toolUseId": message.get("tool_call_id"), "content": [content]}
        return {"role": "user", "content": [{"toolResult": result}]}
    parts = request.parts(message, _part)
    parts += [
        {"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.values}}
        for call in calls(message)
    ]
    return {"role": "assistant" if message.get("role") == "assistant" else "user", "content": parts}


def _part(block: Message) -> Arguments | None:
    if is_text_block(block):
        return {"text": block["text"]} if block["text"] else {}
    file = media_file(block)
    # Converse accepts either bytes, which JSON cannot hold, or an S3 location.
    if file is None or not file.is_image or not file.url.startswith("s3://"):
        return None
    image = {"format": file.mime.removeprefix("image/"), "source": {"s3Location": {"uri": file.url}}}
    return {"image": image}
