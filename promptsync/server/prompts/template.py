"""Templates and their metadata: what may be published, and how the registry stores it.

Storing fills in defaults and puts keys in the registry's order, as recorded from the real service, except
where only its schema states a default. Texts, the order of lists and user JSON (parameters, arguments,
metadata) stay as they were sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from promptsync.prompt.prompt import readable
from promptsync.prompt.rejections import Rejection, rejected_metadata, rejected_template
from promptsync.prompt.shapes import CHAT_COMPLETIONS, CHAT_COMPLETIONS_PROVIDERS
from promptsync.prompt.template import template_variables
from promptsync.prompt.texts import F_STRING, format_of
from promptsync.server.http.answer import malformed

_CHAT_KEYS = ("messages", "functions", "tools", "function_call", "tool_choice")
_MESSAGE_ORDER = (
    "input_variables",
    "template_format",
    "content",
    "raw_request_display_role",
    "dataset_examples",
    "role",
    "function_call",
    "name",
    "tool_calls",
    "tool_call_id",
)
_MODEL_ORDER = (
    "provider",
    "model_config_display_name",
    "base_model",
    "name",
    "parameters",
    "display_params",
    "api_type",
)


def check_template(template: Any) -> Mapping[str, Any]:
    """Return ``template`` if it is one, 400 otherwise."""
    if not isinstance(template, Mapping):
        raise malformed("prompt_template must be an object.")
    template_type(template)
    _refuse(rejected_template(template))
    return template


def _refuse(found: Iterator[Rejection], where: str = "") -> None:
    for first in found:
        raise malformed(f"{where}{readable(first.path)} {first.what}.")


def template_type(template: Mapping[str, Any]) -> str:
    """Return ``chat`` or ``completion``; its keys show the type if it has none."""
    kind = template.get("type")
    if kind is None:
        if "messages" in template:
            return "chat"
        if "content" in template:
            return "completion"
        raise malformed("prompt_template requires messages (chat) or content (completion).")
    if kind not in ("chat", "completion"):
        raise malformed("The type of a template must be chat or completion.")
    return str(kind)


def check_metadata(metadata: Any) -> Mapping[str, Any] | None:
    """Return ``metadata`` if it is null or an object whose ``model`` is complete, 400 otherwise."""
    if not isinstance(metadata, Mapping | None):
        raise malformed("metadata must be an object or null.")
    _refuse(rejected_metadata(metadata or {}), "metadata.")
    return metadata


# -- how it is stored ---------------------------------------------------------------------------------------


def normalised_template(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked template as it is stored and returned.

    Unknown keys are dropped from a chat template and kept in a completion template, as in the vendor's
    schema; those of messages and blocks are kept.
    """
    if template_type(template) == "completion":
        return _completion(template)
    written = format_of(template)
    filled: dict[str, Any] = {key: template.get(key) for key in _CHAT_KEYS}
    filled["messages"] = [_message(message, written) for message in template["messages"]]
    filled["functions"] = _each(template.get("functions"), _function)
    filled["tools"] = _each(template.get("tools"), normalised_tool)
    return filled | {
        "type": "chat",
        "input_variables": sorted(template_variables({**template, "messages": filled["messages"]})),
        "dataset_examples": [],
    }


def _completion(template: Mapping[str, Any]) -> dict[str, Any]:
    known = ("content", "template_format", "type", "input_variables", "dataset_examples")
    return {
        "content": _content(template.get("content")),
        "template_format": format_of(template),
        "type": "completion",
        "input_variables": sorted(template_variables(template)),
        "dataset_examples": [],
    } | {key: value for key, value in template.items() if key not in known}


def _message(message: Mapping[str, Any], written: str) -> dict[str, Any]:
    filled: dict[str, Any] = {
        "input_variables": sorted(template_variables(message, written)),
        "template_format": format_of(message, written or F_STRING),
        "content": _content(message.get("content")),
        "raw_request_display_role": message.get("raw_request_display_role") or "",
        "dataset_examples": [],
        "role": message["role"],
        "name": message.get("name"),
    }
    if message["role"] == "assistant":
        filled |= {
            "function_call": message.get("function_call"),
            "tool_calls": _each(message.get("tool_calls"), _tool_call),
        }
    return _ordered({**message, **filled}, _MESSAGE_ORDER)


def _content(content: Any) -> Any:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return _each(content, _block)


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    if block.get("type", "text") != "text":
        return _ordered(block, ("type",))
    filled = {"type": "text", "text": None, "id": None, "annotations": None}
    return _ordered({**filled, **block}, ("type", "text", "id", "annotations"))


def _function(function: Mapping[str, Any]) -> dict[str, Any]:
    filled = {
        "name": None,
        "description": "",
        "strict": False,
        "parameters": {"type": "object", "properties": {}},
    }
    return filled | dict(function)


def normalised_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked tool as it is stored. Only functions get defaults."""
    if tool.get("type", "function") != "function":
        return dict(tool)
    return {"type": "function"} | dict(tool) | {"function": _function(tool["function"])}


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {"tool_id": None, "id": None, "type": "function"} | dict(call)


def _each(items: list[Any] | None, change: Any) -> list[Any] | None:
    return None if items is None else [change(item) for item in items]


def normalised_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return checked metadata as it is stored; only ``model`` is changed.

    ``api_type`` is never null, because the official asynchronous client would then pick the wrong endpoint.
    """
    model = metadata.get("model") if metadata else None
    if not metadata or model is None:
        return None if metadata is None else dict(metadata)
    filled = {
        "model_config_display_name": None,
        "base_model": None,
        **model,
        "parameters": model.get("parameters") or {},
        "display_params": model.get("display_params") or {},
    }
    if filled.get("api_type") is None:
        filled.pop("api_type", None)
        if model["provider"] in CHAT_COMPLETIONS_PROVIDERS:
            filled["api_type"] = CHAT_COMPLETIONS
    return {**metadata, "model": _ordered(filled, _MODEL_ORDER)}


def _ordered(value: Mapping[str, Any], first: Iterable[str]) -> dict[str, Any]:
    front = {key: value[key] for key in first if key in value}
    return front | {key: item for key, item in value.items() if key not in front}
