"""A request in either form in which clients log it, and what the registry stores of it.

The conversation of a call to a provider follows from the shape of its arguments and of its response. OpenAI
has four (chat, completions, images, Responses); Anthropic, Gemini and Converse have one each. The SDK for
JavaScript sends the keys for Gemini in camel case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from promptsync.prompt.prompt import as_mapping, mappings
from promptsync.server.http import ApiError, Id, checked, malformed
from promptsync.server.prompts.template import check_template, filled_template, stored_model, stored_template
from promptsync.server.store.database import MAX_INTEGER, encoded, parse_time

SentId = Id | Annotated[str, Meta(pattern="^[1-9][0-9]{0,17}$")]
"""An id, which some calls of the SDK send as text."""

Amount = Annotated[int, Meta(ge=0, le=MAX_INTEGER)] | Annotated[float, Meta(ge=0, lt=MAX_INTEGER)]
Score = Annotated[int, Meta(ge=0, le=100)]
Metadata = dict[Annotated[str, Meta(max_length=1024)], str]
Status = Literal["SUCCESS", "WARNING", "ERROR"]
ErrorType = Literal[
    "PROVIDER_TIMEOUT",
    "PROVIDER_QUOTA_LIMIT",
    "PROVIDER_RATE_LIMIT",
    "PROVIDER_PARTIAL_RESPONSE",
    "PROVIDER_AUTH_ERROR",
    "PROVIDER_ERROR",
    "TEMPLATE_RENDER_ERROR",
    "VARIABLE_MISSING_OR_EMPTY",
    "UNKNOWN_ERROR",
]


class Exchange(Struct, frozen=True):
    """What was sent and answered, as messages and as a prompt version, and the provider's count of tokens."""

    sent: list[Turn]
    answer: list[Turn]
    blueprint: dict[str, Any]
    usage: Mapping[str, Any] = {}


class SentRequest(Struct, frozen=True, kw_only=True):
    """What a request has in either form."""

    prompt_name: str | None = None
    prompt_id: SentId | None = None
    number: SentId | None = field(default=None, name="prompt_version_number")
    prompt_input_variables: dict[str, Any] | None = None
    request_start_time: str | float | None = None
    request_end_time: str | float | None = None
    status: Status | None = None
    error_type: ErrorType | None = None
    error_message: str | None = None
    tags: list[Annotated[str, Meta(max_length=512)]] | None = None
    metadata: dict[str, Any] | None = None
    api_type: str | None = None
    input_tokens: Amount | None = None
    output_tokens: Amount | None = None
    price: Amount | None = None


class Log(SentRequest, frozen=True, kw_only=True):
    """A request with its input and output as templates, as the vendor documents it."""

    provider: str
    model: str
    input: dict[str, Any]
    output: dict[str, Any]
    parameters: dict[str, Any] | None = None
    error_message: Annotated[str, Meta(max_length=1024)] | None = None
    metadata: Metadata | None = None
    score: Score | None = None
    score_name: str | None = None

    def exchange(self) -> Exchange:
        """Return what was sent and answered; 400 for templates that are none."""
        sent = _messages("input", self.input, "user")
        answer = _messages("output", self.output, "assistant")
        # A completion has no turns, so only the output fits.
        is_completion = "completion" in (self.input["type"], self.output["type"])
        template = self.output if is_completion else {**self.input, "messages": [*sent, *answer]}
        about = {"provider": self.provider, "name": self.model, "api_type": self.api_type}
        return Exchange(sent, answer, _blueprint(filled_template(template), self.parameters or {}, **about))


