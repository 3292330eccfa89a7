"""Turns the registry's JSON into our types. All functions raise ``ValueError`` with what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from promptsync.prompt.limits import MAX_DEPTH, is_too_deep
from promptsync.prompt.prompt import Label, Prompt, as_blocks, kind_of
from promptsync.prompt.shapes import ENVELOPE
from promptsync.prompt.version import Version
from promptsync.registry.values import number, text

MAX_VERSION: Final = 1_000_000
"""A registry that claims a higher number is wrong. Without a limit, reading all versions would never end."""

T = TypeVar("T")

_NOT_CONTENT: Final = ENVELOPE | {"prompt_template", "metadata", "error"}

# The customer's document does not describe labels. The vendor's names come first in each of these.
_LABEL_NAMES: Final = ("release_label", "name", "label")
_LABEL_IDS: Final = ("release_label_id", "id", "label_id")
_LABEL_VERSIONS: Final = ("prompt_version_number", "version_number", "version")
_LABEL_PROMPT_IDS: Final = ("prompt_id", "prompt_template_id", "template_id")

# No document names an author. The vendor writes users in these ways in its other responses.
_AUTHORS: Final = ("author", "created_by", "created_by_email", "user_name", "user_email")


def version(raw: Mapping[str, Any]) -> Version:
    """Return the version in a response, or in an item of the list that is whole."""
    content = prompt(raw)
    problem = _problem(content)
    if problem:
        content = Prompt(content.name, {"type": "chat", "messages": []}, tags=content.tags)
    order = number(raw, "version", "version_number")
    return Version(
        template_id=_needed(number(raw, "id"), "id"),
        version=_needed(order if order and 0 < order <= MAX_VERSION else None, "version"),
        prompt=content,
        message=text(raw, "commit_message"),
        created_at=text(raw, "created_at"),
        author=text(raw, *_AUTHORS),
        workspace_id=number(raw, "workspace_id"),
        is_snippet=raw.get("is_snippet") is True,
        problem=problem,
    )


def _problem(content: Prompt) -> str:
    """Return why no prompt file can hold a prompt, ``""`` if one can."""
    if is_too_deep(content):
        return f"nests deeper than {MAX_DEPTH} levels in the registry"
    messages = content.template.get("messages") or []
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return "has messages in the registry that are not objects"
    parts = (content.template, *messages)
    if not all(isinstance(part.get("template_format"), str | None) for part in parts):
        return "has a template_format in the registry that is not a text"
    return ""


def is_whole(raw: Mapping[str, Any]) -> bool:
    """Whether a list item has a version and a body, which the vendor's document leaves optional."""
    return number(raw, "version", "version_number") is not None and isinstance(
        raw.get("prompt_template"), dict
    )


def identity(raw: Mapping[str, Any]) -> tuple[int, str]:
    """Return the id and the name of a list item."""
    return _needed(number(raw, "id"), "id"), _needed(text(raw, "prompt_name"), "prompt_name")


def prompt(raw: Mapping[str, Any]) -> Prompt:
    """Return the content of one version. Unknown fields that have a value go to ``extra``."""
    metadata, tags = raw.get("metadata"), raw.get("tags")
    if not isinstance(metadata, dict | None):
        raise ValueError("metadata is not an object")
    if not isinstance(tags, list | None) or not all(isinstance(tag, str) for tag in tags or ()):
        raise ValueError("tags is not a list of strings")
    return Prompt(
        name=_needed(text(raw, "prompt_name"), "prompt_name"),
        template=_template(raw.get("prompt_template")),
        metadata=metadata or {},
        tags=tuple(tags or ()),
        extra={key: value for key, value in raw.items() if key not in _NOT_CONTENT and value is not None},
    )


def label(raw: Mapping[str, Any], template_id: int | None = None, prompt_name: str | None = None) -> Label:
    """Return one release label. ``template_id`` and ``prompt_name`` fill in what the response leaves out."""
    own_id = number(raw, *_LABEL_PROMPT_IDS)
    return Label(
        name=_needed(text(raw, *_LABEL_NAMES), "release_label"),
        version=_needed(number(raw, *_LABEL_VERSIONS), "prompt_version_number"),
        label_id=_needed(number(raw, *_LABEL_IDS), "release_label_id"),
        template_id=template_id if own_id is None else own_id,
        prompt_name=text(raw, "prompt_name") or prompt_name,
    )


def _template(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("prompt_template is missing or not an object")
    template = dict(value)
    if not isinstance(template.get("type"), str):
        template["type"] = kind_of(template)
    if isinstance(template.get("messages"), list):
        template["messages"] = [_with_blocks(message) for message in template["messages"]]
    elif template["type"] == "chat":
        raise ValueError("prompt_template.messages is missing or not a list")
    blocks: dict[str, Any] = _with_blocks(template)
    return blocks


def _with_blocks(part: Any) -> Any:
    """Return a message or a template with a list of blocks: some registries store a string as it was sent."""
    if isinstance(part, dict) and "content" in part:
        return {**part, "content": as_blocks(part["content"])}
    return part


def _needed(value: T | None, key: str) -> T:
    if value is None:
        raise ValueError(f"{key} is missing or of the wrong type")
    return value
