"""Reads a response: whether it is what the operation needs, what it says if it is an error, and our types."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from promptsync.prompt.limits import MAX_BODY_DEPTH, MAX_DEPTH, is_deeper
from promptsync.prompt.prompt import Label, Prompt, Version, as_blocks, kind_of
from promptsync.prompt.shapes import ENVELOPE
from promptsync.registry.errors import BadAnswer, FateUnknown, Rejected
from promptsync.registry.protocol import number, text

MAX_BYTES: Final = 64 * 1024 * 1024
"""The largest response that is read, before and after decoding: what was compressed can be far larger."""

WRONG_PLACE: Final = "check the remote's url, and that no proxy or login page responds instead"

EXCERPT: Final = 160
"""Most characters of a registry's own text in one message."""

MAX_VALUES: Final = 2_000_000
"""Most values in one response. As objects they take far more memory than as text."""

_ABOUT_ROUTES: Final = re.compile(
    r"((404|a|the|no|such|error|route|endpoint|url|path|page|resource|operation"
    r"|not|found|method|allowed|unknown|does|exist|here)\b\W*)*"
)
"""A 404 with only these words is about the route, not about an item."""

_ROUTING_WORDS: Final = re.compile(
    r"\b(route|endpoint|requested url)\b|(cannot|does not support) (get|post|patch|delete) /"
)


T = TypeVar("T")

_KINDS: Final[Mapping[type, str]] = {str: "a string", dict: "an object", list: "a list"}


class Answer(msgspec.Struct, frozen=True):
    """One response of a registry. Methods raise ``BadAnswer`` if its body has the wrong shape.

    It is ``FateUnknown`` if the request ``is_repeatable`` only after a look at what it did: a write that
    returned success was probably executed. ``purpose`` completes "cannot …", ``request`` is the method and
    the path, and ``scrub`` removes the API key from a text.
    """

    url: str
    purpose: str
    request: str
    status: int
    content: bytes
    scrub: Callable[[str], str] = str
    is_repeatable: bool = True

    @property
    def message_start(self) -> str:
        """The start of messages about this response."""
        return f"{self.url} cannot {self.purpose} ({self.request})"

    def json(self, *, deep: bool = False) -> Any:
        """Return the body as JSON. Only prompts may be ``deep``: each is checked by itself."""
        if sum(map(self.content.count, (b",", b"[", b"{"))) > MAX_VALUES:
            self.fail(f"JSON with at most {MAX_VALUES:,} values")
        try:
            body = _decoded(self.content)
        except (ValueError, RecursionError):
            self.fail("JSON")
        if not deep and is_deeper(body, MAX_BODY_DEPTH):
            self.fail(f"JSON that nests at most {MAX_BODY_DEPTH} levels deep")
        return body

    def object(self, *, deep: bool = False) -> dict[str, Any]:
        """Return the body as a JSON object, see ``json``. Raises ``Rejected`` for ``success: false``."""
        body = self.json(deep=deep)
        if not isinstance(body, dict):
            self.fail("a JSON object")
        self._refuse_failure(body)
        return body

    def acknowledge(self) -> None:
        """Check a response of which only the success matters. It may be empty, but not a web page."""
        if _is_html(self.content):
            self.fail("a response of the API")
        if self.content.lstrip().startswith(b"{"):
            self._refuse_failure(self.json())

    def _refuse_failure(self, body: Mapping[str, Any]) -> None:
        # Even a response with status 200 can say that the operation failed.
        if body.get("success") is False:
            said = self.reason()
            raise Rejected(
                f"{self.message_start}: it returned success: false: {said}", status=self.status, reason=said
            )

    def under(self, key: str, kind: type[T], *, deep: bool = False) -> T:
        """Return what the body has under ``key``, which must be of one type."""
        value = self.object(deep=deep).get(key)
        return value if isinstance(value, kind) else self.fail(f"{_KINDS[kind]} under {key!r}")

    def number(self, *keys: str) -> int:
        """Return the number that the body has under one of ``keys``."""
        wanted = " or ".join(map(repr, keys))
        return number(self.object(), *keys) or self.fail(f"a number under {wanted}")

    def listed(self, *keys: str) -> list[dict[str, Any]]:
        """Return the list of objects that is the body, or that is under one of ``keys`` in it."""
        body = listed_in(self.json(), keys)
        if body is None or not all(isinstance(item, dict) for item in body):
            self.fail(f"a list of objects, alone or under {keys[0]!r}")
        return body

    def fail(self, expected: str) -> NoReturn:
        """Raise ``BadAnswer``; ``expected`` completes "expected …"."""
        kind = "an HTML page" if _is_html(self.content) else "something else"
        excerpt = shown(self.scrub(self.content.decode("utf-8", "replace")))
        returned = f"{kind} (status {self.status}): {excerpt}"
        if not self.content.strip():
            returned = f"an empty body (status {self.status})"
        message = f"{self.message_start}: expected {expected}, but the registry returned {returned}"
        raise (BadAnswer if self.is_repeatable else FateUnknown)(message, hint=WRONG_PLACE)

    def reason(self) -> str:
        """Return the message of an error response as one printable line without the API key, or ``""``."""
        return shown(self.scrub(_message(self.content)))

    def is_about_route(self) -> bool:
        """Whether a 404 or 405 means that the route does not exist, and not the item."""
        if self.status != 404:
            return True
        said = _message(self.content).casefold()
        is_generic = _ABOUT_ROUTES.fullmatch(said) is not None
        return is_generic or _is_html(self.content) or _ROUTING_WORDS.search(said) is not None


