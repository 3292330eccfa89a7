"""The parts of every provider's request: turns, media, tool calls and parameters, read from a template.

A message that fills a placeholder may be any JSON, so nothing here expects a complete message.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from promptsync.prompt.prompt import as_mapping, is_text_block, mappings
from promptsync.prompt.shapes import ROLES

Arguments = dict[str, Any]
Message = Mapping[str, Any]

_SPELLINGS = (
    ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "maxTokens"),
    ("top_p", "topP", "p"),
    ("top_k", "topK", "k"),
    ("stop", "stop_sequences", "stopSequences"),
    ("seed", "random_seed"),
)
"""Different names for the same parameter. The vendor documents the conversion."""

_MIME_TYPES = {"gif": "image/gif", "pdf": "application/pdf", "png": "image/png", "webp": "image/webp"}


class ModelRequest(Struct, frozen=True):
    """A template and its model. What the provider's request cannot hold is left out."""

    template: Message
    model: str | None = None
    stored: Message = {}
    overrides: Message = {}

    @property
    def is_completion(self) -> bool:
        """Whether the template is a completion, which is one text."""
        return bool(self.template["type"] == "completion")

    @property
    def messages(self) -> list[Message]:
        """The messages without placeholders. A completion is one user message."""
        if self.is_completion:
            return [{"role": "user", "content": self.template.get("content")}]
        messages = mappings(self.template["messages"])
        return [message for message in messages if message.get("role") != "placeholder"]

    @property
    def turns(self) -> list[Message]:
        """The messages that do not go into a separate system prompt."""
        return [message for message in self.messages if not _instructs(message)]

    def system(self, **more: str) -> list[Arguments]:
        """Return the texts of the other messages, each as an object with ``more``."""

        def text(block: Message) -> Arguments | None:
            return {**more, "text": block["text"]} if is_text_block(block) else None

        instructions = [message for message in self.messages if _instructs(message)]
        return [part for message in instructions for part in self.parts(message, text) if part["text"]]

    def parts(self, message: Message, build: Callable[[Message], Arguments | None]) -> list[Arguments]:
        """Build each content block of a message; without those for which nothing is built."""
        return [part for part in map(build, mappings(message.get("content"))) if part]

    def functions(self, *known: str, **renamed: str) -> list[Arguments]:
        """Return the functions among the tools, without empty fields.

        If fields are specified, the others are left out. ``renamed`` maps fields to the provider's names.
        """
        built = []
        for tool in mappings(self.template.get("tools")):
            function = filled(**as_mapping(tool.get("function")))
            kept = [key for key in function if not known or key in (*known, *renamed)]
            built.append({renamed.get(key, key): function[key] for key in kept})
        return [function for function in built if function]

    def built_in(self, build: Callable[[str, Message], Arguments | None]) -> list[Arguments]:
        """Build each tool that is not a function from its type and configuration; ``None`` is left out."""
        tools = [tool for tool in mappings(self.template.get("tools")) if "function" not in tool]
        built = [build(str(tool.get("type")), as_mapping(tool.get("config"))) for tool in tools]
        return [made for made in built if made is not None]

    def parameters(self, *own: str) -> Arguments:
        """Return the stored parameters, replaced by the overrides.

        ``own`` are the provider's names for the parameters in ``_SPELLINGS``. Another provider's name becomes
        the first of them.
        """
        spelled = [names for names in _SPELLINGS if not self.overrides.keys().isdisjoint(names)]
        kept = {key: self.stored[key] for key in self.stored if not any(key in names for names in spelled)}
        built: Arguments = {}
        for name, value in {**kept, **self.overrides}.items():
            others = next((names for names in _SPELLINGS if name in names), ())
            known = [key for key in own if key in others]
            chosen = known[0] if known and name not in known else name
            is_list = chosen in ("stop_sequences", "stopSequences")
            built[chosen] = [value] if is_list and isinstance(value, str) else value
        return built


def _instructs(message: Message) -> bool:
    role = ROLES.get(str(message.get("role")))
    return role is not None and role.instructs


def filled(**fields: Any) -> Arguments:
    """Return the fields that are not empty."""
    return {key: value for key, value in fields.items() if value}


def plain_text(message: Message) -> str:
    """Return all text of a message."""
    return "".join(block["text"] for block in mappings(message.get("content")) if is_text_block(block))


class MediaFile(Struct, frozen=True):
    """An image or another file: base64 in ``data``, or at ``url``."""

    mime: str
    url: str
    data: str = ""
    title: str = ""
    detail: str = ""

    @property
    def address(self) -> str:
        """The URL, or a data URL if the content is known."""
        return f"data:{self.mime};base64,{self.data}" if self.data else self.url

    @property
    def is_image(self) -> bool:
        """Whether it is an image."""
        return self.mime.startswith("image/")


def media_file(block: Message) -> MediaFile | None:
    """Return the file that a content block holds."""
    if block.get("type") not in ("image_url", "media"):
        return None
    about = as_mapping(block.get(block["type"]))
    texts = {key: value for key, value in about.items() if value and isinstance(value, str)}
    url, mime, data = texts.get("url", ""), texts.get("type", ""), ""
    if not url:
        return None
    mime = mime if "/" in mime else ""
    if url.startswith("data:"):
        head, comma, content = url.partition(";base64,")
        if comma:
            mime, url, data = head.removeprefix("data:").partition(";")[0], "", content
    elif texts.get("format") == "base64":
        url, data = "", url
    mime = mime or _MIME_TYPES.get(url.partition("?")[0].rpartition(".")[2].lower(), "image/jpeg")
    return MediaFile(mime, url, data, texts.get("title", ""), texts.get("detail", ""))


def calls(message: Message) -> Iterator[tuple[Any, Any, Message]]:
    """Yield the id, the function and the arguments of each tool call of a message."""
    for call in mappings(message.get("tool_calls")):
        function = as_mapping(call.get("function"))
        yield call.get("id"), function.get("name"), json_object(function.get("arguments"))


def json_object(text: Any) -> Message:
    """Return the JSON object in ``text``, or an empty object if there is none."""
    try:
        return as_mapping(json.loads(text))
    except (TypeError, ValueError, RecursionError):
        return {}


def tool_choice(template: Message) -> tuple[str, str]:
    """Return ``auto``, ``none``, ``any`` or ``tool`` with a function's name, or empty texts."""
    choice = template.get("tool_choice")
    name = as_mapping(as_mapping(choice).get("function")).get("name")
    if isinstance(name, str):
        return "tool", name
    known = {"auto": "auto", "none": "none", "required": "any", "any": "any"}
    return known.get(choice, "") if isinstance(choice, str) else "", ""


def take_schema(parameters: Arguments) -> Message | None:
    """Remove ``response_format`` from ``parameters`` and return its ``json_schema``.

    The result is empty for JSON without a schema, and ``None`` for text.
    """
    form = as_mapping(parameters.pop("response_format", None))
    if form.get("type") == "json_schema":
        return as_mapping(form.get("json_schema"))
    return {} if form.get("type") == "json_object" else None
