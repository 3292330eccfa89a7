"""What a prompt is, in files and in the registry: the types, and the texts in a template."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct, field

KeyPath = tuple[str | int, ...]
"""Where a value is in a document, such as ``("messages", 0, "content")``."""

MAX_NAME = 512
"""Longest prompt name that the registry accepts, in code points."""

MAX_MESSAGE = 72
"""Longest commit message that the registry accepts, in code points."""


class Prompt(Struct, frozen=True):
    """The content of one prompt in the registry's own shapes.

    ``template`` always has a ``type`` (``chat`` or ``completion``), and its messages or content are lists of
    blocks; nothing is normalized. ``metadata`` includes the ``model`` key, and is ``{}`` if there is none.
    ``tags`` belong to the prompt, not to a version. ``extra`` has the version's fields that promptsync does
    not know.
    """

    name: str
    template: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs(self) -> str | None:
        """What the application must have to use this version, as in ``app >= 2.4``; ``None`` if not said."""
        needs = self.metadata.get("needs")
        return needs if isinstance(needs, str) and needs else None

    @property
    def may_be_snippet(self) -> bool:
        """Whether other prompts may render it: only completion prompts can be snippets."""
        return self.template.get("type") == "completion"


class Local(Struct, frozen=True):
    """The keys of a prompt file that are not content: never published, never part of the digest.

    ``synced`` maps the name of a remote to the versions that the text includes, spelled as in
    ``history.synced_key``; ``""`` is the default remote, for a file whose ``synced:`` is not a mapping.
    """

    evaluations: tuple[str, ...] = ()
    agents: tuple[Mapping[str, Any], ...] = ()
    examples: tuple[Mapping[str, Any], ...] = ()
    synced: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Label(Struct, frozen=True):
    """A release label of one prompt. Without ``label_id`` it can be compared, and not be moved or deleted."""

    name: str
    version: int
    label_id: int | None
    template_id: int | None = None
    prompt_name: str | None = None


class Problem(Struct, frozen=True, order=True):
    """Something wrong at a place in a file. ``line`` and ``column`` start at 1; ``rule`` is a stable id."""

    path: str
    line: int
    column: int
    rule: str
    message: str
    severity: str = "error"
    hint: str = ""


def kind_of(template: Mapping[str, Any]) -> Literal["chat", "completion"]:
    """Return what a template is: its ``type``, or what its other keys say if the type is missing."""
    kind = template.get("type")
    if kind == "chat" or kind == "completion":
        return "chat" if kind == "chat" else "completion"
    return "completion" if "content" in template and "messages" not in template else "chat"


def as_blocks(content: Any) -> Any:
    """Return content as a list of blocks: a string means one text block. Anything else stays as it is."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def as_text(blocks: list[Any]) -> Any:
    """Return the text of a list that is one block with nothing but a text, otherwise the list."""
    match blocks:
        # A further key, such as an id or an annotation, has no place in a string.
        case [{"type": "text", "text": str(text), **more}] if not more:
            return text
    return blocks


