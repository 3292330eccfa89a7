"""Declarations of types for applications: what prompts take and return, in Python and TypeScript.

A type accepts each value that its schema accepts, apart from keys that the schema does not list. It can
accept more: limits, patterns and conditions have no types, and what cannot be read accepts everything.
Names, keys and descriptions come from a registry: whatever is in them, they stay strings and comments.
"""

from __future__ import annotations

import json
import keyword
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, count
from operator import attrgetter
from typing import Any, Final

from msgspec import Struct

from promptsync.prompt.contract import response_schema, target
from promptsync.prompt.prompt import JINJA2, Prompt, as_mapping
from promptsync.prompt.template import variable_uses

_LONGEST: Final = 1000
"""Longest description, in characters."""

_TYPING: Final = ("Any", "Literal", "Never", "NotRequired", "TypeAlias", "TypedDict")
_SCHEMAS: Final = {"text": {"type": ["string", "number"]}, "image": {}}  # numbers are formatted, too


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


def declarations(prompts: Iterable[Prompt], language: Language, header: str) -> str:
    """Return a module with the types of prompts, whose snippets are in place."""
    prompts = sorted(prompts, key=attrgetter("name"))
    taken: set[str] = set()
    bases: set[str] = set()
    roots: list[tuple[str, Any, str]] = []
    by_name: list[Property] = []
    for prompt in prompts:
        name, base = prompt.name, words(prompt.name)
        base = unique(base if base.isidentifier() else f"Prompt{base}", bases)
        text = f"Variables of {name}.\n{prompt.metadata.get('description', '')}"
        variables, output = unique(f"{base}Variables", taken), language.any
        roots.append((variables, variables_schema(prompt.template), text))
        if (response := response_schema(prompt)) is not None:
            output = unique(f"{base}Output", taken)
            roots.append((output, response, f"Response of {name}."))
        by_name.append(Property(name, f"{{ variables: {variables}; output: {output} }}"))
    # By now, the types of all prompts have their names, and parts of one cannot take that of another.
    code = [part for root in roots for part in declare(language, *root, taken)]
    if language is TypeScript:
        code.append(interface(language, "Prompts", by_name))
    names = literal(language, [prompt.name for prompt in prompts]) if prompts else language.never
    return module(language, header, [*code, language.alias.format("PromptName", names)])


