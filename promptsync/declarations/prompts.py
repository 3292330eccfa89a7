"""The declarations for prompts: the types of their variables and of their responses.

A type accepts each value that its schema accepts, apart from keys that the schema does not list. It can
accept more: limits, patterns and conditions have no types, and what cannot be read accepts everything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from itertools import chain, count
from operator import attrgetter
from typing import Any, Final

from promptsync.declarations.language import (
    Language,
    Property,
    TypeScript,
    comment,
    interface,
    literal,
    module,
)
from promptsync.prompt.contract import response_schema
from promptsync.prompt.prompt import JINJA2, Prompt, as_mapping
from promptsync.prompt.schema_changes import target
from promptsync.prompt.template import variable_uses

_SCHEMAS: Final = {"text": {"type": ["string", "number"]}, "image": {}}  # numbers are formatted, too


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
