"""Templates in both formats: their variables, their syntax errors, and filling them in.

Rendering does what the official SDK says the server does: a missing variable becomes an empty string, and a
text that cannot be rendered stays as it is. Templates are not trusted: they cannot reach into Python, and
``rendering`` bounds what they may use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, Literal

from msgspec import Struct

from promptsync.prompt import jinja, limits
from promptsync.prompt.jinja import ReadText
from promptsync.prompt.limits import MAX_TEXT
from promptsync.prompt.prompt import (
    F_STRING,
    JINJA2,
    Text,
    as_blocks,
    as_mapping,
    line_and_column,
    map_texts,
    mappings,
    texts_of,
)

Values = Mapping[str, Any]


class Rendered(Struct, frozen=True):
    """A rendered text. ``error`` says why it could not be rendered, and is empty if it was.

    ``hint`` says what to do about a text that needs more than a prompt may use.
    """

    text: str
    error: str = ""
    hint: str = ""


def read(text: str, template_format: str) -> ReadText:
    """Return the input variables of a text, none if its syntax is broken, and why no values make it render.

    In f-strings a name is the whole field, as in the registry: ``{ x }`` names `` x ``, ``{a.b}`` ``a.b``.
    Errors are unbalanced braces, positional, dotted and indexed f-string fields, jinja2 syntax errors, and
    unknown filters and tests.
    """
    return jinja.read(text) if template_format == JINJA2 else _read_fields(text)


def template_variables(template: Mapping[str, Any], default: str = F_STRING) -> set[str]:
    """Return the variables of a template, or of a message: in texts, placeholders, images, media and tools.

    ``default`` is the format of one that names none.
    """
    return {variable.name for variable in variable_uses(template, default)}


class Variable(Struct, frozen=True):
    """One use of an input variable: what its value is, whether the prompt needs it, and the text's format.

    An f-string needs all of its variables; a jinja2 text does not need one that it tests first.
    """

    name: str
    kind: Literal["text", "messages", "image", "media", "tool"]
    required: bool = True
    template_format: str = ""


def variable_uses(template: Mapping[str, Any], default: str = F_STRING) -> Iterator[Variable]:
    """Yield the uses of input variables in a template, or in a message, as ``template_variables`` does."""
    for text in texts_of(template, default):
        for name, required in read(text.text, text.template_format).variables.items():
            yield Variable(name, "text", required, text.template_format)
    for part in (template, *mappings(template.get("messages"))):
        if part.get("role") == "placeholder" and isinstance(part.get("name"), str):
            yield Variable(part["name"], "messages")
        for block in mappings(part.get("content")):
            is_media = block.get("type") == "media_variable"
            yield from (Variable(name, "media" if is_media else "image") for name in _media_names(block))
    for tool in mappings(template.get("tools")):
        if tool.get("type") == "variable" and isinstance(tool.get("name"), str):
            yield Variable(tool["name"], "tool")


def named_variables(template: Mapping[str, Any]) -> set[str]:
    """Return the variables that a template has according to the registry."""
    parts = (template, *mappings(template.get("messages")))
    lists = (part.get("input_variables") for part in parts)
    return {name for names in lists if isinstance(names, list) for name in names if isinstance(name, str)}


def is_bounded(text: str, template_format: str) -> bool:
    """Whether rendering a text costs little more than its own length and that of what it renders to."""
    return template_format != JINJA2 or jinja.is_bounded(text)


def render(text: str, template_format: str, values: Values) -> Rendered:
    """Return the rendered text, or the text itself with the reason why it could not be rendered.

    A text that is not ``is_bounded`` may take any time and memory, so only ``rendering`` calls this for one.
    Raises ``MemoryError``.
    """
    engine = jinja.render if template_format == JINJA2 else _render_fields
    try:
        return Rendered(engine(text, values))
    except RecursionError:
        return Rendered(text, error="it nests too deeply")
    except limits.Runaway as error:
        return Rendered(text, error=str(error), hint=limits.HINT)
    except MemoryError:
        raise
    except Exception as error:  # whatever a template does wrong, the registry leaves its text alone
        return Rendered(text, error=str(error) or type(error).__name__)


def _media_names(block: Any) -> list[str]:
    """Return the variables of an image or media block."""
    if not isinstance(block, Mapping):
        return []
    named = block.get("image_variable"), block.get("type") == "media_variable" and block.get("name")
    return [name for name in named if isinstance(name, str) and name]


# -- f-strings: ``str.format`` with plain names and nothing else --------------------------------------------

_TOKEN = re.compile(r"\{\{|\}\}|\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|([{}])")
"""Braces that stand for themselves, a field, or a lone brace."""


def _read_fields(text: str) -> ReadText:
    names, reason = _fields(text)
    error = (reason, *line_and_column(text, _offset(text))) if reason else None
    return ReadText(error, fields=names)


def _fields(text: str) -> tuple[frozenset[str], str]:
    """Return the names of all fields, none for unbalanced braces, and what is wrong with the text first."""
    names: set[str] = set()
    reason = ""
    try:
        for _, name, _, conversion in Formatter().parse(text):
            names |= {name} if name else set()
            if not reason and conversion not in (None, "r", "s", "a"):
                reason = f"unknown conversion !{conversion}"
            if not reason and name is not None:
                reason = _wrong_name(name)
    except ValueError as problem:
        return frozenset(), reason or str(problem)
    return frozenset(names), reason


def _render_fields(text: str, values: Values) -> str:
    """Return the rendered text, in which names without a value are empty, as ``None`` is.

    Raises ``ValueError``, or whatever a value's own formatting raises.
    """
    if "{" not in text and "}" not in text:
        return text
    names, _ = _fields(text)
    shown = {name: "" if values.get(name) is None else values[name] for name in names}
    return _PlainFormatter().vformat(text, (), shown)


class _PlainFormatter(Formatter):
    size = 0

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        # The base class follows dots and brackets, which would let a template reach into Python.
        if wrong := _wrong_name(field_name):
            raise ValueError(wrong)
        return kwargs[field_name], field_name

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        # A field such as {x!r:.0} converts a value of any length and shows nothing of it.
        return value if conversion is None else self._counted(super().convert_field(value, conversion))

    def format_field(self, value: Any, format_spec: str) -> str:
        # Nine digits exceed the limit, and converting thousands of digits would itself take long.
        if any(int(digits[:9]) > limits.MAX_NUMBER for digits in re.findall(r"\d+", format_spec)):
            raise limits.Runaway(f"it uses a number over {limits.MAX_NUMBER:,} as a width")
        return self._counted(format(value, format_spec))

    def _counted(self, text: str) -> str:
        self.size += len(text)
        limits.check_size(self.size)
        return text


def _wrong_name(name: str) -> str:
    """Return why a field names no variable, ``""`` if it does."""
    if not name or name.isdigit():
        return "a positional field, {} or {0}, names no variable"
    if "." in name or "[" in name:
        return f"the field {{{name}}} reaches into a value; f-string templates allow plain names only"
    return ""


def _offset(text: str) -> int:
    """Return where the first error is, which the parser does not say."""
    for token in _TOKEN.finditer(text):
        if token[1] or (token[0] not in ("{{", "}}") and _fields(token[0])[1]):
            return token.start()
    return 0


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
            self.warnings[f"Missing value for the placeholder {name!r}."] = None
            return ()
        if not self._may_copy(given):
            return ()
        given = given if isinstance(given, list) else [given]
        messages = list(mappings(given))
        if len(messages) != len(given):
            dropped = f"The placeholder {name!r} takes a list of messages; other values were dropped."
            self.warnings[dropped] = None
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
        if rendered.error:
            # What it names may be no variable, such as {a.b}.
            is_message = text.path[0] == "messages"
            where = f"message {int(text.path[1]) + 1}" if is_message else "the content"
            self.warnings[f"The text of {where} was left unrendered: {rendered.error}."] = None
            return rendered.text
        for name, required in sorted(read(text.text, text.template_format).variables.items()):
            if required and name not in self.values:
                self._warn_missing(name)
        return rendered.text

    def _media(self, block: Any) -> list[Any]:
        names = _media_names(block)
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
        kept = as_mapping(block.get("image_url"))
        return [{**block, "image_url": {**kept, "url": url}, "image_variable": None} for url in urls]

    def _may_copy(self, value: Any) -> bool:
        """Count a value that is inserted whole. Many places for a long one would multiply it."""
        if self._copied <= MAX_TEXT:
            self._copied += len(str(value))
        if self._copied > MAX_TEXT:
            self.warnings[f"Messages and media of more than {MAX_TEXT:,} characters were left out."] = None
        return self._copied <= MAX_TEXT

    def _warn_missing(self, name: str) -> None:
        self.warnings[f"Missing value for the input variable {name!r}."] = None


def _media(url: str) -> dict[str, str]:
    is_url = url.startswith(("http://", "https://", "data:"))
    return {"title": "media", "type": "image/jpeg", "url": url, "format": "url" if is_url else "base64"}
