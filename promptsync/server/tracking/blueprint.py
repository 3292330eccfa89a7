"""A logged request as a prompt version: its messages, ending with the response, and its model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptsync.prompt.texts import mappings
from promptsync.server.http.answer import ApiError
from promptsync.server.prompts.template import check_template, normalised_metadata, normalised_template
from promptsync.server.tracking import conversation
from promptsync.server.tracking.conversation import Turn


def blueprint(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a logged request as a prompt version, without messages if its format is unknown."""
    arguments = _arguments(body)
    try:
        template = normalised_template(check_template(_template(body)))
    except ApiError:
        # The call can be anything, and a response without messages is better than an error.
        template = normalised_template({"type": "chat", "messages": [], "functions": [], "tools": []})
    parameters = body.get("parameters") if is_log(body) else conversation.parameters(arguments)
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
    arguments = _arguments(body)
    found = body.get("model") if is_log(body) else arguments.get("model") or arguments.get("modelId")
    return found if isinstance(found, str) else None


def provider_of(body: Mapping[str, Any]) -> str | None:
    """Return the provider that a request used."""
    found = body.get("provider" if is_log(body) else "provider_type")
    return found if isinstance(found, str) else None


def parts(body: Mapping[str, Any]) -> tuple[list[Turn], list[Turn]]:
    """Return the messages sent to the model, and those that it returned."""
    if is_log(body):
        return [*_messages(body["input"], "user")], [*_messages(body["output"], "assistant")]
    return [*conversation.given(_arguments(body))], [*conversation.answer(body.get("request_response"))]


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
        "api_type": body.get("api_type") or conversation.api_type(body.get("request_response")),
    }
    found: dict[str, Any] = (normalised_metadata({"model": model}) or {})["model"]
    return found


def _template(body: Mapping[str, Any]) -> dict[str, Any]:
    given, answer = parts(body)
    if not is_log(body):
        if conversation.images(body.get("request_response")):
            # Documented: the images are the content of a completion.
            return {
                "type": "completion",
                "content": [block for turn in [*given, *answer] for block in turn["content"]],
            }
        arguments = _arguments(body)
        return {
            "type": "chat",
            "messages": [*given, *answer],
            "functions": arguments.get("functions") or [],
            "tools": conversation.tools(arguments),
            **{key: arguments.get(key) for key in ("function_call", "tool_choice")},
        }
    # A completion has no turns, so only the output fits.
    if "completion" in (body["input"].get("type"), body["output"].get("type")):
        return dict(body["output"])
    return {**body["input"], "messages": [*given, *answer]}


def _messages(template: Mapping[str, Any], role: str) -> Iterator[Turn]:
    if template.get("type") == "completion":
        yield {"role": role, "content": template.get("content")}
    else:
        yield from mappings(template.get("messages"))
