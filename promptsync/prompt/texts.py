"""The texts of a template, which the registry expands and renders: their places and their formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from promptsync.prompt.prompt import KeyPath

F_STRING: Final = "f-string"
JINJA2: Final = "jinja2"
FORMATS: Final = (F_STRING, JINJA2)


class Text(Struct, frozen=True):
    """One text of a template, its place in a prompt file and its format."""

    path: KeyPath
    text: str
    template_format: str


def texts_of(template: Mapping[str, Any], default: str = F_STRING) -> list[Text]:
    """Return the texts of a template, or of a message; ``default`` is the format of one that names none."""
    texts: list[Text] = []

    def collect(text: Text) -> str:
        texts.append(text)
        return text.text

    map_texts(template, collect, default)
    return texts


def map_texts(
    template: Mapping[str, Any], change: Callable[[Text], str], default: str = F_STRING
) -> dict[str, Any]:
    """Return a copy of a template with ``change`` applied to each text; the rest is shared."""

    def part(value: Mapping[str, Any], path: KeyPath, default: str) -> dict[str, Any]:
        written, content, path = format_of(value, default), value.get("content"), (*path, "content")
        if isinstance(content, str):
            return {**value, "content": change(Text(path, content, written))}
        if not isinstance(content, list):
            return dict(value)
        blocks = [
            {**block, "text": change(Text((*path, at, "text"), block["text"], written))}
            if is_text_block(block)
            else block
            for at, block in enumerate(content)
        ]
        return {**value, "content": blocks}

    changed = part(template, (), default)
    if isinstance(messages := template.get("messages"), list):
        written = format_of(template, default)
        changed["messages"] = [
            part(message, ("messages", at), written) if isinstance(message, Mapping) else message
            for at, message in enumerate(messages)
        ]
    return changed


def is_text_block(block: Any) -> bool:
    """Whether the registry expands and renders the text of a content block."""
    return (
        isinstance(block, Mapping)
        and block.get("type", "text") == "text"
        and isinstance(block.get("text"), str)
    )


def format_of(part: Mapping[str, Any], default: str = F_STRING) -> str:
    """Return the template format that a template or a message names, or ``default``."""
    named = part.get("template_format")
    return named if isinstance(named, str) else default


def mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """Return the objects in a JSON list, and none for anything that is not a list."""
    return (item for item in (value if isinstance(value, list) else ()) if isinstance(item, Mapping))


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return ``value`` if it is an object, otherwise an empty one."""
    return value if isinstance(value, Mapping) else {}