class Call(SentRequest, frozen=True, kw_only=True):
    """A call to a provider, as the SDK's ``run`` and its provider proxies send it."""

    kwargs: dict[str, Any] | None = None
    request_response: Any = None
    provider_type: str | None = None
    number: SentId | None = field(default=None, name="prompt_version")
    group_id: SentId | None = None
    span_id: str | None = None
    return_prompt_blueprint: bool | None = None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Call:
        """Return the call in a body. It was made, so it is logged without what cannot be read."""
        for key in ("request_start_time", "request_end_time"):
            try:
                moment(body.get(key))
            except ApiError:
                body = {**body, key: None}
        while True:
            try:
                return checked(body, cls, status=422)
            except ApiError as error:
                body = {**body, error.detail[0]["loc"][1]: None}

    def exchange(self) -> Exchange:
        """Return what was sent and answered, without a conversation if its form is unknown."""
        arguments, response = self.kwargs or {}, self.request_response
        sent, answer = [*_sent(arguments)], [*_answer(response)]
        template: dict[str, Any] = {
            "type": "chat",
            "messages": [*sent, *answer],
            "functions": arguments.get("functions") or [],
            "tools": _tools(arguments),
            **{key: arguments.get(key) for key in ("function_call", "tool_choice")},
        }
        # Only these APIs of OpenAI answer in these shapes.
        api_type = "responses" if as_mapping(response).get("object") == "response" else None
        if _images(response):
            api_type = "images"
            # Documented: the images are the content of a completion.
            content = [block for turn in [*sent, *answer] for block in turn["content"]]
            template = {"type": "completion", "content": content}
        try:
            stored = stored_template(template)
        except ApiError:
            # The call can be anything, and a response without messages is better than an error.
            stored = stored_template({"type": "chat", "messages": [], "functions": [], "tools": []})
        name = arguments.get("model") or arguments.get("modelId")
        about = {
            "provider": self.provider_type,
            "name": name if isinstance(name, str) else None,
            "api_type": self.api_type or api_type,
        }
        # Some providers group parameters in objects.
        for key in _NESTED:
            arguments = {**arguments, **as_mapping(arguments.get(key))}
        parameters = {key: value for key, value in arguments.items() if key not in _NOT_PARAMETERS}
        blueprint = _blueprint(stored, parameters, **about)
        return Exchange(sent, answer, blueprint, as_mapping(as_mapping(response).get("usage")))


def moment(value: Any) -> str:
    """Return the timestamp for a date-time in JSON; 400 for anything else."""
    try:
        return parse_time(value)
    except (TypeError, ValueError) as error:
        raise malformed("Times must be ISO 8601 date-times or seconds since 1970.") from error


def _messages(key: str, template: Mapping[str, Any], role: str) -> list[Turn]:
    """Return the messages of a template in a log; a completion is one message with this role."""
    if template.get("type") not in ("chat", "completion"):
        raise malformed(f"{key} must be a template of the type chat or completion.")
    check_template(template)
    is_chat = template["type"] == "chat"
    messages = template["messages"] if is_chat else [{"role": role, "content": template.get("content")}]
    if any(isinstance(message.get("content"), str) for message in messages):
        raise malformed(f"{key}: content must be a list of content blocks, not a string.")
    return messages


def _blueprint(template: dict[str, Any], parameters: dict[str, Any], **model: str | None) -> dict[str, Any]:
    """Return a request as a prompt version."""
    # As recorded: numbers as text, other values unchanged.
    display = {key: str(value) if type(value) in (int, float) else value for key, value in parameters.items()}
    stored = stored_model({"parameters": parameters, "display_params": display, **model})
    nulls = ("commit_message", "provider_base_url_name", "report_id", "inference_client_name", "provider_id")
    return {"prompt_template": template, "metadata": {"model": stored}, **dict.fromkeys(nulls)}


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


def _sent(arguments: Turn) -> Iterator[Turn]:
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


def _answer(response: Any) -> Iterator[Turn]:
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
            _images(response) or None,
        ):
            if isinstance(content, list):
                yield from _turns({"role": "assistant", "content": content})


def _images(response: Any) -> list[dict[str, Any]]:
    """Return the blocks of the images in the response of an API that only generates images."""
    mime = f"image/{as_mapping(response).get('output_format') or 'png'}"
    data = [_first(item, "b64_json", "url") for item in mappings(as_mapping(response).get("data"))]
    return [_generated(image, mime) for image in data if isinstance(image, str)]


def _tools(arguments: Turn) -> list[dict[str, Any]]:
    """Return the tools in the arguments of a call as a template has them."""
    holders = (arguments, as_mapping(arguments.get("toolConfig")), _config(arguments))
    listed = [tool for holder in holders for tool in mappings(holder.get("tools"))]
    groups = [
        [*mappings(_first(tool, "function_declarations", "functionDeclarations"))] or [tool]
        for tool in listed
    ]
    return [_tool(tool) for group in groups for tool in group]


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
