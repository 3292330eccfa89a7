"""Reads YAML strictly: plain JSON values with their places, or every problem.

Values mean what they mean to PyYAML. Whatever is not exactly one JSON value is rejected: dates, tags,
infinity, keys that are not text, duplicate keys, several documents in a file, aliases that explode.
libyaml parses where PyYAML was built with it; otherwise its Python parser does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from sys import intern
from typing import IO, Any, Final

import yaml
from msgspec import Struct
from yaml import YAMLError
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import Reader
from yaml.resolver import BaseResolver, Resolver

from promptsync.errors import AnswerIsNo
from promptsync.prompt.limits import MAX_DEPTH
from promptsync.prompt.prompt import KeyPath, Problem, conflict_in, line_and_column

STR: Final = " str"
NULL: Final = " null"
BOOL: Final = " bool"
INT: Final = " int"
FLOAT: Final = " float"
DATE: Final = " timestamp"
MERGE: Final = " merge"
MAPPING: Final = " mapping"
SEQUENCE: Final = " sequence"

_KINDS: Final = {f"tag:yaml.org,2002:{kind.strip()}": kind for kind in (NULL, BOOL, INT, FLOAT, DATE, MERGE)}
_PATTERNS: Final = Resolver.yaml_implicit_resolvers
"""PyYAML's own rules: a first character to the tags and patterns that it can begin."""
_CONSTRUCTOR: Final = SafeConstructor()
_READERS: Final = {
    NULL: _CONSTRUCTOR.construct_yaml_null,
    BOOL: _CONSTRUCTOR.construct_yaml_bool,
    INT: _CONSTRUCTOR.construct_yaml_int,
    FLOAT: _CONSTRUCTOR.construct_yaml_float,
}

_MAX_NUMBER: Final = 1_000
"""Longest spelling of a number. Python takes long for millions of digits, and JSON has at most 4,300."""

NESTING: Final = f"Values nest deeper than {MAX_DEPTH} levels."

_MOST_SHOWN: Final = 80

_HINTS: Final = {
    "cannot start any token": 'Text that starts with this character must be quoted: "..." or a | block.',
    "mapping values are not": 'Text with a ": " in it must be quoted, or written as a | block.',
    "could not find expected": "A key needs a colon and a space after it; check the indentation.",
    "Unicode character escape": "This escape is half of a character: write the character itself.",
    "unknown escape": "In double quotes a backslash starts an escape: write \\\\ or use a | block.",
    "a quoted scalar": "This quote is never closed.",
    "expected": "Check the indentation of this line, and the quotes and brackets on the line before.",
    "undefined alias": "Text that starts with * must be quoted.",
    "control characters": 'Write it as an escape in double quotes, such as "\\u0007".',
}
"""Hints by what the parser says, the first that fits; a document that is not single is the file's second."""

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


class InvalidFile(AnswerIsNo):
    """A file is invalid. ``problems`` are all the reasons, in the order of the file."""

    code = "invalid-file"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        first, count = self.problems[0], len(self.problems)
        place = f"{first.path}:{first.line}:{first.column}"
        if count > 1:
            message, hint = f"{count} problems, the first at {place}", "fix each of the lines listed above"
            super().__init__(message, hint=hint, details=[text_of(problem) for problem in self.problems])
        else:
            super().__init__(f"{place}: {first.message}", hint=first.hint)

    @classmethod
    def at(
        cls, path: str, rule: str, message: str, hint: str = "", place: tuple[int, int] = (1, 1)
    ) -> InvalidFile:
        """Return the error for a single problem; ``place`` is its line and column."""
        return cls([Problem(path, *place, rule, message, hint=hint)])


def check_valid(problems: Iterable[Problem]) -> None:
    """Raise ``InvalidFile`` if there are problems."""
    if found := tuple(problems):
        raise InvalidFile(found)


def text_of(problem: Problem) -> str:
    """Return a problem as one line: the place, the message and the hint."""
    hint = f" {problem.hint}" if problem.hint else ""
    return f"{problem.path}:{problem.line}:{problem.column}: {problem.message}{hint}"


# The leading blank keeps them apart from every tag that a file can contain.


