"""Filling a template in: its texts are rendered, and values take the places of placeholders and media.

The function that renders a text is an argument, because ``rendering`` bounds what a text may use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptsync.prompt.limits import MAX_TEXT
from promptsync.prompt.prompt import as_blocks
from promptsync.prompt.template import Rendered, Values, media_names
from promptsync.prompt.texts import Text, map_texts, mappings

Engine = Callable[[str, str, Values], Rendered]
"""Renders a text in a template format with values."""


@dataclass(slots=True)
class Filling:
    """One pass over one template. ``warnings`` are its keys: each warning once, in order."""

    values: Values
    engine: Engine
    warnings: dict[str, None] = field(default_factory=dict)
    _copied: int = 0

    def template(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """Return a filled copy of a template, which shares what did not change."""
        changed = self._with_media(map_texts(template, self._text))
        if isinstance(changed.get("messages"), list):
            changed["messages"] = [
                filled for message in changed["messages"] for filled in self._message(message)
            ]
        return changed

    def _message(self, message: Any) -> Sequence[Any]:
        if not isinstance(message, Mapping):
            return [message]
        if message.get("role") == "placeholder":
            return self._placeholder(message.get("name"))
        return [self._with_media(message)]

    def _placeholder(self, name: Any) -> Sequence[Mapping[str, Any]]:
        given = self.values.get(name) if isinstance(name, str) else None
        if given is None:
            self._warn(f"Missing value for the placeholder {name!r}.")
            return ()
        if not self._may_copy(given):
            return ()
        given = given if isinstance(given, list) else [given]
        messages = list(mappings(given))
        if len(messages) != len(given):
            self._warn(f"The placeholder {name!r} takes a list of messages; other values were dropped.")
        return [
            {**message, "content": as_blocks(message["content"])} if "content" in message else message
            for message in messages
        ]

    def _with_media(self, part: Mapping[str, Any]) -> dict[str, Any]:
        content = part.get("content")
        if not isinstance(content, list):
            return dict(part)
        return {**part, "content": [filled for block in content for filled in self._media(block)]}

    def _text(self, text: Text) -> str:
        rendered = self.engine(text.text, text.template_format, self.values)
        for name in sorted(rendered.missing):
            self._warn_missing(name)
        if rendered.error:
            is_message = text.path[0] == "messages"
            where = f"message {int(text.path[1]) + 1}" if is_message else "the content"
            self._warn(f"The text of {where} was left unrendered: {rendered.error}.")
        return rendered.text

    def _media(self, block: Any) -> list[Any]:
        names = media_names(block)
        if not names:
            return [block]
        # The value may be several URLs, each of which becomes a block of its own.
        given = self.values.get(names[0])
        urls = [given] if isinstance(given, str) else given
        if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
            self._warn_missing(names[0])
            return [block]
        if not self._may_copy(urls):
            return []
        if block.get("type") == "media_variable":
            return [{"type": "media", "media": _media(url)} for url in urls]
        image = block.get("image_url")
        kept = image if isinstance(image, Mapping) else {}
        return [{**block, "image_url": {**kept, "url": url}, "image_variable": None} for url in urls]

    def _may_copy(self, value: Any) -> bool:
        """Count a value that is inserted whole. Many places for a long one would multiply it."""
        if self._copied <= MAX_TEXT:
            self._copied += len(str(value))
        if self._copied > MAX_TEXT:
            self._warn(f"Messages and media of more than {MAX_TEXT:,} characters were left out.")
        return self._copied <= MAX_TEXT

    def _warn_missing(self, name: str) -> None:
        self._warn(f"Missing value for the input variable {name!r}.")

    def _warn(self, warning: str) -> None:
        self.warnings[warning] = None


def _media(url: str) -> dict[str, str]:
    is_url = url.startswith(("http://", "https://", "data:"))
    return {"title": "media", "type": "image/jpeg", "url": url, "format": "url" if is_url else "base64"}
