"""The types that a JSON Schema describes.

A type accepts each value that its schema accepts, apart from keys that the schema does not list. It can
accept more: limits, patterns and conditions have no types, and what cannot be read accepts everything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import chain, count
from typing import Any, Final

from promptsync.declarations.language import Language, Property, comment
from promptsync.prompt.schema_changes import target
from promptsync.prompt.texts import as_mapping

_NOTES: Final = {"title", "description", "default", "examples", "$defs", "definitions", "$schema", "$id"}

_MOST_STEPS: Final = 20_000
"""How often the parts of a document are read: references in ``allOf`` and ``anyOf`` multiply them."""


def declare(language: Language, name: str, schema: Any, description: str, taken: set[str]) -> list[str]:
    """Return the declarations of a schema and of what it needs; ``taken`` are all names, and this one."""
    try:
        document = _Document(language, name, schema, taken)
        document.declare(name, schema, "#", description)
        return document.code
    # Some refer to themselves in ways that no type has, or to far too much, or are none.
    except (RecursionError, AttributeError, KeyError, TypeError, ValueError):
        return declare(language, name, True, description, taken)


class _Document:
    """A JSON Schema, to whose parts references point, and the declarations of its types."""

    def __init__(self, language: Language, name: str, root: Any, taken: set[str]) -> None:
        self.language, self.name, self.root, self.taken = language, name, root, taken
        self.code: list[str] = []
        self.open: list[str] = []
        self.references: dict[str, str] = {}
        self.steps = 0

    def declare(self, name: str, schema: Any, reference: str = "", description: str = "") -> str:
        """Declare the type of a schema, after those that it needs, and return its name, which is taken."""
        merged = self._merged(schema)
        if _is_interface(merged):
            self.references[reference] = name
            self.open.append(name)
            code = self.language.interface(name, [*self._properties(merged, name)], self.open)
            self.open.remove(name)
        else:
            code = self.language.alias.format(name, self._type(schema, f"{name}Value"))
        text = comment(self.language, f"{description}\n{_description(schema)}")
        self.code.append("\n".join([*text, code]))
        return name

    def _properties(self, schema: Mapping[str, Any], name: str) -> Iterable[Property]:
        required = schema.get("required", [])
        properties = {**dict.fromkeys(required, True), **schema.get("properties", {})}
        for key, value in sorted(properties.items()):
            if value is not False:
                spelling = self._type(value, name + words(key))
                yield Property(key, spelling, key in required, _description(value))

    def _type(self, schema: Any, name: str) -> str:
        """Return the spelling of a type. The objects in it are declared, the first one under ``name``."""
        if not isinstance(schema, Mapping):
            return self.language.never if schema is False else self.language.any
        keys, parts = schema.keys() - _NOTES, schema.get("allOf", [])
        if schema.get("nullable") is True:  # OpenAPI's, and so Google's
            return self._union([{key: schema[key] for key in keys - {"nullable"}}, {"type": "null"}], name)
        if "$ref" in schema and not keys & {"allOf", "anyOf", "oneOf", "properties"}:
            return self._reference(schema["$ref"])
        if keys == {"allOf"} and len(parts) == 1:
            return self._type(parts[0], name)
        schema = self._merged(schema)
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if values:
            literals = [value for value in values if isinstance(value, str | int)]
            others = [{"type": "null"} if value is None else {} for value in values if value not in literals]
            return self._union(others, name, [self.language.literals(literals)] if literals else [])
        if key := next((key for key in ("anyOf", "oneOf") if key in schema), ""):
            rest = {other: schema[other] for other in schema.keys() - _NOTES - {key}}
            return self._union([{"allOf": [rest, part]} if rest else part for part in schema[key]], name)
        if isinstance(schema.get("type"), list):
            return self._union([{**schema, "type": kind} for kind in schema["type"]], name)
        if _is_interface(schema):
            return self.declare(unique(name, self.taken), schema)
        is_object = schema.keys() & {"additionalProperties", "patternProperties"}
        kind = schema.get("type", "array" if "items" in schema else "object" if is_object else "")
        kind = str(kind).lower()  # Google writes STRING
        if kind == "object":
            patterns = as_mapping(schema.get("patternProperties"))
            values = [*(patterns[key] for key in sorted(patterns)), schema.get("additionalProperties", True)]
            return self.language.map_of.format(self._union(values, name))
        if kind == "array":
            first = schema.get("prefixItems", [])
            is_closed = bool(first) and schema.get("maxItems") == len(first)
            values = [*first, False if is_closed else schema.get("items", True)]
            return self.language.list_of.format(self._union(values, f"{name}Item"))
        return self.language.types.get(kind, self.language.any)

    def _union(self, schemas: Iterable[Any], name: str, spelled: Iterable[str] = ()) -> str:
        spellings = dict.fromkeys([*spelled, *(self._type(schema, name) for schema in schemas)])
        spellings.pop(self.language.never, None)
        if self.language.any in spellings:
            return self.language.any
        return " | ".join(spellings) or self.language.never

    def _reference(self, reference: str) -> str:
        if reference not in self.references:
            part, name = target(reference, self.root), self.name + words(reference.rpartition("/")[2])
            if _is_interface(self._merged(part)):
                return self.declare(unique(name, self.taken), part, reference)
            self.references[reference] = self.language.any  # where it contains itself
            self.references[reference] = self._type(part, name)
        return self.references[reference]

    def _merged(self, schema: Any) -> dict[str, Any]:
        """Return a schema with those in its ``allOf``, and those to which they refer, in it."""
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise RecursionError
        schema = as_mapping(schema)
        merged = {key: value for key, value in schema.items() if key not in ("allOf", "$ref")}
        parts = [target(schema["$ref"], self.root)] if "$ref" in schema else []
        for part in map(self._merged, [*parts, *schema.get("allOf", [])]):
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            required = [*merged.get("required", []), *part.get("required", [])]
            merged = {**merged, **part, "properties": properties, "required": required}
        return merged


def _is_interface(schema: Mapping[str, Any]) -> bool:
    """Whether a schema is that of an object whose keys are known."""
    is_object = str(schema.get("type", "object")).lower() == "object" and not schema.get("nullable")
    is_closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    has_keys = is_closed or schema.get("properties") or schema.get("required")
    return is_object and bool(has_keys) and not schema.keys() & {"anyOf", "oneOf", "enum", "const"}


def _description(schema: Any) -> str:
    return str(as_mapping(schema).get("description", ""))


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
