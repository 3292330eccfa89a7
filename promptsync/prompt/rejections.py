"""What the registry rejects in a template and its metadata: one list for lint and the embedded registry.

It follows from ``shapes``. Unknown keys are accepted, as are unknown types of blocks and tools, because the
vendor adds some from time to time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from promptsync.prompt.prompt import FORMATS, KeyPath, kind_of
from promptsync.prompt.shapes import (
    BLOCK,
    BLOCKS,
    CHAT_KEYS,
    COMPLETION_KEYS,
    JSON,
    ROLES,
    SHAPES,
    TEMPLATE,
    TYPES,
    UNKNOWN,
    Field,
    Shape,
)

_TEXT: Final = Field(required=True, must="a string")
_MESSAGES: Final[Mapping[str, Shape]] = {
    name: {
        **SHAPES["message"],
        "content": Field(of=BLOCK, required=role.needs_content, must="a string or a list"),
        **dict.fromkeys(role.required, _TEXT),
    }
    for name, role in ROLES.items()
}
"""What a message of each role needs."""
_FUNCTION_TOOL: Final = {**SHAPES["tool"], "function": Field(of="function", required=True, must="an object")}


class Rejection(Struct, frozen=True):
    """One value that the registry rejects: where, the lint rule for it, and what is wrong with it."""

    path: KeyPath
    rule: str
    what: str


def rejected_template(template: Mapping[str, Any]) -> Iterator[Rejection]:
    """Yield everything in a template that the registry rejects."""
    if template.get("type") not in (None, "chat", "completion"):
        yield Rejection(("type",), "wrong-value", "must be chat or completion")
        return
    keys = CHAT_KEYS if kind_of(template) == "chat" else COMPLETION_KEYS
    shape = {key: TEMPLATE[key] for key in sorted(keys | {"template_format"})}
    yield from _in_object(template, shape, (), "missing-key")


def rejected_metadata(metadata: Mapping[str, Any]) -> Iterator[Rejection]:
    """Yield everything in the metadata that the registry rejects; paths start at the metadata."""
    yield from _in_object(metadata, {"model": Field(of="model", must="an object")}, (), "wrong-value")


def _in_object(value: Mapping[str, Any], shape: Shape, path: KeyPath, incomplete: str) -> Iterator[Rejection]:
    """``incomplete`` is the rule for an object that lacks a required key."""
    for key, known in shape.items():
        item, at = value.get(key), (*path, key)
        if item is None:
            if known.required:
                yield Rejection(at, incomplete, "is missing")
        elif key == "template_format" and item not in FORMATS:
            yield Rejection(at, "unknown-format", f"must be {' or '.join(FORMATS)}, not {item!r}")
        elif known.must and not isinstance(item, TYPES[known.must]):
            yield Rejection(at, "wrong-value", f"must be {known.must}")
        elif known.most is not None and len(item) > known.most:
            yield Rejection(at, "wrong-value", f"must be a string of at most {known.most} characters")
        elif known.of not in ("", JSON):
            yield from _inside(item, known.of, at)


def _inside(value: Any, of: str, path: KeyPath) -> Iterator[Rejection]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, Mapping):
                yield from _inside(item, of, (*path, index))
            else:
                yield Rejection((*path, index), "wrong-value", "must be an object")
    elif not isinstance(value, Mapping):
        return
    elif of == "message":
        role = value.get("role")
        if not isinstance(role, str) or role not in ROLES:
            yield Rejection((*path, "role"), "unknown-role", f"must be one of {', '.join(ROLES)}")
        else:
            yield from _in_object(value, _MESSAGES[role], path, "message-incomplete")
    elif of == BLOCK:
        kind = value.get("type", "text")
        if isinstance(kind, str):
            yield from _in_object(value, BLOCKS.get(kind, UNKNOWN), path, "block-incomplete")
        else:
            yield Rejection((*path, "type"), "wrong-value", "must be a string")
    else:
        is_function = of == "tool" and value.get("type", "function") == "function"
        incomplete = {"model": "model-incomplete", "image": "block-incomplete"}.get(of, "tool-incomplete")
        yield from _in_object(value, _FUNCTION_TOOL if is_function else SHAPES[of], path, incomplete)