def has_failed(status: int) -> bool:
    """Whether a registry failed. A 501 says only that it does not have the operation."""
    return status >= 500 and status != 501


def listed_in(body: Any, keys: Sequence[str]) -> list[Any] | None:
    """Return the list that ``body`` is, or that is under one of ``keys`` in it; ``None`` if there is none.

    A list that is null has no items.
    """
    if isinstance(body, dict):
        # A failure may have status 200, with null instead of the list.
        is_null = body.get("success") is not False and any(body.get(key, "") is None for key in keys)
        empty: list[Any] | None = [] if is_null else None
        body = next((body[key] for key in keys if isinstance(body.get(key), list)), empty)
    return body if isinstance(body, list) else None


def shown(text: str, room: int = EXCERPT) -> str:
    """Return a text as one line of at most ``room`` characters, with control characters escaped."""
    # A body can be megabytes long, so only its start is searched for white space.
    line = re.sub(r"\s+", " ", text[: room * 20]).strip()
    cut = line if len(line) <= room else line[: room - 1] + "…"
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in cut
    )


def _decoded(content: bytes) -> Any:
    """Return the value of a JSON text. Raises ``ValueError``, and ``RecursionError`` for a very deep one."""
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:  # it refuses a byte order mark and half of a surrogate pair
        return json.loads(content, parse_constant=_finite, parse_float=_finite)


def _finite(spelling: str) -> float:
    if not math.isfinite(number := float(spelling)):
        raise ValueError(f"JSON has no number {spelling}")
    return number


def _is_html(content: bytes) -> bool:
    start = content[:200].lstrip().lower()
    return start.startswith((b"<!doctype", b"<html", b"<head", b"<body"))


def _message(content: bytes) -> str:
    """Return the first non-empty one of ``message``, ``error`` and ``detail``, otherwise the text itself."""
    text = content.decode("utf-8", "replace")
    # A page is that of a proxy or a login, and its title is the part worth reading.
    if _is_html(content):
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        return title[1] if title else "an HTML page"
    try:
        body = _decoded(content)
    except (ValueError, RecursionError):
        return text
    if is_deeper(body, MAX_BODY_DEPTH):
        return text
    if not isinstance(body, Mapping):
        return body if isinstance(body, str) else text
    said = (_words(body.get(key)) for key in ("message", "error", "detail"))
    return next((words for words in said if words), "")


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(map(_words, value))
    if isinstance(value, dict) and "msg" in value:  # what is wrong, and where
        place = value.get("loc")
        where = ".".join(map(str, place)) if isinstance(place, list) else ""
        return f"{where}: {value['msg']}" if where else str(value["msg"])
    return json.dumps(value, ensure_ascii=False) if value else ""


MAX_VERSION: Final = 1_000_000
"""A registry that claims a higher number is wrong. Without a limit, reading all versions would never end."""


_NOT_CONTENT: Final = ENVELOPE | {"prompt_template", "metadata", "error"}

# No document names an author. The vendor writes users in these ways in its other responses.
_AUTHORS: Final = ("author", "created_by", "created_by_email", "user_name", "user_email")


def version_of(raw: Mapping[str, Any]) -> Version:
    """Return the version in a response, or in an item of the list that is whole."""
    content = prompt_of(raw)
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
    # A file may nest a few levels deeper than the prompt in it; writing one decides that.
    if is_deeper([content.template, content.metadata, content.extra], MAX_DEPTH + 4):
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


def prompt_of(raw: Mapping[str, Any]) -> Prompt:
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


def label_of(raw: Mapping[str, Any], template_id: int | None = None, prompt_name: str | None = None) -> Label:
    """Return one release label. ``template_id`` and ``prompt_name`` fill in what the response leaves out."""
    # The customer's document does not describe labels. The vendor's names come first.
    own_id = number(raw, "prompt_id", "prompt_template_id", "template_id")
    version = number(raw, "prompt_version_number", "version_number", "version")
    return Label(
        name=_needed(text(raw, "release_label", "name", "label"), "release_label"),
        version=_needed(version, "prompt_version_number"),
        label_id=_needed(number(raw, "release_label_id", "id", "label_id"), "release_label_id"),
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
