"""The declarations for prompts: their variables, their responses and the arguments of their tools."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from promptsync.declarations.language import Language, Property, comment
from promptsync.declarations.schema import declare, unique, words
from promptsync.prompt import jinja
from promptsync.prompt.outputs import response_schema, tools_of
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.template import variable_uses
from promptsync.prompt.texts import JINJA2, texts_of

_SCHEMAS: Final[Mapping[str, Any]] = {
    # Numbers are formatted, too.
    **{way: {"type": ["string", "number"]} for way in ("text", "Output", "Concat")},
    **{way: {"type": "array"} for way in ("messages", "media", "tool", "For")},
    "Getattr": {"type": "mapping"},
}
"""What a variable is, by its kind and by what jinja2 does with it."""

_TESTS: Final = {"If", "Test", "Not", "And", "Or", "Compare", "Operand", "CondExpr"}
"""What jinja2 does with any value."""


def declarations(prompts: Mapping[str, tuple[Prompt, str]], language: Language, header: str) -> str:
    """Return a module with the types of prompts, whose snippets are in place, after the lines of ``header``.

    The description in the metadata of a prompt describes it, otherwise the text beside it.
    """
    alike = Counter(map(words, prompts))
    taken: set[str] = set()
    roots: list[tuple[str, Any, str]] = []
    types: dict[str, tuple[list[Property], list[Property]]] = {}

    def root(key: str, name: str, text: str, schema: Any) -> Property:
        roots.append((unique(name, taken), schema, text))
        return Property(key, roots[-1][0])

    for name, (prompt, note) in sorted(prompts.items()):
        base = words(name)
        if alike[base] > 1 or not base.isidentifier():
            base = f"Prompt{base}_{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
        text = f"Variables of {name}.\n{prompt.metadata.get('description') or note}"
        inputs = root("variables", f"{base}Variables", text, variables_schema(prompt.template))
        output = Property("output", language.any)
        if (response := response_schema(prompt)) is not None:
            output = root("output", f"{base}Output", f"Response of {name}.", response)
        tools = [
            root(tool, f"{base}{words(tool)}Arguments", f"Arguments of {tool}, a tool of {name}.", schema)
            for tool, schema in sorted(tools_of(prompt).items())
            if schema is not None
        ]
        types[name] = [inputs, output], tools
    # By now, the types of all prompts have their names, and parts of one cannot take that of another.
    code = [part for schema in roots for part in declare(language, *schema, taken)]
    return "\n".join([*comment(language, header), "", language.module(code, types)])


def variables_schema(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of the variables of a template, as far as its texts show what they are."""
    variables = [*variable_uses(template)]
    uses: list[tuple[str, str]] = [(use.name, use.kind) for use in variables if use.template_format != JINJA2]
    for text in texts_of(template):
        uses += jinja.uses(text.text) if text.template_format == JINJA2 else ()
    required = {use.name for use in variables if use.required}
    properties: dict[str, Any] = {}
    for name in {use.name for use in variables}:
        shown = [_SCHEMAS.get(way, {}) for used, way in uses if used == name and way not in _TESTS]
        schema = shown[0] if shown and all(other == shown[0] for other in shown) else {}
        properties[name] = schema if name in required else {"anyOf": [schema, {"type": "null"}]}
    closed = {"type": "object", "additionalProperties": False}
    return {**closed, "properties": properties, "required": sorted(required)}
