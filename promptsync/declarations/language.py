"""How Python and TypeScript spell types.

Names, keys and descriptions come from a registry: whatever is in them, they stay strings and comments.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

_LONGEST: Final = 1000
"""Longest description, in characters."""

_TYPING: Final = ("Any", "Literal", "Never", "NotRequired", "TypeAlias", "TypedDict")


class Property(Struct, frozen=True):
    """A key of an object, and the type of its value."""

    key: str
    type: str
    is_required: bool = True
    description: str = ""


class Python:
    """TypedDicts, ``plain`` ones as classes."""

    types: Final = dict(string="str", number="float", integer="int", boolean="bool", null="None")
    any, never, literals, between = "Any", "Never", "Literal[{}]", ", "
    list_of, map_of, alias = "list[{}]", "dict[str, {}]", "{}: TypeAlias = {}\n"
    plain = ("class {}(TypedDict):", "{}: {}", "{}: NotRequired[{}]", "")
    quoted = ('{0} = TypedDict("{0}", {{', "{}: {},", "{}: NotRequired[{}],", "})\n")
    empty = "class {}(TypedDict):\n    pass\n"
    comments, character, blank = ("", "#: ", ""), "\\U{:08x}", "\n\n\n"
    # mypy takes an attribute for the type of its name.
    reserved: Final = {*keyword.kwlist, *_TYPING, *types.values(), "list", "dict"}


class TypeScript:
    """Types; no interfaces, because the SDK takes a ``Record``."""

    types: Final = {name: name for name in ("string", "number", "boolean", "null")} | {"integer": "number"}
    any, never, literals, between = "unknown", "never", "{}", " | "
    list_of, map_of, alias = "Array<{}>", "Record<string, {}>", "export type {} = {};\n"
    plain = quoted = ("export type {} = {{", "{}: {};", "{}?: {};", "};\n")
    empty = "export type {} = Record<string, never>;\n"  # everything has the type of an empty object
    comments, character, blank = ("/**", " * ", " */"), "\\u{{{:x}}}", "\n\n"
    reserved: Final = frozenset[str]()


Language = type[Python] | type[TypeScript]

LANGUAGES: Final[Mapping[str, Language]] = {"python": Python, "typescript": TypeScript}


def interface(language: Language, name: str, fields: Sequence[Property]) -> str:
    """Return the declaration of an object."""
    if not fields:
        return language.empty.format(name)
    # Python folds other letters and mangles underscores.
    is_plain = all(
        re.fullmatch(r"(?!__)[A-Za-z_]\w*", field.key, re.ASCII) and field.key not in language.reserved
        for field in fields
    )
    start, required, optional, end = language.plain if is_plain else language.quoted
    lines = [start.format(name)]
    for field in fields:
        key = field.key if is_plain else string(language, field.key)
        line = (required if field.is_required else optional).format(key, field.type)
        lines += [*comment(language, field.description, "    "), f"    {line}"]
    return "\n".join([*lines, end])


def module(language: Language, header: str, code: Sequence[str]) -> str:
    """Return a module with declarations."""
    text = language.blank.join(part.strip("\n") for part in code)
    names = ", ".join(name for name in _TYPING if re.search(rf"\b{name}\b", text))
    imports = [f"from typing import {names}", "", ""] if names and language is Python else []
    return "\n".join([*comment(language, header), "", *imports, text, ""])


def literal(language: Language, values: Sequence[str | int]) -> str:
    """Return the type of these strings and integers."""
    spelled = (string(language, value) if isinstance(value, str) else str(value) for value in values)
    return language.literals.format(language.between.join(spelled))


def string(language: Language, text: str) -> str:
    """Return a string literal, in which every character that is invisible is escaped."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else language.character.format(ord(char)) for char in quoted)


def comment(language: Language, text: str, indent: str = "") -> list[str]:
    """Return the lines of a comment, which contain nothing that compilers or linters obey."""
    start, prefix, end = language.comments
    lines = text[:_LONGEST].strip().splitlines()
    shown = ["".join(char if char.isprintable() else " " for char in line).rstrip() for line in lines]
    shown = [re.sub(r"^(\s*)@", r"\1\\@", line.replace("*/", "*\\/")) for line in shown]
    shown = [start, *(prefix + line for line in shown), end] if shown else []
    return [f"{indent}{line}".rstrip() for line in shown if line]
