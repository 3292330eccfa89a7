"""Reading YAML strictly: plain JSON values with their places, or every reason why not.

Values mean what PyYAML takes them to mean. What has no JSON value, or not just one, is refused: dates, tags,
infinity, keys that are no text, keys given twice, several documents in one file, aliases that explode.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from yaml import YAMLError
from yaml.nodes import Node, ScalarNode, SequenceNode

from promptsync.files.errors import InvalidFile
from promptsync.files.yaml import places
from promptsync.files.yaml.scalars import BOOL, DATE, FLOAT, INT, MERGE, NULL, STR, value_of
from promptsync.files.yaml.syntax import MAPPING, SEQUENCE, compose, decode, syntax_problem
from promptsync.prompt.prompt import Problem

MAX_BYTES: Final = 5_000_000
"""Size up to which a file is read at all."""

MAX_DEPTH: Final = 100
"""How deep lists and mappings may nest."""

KeyPath = places.KeyPath


@dataclass(frozen=True, slots=True)
class Loaded:
    """The value of a file, and where its parts stand; lines and columns count from 1."""

    value: Any
    text: str

    def position(self, keypath: KeyPath) -> tuple[int, int]:
        """Return the place of a key or item, or of the nearest thing around it that the file has."""
        return places.position(self.text, keypath)

    def spelling(self, keypath: KeyPath) -> str:
        """Return a scalar as it is written without its quotes, ``""`` for anything else."""
        return places.spelling(self.text, keypath)


def load(data: bytes, path: str) -> Loaded:
    """Return the value of a YAML file; an empty file is ``None``.

    Raises InvalidFile, with ``path`` in all its problems.
    """
    if len(data) > MAX_BYTES:
        raise too_large(len(data), path)
    text = decode(data, path)
    try:
        root = compose(text)
    except (YAMLError, RecursionError) as error:
        raise InvalidFile([syntax_problem(error, text, path)]) from None
    if root is None:
        return Loaded(None, text)
    if "*" in text and "&" in text and _explodes(root, len(text)):
        message = "The aliases (*name) in this file expand to far more than the file itself."
        raise InvalidFile([Problem(path, 1, 1, "yaml-aliases", message, hint="Write the values out.")])
    reader = _Reader(path)
    value = reader.value(root, 1)
    if reader.problems:
        raise InvalidFile(reader.problems)
    return Loaded(value, text)


def too_large(size: int, path: str) -> InvalidFile:
    """Return the error of a file that is too large to be read."""
    message = f"The file has {size:,} bytes; a file of more than {MAX_BYTES:,} bytes is not read."
    return InvalidFile([Problem(path, 1, 1, "file-size", message, hint="Is this a prompt file?")])


def _explodes(root: Node, size: int) -> bool:
    """Whether aliases make a value larger than what is written; a recursive one is endless."""
    left = 20_000 + 2 * size
    waiting = [root]
    while waiting and left > 0:
        node = waiting.pop()
        left -= 1
        if isinstance(node, ScalarNode):
            left -= len(node.value)
        elif isinstance(node, SequenceNode):
            waiting += node.value
        else:
            for pair in node.value:
                waiting += pair
    return left <= 0


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
                self._problem(node, "yaml-nesting", f"Values nest deeper than {MAX_DEPTH} levels.")
                return None
            return self._mapping(node, depth + 1) if tag == MAPPING else self._sequence(node, depth + 1)
        return self._other(node)

    def _sequence(self, node: Node, depth: int) -> list[Any]:
        value = self.value
        return [value(item, depth) for item in node.value]

    def _mapping(self, node: Node, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if key_node.tag != STR:
                key = self._odd_key(key_node)
            elif key in values:
                message = f"The key {key!r} is given twice."
                self._problem(key_node, "yaml-duplicate-key", message, "Keep one of them.")
            values[key] = self.value(value_node, depth)
        return values

    def _other(self, node: Node) -> Any:
        tag, plain = node.tag, node.value
        if tag == MERGE:
            return plain
        if tag in (NULL, BOOL, INT, FLOAT):
            try:
                value = value_of(tag, plain)
            except ValueError:
                self._problem(node, "yaml-number", "The number has too many digits.", "Quote it.")
                return 0
            if tag == FLOAT and not math.isfinite(value):
                self._problem(node, "yaml-number", f"{plain} is not a number that JSON has.", "Quote it.")
            return value
        if tag == DATE:
            self._problem(node, "yaml-date", f"{plain} is a date in YAML, not text.", f'Quote it: "{plain}".')
            return plain
        shown = tag.replace("tag:yaml.org,2002:", "!!")
        self._problem(
            node, "yaml-tag", f"The tag {shown} is not allowed: values are plain data.", "Remove it."
        )
        return None

    def _odd_key(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            message = "A key must be text, but this is a list or a mapping."
            hint = 'Text that starts with { or [ must be quoted, such as "{{ question }}".'
            self._problem(node, "yaml-key", message, hint)
        elif node.tag == MERGE:
            message = "Merge keys (<<) are not supported."
            self._problem(node, "yaml-key", message, "Write the keys out.")
        else:
            article = {NULL: "null", BOOL: "a boolean", INT: "a number", FLOAT: "a number", DATE: "a date"}
            what = article.get(node.tag, "no plain text")
            message = f"The key {node.value or '(nothing)'} is {what} in YAML; keys are text."
            self._problem(node, "yaml-key", message, f'Quote it: "{node.value}".')
        return str(node.value)

    def _problem(self, node: Node, rule: str, message: str, hint: str = "") -> None:
        mark = node.start_mark
        self.problems.append(Problem(self.path, mark.line + 1, mark.column + 1, rule, message, hint=hint))
