"""Reads YAML strictly: plain JSON values with their places, or every problem.

Values mean what they mean to PyYAML. Whatever is not exactly one JSON value is rejected: dates, tags,
infinity, keys that are not text, duplicate keys, several documents in a file, aliases that explode.
"""

from __future__ import annotations

import math
from functools import lru_cache
from sys import intern
from typing import IO, Any, Final

from msgspec import Struct
from yaml import YAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from promptsync.files.errors import InvalidFile
from promptsync.files.yaml.syntax import (
    BOOL,
    DATE,
    FLOAT,
    INT,
    MAPPING,
    MERGE,
    NESTING,
    NULL,
    SEQUENCE,
    STR,
    compose,
    decode,
    shortened,
    syntax_problem,
    value_of,
)
from promptsync.prompt.limits import MAX_DEPTH
from promptsync.prompt.prompt import KeyPath, Problem

MAX_BYTES: Final = 5_000_000
"""The largest file that is read."""

_MOST_FILES: Final = 65_536

_KEY_KINDS: Final = {
    NULL: "null",
    BOOL: "a boolean",
    INT: "a number",
    FLOAT: "a number",
    DATE: "a date",
    MERGE: "a merge of other keys, which is not supported",
}


class Loaded(Struct, frozen=True):
    """The value of a file, and the text that it was read from."""

    value: Any
    text: str


def load(data: bytes, path: str) -> Loaded:
    """Return the value of a YAML file; that of an empty file is ``None``.

    Raises InvalidFile, whose problems all name ``path``.
    """
    loaded, problems = load_all(data, path)
    if problems:
        raise InvalidFile(problems)
    return loaded


def load_all(data: bytes, path: str) -> tuple[Loaded, list[Problem]]:
    """Return what ``load`` does, and what could not be read of it. Raises InvalidFile if nothing could."""
    if len(data) > MAX_BYTES:
        raise too_large(path)
    text = decode(data, path)
    try:
        root = compose(text)
    except (YAMLError, RecursionError) as error:
        raise InvalidFile([syntax_problem(error, text, path)]) from None
    if root is None:
        return Loaded(None, text), []
    if "*" in text and "&" in text and _explodes(root, len(text)):
        message = "The aliases (*name) in this file expand to far more than the file itself."
        raise InvalidFile.at(path, "yaml-aliases", message, "Write the values out.")
    reader = _Reader(path)
    return Loaded(reader.value(root, 1), text), reader.problems


def read(file: IO[bytes], path: str, most: int = MAX_BYTES) -> bytes:
    """Return the content of a file or a stream. Raises InvalidFile if it is too large, and ``OSError``."""
    # Python sets aside as much memory as a read may return, so most files are read at once in a small one.
    data = file.read(_MOST_FILES)
    data += file.read(most + 1 - _MOST_FILES) if len(data) == _MOST_FILES else b""
    if len(data) > most:
        raise too_large(path, most)
    return data


def too_large(path: str, most: int = MAX_BYTES) -> InvalidFile:
    """Return the error for a file that is too large to be read."""
    message = f"The file is too large; the limit is {most:,} bytes."
    return InvalidFile.at(path, "file-size", message, "Is this a prompt file?")


def position(text: str, keypath: KeyPath) -> tuple[int, int]:
    """Return the line and column, from 1, of a key or item of a YAML text such as ``("messages", 0)``.

    When there is no such place it is the nearest thing around it.
    """
    place = value = _root(text)
    for part in keypath:
        entries: dict[Any, tuple[Node, Node]] = {}
        if isinstance(value, MappingNode):
            # Of a key that appears twice, the last one has the value that was read.
            entries = {key.value: (key, item) for key, item in value.value if isinstance(key, ScalarNode)}
        elif isinstance(value, SequenceNode):
            entries = {index: (item, item) for index, item in enumerate(value.value)}
        if part not in entries:
            break
        place, value = entries[part]
    return (place.start_mark.line + 1, place.start_mark.column + 1) if place is not None else (1, 1)


# Positions are needed in few files, and keeping the nodes of all of them is costly.
_root: Final = lru_cache(maxsize=4)(compose)


def _explodes(root: Node, size: int) -> bool:
    """Whether aliases make a value far larger than the text; a recursive one is endless."""
    # Each node is visited as often as aliases lead to it, until a budget for ordinary files is used up.
    budget = 20_000 + 2 * size
    waiting = [root]
    while waiting and budget > 0:
        node = waiting.pop()
        budget -= 1
        if isinstance(node, ScalarNode):
            budget -= len(node.value)
        elif isinstance(node, SequenceNode):
            waiting += node.value
        else:
            for pair in node.value:
                waiting += pair
    return budget <= 0


class _Reader:
    """One pass over the nodes of a file; ``problems`` collects what is wrong with them."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def value(self, node: Node, depth: int) -> Any:
        tag = node.tag
        if tag == STR:
            return node.value
        if tag in (MAPPING, SEQUENCE):
            if depth > MAX_DEPTH:
                self._problem(node, "yaml-nesting", NESTING)
                return None
            if tag == MAPPING:
                return self._mapping(node, depth + 1)
            return [self.value(item, depth + 1) for item in node.value]
        return self._other(node)

    def _mapping(self, node: Node, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if key_node.tag != STR:
                key = self._odd_key(key_node)
            elif key in values:
                message = f"The key {shortened(key)!r} appears twice."
                self._problem(key_node, "yaml-duplicate-key", message, "Keep one of them.")
            # Thousands of files have the same keys.
            values[intern(key)] = self.value(value_node, depth)
        return values

    def _other(self, node: Node) -> Any:
        """Return the value of an unquoted scalar that is not text, or report why it has none."""
        tag, spelled = node.tag, shortened(node.value) if isinstance(node, ScalarNode) else ""
        # Only as a key << means a merge. As a value it is text.
        if tag == MERGE:
            return node.value
        if tag == DATE:
            message = f"YAML reads {spelled} as a date, not text."
            self._problem(node, "yaml-date", message, f'Quote it: "{spelled}".')
            return node.value
        if tag not in (NULL, BOOL, INT, FLOAT):
            shown = shortened(tag.replace("tag:yaml.org,2002:", "!!"))
            message = f"The tag {shown} is not allowed: values are plain data."
            self._problem(node, "yaml-tag", message, "Remove it.")
            return None
        try:
            value = value_of(tag, node.value)
        except (ValueError, OverflowError):
            self._problem(node, "yaml-number", "The number has too many digits.", "Quote it.")
            return 0
        if isinstance(value, float) and not math.isfinite(value):
            self._problem(node, "yaml-number", f"JSON has no number {spelled}.", "Quote it.")
        return value

    def _odd_key(self, node: Node) -> str:
        if isinstance(node, ScalarNode):
            spelled = shortened(node.value) or "(nothing)"
            kind = _KEY_KINDS.get(node.tag, "a tagged value")
            message = f"YAML reads the key {spelled} as {kind}, but a key must be text."
            self._problem(node, "yaml-key", message, f'Quote it: "{spelled}".')
            return str(node.value)
        message = "A key must be text, but this is a list or a mapping."
        hint = 'Text that starts with { or [ must be quoted, such as "{{ question }}".'
        self._problem(node, "yaml-key", message, hint)
        return ""

    def _problem(self, node: Node, rule: str, message: str, hint: str = "") -> None:
        mark = node.start_mark
        self.problems.append(Problem(self.path, mark.line + 1, mark.column + 1, rule, message, hint=hint))