def function_name(tool: Any) -> str | None:
    """Return the name of the function that a tool defines, if it defines one."""
    function = tool.get("function") if isinstance(tool, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    return name if isinstance(name, str) else None


_PLAIN_KEY: Final = re.compile(r"[^\W\d][\w-]*")


def readable(path: KeyPath) -> str:
    """Return a path as text: ``messages[1].content``, ``metadata["a.b"]``."""
    parts: list[str] = []
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        elif not _PLAIN_KEY.fullmatch(part):
            parts.append(f"[{json.dumps(part, ensure_ascii=False)}]")
        else:
            parts.append(f".{part}" if parts else part)
    return "".join(parts)


def _copier(*, nulls: bool, integral: bool) -> Callable[[Any], Any]:
    """Return a function that copies JSON; ``integral`` makes ``1.0`` a ``1``."""

    def copy(value: Any) -> Any:
        if isinstance(value, str):
            return value
        if isinstance(value, Mapping):
            return {key: copy(item) for key, item in value.items() if nulls or item is not None}
        if isinstance(value, list | tuple):
            return [copy(item) for item in value]
        return int(value) if integral and isinstance(value, float) and value.is_integer() else value

    return copy


copied: Final = _copier(nulls=True, integral=False)
"""Copies user JSON, nulls included."""
without_nulls: Final = _copier(nulls=False, integral=False)
"""Copies JSON without the keys whose value is null."""
plain: Final = _copier(nulls=True, integral=True)
"""Copies user JSON for a comparison: ``1.0`` becomes ``1``."""
clean: Final = _copier(nulls=False, integral=True)
"""Copies JSON for a comparison: ``1.0`` becomes ``1``, and keys whose value is null are dropped."""


class Version(msgspec.Struct, frozen=True):
    """One immutable version of a prompt. The version stands for the prompt where the latest one is meant.

    A version that was read by itself has its snippet references unexpanded. In the registry's list they may
    be expanded: there an equal body means an equal prompt, but a different one may not mean a different
    prompt, and ``author``, ``created_at`` and ``workspace_id`` may be missing. ``problem`` is why the body
    cannot be used; then ``prompt`` has only the name and the tags.
    """

    template_id: int
    version: int
    prompt: Prompt
    message: str | None = None
    created_at: str | None = None
    author: str | None = None
    workspace_id: int | None = None
    is_snippet: bool = False
    problem: str = ""

    @property
    def name(self) -> str:
        return self.prompt.name


class State(StrEnum):
    """How the two sides of one prompt relate; the first five are about their texts alone.

    ``ALTERED`` means that the file is what was published, and that the registry stored something else.
    """

    IN_SYNC = "in-sync"
    AHEAD = "ahead"
    BEHIND = "behind"
    DIVERGED = "diverged"
    ALTERED = "altered"
    CONFLICT = "conflict"
    NEW = "new"
    REMOTE_ONLY = "remote-only"
    DELETED_LOCALLY = "deleted-locally"
    DELETED_REMOTELY = "deleted-remotely"
    RENAMED_REMOTELY = "renamed-remotely"
    INVALID = "invalid"
    UNKNOWN = "unknown"


def tag_set(prompt: Prompt) -> frozenset[str]:
    """Return the tags as a set: their order means nothing. The digest does not cover them."""
    return frozenset(prompt.tags)


def merged_tags(base: frozenset[str], ours: frozenset[str], theirs: frozenset[str]) -> frozenset[str]:
    """Return the tags that both sides kept or that either side added. Tags never conflict."""
    return ((ours | theirs) - base) | (base & ours & theirs)


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return the line and column, from 1, of a place in a text."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


_MARKERS: Final = tuple(re.compile(f"^{sign}{{7}}(?: [^\n]*)?\r?(?:\n|\\Z)", re.MULTILINE) for sign in "<=>")
_LEFT_OVER: Final = re.compile(r"^(?:<{7} yours|>{7} (?:registry )?v\d+)\r?$", re.MULTILINE)
"""A marker that a pull wrote. Nobody means such a line, so each of them alone shows a conflict."""


def conflict_in(text: str) -> int | None:
    """Return where the markers of a merge start, git's or those of a pull; ``None`` if there are none."""
    if "<<<<<<<" not in text and ">>>>>>>" not in text:
        return None
    start, end = None, 0
    # All three in order, because a Markdown heading can be underlined with ======= too.
    for marker in _MARKERS:
        match = marker.search(text, end)
        if match is None:
            return match.start() if (match := _LEFT_OVER.search(text)) is not None else None
        start, end = match.start() if start is None else start, match.end()
    return start


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


def leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield every value that is neither an object nor a list, in document order."""
    if not isinstance(value, Mapping | list | tuple):
        yield path, value
        return
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        yield from leaves(item, (*path, key))


def strings(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value, except the keys of objects, in document order."""
    return (leaf for _, leaf in leaves(value) if isinstance(leaf, str))


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return ``value`` if it is an object, otherwise an empty one."""
    return value if isinstance(value, Mapping) else {}