def variables_schema(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of the variables of a template; those of jinja2 texts can be anything."""
    properties: dict[str, Any] = {}
    required = set()
    for use in variable_uses(template):
        schema = {} if use.template_format == JINJA2 else _SCHEMAS.get(use.kind, {"type": "array"})
        properties[use.name] = schema if properties.get(use.name, schema) == schema else {}
        required |= {use.name} if use.required else set()
    closed = {"type": "object", "additionalProperties": False}
    return {**closed, "properties": properties, "required": sorted(required)}


_KINDS: Final = {type(None): {"type": "null"}, bool: {"type": "boolean"}, int: {"type": "integer"}}
"""The schemas of values that are not spelled as literals."""


def declare(language: Language, name: str, schema: Any, description: str, taken: set[str]) -> list[str]:
    """Return the declarations of a schema and of what it needs; ``taken`` are all names, and this one."""
    document = _Document(language, name, schema, taken)
    try:
        document.declare(name, schema, description)
        return document.code
    # Some refer to themselves in ways that no type has, or are too deep, or are none.
    except (RecursionError, AttributeError, KeyError, TypeError, ValueError):
        return declare(language, name, True, description, taken)


class _Document:
    """A JSON Schema, to whose parts references point, and the declarations of its types."""

    def __init__(self, language: Language, name: str, root: Any, taken: set[str]) -> None:
        self.language, self.name, self.root, self.taken = language, name, root, taken
        self.code: list[str] = []
        self.references: dict[str, str] = {"#": language.any}

    def declare(self, name: str, schema: Any, description: str = "") -> str:
        """Declare the type of a schema, after those that it needs, and return its name, which is taken."""
        if _is_interface(schema):
            code = interface(self.language, name, [*self._properties(schema, name)])
        else:
            code = self.language.alias.format(name, self._type(schema, f"{name}Value"))
        text = comment(self.language, f"{description}\n{as_mapping(schema).get('description', '')}")
        self.code.append("\n".join([*text, code]))
        return name

    def _properties(self, schema: Mapping[str, Any], name: str) -> Iterable[Property]:
        required = schema.get("required", [])
        properties = {**dict.fromkeys(required, True), **schema.get("properties", {})}
        for key, value in sorted(properties.items()):
            if value is not False:
                spelling = self._type(value, name + words(key))
                yield Property(key, spelling, key in required, str(as_mapping(value).get("description", "")))

    def _type(self, schema: Any, name: str) -> str:
        """Return the spelling of a type. The objects in it are declared, the first one under ``name``.

        The first of these keywords that a schema has decides; the others could only make its type narrower.
        """
        if not isinstance(schema, Mapping):
            return self.language.never if schema is False else self.language.any
        if schema.get("nullable") is True:  # OpenAPI's, and so Google's
            return self._union([{**schema, "nullable": False}, {"type": "null"}], name)
        if "$ref" in schema:
            return self._reference(schema["$ref"])
        if values := [schema["const"]] if "const" in schema else schema.get("enum"):
            literals = [value for value in values if _is_literal(value)]
            others = [_KINDS.get(type(value), True) for value in values if not _is_literal(value)]
            return self._union(others, name, [literal(self.language, literals)] if literals else [])
        if isinstance(kinds := schema.get("type"), list):
            return self._union([{**schema, "type": kind} for kind in dict.fromkeys(map(_kind, kinds))], name)
        if _is_interface(schema):
            return self.declare(unique(name, self.taken), schema)
        for key in ("anyOf", "oneOf", "allOf"):
            if key in schema and (key != "allOf" or len(schema[key]) == 1):
                return self._union(schema[key], name)
        is_object = schema.keys() & {"additionalProperties", "patternProperties"}
        kind = _kind(kinds or ("array" if "items" in schema else "object" if is_object else ""))
        if kind == "object":
            value = "patternProperties" in schema or schema.get("additionalProperties", True)
            return self.language.map_of.format(self._type(value, name))
        if kind == "array":
            item = "prefixItems" in schema or schema.get("items", True)
            return self.language.list_of.format(self._type(item, f"{name}Item"))
        return self.language.types.get(kind, self.language.any)

    def _union(self, schemas: Iterable[Any], name: str, spelled: Iterable[str] = ()) -> str:
        spellings = dict.fromkeys([*spelled, *(self._type(schema, name) for schema in schemas)])
        spellings.pop(self.language.never, None)
        if self.language.any in spellings:
            return self.language.any
        return " | ".join(spellings) or self.language.never

    def _reference(self, reference: str) -> str:
        if reference not in self.references:
            self.references[reference] = self.language.any  # where it contains itself
            name = self.name + words(reference.rpartition("/")[2])
            self.references[reference] = self._type(target(reference, self.root), name)
        return self.references[reference]


def _is_interface(schema: Any) -> bool:
    """Whether a schema is that of an object whose keys are known."""
    schema = as_mapping(schema)
    is_closed = schema.get("additionalProperties") is False or bool(schema.get("required"))
    is_whole = is_closed and not schema.keys() & {"anyOf", "oneOf", "allOf", "patternProperties"}
    has_keys = is_whole or bool(schema.get("properties"))
    is_object = _kind(schema.get("type", "object")) == "object" and not schema.get("nullable")
    return is_object and has_keys and not schema.keys() & {"$ref", "enum", "const"}


def _is_literal(value: Any) -> bool:
    # mypy rejects longer integers, and JavaScript confuses them.
    return type(value) is str or (type(value) is int and abs(value) < 2**53)


def _kind(kind: Any) -> str:
    return str(kind).lower()  # Google writes STRING


def words(text: str) -> str:
    """Return the words of a text as a part of an identifier: ``support/refund`` becomes ``SupportRefund``."""
    parts = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text))
    joined = "".join(part[0].upper() + part[1:] for part in parts)
    return "".join(char for char in joined if f"a{char}".isidentifier())


def unique(name: str, taken: set[str]) -> str:
    """Return a name that no other type has, and take it."""
    numbered = (f"{name}{number}" for number in count(2))
    free = next(other for other in chain([name], numbered) if other not in taken)
    taken.add(free)
    return free


# -- how a language spells it --------------------------------------------------------------------------------


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
