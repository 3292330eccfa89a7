"""A logged call as the template that it amounts to: the conversation with the model's answer at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptsync.prompt.fill import mappings
from promptsync.server.errors import ApiError
from promptsync.server.normalise import normalised_template
from promptsync.server.validate import check_template


def conversation(given: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Input and output of a log, both validated, as one template."""
    if given["type"] == "completion" or answer["type"] == "completion":
        return normalised_template(answer)
    return normalised_template({**given, "messages": [*given["messages"], *answer["messages"]]})


def tracked_blueprint(body: Mapping[str, Any]) -> dict[str, Any]:
    """What ``track-request`` gives back when asked: the OpenAI or Anthropic call in ``body``."""
    given = body.get("kwargs")
    arguments: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    messages = [*_turns(arguments.get("messages")), *_answer(body.get("request_response"))]
    try:
        template = normalised_template(check_template({"type": "chat", "messages": messages}))
    except ApiError:
        template = normalised_template({"type": "chat", "messages": []})
    parameters = {key: value for key, value in arguments.items() if key not in ("messages", "model")}
    model = {
        "provider": body.get("provider_type"),
        "name": arguments.get("model"),
        "parameters": parameters,
    }
    return {
        "prompt_template": template,
        "commit_message": None,
        "metadata": {"model": model},
        "provider_base_url_name": None,
        "report_id": None,
        "inference_client_name": None,
        "provider_id": None,
    }


def _turns(messages: Any) -> list[dict[str, Any]]:
    return [{**message, "content": _blocks(message.get("content"))} for message in mappings(messages)]


def _blocks(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content if isinstance(content, list) else []


def _answer(response: Any) -> list[dict[str, Any]]:
    """The assistant's turn in an OpenAI chat completion or an Anthropic message."""
    if not isinstance(response, Mapping):
        return []
    choice = next(mappings(response.get("choices")), None)
    if choice is not None and isinstance(choice.get("message"), Mapping):
        return _turns([{"role": "assistant", **choice["message"]}])
    if isinstance(response.get("content"), list):
        return _turns([{"role": "assistant", "content": list(mappings(response["content"]))}])
    return []
