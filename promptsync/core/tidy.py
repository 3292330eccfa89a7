"""What a prompt file need not say: the values that a registry fills in by itself.

Only values that mean the same as leaving the field out are dropped. Unknown fields, and known ones with
anything in them, stay: a file may lose noise, never content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from promptsync.core.defaults import (
    ABSENT,
    BLOCKS,
    CHAT_COMPLETIONS,
    CHAT_COMPLETIONS_PROVIDERS,
    SHAPES,
    Shape,
)
from promptsync.core.values import copied, without_nulls

_LEADING_KEYS: Final = (
    *("type", "role", "id", "provider", "name", "description", "text", "strict"),
    *("function", "arguments", "parameters"),
)
_OPTIONAL_CONTENT: Final = frozenset({"assistant", "function", "placeholder"})
_NO_SHAPE: Final = Shape()


def tidy_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message as a file says it, in the order of the house style; plain text content is a string.

    Its ``template_format`` is dropped when it is null, not when it is the default: the caller knows what
    the file says for all messages.
    """
    role = message.get("role")
    rest = {key: value for key, value in message.items() if key not in ("content", "template_format")}
    tidied = _object(rest, SHAPES["message"])
    if tidied.get("raw_request_display_role") in ("", role):
        tidied.pop("raw_request_display_role", None)
    content = message.get("content")
    keep = content is not None and not (content == [] and role in _OPTIONAL_CONTENT)
    ordered: dict[str, Any] = {key: tidied.pop(key) for key in ("role", "name") if key in tidied}
    if message.get("template_format") is not None:
        ordered["template_format"] = message["template_format"]
    if keep:
        ordered["content"] = tidy_content(content)
    return ordered | tidied


def tidy_content(content: Any) -> Any:
    """Return content as a file says it: a string for one plain text block, else a list of blocks."""
    if not isinstance(content, list | tuple):
        return content
    blocks = [_block(block) for block in content]
    if len(blocks) == 1 and isinstance(blocks[0], dict) and blocks[0].keys() == {"type", "text"}:
        only = blocks[0]
        if only["type"] == "text" and isinstance(only["text"], str):
            return only["text"]
    return blocks


def tidy_tools(tools: Any) -> Any:
    """Return the tools of a template without filled-in values; their parameters are left alone."""
    return _shaped(tools, SHAPES["tool"])


def tidy_functions(functions: Any) -> Any:
    """Return the functions of a template without filled-in values; their parameters are left alone."""
    return _shaped(functions, SHAPES["function"])


def tidy_model(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model settings without filled-in values; ``parameters`` are left alone."""
    tidied = _object(model, SHAPES["model"])
    if tidied.get("api_type") == CHAT_COMPLETIONS and model.get("provider") in CHAT_COMPLETIONS_PROVIDERS:
        del tidied["api_type"]
    return tidied


def _block(block: Any) -> Any:
    if not isinstance(block, Mapping):
        return copied(block)
    kind = block.get("type")
    if kind is None and "text" in block:
        block = {**block, "type": (kind := "text")}
    return _object(block, BLOCKS.get(kind, _NO_SHAPE) if isinstance(kind, str) else _NO_SHAPE)


def _object(value: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    tidied: dict[str, Any] = {}
    for key in _ordered(value):
        item = value[key]
        if item is None or (key == "input_variables" and key in shape.ignored):
            continue
        field = shape.fields.get(key)
        if field is None:
            item = without_nulls(item)
            omitted = key in shape.ignored and item in ([], {})
        else:
            item = copied(item) if field.user_json else _INSIDE.get(field.of, without_nulls)(item)
            omitted = key != "type" and field.omitted is not ABSENT and _same(item, field.omitted)
        if not omitted:
            tidied[key] = item
    return tidied


def _shaped(value: Any, shape: Shape) -> Any:
    if isinstance(value, Mapping):
        return _object(value, shape)
    if isinstance(value, list | tuple):
        return [_object(item, shape) if isinstance(item, Mapping) else copied(item) for item in value]
    return value


def _inside(name: str) -> Callable[[Any], Any]:
    return lambda value: _shaped(value, SHAPES[name])


_INSIDE: Final[Mapping[str, Callable[[Any], Any]]] = {name: _inside(name) for name in SHAPES}


def _ordered(keys: Iterable[str]) -> list[str]:
    given = list(keys)
    return [key for key in _LEADING_KEYS if key in given] + [key for key in given if key not in _LEADING_KEYS]


def _same(value: Any, omitted: Any) -> bool:
    return bool(value == omitted) and isinstance(value, bool) is isinstance(omitted, bool)
