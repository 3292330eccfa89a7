"""What a published template has to look like. Everything found wrong is a 400 that says where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptsync.prompt.defaults import ROLES
from promptsync.prompt.template import FORMATS
from promptsync.server.errors import malformed

_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "text": ("text",),
    "thinking": ("thinking",),
    "code": ("code",),
    "image_url": ("image_url",),
    "media": ("media",),
    "media_variable": ("name",),
    "output_media": ("url",),
    "server_tool_use": ("id", "name"),
    "web_search_tool_result": ("tool_use_id",),
    "code_execution_result": ("output",),
    "mcp_approval_response": ("approval_request_id", "approve"),
    "bash_code_execution_tool_result": ("tool_use_id",),
    "text_editor_code_execution_tool_result": ("tool_use_id",),
}
_MODEL_TEXTS: Mapping[str, int | None] = {
    "api_type": None,
    "base_model": 100,
    "model_config_display_name": 255,
}
"""Texts of a model that may be null, with the most characters that the vendor's schema allows."""


def check_template(template: Any) -> Mapping[str, Any]:
    """Return ``template`` when it is a chat or completion template; block types may be unknown ones."""
    if not isinstance(template, Mapping):
        raise malformed("prompt_template has to be an object.")
    kind = template_type(template)
    _check_format(template, "prompt_template")
    if kind == "completion":
        _check_content(template.get("content"), "content")
        return template
    messages = template.get("messages")
    if not isinstance(messages, list):
        raise malformed("A chat template needs a list of messages.")
    for index, message in enumerate(messages):
        _check_message(message, f"messages[{index}]")
    for key in ("tools", "functions"):
        _check_tools(template.get(key), key)
    for key in ("function_call", "tool_choice"):
        if not isinstance(template.get(key), str | dict | None):
            raise malformed(f"{key} has to be a string or an object.")
    return template


def template_type(template: Mapping[str, Any]) -> str:
    """``chat`` or ``completion``; without ``type`` the content tells."""
    kind = template.get("type")
    if kind is None:
        if "messages" in template:
            return "chat"
        if "content" in template:
            return "completion"
        raise malformed("prompt_template needs messages (chat) or content (completion).")
    if kind not in ("chat", "completion"):
        raise malformed("The type of a template is chat or completion.")
    return str(kind)


def _check_message(message: Any, where: str) -> None:
    if not isinstance(message, Mapping):
        raise malformed(f"{where} has to be an object.")
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise malformed(f"{where}.role has to be one of {', '.join(ROLES)}.")
    _check_format(message, where)
    if message.get("content") is not None or ROLES[role].needs_content:
        _check_content(message.get("content"), f"{where}.content")
    for key in ROLES[role].required:
        if not isinstance(message.get(key), str) or (key == "name" and not message[key]):
            raise malformed(f"{where}.{key} is required for the role {role}.")
    calls = message.get("tool_calls")
    if not isinstance(calls, list | None) or not all(isinstance(call, Mapping) for call in calls or ()):
        raise malformed(f"{where}.tool_calls has to be a list of objects.")
    for index, call in enumerate(calls or ()):
        function = call.get("function")
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise malformed(f"{where}.tool_calls[{index}].function needs a name.")


def _check_format(part: Mapping[str, Any], where: str) -> None:
    if part.get("template_format", FORMATS[0]) not in FORMATS:
        raise malformed(f"{where}.template_format has to be {' or '.join(FORMATS)}.")


def _check_content(content: Any, where: str) -> None:
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise malformed(f"{where} has to be a list of content blocks.")
    for index, block in enumerate(content):
        _check_block(block, f"{where}[{index}]")


def _check_block(block: Any, where: str) -> None:
    if not isinstance(block, Mapping):
        raise malformed(f"{where} has to be an object.")
    kind = block.get("type", "text")
    if not isinstance(kind, str):
        raise malformed(f"{where}.type has to be a string.")
    for key in _REQUIRED.get(kind, ()):
        if block.get(key) is None:
            raise malformed(f"{where}.{key} is required in a block of type {kind}.")
    if kind == "text" and not isinstance(block["text"], str):
        raise malformed(f"{where}.text has to be a string.")
    if kind == "image_url" and not _has_url(block["image_url"]):
        raise malformed(f"{where}.image_url.url is required.")


def _has_url(image: Any) -> bool:
    return isinstance(image, Mapping) and isinstance(image.get("url"), str)


def _check_tools(tools: Any, key: str) -> None:
    if not isinstance(tools, list | None):
        raise malformed(f"{key} has to be a list.")
    for index, tool in enumerate(tools or ()):
        if not isinstance(tool, Mapping) or not isinstance(tool.get("type", ""), str):
            raise malformed(f"{key}[{index}] has to be an object.")
        function = tool.get("function") if key == "tools" else tool
        if key == "tools" and tool.get("type", "function") != "function":
            continue
        if not isinstance(function, Mapping) or not _is_text(function.get("name")):
            raise malformed(f"{key}[{index}] is a function without a name.")


def check_metadata(metadata: Any) -> Mapping[str, Any] | None:
    """Return ``metadata`` when it is null, or an object whose ``model`` names provider and name."""
    if not isinstance(metadata, Mapping | None):
        raise malformed("metadata has to be an object or null.")
    model = metadata.get("model") if metadata else None
    if not isinstance(model, Mapping | None):
        raise malformed("metadata.model has to be an object or null.")
    if model is not None:
        for key in ("provider", "name"):
            if not isinstance(model.get(key), str):
                raise malformed(f"metadata.model.{key} is required and has to be a string.")
        for key in ("parameters", "display_params"):
            if not isinstance(model.get(key), Mapping | None):
                raise malformed(f"metadata.model.{key} has to be an object.")
        for key, most in _MODEL_TEXTS.items():
            value = model.get(key)
            if not isinstance(value, str | None):
                raise malformed(f"metadata.model.{key} has to be a string or null.")
            if most is not None and len(value or "") > most:
                raise malformed(f"metadata.model.{key} has to have at most {most} characters.")
    return metadata


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
