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
