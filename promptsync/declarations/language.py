"""How Python and TypeScript spell types.

Names, keys and descriptions come from a registry: whatever is in them, they stay strings and comments.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

_LONGEST: Final = 1000
"""Longest description, in characters."""

_TYPING: Final = ("Any", "Literal", "Mapping", "Never", "NotRequired", "TypeAlias", "TypedDict")


class Property(Struct, frozen=True):
    """A key of an object, and the type of its value."""

    key: str
    type: str
    is_required: bool = True
    description: str = ""


Types = tuple[Sequence[Property], Sequence[Property]]
"""The types of a prompt, and those of its tools."""


class Python:
    """TypedDicts. A type that is declared later is quoted.

    ``types`` are those of JSON Schema, and ``mapping`` for an object that an application passes.
    """

    types: Final = dict(string="str", number="float", integer="int", boolean="bool", null="None") | {
        "mapping": "Mapping[str, Any]"
    }
    any, never = "Any", "Never"
    list_of, map_of, alias = "list[{}]", "dict[str, {}]", "{}: TypeAlias = {}\n"
    comments, character = ("", "#: ", ""), "\\U{:08x}"

    def literals(self, values: Sequence[Any]) -> str:
        """Return the type of these strings, integers and truth values."""
        return f"Literal[{', '.join(string(self, v) if isinstance(v, str) else repr(v) for v in values)}]"

    def interface(self, name: str, fields: Sequence[Property], later: Collection[str] = ()) -> str:
        """Return the declaration of an object; ``later`` are types that are declared after it."""
        is_class = all(map(self._is_attribute, fields))
        lines = [f"class {name}(TypedDict):" if is_class else f'{name} = TypedDict("{name}", {{']
        lines += [] if fields else ["    pass"]
        for field in fields:
            is_later = {*later} & {*re.findall(r"\w+", field.type)}
            spelling = string(self, field.type) if is_later else field.type
            spelling = spelling if field.is_required else f"NotRequired[{spelling}]"
            line = f"{field.key}: {spelling}" if is_class else f"{string(self, field.key)}: {spelling},"
            lines += [*comment(self, field.description, "    "), f"    {line}"]
        return "\n".join([*lines, "" if is_class else "})\n"])

    def module(self, code: Sequence[str], prompts: Mapping[str, Types]) -> str:
        """Return a module with declarations, and the names of the prompts that they are for."""
        names = self.literals([*prompts]) if prompts else self.never
        text = "\n\n".join([*code, self.alias.format("PromptName", names)])
        imports = ", ".join(name for name in _TYPING if re.search(rf"\b{name}\b", text))
        return f"from typing import {imports}\n\n\n{text}"

    def _is_attribute(self, field: Property) -> bool:
        # Python folds other letters and mangles underscores, and mypy takes a field for the type of its name.
        is_name = field.key.isascii() and field.key.isidentifier() and not field.key.startswith("__")
        is_type = field.key in {*_TYPING, *self.types.values(), "list", "dict"}
        return is_name and not is_type and not keyword.iskeyword(field.key)


class TypeScript:
    """Types, and one with those of each prompt; no interfaces, because the SDK takes a ``Record``."""

    types: Final = {name: name for name in ("string", "number", "boolean", "null")} | {
        "integer": "number",
        "mapping": "object",
    }
    any, never = "unknown", "never"
    list_of, map_of, alias = "Array<{}>", "Record<string, {}>", "export type {} = {};\n"
    comments, character = ("/**", " * ", " */"), "\\u{{{:x}}}"

    def literals(self, values: Sequence[Any]) -> str:
        return " | ".join(string(self, v) if isinstance(v, str) else json.dumps(v) for v in values)

    def interface(self, name: str, fields: Sequence[Property], later: Collection[str] = ()) -> str:
        if not fields:  # everything has the type of an empty object
            return self.alias.format(name, self.map_of.format(self.never))
        lines = [f"export type {name} = {{"]
        for field in fields:
            lines += [*comment(self, field.description, "  "), f"  {self._member(field)};"]
        return "\n".join([*lines, "};\n"])

    def module(self, code: Sequence[str], prompts: Mapping[str, Types]) -> str:
        types = [
            Property(name, self._inline([*own, Property("tools", self._inline(tools))]))
            for name, (own, tools) in prompts.items()
        ]
        names = self.alias.format("PromptName", "keyof Prompts")
        return "\n".join([*code, self.interface("Prompts", types), names])

    def _inline(self, fields: Sequence[Property]) -> str:
        return f"{{ {'; '.join(map(self._member, fields))} }}" if fields else "{}"

    def _member(self, field: Property) -> str:
        is_name = re.fullmatch(r"[A-Za-z_]\w*", field.key, re.ASCII)
        key = field.key if is_name else string(self, field.key)
        return f"{key}{'' if field.is_required else '?'}: {field.type}"


Language = Python | TypeScript

LANGUAGES: Final[Mapping[str, Language]] = {"python": Python(), "typescript": TypeScript()}


def string(language: Language, text: str) -> str:
    """Return a string literal, in which every character that is invisible is escaped."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else language.character.format(ord(char)) for char in quoted)


def comment(language: Language, text: str, indent: str = "") -> list[str]:
    """Return the lines of a comment, which contain nothing that compilers or linters obey."""
    start, prefix, end = language.comments
    lines = (text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…").strip().splitlines()
    shown = ["".join(char if char.isprintable() else " " for char in line).rstrip() for line in lines]
    shown = [re.sub(r"^(\s*)@", r"\1\\@", line.replace("*/", "*\\/")) for line in shown]
    if start and len(shown) == 1:
        return [f"{indent}{start} {shown[0]}{end}"]
    shown = [start, *(prefix + line for line in shown), end] if shown else []
    return [f"{indent}{line}".rstrip() for line in shown if line]
