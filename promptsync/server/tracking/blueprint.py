"""A logged request as a prompt version: its messages, ending with the response, and its model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptsync.prompt.variables import mappings
from promptsync.server.http.answer import ApiError
from promptsync.server.prompts.template import check_template, normalised_metadata, normalised_template
from promptsync.server.store.database import encoded

Turn = Mapping[str, Any]
"""A message. Its content is a list of blocks or a string."""

_MESSAGE = ("role", "name", "function_call", "tool_calls", "tool_call_id")
_TEXT_BLOCK = ("type", "text", "id", "annotations")
_IN_TEMPLATE = ("functions", "tools", "function_call", "tool_choice")
_NOT_PARAMETERS = {"messages", "system", "prompt", "model", *_IN_TEMPLATE}


def blueprint(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a logged request as a prompt version, without messages if its format is unknown."""
    arguments = _arguments(body)
    try:
        template = normalised_template(check_template(_template(body)))
    except ApiError:
        # The call can be anything, and a response without messages is better than an error.
        template = normalised_template({"type": "chat", "messages": [], "functions": [], "tools": []})
    parameters = body.get("parameters") if is_log(body) else _without(arguments, _NOT_PARAMETERS)
    return {
        "prompt_template": template,
        "commit_message": None,
        "metadata": {"model": _model(body, arguments, parameters if isinstance(parameters, dict) else {})},
        "provider_base_url_name": None,
        "report_id": None,
        "inference_client_name": None,
        "provider_id": None,
    }


def is_log(body: Mapping[str, Any]) -> bool:
    """Whether a body has its input and output as templates, not as a call to a provider."""
    return all(isinstance(body.get(key), Mapping) for key in ("input", "output"))


def model_name(body: Mapping[str, Any]) -> str | None:
    """Return the model that a request used."""
    found = body.get("model") if is_log(body) else _arguments(body).get("model")
    return found if isinstance(found, str) else None


def provider_of(body: Mapping[str, Any]) -> str | None:
    """Return the provider that a request used."""
    found = body.get("provider" if is_log(body) else "provider_type")
    return found if isinstance(found, str) else None


def parts(body: Mapping[str, Any]) -> tuple[list[Turn], list[Turn]]:
    """Return the messages sent to the model, and those that it returned."""
    if is_log(body):
        return [*_messages(body["input"], "user")], [*_messages(body["output"], "assistant")]
    return [*_given(_arguments(body))], [*_answer(body.get("request_response"))]


def _arguments(body: Mapping[str, Any]) -> Mapping[str, Any]:
    arguments = body.get("kwargs")
    return arguments if isinstance(arguments, Mapping) else {}


def _model(
    body: Mapping[str, Any], arguments: Mapping[str, Any], parameters: dict[str, Any]
) -> dict[str, Any]:
    shown = {
        key: value if isinstance(value, bool) or not isinstance(value, int | float) else str(value)
        for key, value in parameters.items()
    }
    model = {
        "provider": provider_of(body),
        "name": model_name(body),
        "parameters": parameters,
        # As recorded: numbers as text, other values unchanged.
        "display_params": shown,
        "api_type": body.get("api_type"),
    }
    found: dict[str, Any] = (normalised_metadata({"model": model}) or {})["model"]
    return found


def _template(body: Mapping[str, Any]) -> dict[str, Any]:
    given, answer = parts(body)
    if not is_log(body):
        arguments = _arguments(body)
        return {
            "type": "chat",
            "messages": [*given, *answer],
            **{key: arguments.get(key) for key in _IN_TEMPLATE},
            "functions": arguments.get("functions") or [],
            "tools": [*map(_tool, mappings(arguments.get("tools")))],
        }
    # A completion has no turns, so only the output fits.
    if "completion" in (body["input"].get("type"), body["output"].get("type")):
        return dict(body["output"])
    return {**body["input"], "messages": [*given, *answer]}


# -- the two shapes of a request -----------------------------------------------------------------------------


def _messages(template: Mapping[str, Any], role: str) -> Iterator[Turn]:
    if template.get("type") == "completion":
        yield {"role": role, "content": template.get("content")}
    else:
        yield from mappings(template.get("messages"))


def _given(arguments: Mapping[str, Any]) -> Iterator[Turn]:
    """Yield the messages in the arguments of a call: a chat, Anthropic's ``system``, or a prompt."""
    for role, key in (("system", "system"), ("user", "prompt")):
        if isinstance(arguments.get(key), str | list):
            yield _turn({"role": role, "content": arguments[key]})
    yield from map(_turn, mappings(arguments.get("messages")))


def _answer(response: Any) -> Iterator[Turn]:
    """Yield the assistant's turn in an OpenAI completion or an Anthropic message, whole or streamed."""
    if not isinstance(response, Mapping):
        return
    choice = next(mappings(response.get("choices")), None)
    if choice is not None:
        message = choice.get("message")
        found = message if isinstance(message, Mapping) else {"content": choice.get("text"), **choice}
        yield _turn({"role": "assistant", **found})
    elif isinstance(response.get("content"), list):
        yield _turn({"role": "assistant", "content": response["content"]})


def _turn(message: Mapping[str, Any]) -> Turn:
    """Return a provider's message with the keys of a template. Tool calls in blocks become ``tool_calls``."""
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else [*mappings(content)]
    kept = {key: message[key] for key in _MESSAGE if key in message}
    calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
    if calls:
        kept["tool_calls"] = calls
    return {
        **kept,
        "raw_request_display_role": message.get("role"),
        "content": [_block(block) for block in blocks if block.get("type") != "tool_use"],
    }


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    if block.get("type") != "text":
        return dict(block)
    return {key: block[key] for key in _TEXT_BLOCK if key in block}


def _call(block: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": block.get("name"), "arguments": encoded(block.get("input") or {})}
    return {"id": block.get("id"), "type": "function", "function": function}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool in the form of a template. Anthropic's tools have their schema at the top level."""
    if "input_schema" not in tool:
        return dict(tool)
    names = {"name": "name", "description": "description", "input_schema": "parameters"}
    return {"type": "function", "function": {names[key]: tool[key] for key in names if key in tool}}


def _without(value: Mapping[str, Any], keys: set[str]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in keys}
