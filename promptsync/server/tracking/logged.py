"""A request in either form in which clients log it, and what the registry stores of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from promptsync.prompt.prompt import as_mapping, mappings
from promptsync.server.http import ApiError, Id, checked, malformed, parse_json
from promptsync.server.prompts.template import check_template, filled_template, stored_model, stored_template
from promptsync.server.store.database import MAX_INTEGER, encoded, parse_time
from promptsync.server.tracking import conversation
from promptsync.server.tracking.conversation import Turn

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


class Logged(Struct, frozen=True):
    """What is stored of one request. ``values`` are searched by their paths in the field that has them."""

    columns: dict[str, Any]
    input_text: str
    output_text: str
    values: dict[str, Any]
    blueprint: dict[str, Any]


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

    def logged(self) -> Logged:
        """Return what is stored of it; 400 for templates or times that are none."""
        sent = _messages("input", self.input, "user")
        answer = _messages("output", self.output, "assistant")
        # A completion has no turns, so only the output fits.
        is_completion = "completion" in (self.input["type"], self.output["type"])
        template = self.output if is_completion else {**self.input, "messages": [*sent, *answer]}
        blueprint = _blueprint(
            filled_template(template), self.provider, self.model, self.parameters or {}, self.api_type
        )
        return _logged(self, sent, answer, blueprint, {})


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

    def logged(self) -> Logged:
        """Return what is stored of it, without a conversation if its form is unknown."""
        arguments, response = self.kwargs or {}, self.request_response
        sent, answer = [*conversation.sent(arguments)], [*conversation.answer(response)]
        template: dict[str, Any] = {
            "type": "chat",
            "messages": [*sent, *answer],
            "functions": arguments.get("functions") or [],
            "tools": conversation.tools(arguments),
            **{key: arguments.get(key) for key in ("function_call", "tool_choice")},
        }
        if conversation.images(response):
            # Documented: the images are the content of a completion.
            content = [block for turn in [*sent, *answer] for block in turn["content"]]
            template = {"type": "completion", "content": content}
        try:
            stored = stored_template(template)
        except ApiError:
            # The call can be anything, and a response without messages is better than an error.
            stored = stored_template({"type": "chat", "messages": [], "functions": [], "tools": []})
        name = arguments.get("model") or arguments.get("modelId")
        blueprint = _blueprint(
            stored,
            self.provider_type,
            name if isinstance(name, str) else None,
            conversation.parameters(arguments),
            self.api_type or conversation.api_type(response),
        )
        usage = as_mapping(as_mapping(response).get("usage"))
        return _logged(self, sent, answer, blueprint, usage)


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each value as text with its path. List positions are not part of a path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flat(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from flat(item, path)
    else:
        yield path, written(value)


def written(value: Any) -> str:
    """Return a nested value as text, for comparisons."""
    return value if isinstance(value, str) else encoded(value)


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, each once."""
    return list(dict.fromkeys(re.findall(r"\w+", text.casefold())))


def moment(value: Any) -> str:
    """Return the timestamp for a date-time in JSON; 400 for anything else."""
    try:
        return parse_time(value)
    except (TypeError, ValueError) as error:
        raise malformed("Times must be ISO 8601 date-times or seconds since 1970.") from error


def _logged(
    request: SentRequest,
    sent: list[Turn],
    answer: list[Turn],
    blueprint: dict[str, Any],
    usage: Mapping[str, Any],
) -> Logged:
    texts = [_text(turn) for turn in answer]
    kind, output = "tool_call", _tool_calls(answer)
    if not output:
        parsed = _json_object("".join(texts))
        kind, output = ("plain_text", {}) if parsed is None else ("json", parsed)
    times = (request.request_start_time, request.request_end_time)
    start, end = (None if time is None else moment(time) for time in times)
    latency = None
    if start and end:
        duration = datetime.fromisoformat(end) - datetime.fromisoformat(start)
        latency = round(duration.total_seconds() * 1000, 3)
    values = {"tags": request.tags or [], "metadata": request.metadata or {}, "output": output}
    columns = {
        "input_tokens": _count(request.input_tokens, usage.get("input_tokens"), usage.get("prompt_tokens")),
        "output_tokens": _count(
            request.output_tokens, usage.get("output_tokens"), usage.get("completion_tokens")
        ),
        "price": request.price,
        "provider_type": blueprint["metadata"]["model"]["provider"],
        "engine": blueprint["metadata"]["model"]["name"],
        "status": request.status or "SUCCESS",
        "error_type": request.error_type,
        "error_message": request.error_message,
        "request_start_time": start,
        "request_end_time": end,
        "latency_ms": latency,
        "output_kind": kind,
        "tags": encoded(values["tags"]),
        "metadata": encoded(values["metadata"]),
    }
    input_text = "\n\n".join(f"[{turn.get('role')}]: {_text(turn)}" for turn in sent)
    lines = [] if kind == "json" else texts
    output_text = "\n".join([*lines, *(f"{key}: {value}" for key, value in flat(output))])
    return Logged(columns, input_text, output_text, values, blueprint)


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


def _blueprint(
    template: dict[str, Any],
    provider: str | None,
    name: str | None,
    parameters: dict[str, Any],
    api_type: str | None,
) -> dict[str, Any]:
    """Return a request as a prompt version."""
    model = {
        "provider": provider,
        "name": name,
        "parameters": parameters,
        # As recorded: numbers as text, other values unchanged.
        "display_params": {
            key: str(value) if type(value) in (int, float) else value for key, value in parameters.items()
        },
        "api_type": api_type,
    }
    nulls = ("commit_message", "provider_base_url_name", "report_id", "inference_client_name", "provider_id")
    metadata = {"model": stored_model(model)}
    return {"prompt_template": template, "metadata": metadata, **dict.fromkeys(nulls)}


def _text(turn: Turn) -> str:
    texts = (block.get("text") for block in mappings(turn.get("content")))
    return "\n".join(text for text in texts if isinstance(text, str))


def _tool_calls(answer: list[Turn]) -> dict[str, Any]:
    """Return the tool calls in an answer, with their arguments as objects; ``{}`` if there are none."""
    calls: list[dict[str, Any]] = []
    for call in (call for turn in answer for call in mappings(turn.get("tool_calls"))):
        function = as_mapping(call.get("function"))
        arguments = function.get("arguments")
        calls.append({**call, "function": {**function, "arguments": _json_object(arguments) or arguments}})
    return {"tool_calls": calls} if calls else {}


def _json_object(text: Any) -> dict[str, Any] | None:
    try:
        value = parse_json(text.encode()) if isinstance(text, str) else None
    except ApiError:
        return None
    return value if isinstance(value, dict) else None


def _count(*values: Any) -> int | None:
    """Return the first of these values that is a count that the database can hold."""
    counts = (int(value) for value in values if type(value) in (int, float) and 0 <= value <= MAX_INTEGER)
    return next(counts, None)
