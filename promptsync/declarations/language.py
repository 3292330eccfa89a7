"""How Python and TypeScript spell types.

Names, keys and descriptions come from a registry: whatever is in them, they stay strings and comments.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Collection, Mapping, Sequence
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
    """TypedDicts. A type that is declared later is quoted."""

    types: Final = dict(string="str", number="float", integer="int", boolean="bool", null="None")
    any, never, literals, between = "Any", "Never", "Literal[{}]", ", "
    list_of, map_of, alias = "list[{}]", "dict[str, {}]", "{}: TypeAlias = {}\n"
    comments, character, blank = ("", "#: ", ""), "\\U{:08x}", "\n\n\n"

    def interface(self, name: str, fields: Sequence[Property], later: Collection[str] = ()) -> str:
        """Return the declaration of an object; ``later`` are types that are declared after it."""
        is_class = all(_is_name(field.key) and field.key not in _RESERVED for field in fields)
        lines = [f"class {name}(TypedDict):" if is_class else f'{name} = TypedDict("{name}", {{']
        lines += [] if fields else ["    pass"]
        for field in fields:
            is_later = {*later} & {*re.findall(r"\w+", field.type)}
            spelling = string(self, field.type) if is_later else field.type
            spelling = spelling if field.is_required else f"NotRequired[{spelling}]"
            line = f"{field.key}: {spelling}" if is_class else f"{string(self, field.key)}: {spelling},"
            lines += [*comment(self, field.description, "    "), f"    {line}"]
        return "\n".join([*lines, "" if is_class else "})\n"])


_RESERVED: Final = {*keyword.kwlist, *_TYPING, *Python.types.values(), "list", "dict"}
"""What cannot be an attribute; mypy takes one for the type of its name."""


class TypeScript:
    """Types, with the methods of Python; no interfaces, because the SDK takes a ``Record``."""

    types: Final = {name: name for name in ("string", "number", "boolean", "null")} | {"integer": "number"}
    any, never, literals, between = "unknown", "never", "{}", " | "
    list_of, map_of, alias = "Array<{}>", "Record<string, {}>", "export type {} = {};\n"
    comments, character, blank = ("/**", " * ", " */"), "\\u{{{:x}}}", "\n\n"

    def interface(self, name: str, fields: Sequence[Property], later: Collection[str] = ()) -> str:
        if not fields:  # everything has the type of an empty object
            return self.alias.format(name, self.map_of.format(self.never))
        lines = [f"export type {name} = {{"]
        for field in fields:
            key = field.key if _is_name(field.key) else string(self, field.key)
            line = f"  {key}{'' if field.is_required else '?'}: {field.type};"
            lines += [*comment(self, field.description, "  "), line]
        return "\n".join([*lines, "};\n"])


Language = Python | TypeScript

LANGUAGES: Final[Mapping[str, Language]] = {"python": Python(), "typescript": TypeScript()}


def module(language: Language, header: str, code: Sequence[str]) -> str:
    """Return a module with declarations."""
    text = language.blank.join(part.strip("\n") for part in code)
    names = ", ".join(name for name in _TYPING if re.search(rf"\b{name}\b", text))
    imports = [f"from typing import {names}", "", ""] if names and isinstance(language, Python) else []
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


def _is_name(key: str) -> bool:
    # Python folds other letters and mangles underscores.
    return re.fullmatch(r"(?!__)[A-Za-z_]\w*", key, re.ASCII) is not None
