"""What the rules look at: a prompt file with the places of its values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Protocol

from msgspec import Struct, field

from promptsync.lint.rules import RULES, Severity
from promptsync.prompt.prompt import KeyPath, Local, Problem, Prompt
from promptsync.prompt.texts import Text, texts_of

KEY = r"(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|[^\s\"'\[\]{},:][^:#\n]*?)\s*:(?:\s+|$)"
"""A key of a YAML mapping with its colon."""

_BLOCK_SCALAR = re.compile(rf"(?:-\s+)*(?:{KEY})?([|>])[-+1-9]{{0,2}}\s*(?:#.*)?")


class Located(Protocol):
    """A prompt file that has been read.

    ``position`` returns the line and column, from 1, of a key or item such as ``("messages", 0, "content")``;
    it may raise ``LookupError`` when there is no such place.
    """

    @property
    def path(self) -> Any: ...
    @property
    def text(self) -> str: ...
    @property
    def prompt(self) -> Prompt: ...
    @property
    def local(self) -> Local: ...
    def position(self, keypath: KeyPath, /) -> tuple[int, int]: ...


class KnownPrompts(Struct, frozen=True):
    """What is known beside the files under check.

    ``templates`` are the other prompts of the repository by name. ``registry`` are the names in the registry,
    ``None`` when they were not fetched. ``partial`` says that ``include`` leaves out some of its prompts, so
    that a snippet without a file may well exist; not so if its file is ``gone`` since the last commit.
    ``unreadable`` are prompts whose files cannot be read: they are reported themselves, and references to
    them are not.
    """

    templates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    registry: frozenset[str] | None = None
    partial: bool = False
    gone: frozenset[str] = frozenset()
    unreadable: frozenset[str] = frozenset()


class Subject:
    """A file under check, with what several rules need, computed once."""

    def __init__(self, file: Located) -> None:
        self.file = file
        self.prompt = file.prompt
        self.template = file.prompt.template

    @cached_property
    def texts(self) -> list[Text]:
        return texts_of(self.template)

    @cached_property
    def lines(self) -> list[str]:
        return self.file.text.split("\n")

    def problem(
        self,
        rule: str,
        path: KeyPath,
        message: str,
        *,
        hint: str = "",
        severity: Severity | None = None,
        within: tuple[int, int | None] | None = None,
    ) -> Problem:
        """Return a problem at a path, or at a line and column ``within`` the text at that path."""
        line, column = self.place(path, within) if within else self.position(path)
        level = severity or RULES[rule].severity
        return Problem(str(self.file.path), line, column, rule, message, level, hint)

    def position(self, path: KeyPath) -> tuple[int, int]:
        """Return the place of a value, or of the nearest thing around it that the file has."""
        while path:
            try:
                return self.file.position(path)
            except LookupError:
                path = path[:-1]
        return 1, 1

    def in_metadata(self, path: KeyPath) -> KeyPath:
        """Return where a part of the model is: at the top of a file, unless it is in the metadata."""
        below = self.position(("metadata", "model")) != self.position(("metadata",))
        return ("metadata", *path) if below else path

    def place(self, path: KeyPath, within: tuple[int, int | None]) -> tuple[int, int]:
        """Return the place in the file of a line and column of a text.

        Only a literal block keeps the lines of a text; in any other style this is the place of the text.
        """
        line, column = self.position(path)
        # The position is that of the key, so the rest of its line is the key and what follows it.
        header = self.lines[line - 1][column - 1 :] if line <= len(self.lines) else ""
        block = _BLOCK_SCALAR.fullmatch(header.rstrip("\r"))
        if block is None or block[1] == ">":
            return line, column
        target, offset = within
        # The first line with text shows how far the block is indented.
        body = next((text for text in self.lines[line:] if text.strip()), "")
        indent = len(body) - len(body.lstrip(" "))
        return line + target, indent + (offset or 1)


def messages_of(template: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the messages that are objects, with their indexes."""
    return blocks_of(template.get("messages"))


def blocks_of(content: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the content blocks that are objects, with their indexes."""
    if isinstance(content, list | tuple):
        for index, block in enumerate(content):
            if isinstance(block, Mapping):
                yield index, block


def leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield every value that is neither an object nor a list, in document order."""
    waiting = [(path, value)]
    while waiting:
        at, item = waiting.pop()
        inner: list[tuple[KeyPath, Any]]
        if isinstance(item, Mapping):
            inner = [((*at, key), child) for key, child in item.items()]
        elif isinstance(item, list | tuple):
            inner = [((*at, index), child) for index, child in enumerate(item)]
        else:
            yield at, item
            continue
        waiting.extend(reversed(inner))
