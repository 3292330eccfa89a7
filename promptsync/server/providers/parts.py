"""The parts of every provider's request: turns, media, tool calls and parameters, read from a template.

A message that fills a placeholder may be any JSON, so nothing here expects a complete message.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from promptsync.prompt.roles import ROLES
from promptsync.prompt.texts import is_text_block, mappings

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

_MIME_TYPES = {
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "pdf": "application/pdf",
}


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A template and its model. ``left_out`` collects what the provider's request cannot hold."""

    template: Mapping[str, Any]
    model: str | None = None
    stored: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    left_out: dict[str, None] = field(default_factory=dict)

    @property
    def is_completion(self) -> bool:
        """Whether the template is a completion, which is one text."""
        return bool(self.template["type"] == "completion")

    @property
    def chosen(self) -> Arguments:
        """The model as an argument, empty if none is stored."""
        return {"model": self.model} if self.model else {}

    def messages(self) -> list[Message]:
        """Return the messages without placeholders. A completion is one user message."""
        if self.is_completion:
            return [{"role": "user", "content": self.template.get("content")}]
        messages = mappings(self.template["messages"])
        return [message for message in messages if message.get("role") != "placeholder"]

    def instructions(self) -> list[str]:
        """Return the texts of the messages that go into a separate system prompt."""
        found = []
        for message in filter(_instructs, self.messages()):
            found += self.parts(
                message, lambda block: {"text": block["text"]} if is_text_block(block) else None
            )
        return [part["text"] for part in found if part["text"]]

    def turns(self) -> list[Message]:
        """Return the other messages."""
        return [message for message in self.messages() if not _instructs(message)]

    def parts(self, message: Message, build: Callable[[Message], Arguments | None]) -> list[Arguments]:
        """Build each content block of a message.

        Blocks for which ``build`` returns ``None`` are added to ``left_out``; empty results are dropped.
        """
        built = []
        for block in mappings(message.get("content")):
            part = build(block)
            if part is None:
                self.left_out[str(block.get("type"))] = None
            elif part:
                built.append(part)
        return built

    def functions(self, *known: str) -> list[Arguments]:
        """Return the functions among the tools, without empty fields and fields that are not ``known``."""
        found = []
        for tool in mappings(self.template.get("tools")):
            function = {key: value for key, value in as_mapping(tool.get("function")).items() if value}
            self.left_out.update(
                {f"{key} of a function": None for key in function if known and key not in known}
            )
            found.append({key: value for key, value in function.items() if key in known or not known})
        return [function for function in found if function]

    def built_in(self, build: Callable[[Message], Arguments | None]) -> list[Arguments]:
        """Build each tool that is not a function; those that return ``None`` are added to ``left_out``."""
        tools = [tool for tool in mappings(self.template.get("tools")) if "function" not in tool]
        built = [(tool, build(tool)) for tool in tools]
        self.left_out.update({f"tool {tool.get('type')}": None for tool, made in built if made is None})
        return [made for _, made in built if made is not None]

    def parameters(self, *own: str) -> Arguments:
        """Return the stored parameters, replaced by the overrides.

        ``own`` are the provider's names for the parameters in ``_SPELLINGS``. Another provider's name becomes
        the first of them.
        """
        found: Arguments = {}
        for given in (self.stored, self.overrides):
            for name, value in given.items():
                others = next((names for names in _SPELLINGS if name in names), (name,))
                if given is self.overrides:
                    found = {key: kept for key, kept in found.items() if key == name or key not in others}
                known = [known for known in own if known in others]
                chosen = name if name in known or not known else known[0]
                found[chosen] = [value] if _takes_list(chosen) and isinstance(value, str) else value
        return found


def _instructs(message: Message) -> bool:
    role = ROLES.get(str(message.get("role")))
    return role is not None and role.instructs


def _takes_list(name: str) -> bool:
    return name in ("stop_sequences", "stopSequences")


def merged(turns: list[Arguments]) -> list[Arguments]:
    """Join adjacent turns of one role and drop empty turns, for providers that require alternating roles."""
    kept: list[Arguments] = []
    for turn in turns:
        if kept and turn["role"] == kept[-1]["role"]:
            kept[-1]["content"] += turn["content"]
        elif turn["content"]:
            kept.append(turn)
    return kept


def plain_text(message: Message) -> str:
    """Return all text of a message."""
    return "".join(block["text"] for block in mappings(message.get("content")) if is_text_block(block))


@dataclass(frozen=True, slots=True)
class MediaFile:
    """An image or another file: base64 in ``data``, or at ``url``."""

    mime: str
    url: str
    data: str = ""
    title: str = ""
    detail: str | None = None

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
    if block.get("type") == "image_url":
        image = as_mapping(block.get("image_url"))
        return _file(image.get("url"), detail=image.get("detail"))
    if block.get("type") != "media":
        return None
    media = as_mapping(block.get("media"))
    mime, title, url = media.get("type"), media.get("title"), media.get("url")
    mime = mime if isinstance(mime, str) and "/" in mime else None
    if media.get("format") == "base64" and isinstance(url, str) and not url.startswith("data:"):
        return MediaFile(mime or "image/jpeg", "", url, str(title or "")) if url else None
    return _file(url, mime, str(title or ""))


def _file(url: Any, mime: str | None = None, title: str = "", detail: Any = None) -> MediaFile | None:
    if not isinstance(url, str) or not url:
        return None
    detail = detail if isinstance(detail, str) else None
    head, comma, data = url.partition(";base64,")
    if comma and head.startswith("data:"):
        return MediaFile(head[len("data:") :].partition(";")[0] or "image/jpeg", "", data, title, detail)
    suffix = url.partition("?")[0].rpartition(".")[2].lower()
    return MediaFile(mime or _MIME_TYPES.get(suffix, "image/jpeg"), url, "", title, detail)


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a function by the model."""

    id: Any
    name: Any
    values: Mapping[str, Any]


def calls(message: Message) -> list[FunctionCall]:
    """Return the tool calls of a message."""
    found = []
    for call in mappings(message.get("tool_calls")):
        function = as_mapping(call.get("function"))
        found.append(
            FunctionCall(call.get("id"), function.get("name"), json_object(function.get("arguments")))
        )
    return found


def json_object(text: Any) -> Mapping[str, Any]:
    """Return the JSON object in ``text``, or an empty object if there is none."""
    try:
        return as_mapping(json.loads(text))
    except (TypeError, ValueError, RecursionError):
        return {}


def tool_choice(template: Mapping[str, Any]) -> tuple[str, str]:
    """Return ``auto``, ``none``, ``any`` or ``tool`` with a function's name, or empty texts."""
    choice = template.get("tool_choice")
    name = as_mapping(as_mapping(choice).get("function")).get("name")
    if isinstance(name, str):
        return "tool", name
    known = {"auto": "auto", "none": "none", "required": "any", "any": "any"}
    return known.get(choice, "") if isinstance(choice, str) else "", ""


def take_schema(parameters: Arguments) -> Mapping[str, Any] | None:
    """Remove ``response_format`` from ``parameters`` and return its ``json_schema``.

    The result is empty for JSON without a schema, and ``None`` for text.
    """
    form = as_mapping(parameters.pop("response_format", None))
    if form.get("type") == "json_schema":
        return as_mapping(form.get("json_schema"))
    return {} if form.get("type") == "json_object" else None


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return ``value`` if it is an object, otherwise an empty one."""
    return value if isinstance(value, Mapping) else {}


def texts_of(messages: list[Message]) -> Iterator[str]:
    """Yield the text of each message that has some."""
    return (text for message in messages if (text := plain_text(message)))
