"""What an unquoted YAML value means, by the rules that PyYAML reads by."""

from __future__ import annotations

import re
from typing import Any, Final

from yaml.constructor import SafeConstructor
from yaml.nodes import ScalarNode

# The blank keeps them apart from every tag that can be written in a file.
STR: Final = " str"
NULL: Final = " null"
BOOL: Final = " bool"
INT: Final = " int"
FLOAT: Final = " float"
DATE: Final = " date"
MERGE: Final = " merge"

_FIRST: Final = frozenset("0123456789+-.~yYnNtTfFoO<")
_KINDS: Final = re.compile(
    r"""
    (?P<null>~|null|Null|NULL)
    |(?P<bool>yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)
    |(?P<int>[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+
        |[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)
    |(?P<float>[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?
        |[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))
    |(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}
        |[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[\ \t]+)[0-9][0-9]?:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?
        (?:[\ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9]{2})?))?)
    |(?P<merge><<)
    """,
    re.VERBOSE,
)
_MODERN: Final = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+|[yYnN]|=|[-+]\.(inf|Inf|INF)"
)
_TRUE: Final = frozenset({"yes", "true", "on"})
_construct: Final = SafeConstructor()


def kind_of(plain: str) -> str:
    """Return what an unquoted value is: ``STR`` or one of the other kinds above."""
    if not plain:
        return NULL
    if plain[0] not in _FIRST:
        return STR
    match = _KINDS.fullmatch(plain)
    return f" {match.lastgroup}" if match else STR


def is_ambiguous(plain: str) -> bool:
    """Whether some reader of YAML, of version 1.1 or 1.2, would not take an unquoted value for text."""
    return kind_of(plain) != STR or _MODERN.fullmatch(plain) is not None


def value_of(kind: str, plain: str) -> Any:
    """Return the value of an unquoted ``null``, ``bool``, ``int`` or ``float``.

    Raises ValueError for a number of too many digits.
    """
    if kind == NULL:
        return None
    if kind == BOOL:
        return plain.lower() in _TRUE
    node = ScalarNode(tag="", value=plain)
    return _construct.construct_yaml_int(node) if kind == INT else _construct.construct_yaml_float(node)


INDENT: Final = 2

_BLOCK_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
"""What a block scalar changes or cannot hold: other line breaks, control characters, byte order marks."""

_INDICATORS: Final = frozenset("-?:,[]{}#&*!|>'\"%@`")
_FLOW: Final = re.compile(r"[,\[\]{}]")
_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\0": "\\0",
    "\a": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\e",
    "\x85": "\\N",
    "\u2028": "\\L",
    "\u2029": "\\P",
}
_ESCAPED: Final = re.compile(f'["\\\\\t\n]|{_BLOCK_UNSAFE.pattern}')


def fits_block(text: str) -> bool:
    """Whether a text has several lines and keeps all its characters in a literal block."""
    return "\n" in text and not text.isspace() and not _BLOCK_UNSAFE.search(text)


def block(text: str, column: int, step: int = INDENT) -> tuple[str, list[str]]:
    """Return the header and the lines of a literal block below a key or dash at ``column``.

    ``step`` is how much deeper its content is indented, 1 to 9 blanks. ``text`` must fit a block.
    """
    lines = text.split("\n")
    first = next(line for line in lines if line)
    # Where the first line starts with a blank the reader could not tell it from the indentation.
    indicator = str(step) if first[0] in " \t" else ""
    chomping = "-"
    if lines[-1] == "":
        chomping = "+" if lines[-2] == "" else ""
        lines.pop()
    pad = " " * (column + step)
    return f"|{indicator}{chomping}", [pad + line if line else "" for line in lines]


def inline(text: str, in_flow: bool = False) -> str:
    """Return a text on one line: plain where that is certain to be read as text, else quoted."""
    if _is_plain(text, in_flow):
        return text
    if ('"' in text or "\\" in text) and not _ESCAPED.search(text.replace('"', "").replace("\\", "")):
        return "'" + text.replace("'", "''") + "'"
    return '"' + _ESCAPED.sub(lambda match: _escape(match[0]), text) + '"'


def scalar(value: Any, in_flow: bool = False) -> str:
    """Return null, a boolean, a finite number or a text on one line."""
    if isinstance(value, str):
        return inline(value, in_flow)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        mantissa, sign, exponent = repr(value).partition("e")
        # Without the point YAML 1.1 reads a text.
        return f"{mantissa}{'' if '.' in mantissa or not sign else '.0'}{sign}{exponent}"
    return str(value)


def _is_plain(text: str, in_flow: bool) -> bool:
    return (
        bool(text)
        and text.isprintable()
        and text[0] not in _INDICATORS
        and text == text.strip()
        and not text.endswith(":")
        and ": " not in text
        and " #" not in text
        and not text.startswith("...")
        and not (in_flow and _FLOW.search(text))
        and not is_ambiguous(text)
    )


def _escape(char: str) -> str:
    known = _ESCAPES.get(char)
    if known:
        return known
    code = ord(char)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
