"""From bytes to YAML nodes, with errors that say where and what to do.

The C parser does the work; the Python one, which accepts and refuses the same files, stands in without it.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml
from yaml.composer import Composer
from yaml.nodes import MappingNode, Node, ScalarNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError

from promptsync.files.errors import InvalidFile
from promptsync.files.yaml.scalars import STR, kind_of
from promptsync.prompt.prompt import Problem

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
MAPPING: Final = " mapping"
SEQUENCE: Final = " sequence"

_UNPRINTABLE: Final = r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
_TAB_HINT: Final = "Indent with spaces, not with tabs."
_HINTS: Final = (
    (
        "that cannot start any token",
        'Text that starts with this character must be quoted: "..." or a | block.',
    ),
    ("mapping values are not allowed", 'Text with a ": " in it must be quoted, or written as a | block.'),
    ("could not find expected ':'", "A key needs a colon and a blank after it; check the indentation."),
    (
        "found unknown escape character",
        "In double quotes a backslash starts an escape: write \\\\ or use a | block.",
    ),
    ("invalid Unicode character escape code", "Write the character itself instead of its surrogates."),
    ("expected <block end>", "Check the indentation of this line, and the quotes of the one before."),
    ("did not find expected", "Check the indentation, and the quotes and brackets before this line."),
    ("while scanning a quoted scalar", "A quote is opened and never closed."),
    ("undefined alias", "Text that starts with * must be quoted."),
    ("control characters are not allowed", 'Write it as an escape in double quotes, such as "\\u0007".'),
    ("expected a single document", "One file holds one prompt: remove the --- or split the file."),
)


class _Resolver:
    """Gives nodes short tags of our own, so that a tag that was written out is never taken for one."""

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        if kind is ScalarNode:
            return kind_of(value or "") if implicit[0] else STR
        return MAPPING if kind is MappingNode else SEQUENCE

    def descend_resolver(self, _parent: Node | None, _index: Any) -> None:
        """Tags here do not depend on the place in the document."""

    def ascend_resolver(self) -> None:
        """See descend_resolver."""

    def dispose(self) -> None:
        """Nothing is held."""


class PythonLoader(Reader, Scanner, Parser, Composer, _Resolver):
    """Composes nodes without the C library."""

    def __init__(self, stream: str) -> None:
        Reader.__init__(self, stream)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)

    descend_resolver = _Resolver.descend_resolver
    ascend_resolver = _Resolver.ascend_resolver

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        """Refuse what the C parser refuses: half a character, written as an escape."""
        if value and _SURROGATE.search(value):
            raise ScannerError(None, None, "found invalid Unicode character escape code", self.get_mark())
        return _Resolver.resolve(self, kind, value, implicit)


Loader: Any = PythonLoader
if yaml.__with_libyaml__:
    from yaml._yaml import CParser

    class CLoader(_Resolver, CParser):
        """Composes nodes with libyaml."""

    Loader = CLoader


def compose(text: str) -> Node | None:
    """Return the root node of a document, ``None`` for an empty one. Raises yaml.YAMLError."""
    root: Node | None = Loader(text).get_single_node()
    return root


def decode(data: bytes, path: str) -> str:
    """Return the text of a file. Raises InvalidFile when it is not plain UTF-8."""
    hint = "Save the file as UTF-8 without a byte order mark."
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise InvalidFile(
            [Problem(path, 1, 1, "file-encoding", "The file starts with a byte order mark.", hint=hint)]
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line, column = _place(data[: error.start].decode(errors="replace"))
        message = f"The byte 0x{data[error.start]:02X} is not UTF-8."
        raise InvalidFile([Problem(path, line, column, "file-encoding", message, hint=hint)]) from None
    if "\0" in text:
        line, column = _place(text[: text.index("\0")])
        message = "The file holds a NUL byte: it is not a text file."
        raise InvalidFile([Problem(path, line, column, "file-encoding", message)])
    return text


def syntax_problem(error: Exception, text: str, path: str) -> Problem:
    """Return the problem for an error of the YAML parser."""
    if isinstance(error, RecursionError) or "nesting depth" in str(error):
        return Problem(path, 1, 1, "yaml-nesting", "Values nest too deeply to be read.")
    parts = [getattr(error, name, None) for name in ("context", "problem")]
    message = ", ".join(part for part in parts if part)
    # what is never closed is told where it was opened, not at the end of the file
    marks = (
        ("context_mark", "problem_mark") if "end of stream" in message else ("problem_mark", "context_mark")
    )
    mark = next((mark for name in marks if (mark := getattr(error, name, None)) is not None), None)
    if mark is not None:
        line, column = mark.line + 1, mark.column + 1
    else:
        message = "control characters are not allowed"
        line, column = _place(text[: _bad_character(text)])
    hint = next((hint for sign, hint in _HINTS if sign in message), "")
    if "cannot start any token" in message:
        char = text.splitlines()[line - 1][column - 1 :][:1]
        message = f"a value cannot start with {char!r}"
        hint = _TAB_HINT if char == "\t" else hint
    return Problem(path, line, column, "yaml-syntax", f"This is not YAML: {message}.", hint=hint)


def _bad_character(text: str) -> int:
    found = re.search(_UNPRINTABLE, text)
    return found.start() if found else 0


def _place(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - before.rfind("\n")