def load(data: bytes, path: str) -> Loaded:
    """Return the value of a YAML file; that of an empty file is ``None``.

    Raises InvalidFile, whose problems all name ``path``.
    """
    loaded, problems = load_all(data, path)
    check_valid(problems)
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
            if len(node.value) > _MAX_NUMBER and tag in (INT, FLOAT):
                raise ValueError
            value = _READERS[tag](ScalarNode(tag="", value=node.value))
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


def shortened(text: str) -> str:
    """Return a text of the file as a message quotes it."""
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def kind_of(plain: str) -> str:
    """Return what an unquoted value is: ``STR`` or one of the other kinds above."""
    for tag, pattern in _PATTERNS.get(plain[:1], ()):
        if pattern.fullmatch(plain):
            return _KINDS.get(tag, STR)
    return STR


class _Resolver(BaseResolver):
    """Gives nodes tags of our own, which no explicit tag in a file can equal."""

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        if kind is ScalarNode:
            # The first flag is true for an unquoted scalar without a tag, whose kind depends on its text.
            text = value or ""
            return kind_of(text) if implicit[0] and text[:1] in _PATTERNS else STR
        return MAPPING if kind is MappingNode else SEQUENCE


Loader: Final[Any] = type("Loader", (_Resolver, getattr(yaml, "CBaseLoader", yaml.BaseLoader)), {})
EVENTS: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader for reading single events."""


def compose(text: str) -> Node | None:
    """Return the root node of a document, ``None`` for an empty one. Raises yaml.YAMLError."""
    root: Node | None = Loader(text).get_single_node()
    return root


# Positions are needed in few files, and keeping the nodes of all of them is costly.
_root: Final = lru_cache(maxsize=4)(compose)


def decode(data: bytes, path: str) -> str:
    """Return the text of a file. Raises InvalidFile when it is not plain UTF-8."""
    rule, hint = "file-encoding", "Save the file as UTF-8 without a byte order mark."
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise InvalidFile.at(path, rule, "The file starts with a byte order mark.", hint)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(errors="replace")
        place = line_and_column(before, len(before))
        message = f"The byte 0x{data[error.start]:02X} is not UTF-8."
        raise InvalidFile.at(path, rule, message, hint, place) from None
    if (nul := text.find("\0")) >= 0:
        message = "The file contains a NUL byte, so it is not a text file."
        raise InvalidFile.at(path, rule, message, place=line_and_column(text, nul))
    return text


def syntax_problem(error: Exception, text: str, path: str) -> Problem:
    """Return the problem for an error of the YAML parser."""
    if (conflict := conflict_in(text)) is not None:
        line, column = line_and_column(text, conflict)
        message = "Git conflict markers: both sides of a merge are in this file."
        hint = f"edit {path}:{line}: choose a side and delete the marker lines"
        return Problem(path, line, column, "conflict-markers", message, hint=hint)
    if isinstance(error, RecursionError) or "nesting depth" in str(error):
        return Problem(path, 1, 1, "yaml-nesting", NESTING)
    message = ", ".join(part for name in ("context", "problem") if (part := getattr(error, name, None)))
    marks = [getattr(error, name, None) for name in ("problem_mark", "context_mark")]
    if "end of stream" in message:
        marks.reverse()  # what is never closed is reported where it opens
    mark = next(filter(None, marks), None)
    if mark is not None:
        line, column = mark.line + 1, mark.column + 1
    else:
        message = "control characters are not allowed"
        odd = Reader.NON_PRINTABLE.search(text)
        line, column = line_and_column(text, odd.start() if odd is not None else 0)
    hint = next((hint for sign, hint in _HINTS.items() if sign in message), "")
    if "a single document" in message:
        hint = "A file holds one prompt: remove the --- or split the file."
    if "cannot start any token" in message:
        char = text.splitlines()[line - 1][column - 1 :][:1]
        message = f"a value cannot start with {char!r}"
        hint = "Indent with spaces, not with tabs." if char == "\t" else hint
    return Problem(path, line, column, "yaml-syntax", f"This is not valid YAML: {message}.", hint=hint)
