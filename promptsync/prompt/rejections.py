"""What the registry rejects in a template and its metadata: one list for lint and the embedded registry.

It follows the vendor's OpenAPI document, which allows empty names and texts. Unknown keys are accepted, as
are unknown types of blocks and tools, because the vendor adds some from time to time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from promptsync.prompt.prompt import KeyPath
from promptsync.prompt.roles import ROLES
from promptsync.prompt.template import FORMATS

REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
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
"""Type of a content block to the keys that it requires."""

MAX_BASE_MODEL, MAX_CONFIG_NAME = 100, 255
_MISSING: Final = "is missing"


class Rejection(Struct, frozen=True):
    """One value that the registry rejects: where, the lint rule for it, and what is wrong with it."""

    path: KeyPath
    rule: str
    what: str

    @property
    def place(self) -> str:
        """The path as people write it, such as ``messages[0].content``."""
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return text.removeprefix(".")


_Check = Callable[[Mapping[str, Any], KeyPath], Iterator[Rejection]]


def rejected_template(template: Mapping[str, Any]) -> Iterator[Rejection]:
    """Yield everything in a template that the registry rejects."""
    kind = template.get("type")
    if kind not in (None, "chat", "completion"):
        yield Rejection(("type",), "wrong-value", "must be chat or completion")
        return
    yield from _format(template, ())
    if kind == "completion" or (kind is None and "messages" not in template):
        yield from _content(template, (), "wrong-value")
        return
    messages = template.get("messages")
    if messages is None:
        yield Rejection(("messages",), "missing-key", "must be a list of messages")
    yield from _each(template, "messages", (), _message)
    yield from _each(template, "tools", (), _tool)
    yield from _each(template, "functions", (), _function)
    for key in ("function_call", "tool_choice"):
        if not isinstance(template.get(key), str | dict | None):
            yield Rejection((key,), "wrong-value", "must be a string or an object")


def rejected_metadata(metadata: Mapping[str, Any]) -> Iterator[Rejection]:
    """Yield everything in the metadata that the registry rejects; paths start at the metadata."""
    model, path = metadata.get("model"), ("model",)
    if model is None:
        return
    if not isinstance(model, Mapping):
        yield Rejection(path, "wrong-value", "must be an object")
        return
    for key in ("provider", "name"):
        yield from _text(model, key, path, "model-incomplete")
    for key in ("parameters", "display_params"):
        if not isinstance(model.get(key), Mapping | None):
            yield Rejection((*path, key), "wrong-value", "must be an object")
    limits = {"api_type": None, "base_model": MAX_BASE_MODEL, "model_config_display_name": MAX_CONFIG_NAME}
    for key, most in limits.items():
        if model.get(key) is not None:
            yield from _text(model, key, path, "wrong-value", most=most)


def _message(message: Mapping[str, Any], path: KeyPath) -> Iterator[Rejection]:
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        yield Rejection((*path, "role"), "unknown-role", f"must be one of {', '.join(ROLES)}")
        return
    yield from _format(message, path)
    if message.get("content") is not None or ROLES[role].needs_content:
        yield from _content(message, path, "message-incomplete")
    for key in ROLES[role].required:
        yield from _text(message, key, path, "message-incomplete")
    yield from _each(message, "tool_calls", path, _named)


def _tool(tool: Mapping[str, Any], path: KeyPath) -> Iterator[Rejection]:
    kind = tool.get("type", "function")
    if not isinstance(kind, str):
        yield Rejection((*path, "type"), "wrong-value", "must be a string")
    elif kind == "function":
        yield from _named(tool, path)


def _function(function: Mapping[str, Any], path: KeyPath) -> Iterator[Rejection]:
    return _text(function, "name", path, "tool-incomplete")


def _named(part: Mapping[str, Any], path: KeyPath) -> Iterator[Rejection]:
    """Check the function of a tool or of a call."""
    function = part.get("function")
    if not isinstance(function, Mapping | None):
        yield Rejection((*path, "function"), "wrong-value", "must be an object")
    else:
        yield from _text(function or {}, "name", (*path, "function"), "tool-incomplete")


def _format(part: Mapping[str, Any], path: KeyPath) -> Iterator[Rejection]:
    written = part.get("template_format")
    if written is not None and written not in FORMATS:
        what = f"must be {' or '.join(FORMATS)}, not {written!r}"
        yield Rejection((*path, "template_format"), "unknown-format", what)


def _content(part: Mapping[str, Any], path: KeyPath, rule: str) -> Iterator[Rejection]:
    content = part.get("content")
    if isinstance(content, str):
        return
    if content is None:
        yield Rejection((*path, "content"), rule, _MISSING)
    yield from _each(part, "content", path, _block)


def _block(block: Mapping[str, Any], path: KeyPath) -> Iterator[Rejection]:
    kind = block.get("type", "text")
    if not isinstance(kind, str):
        yield Rejection((*path, "type"), "wrong-value", "must be a string")
        return
    for key in REQUIRED.get(kind, ()):
        if block.get(key) is None:
            yield Rejection((*path, key), "block-incomplete", f"is required in a block of type {kind}")
        elif kind == "text":
            yield from _text(block, key, path, "wrong-value")
        elif kind == "image_url" and not isinstance(block[key], Mapping):
            yield Rejection((*path, key), "wrong-value", "must be an object")
        elif kind == "image_url":
            yield from _text(block[key], "url", (*path, key), "block-incomplete")


def _each(part: Mapping[str, Any], key: str, path: KeyPath, check: _Check) -> Iterator[Rejection]:
    """Check each object of a list."""
    value = part.get(key)
    if not isinstance(value, list | None):
        yield Rejection((*path, key), "wrong-value", "must be a list")
        return
    for index, item in enumerate(value or ()):
        at = (*path, key, index)
        if isinstance(item, Mapping):
            yield from check(item, at)
        else:
            yield Rejection(at, "wrong-value", "must be an object")


def _text(
    part: Mapping[str, Any], key: str, path: KeyPath, rule: str, *, most: int | None = None
) -> Iterator[Rejection]:
    value = part.get(key)
    if value is None:
        yield Rejection((*path, key), rule, _MISSING)
    elif not isinstance(value, str) or (most is not None and len(value) > most):
        what = f"must be a string{f' of at most {most} characters' if most is not None else ''}"
        yield Rejection((*path, key), rule, what)
