"""From bytes to YAML nodes, with errors that say where and what to do.

libyaml parses where PyYAML was built with it; otherwise its Python parser does, and accepts the same files.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode
from yaml.reader import Reader
from yaml.resolver import BaseResolver, Resolver
from yaml.scanner import ScannerError

from promptsync.files.errors import InvalidFile
from promptsync.prompt.limits import MAX_DEPTH
from promptsync.prompt.prompt import Problem

# The leading blank keeps them apart from every tag that a file can contain.
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

EVENTS: Final[Any] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
"""The loader for reading single events."""

_MARKERS: Final = tuple(re.compile(f"^{sign}{{7}}(?: [^\n]*)?\r?(?:\n|\\Z)", re.MULTILINE) for sign in "<=>")

_MOST_SHOWN: Final = 80

_HINTS: Final = {
    "cannot start any token": 'Text that starts with this character must be quoted: "..." or a | block.',
    "mapping values are not": 'Text with a ": " in it must be quoted, or written as a | block.',
    "could not find expected": "A key needs a colon and a space after it; check the indentation.",
    "unknown escape": "In double quotes a backslash starts an escape: write \\\\ or use a | block.",
    "a quoted scalar": "This quote is never closed.",
    "expected": "Check the indentation of this line, and the quotes and brackets on the line before.",
    "undefined alias": "Text that starts with * must be quoted.",
    "control characters": 'Write it as an escape in double quotes, such as "\\u0007".',
}
"""Hints by what the parser says, the first that fits; a document that is not single is the file's second."""


def shortened(text: str) -> str:
    """Return a text of the file as a message quotes it."""
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def kind_of(plain: str) -> str:
    """Return what an unquoted value is: ``STR`` or one of the other kinds above."""
    for tag, pattern in _PATTERNS.get(plain[:1], ()):
        if pattern.fullmatch(plain):
            return _KINDS.get(tag, STR)
    return STR


def value_of(kind: str, plain: str) -> Any:
    """Return the value of an unquoted ``null``, ``bool``, ``int`` or ``float``.

    Raises ValueError for a number with too many digits, and OverflowError for one that is too large.
    """
    if len(plain) > _MAX_NUMBER and kind in (INT, FLOAT):
        raise ValueError(f"a number of {len(plain)} characters")
    return _READERS[kind](ScalarNode(tag="", value=plain))


class _Resolver(BaseResolver):
    """Gives nodes tags of our own, which no explicit tag in a file can equal."""

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        if kind is ScalarNode:
            # The first flag is true for an unquoted scalar without a tag, whose kind depends on its text.
            text = value or ""
            return kind_of(text) if implicit[0] and text[:1] in _PATTERNS else STR
        return MAPPING if kind is MappingNode else SEQUENCE


class PythonLoader(_Resolver, yaml.BaseLoader):
    """Composes nodes without the C library."""

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        """Refuse what the C parser refuses: an escaped lone surrogate."""
        if value and re.search("[\ud800-\udfff]", value):
            raise ScannerError(None, None, "found invalid Unicode character escape code", self.get_mark())
        return super().resolve(kind, value, implicit)


Loader: Any = PythonLoader
if yaml.__with_libyaml__:
    Loader = type("CLoader", (_Resolver, yaml.CBaseLoader), {})


def compose(text: str) -> Node | None:
    """Return the root node of a document, ``None`` for an empty one. Raises yaml.YAMLError."""
    root: Node | None = Loader(text).get_single_node()
    return root


def decode(data: bytes, path: str) -> str:
    """Return the text of a file. Raises InvalidFile when it is not plain UTF-8."""
    rule, hint = "file-encoding", "Save the file as UTF-8 without a byte order mark."
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise InvalidFile.at(path, rule, "The file starts with a byte order mark.", hint)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(errors="replace")
        message = f"The byte 0x{data[error.start]:02X} is not UTF-8."
        raise InvalidFile.at(path, rule, message, hint, _end_of(before)) from None
    before, nul, _ = text.partition("\0")
    if nul:
        message = "The file contains a NUL byte, so it is not a text file."
        raise InvalidFile.at(path, rule, message, place=_end_of(before))
    return text


def syntax_problem(error: Exception, text: str, path: str) -> Problem:
    """Return the problem for an error of the YAML parser."""
    if (conflict := _conflict(text)) is not None:
        line, column = _end_of(text[:conflict])
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
        line, column = _end_of(Reader.NON_PRINTABLE.split(text, maxsplit=1)[0])
    hint = next((hint for sign, hint in _HINTS.items() if sign in message), "")
    if "a single document" in message:
        hint = "A file holds one prompt: remove the --- or split the file."
    if "cannot start any token" in message:
        char = text.splitlines()[line - 1][column - 1 :][:1]
        message = f"a value cannot start with {char!r}"
        hint = "Indent with spaces, not with tabs." if char == "\t" else hint
    return Problem(path, line, column, "yaml-syntax", f"This is not valid YAML: {message}.", hint=hint)


def _conflict(text: str) -> int | None:
    """Return where git's markers around the two sides of a merge start, ``None`` if there are none."""
    start, end = None, 0
    for marker in _MARKERS:
        match = marker.search(text, end)
        if match is None:
            return None
        start, end = match.start() if start is None else start, match.end()
    return start


def _end_of(before: str) -> tuple[int, int]:
    """Return the line and column that follow a text."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")
