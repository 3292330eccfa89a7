"""Templates and their metadata: what may be published, and how the registry stores it.

Storing fills in defaults and puts keys in the registry's order, as recorded from the real service, except
where only its schema states a default. Texts, the order of lists and user JSON (parameters, arguments,
metadata) stay as they were sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from promptsync.prompt.prompt import F_STRING, format_of, readable
from promptsync.prompt.rejections import Rejection, rejected_metadata, rejected_template
from promptsync.prompt.shapes import CHAT_COMPLETIONS, CHAT_COMPLETIONS_PROVIDERS
from promptsync.prompt.template import template_variables
from promptsync.server.http import malformed


def check_template(template: Mapping[str, Any]) -> str:
    """Return the type of a template, which its keys show if it has none; 400 for anything but a template."""
    kind = template.get("type")
    if kind is None:
        kind = "chat" if "messages" in template else "completion" if "content" in template else None
    if kind not in ("chat", "completion"):
        raise malformed("The type of a template is chat, with messages, or completion, with content.")
    _refuse(rejected_template(template))
    return str(kind)


def _refuse(rejections: Iterator[Rejection], where: str = "") -> None:
    for rejection in rejections:
        raise malformed(f"{where}{readable(rejection.path)} {rejection.what}.")


def stored_template(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a template as it is stored and returned; 400 for anything but a template.

    Unknown keys are dropped from a chat template and kept in a completion template, as in the vendor's
    schema; those of messages and blocks are kept.
    """
    kind = check_template(template)
    return filled_template({**template, "type": kind})


def filled_template(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked template as it is stored."""
    default = format_of(template)
    common = {"type": template["type"], "input_variables": [], "dataset_examples": []}
    if template["type"] == "completion":
        content = _content(template.get("content"))
        stored = _filled(template, content=content, template_format=default, **common)
    else:
        stored = {
            "messages": [_message(message, default) for message in template["messages"]],
            "functions": _each(template.get("functions"), _function),
            "tools": _each(template.get("tools"), stored_tool),
            "function_call": template.get("function_call"),
            "tool_choice": template.get("tool_choice"),
            **common,
        }
    return stored | {"input_variables": sorted(template_variables({**template, **stored}))}


def _message(message: Mapping[str, Any], default: str) -> dict[str, Any]:
    called = {"function_call": message.get("function_call")} if message["role"] == "assistant" else {}
    calls = {"tool_calls": _each(message.get("tool_calls"), _tool_call)} if called else {}
    return _filled(
        message,
        input_variables=sorted(template_variables(message, default)),
        template_format=format_of(message, default or F_STRING),
        content=_content(message.get("content")),
        raw_request_display_role=message.get("raw_request_display_role") or "",
        dataset_examples=[],
        role=message["role"],
        **called,
        name=message.get("name"),
        **calls,
    )


def _filled(value: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
    """Return ``keys`` and, after them, the other keys of ``value``."""
    return {**keys, **value, **keys}


def _content(content: Any) -> Any:
    return _each([{"text": content}] if isinstance(content, str) else content, _block)


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    if block.get("type", "text") != "text":
        return dict(block)
    return {"type": "text", "text": None, "id": None, "annotations": None, **block}


def _function(function: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {}}
    return {"name": None, "description": "", "strict": False, "parameters": parameters, **function}


def stored_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool as it is stored. Only functions get defaults."""
    if tool.get("type", "function") != "function":
        return dict(tool)
    return {"type": "function", **tool, "function": _function(tool["function"])}


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {"tool_id": None, "id": None, "type": "function", **call}


def _each(parts: list[Any] | None, change: Callable[[Any], Any]) -> list[Any] | None:
    return None if parts is None else [change(part) for part in parts]


def stored_metadata(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return metadata as it is stored; 400 for a ``model`` that is not complete. The rest stays as it is."""
    _refuse(rejected_metadata(metadata or {}), "metadata.")
    if not metadata or metadata.get("model") is None:
        return metadata
    return {**metadata, "model": stored_model(metadata["model"])}


def stored_model(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model as it is stored.

    ``api_type`` is never null, because the official asynchronous client would then pick the wrong endpoint.
    """
    stored = _filled(
        model,
        provider=model["provider"],
        model_config_display_name=model.get("model_config_display_name"),
        base_model=model.get("base_model"),
        name=model["name"],
        parameters=model.get("parameters") or {},
        display_params=model.get("display_params") or {},
    )
    if stored.get("api_type") is None:
        stored.pop("api_type", None)
        if model["provider"] in CHAT_COMPLETIONS_PROVIDERS:
            stored["api_type"] = CHAT_COMPLETIONS
    return stored
