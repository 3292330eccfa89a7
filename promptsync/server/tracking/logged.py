"""A logged request in either form, as the registry stores it: columns, texts and values to search, blueprint.

A body can be any JSON, so values of the wrong type count as absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from promptsync.prompt.texts import mappings
from promptsync.server.http.answer import ApiError
from promptsync.server.http.body import parse_json
from promptsync.server.prompts.template import stored_model, stored_template
from promptsync.server.providers.parts import as_mapping
from promptsync.server.store import clock
from promptsync.server.store.database import MAX_INTEGER, encoded
from promptsync.server.tracking import conversation
from promptsync.server.tracking.conversation import Turn


class Logged(Struct, frozen=True):
    """What is stored of one request. ``values`` are searched by their paths in the field that has them."""

    columns: dict[str, Any]
    input_text: str
    output_text: str
    values: dict[str, Any]
    blueprint: dict[str, Any]


def read(body: Mapping[str, Any]) -> Logged:
    """Return what is stored of a request."""
    has_templates = all(isinstance(body.get(key), Mapping) for key in ("input", "output"))
    sent, answer, blueprint = _templates(body) if has_templates else _call(body)
    model = blueprint["metadata"]["model"]
    texts = [_text(turn) for turn in answer]
    kind, output = "tool_call", _tool_calls(answer)
    if not output:
        parsed = _json_object("".join(texts))
        kind, output = ("plain_text", {}) if parsed is None else ("json", parsed)
    start, end = moment(body.get("request_start_time")), moment(body.get("request_end_time"))
    latency = None
    if start and end:
        duration = datetime.fromisoformat(end) - datetime.fromisoformat(start)
        latency = round(duration.total_seconds() * 1000, 3)
    tags, metadata = body.get("tags"), body.get("metadata")
    values = {
        "tags": [tag for tag in (tags if isinstance(tags, list) else ()) if isinstance(tag, str)],
        "metadata": metadata if isinstance(metadata, dict) else {},
        "output": output,
    }
    columns = {
        "provider_type": model["provider"],
        "engine": model["name"],
        "status": _string(body.get("status")) or "SUCCESS",
        "error_type": _string(body.get("error_type")),
        "error_message": _string(body.get("error_message")),
        "input_tokens": _tokens(body, "input_tokens", "prompt_tokens"),
        "output_tokens": _tokens(body, "output_tokens", "completion_tokens"),
        "price": _amount(body.get("price")),
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


def moment(value: Any) -> str | None:
    """Return a timestamp for a date-time in JSON, or ``None``."""
    try:
        return clock.parse(value) if type(value) in (str, int, float) else None
    except ValueError:
        return None


def _templates(body: Mapping[str, Any]) -> tuple[list[Turn], list[Turn], dict[str, Any]]:
    """Read a request that has its input and output as templates."""
    sent, answer = [*_messages(body["input"], "user")], [*_messages(body["output"], "assistant")]
    # A completion has no turns, so only the output fits.
    is_completion = "completion" in (body["input"].get("type"), body["output"].get("type"))
    template = dict(body["output"]) if is_completion else {**body["input"], "messages": [*sent, *answer]}
    return sent, answer, _blueprint(template, *map(body.get, ("provider", "model", "parameters", "api_type")))


def _call(body: Mapping[str, Any]) -> tuple[list[Turn], list[Turn], dict[str, Any]]:
    """Read a request that has the arguments of a call to a provider, and its response."""
    arguments, response = as_mapping(body.get("kwargs")), body.get("request_response")
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
    name, api = arguments.get("model") or arguments.get("modelId"), conversation.api_type(response)
    parameters = conversation.parameters(arguments)
    return (
        sent,
        answer,
        _blueprint(template, body.get("provider_type"), name, parameters, body.get("api_type") or api),
    )


def _blueprint(
    template: Mapping[str, Any], provider: Any, name: Any, parameters: Any, api_type: Any
) -> dict[str, Any]:
    """Return a request as a prompt version, without messages if its format is unknown."""
    try:
        stored = stored_template(template)
    except ApiError:
        # The call can be anything, and a response without messages is better than an error.
        stored = stored_template({"type": "chat", "messages": [], "functions": [], "tools": []})
    parameters = parameters if isinstance(parameters, dict) else {}
    model = {
        "provider": _string(provider),
        "name": _string(name),
        "parameters": parameters,
        # As recorded: numbers as text, other values unchanged.
        "display_params": {
            key: str(value) if type(value) in (int, float) else value for key, value in parameters.items()
        },
        "api_type": api_type,
    }
    nulls = ("commit_message", "provider_base_url_name", "report_id", "inference_client_name", "provider_id")
    metadata = {"model": stored_model(model)}
    return {"prompt_template": stored, "metadata": metadata, **dict.fromkeys(nulls)}


def _messages(template: Mapping[str, Any], role: str) -> Iterator[Turn]:
    if template.get("type") == "completion":
        yield {"role": role, "content": template.get("content")}
    else:
        yield from mappings(template.get("messages"))


def _text(turn: Turn) -> str:
    content = turn.get("content")
    texts = [content] if isinstance(content, str) else [block.get("text") for block in mappings(content)]
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


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _tokens(body: Mapping[str, Any], key: str, alias: str) -> int | None:
    """Return a count from the request, or from the provider's response."""
    usage = as_mapping(as_mapping(body.get("request_response")).get("usage"))
    counts = (_amount(value) for value in (body.get(key), usage.get(key), usage.get(alias)))
    return next((int(count) for count in counts if count is not None), None)


def _amount(value: Any) -> float | None:
    # SQLite does not store larger integers.
    return value if type(value) in (int, float) and 0 <= value <= MAX_INTEGER else None
