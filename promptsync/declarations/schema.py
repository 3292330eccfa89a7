"""The types that a JSON Schema describes.

A type accepts each value that its schema accepts, apart from keys that the schema does not list. It can
accept more: limits, patterns and conditions have no types, and what cannot be read accepts everything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from promptsync.declarations.language import Language, Property, comment
from promptsync.prompt.texts import as_mapping

_NOTES: Final = {"title", "description", "default", "examples", "$defs", "definitions", "$schema", "$id"}
_COMBINED: Final = {"allOf", "anyOf", "oneOf", "properties"}


class Schema:
    """A JSON Schema, and the declarations of its types; ``taken`` are the names of all types."""

    def __init__(self, language: Language, root: Any, taken: set[str]) -> None:
        self.language, self.root, self.taken = language, root, taken
        self.name = ""
        self.code: list[str] = []
        self.open: list[str] = []
        self.references: dict[str, str] = {}

    def declare(self, name: str, description: str) -> list[str]:
        """Return the declarations of the schema, under a name that is taken for it, and of what it needs."""
        self.name = name
        try:
            if _is_interface(schema := self._merged(self.root)):
                self._interface(schema, name, "#", description)
                return self.code
            spelling = self._type(self.root, f"{name}Value")
        except RecursionError:  # it refers to itself in a way that no type has
            self.code, spelling = [], self.language.any
        text = comment(self.language, f"{description}\n{_description(self.root)}")
        return [*self.code, "\n".join([*text, self.language.alias.format(name, spelling)])]

    def _type(self, schema: Any, name: str) -> str:
        """Return the spelling of a type. The objects in it are declared, the first one under ``name``."""
        if not isinstance(schema, Mapping):
            return self.language.never if schema is False else self.language.any
        keys = schema.keys() - _NOTES
        if schema.get("nullable") is True:  # OpenAPI's, and so Google's
            return self._union([{key: schema[key] for key in keys - {"nullable"}}, {"type": "null"}], name)
        if isinstance(schema.get("$ref"), str) and not keys & _COMBINED:
            return self._reference(schema["$ref"])
        if keys == {"allOf"} and len(parts := _listed(schema, "allOf")) == 1:
            return self._type(parts[0], name)
        schema = self._merged(schema)
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(values, list):
            literals = [value for value in values if isinstance(value, str | int)]
            others = [{"type": "null"} if value is None else {} for value in values if value not in literals]
            return self._union(others, name, [self.language.literals(literals)] if literals else [])
        if key := next((key for key in ("anyOf", "oneOf") if _listed(schema, key)), ""):
            rest = {other: schema[other] for other in schema.keys() - _NOTES - {key}}
            return self._union([{"allOf": [rest, part]} if rest else part for part in schema[key]], name)
        if isinstance(kind := schema.get("type"), list):
            return self._union([{**schema, "type": item} for item in kind], name)
        return self._interface(schema, name) if _is_interface(schema) else self._plain(schema, name)

    def _plain(self, schema: Mapping[str, Any], name: str) -> str:
        """Return the spelling of a type that is not combined from others, and no object with known keys."""
        is_object = schema.keys() & {"additionalProperties", "patternProperties"}
        kind = schema.get("type", "array" if "items" in schema else "object" if is_object else "")
        kind = str(kind).lower()  # Google writes STRING
        if kind == "object":
            patterns = as_mapping(schema.get("patternProperties"))
            values = [*(patterns[key] for key in sorted(patterns)), schema.get("additionalProperties", True)]
            return self.language.map_of.format(self._union(values, name))
        if kind == "array":
            # Older drafts have in items what newer ones have in prefixItems.
            is_old = isinstance(schema.get("items"), list)
            first = _listed(schema, "items" if is_old else "prefixItems")
            others = schema.get("additionalItems" if is_old else "items", True)
            others = [] if first and schema.get("maxItems") == len(first) else [others]
            return self.language.list_of.format(self._union([*first, *others], f"{name}Item"))
        return self.language.types.get(kind, self.language.any)

    def _union(self, schemas: Iterable[Any], name: str, spelled: Iterable[str] = ()) -> str:
        spellings = dict.fromkeys([*spelled, *(self._type(schema, name) for schema in schemas)])
        spellings.pop(self.language.never, None)
        if self.language.any in spellings:
            return self.language.any
        return " | ".join(spellings) or self.language.never

    def _interface(
        self, schema: Mapping[str, Any], name: str, reference: str = "", description: str = ""
    ) -> str:
        """Declare an object, and return its name. ``reference`` points to it; ``name`` is taken then."""
        name = name if reference else unique(name, self.taken)
        if reference:
            self.references[reference] = name
        self.open.append(name)
        required = [key for key in _listed(schema, "required") if isinstance(key, str)]
        properties = {**dict.fromkeys(required, True), **as_mapping(schema.get("properties"))}
        fields = [
            Property(key, self._type(value, name + words(key)), key in required, _description(value))
            for key, value in sorted(properties.items())
            if value is not False
        ]
        text = comment(self.language, f"{description}\n{_description(schema)}")
        self.code.append("\n".join([*text, self.language.interface(name, fields, self.open)]))
        self.open.remove(name)
        return name

    def _reference(self, reference: str) -> str:
        if reference not in self.references:
            target, name = self._target(reference), self.name + words(reference.rpartition("/")[2])
            if _is_interface(schema := self._merged(target)):
                return self._interface(schema, unique(name, self.taken), reference)
            self.references[reference] = self.language.any  # for where it contains itself
            self.references[reference] = self._type(target, name)
        return self.references[reference]

    def _target(self, reference: str) -> Any:
        """Return the part of the schema to which a reference points, ``True`` for what is elsewhere."""
        start, *parts = unquote(reference).split("/")
        value = self.root if start == "#" else True
        for part in parts:
            key: Any = part.replace("~1", "/").replace("~0", "~")
            if isinstance(value, list):
                value = dict(enumerate(value))
                key = int(key) if re.fullmatch("[0-9]{1,6}", key) else key
            value = as_mapping(value).get(key, True)
        return value

    def _merged(self, schema: Any) -> dict[str, Any]:
        """Return a schema with those in its ``allOf``, and those to which they refer, in it."""
        schema = as_mapping(schema)
        merged = {key: value for key, value in schema.items() if key not in ("allOf", "$ref")}
        parts = [self._target(str(schema["$ref"]))] if "$ref" in schema else []
        for part in map(self._merged, [*parts, *_listed(schema, "allOf")]):
            properties = {**as_mapping(merged.get("properties")), **as_mapping(part.get("properties"))}
            required = [*_listed(merged, "required"), *_listed(part, "required")]
            merged = {**merged, **part, "properties": properties, "required": required}
        return merged


def _is_interface(schema: Mapping[str, Any]) -> bool:
    """Whether a schema is that of an object whose keys are known."""
    is_object = str(schema.get("type", "object")).lower() == "object" and not schema.get("nullable")
    is_closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    has_keys = is_closed or schema.get("properties") or schema.get("required")
    return is_object and bool(has_keys) and not schema.keys() & {"anyOf", "oneOf", "enum", "const"}


def _listed(schema: Mapping[str, Any], key: str) -> list[Any]:
    value = schema.get(key)
    return value if isinstance(value, list) else []


def _description(schema: Any) -> str:
    return str(as_mapping(schema).get("description") or "")


def words(text: str) -> str:
    """Return the words of a text as a part of an identifier: ``support/refund`` becomes ``SupportRefund``."""
    parts = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text))
    joined = "".join(part[0].upper() + part[1:] for part in parts)
    return "".join(char for char in joined if f"a{char}".isidentifier())


def unique(name: str, taken: set[str]) -> str:
    """Return a name that no other type has, and take it."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}{number}"
    taken.add(free)
    return free
