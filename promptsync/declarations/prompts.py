"""The declarations for prompts: their variables, their responses and the arguments of their tools."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from promptsync.declarations.language import Language, Property, comment
from promptsync.declarations.schema import Schema, unique, words
from promptsync.prompt import jinja
from promptsync.prompt.outputs import response_schema, tools_of
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.template import variable_uses, variables
from promptsync.prompt.texts import JINJA2, texts_of

_SHOWN: Final[Mapping[str, Mapping[str, Any]]] = {
    "text": {"type": ["string", "number"]},
    "list": {"type": "array"},
    "object": {"type": "mapping"},
    "messages": {"type": "array", "description": "Messages."},
    "media": {"type": "array", "description": "Media."},
    "tool": {"type": "array", "description": "Tools."},
}
"""The values of variables by the way in which a template uses them. Numbers are formatted, too."""


def declarations(prompts: Mapping[str, tuple[Prompt, str]], language: Language, header: str) -> str:
    """Return a module with the types of prompts, each with its snippets in place and a description."""
    alike = Counter(map(words, prompts))
    taken: set[str] = set()
    schemas: list[tuple[str, str, Any]] = []
    types: dict[str, tuple[list[Property], list[Property]]] = {}

    def member(key: str, name: str, text: str, schema: Any) -> Property:
        schemas.append((unique(name, taken), text, schema))
        return Property(key, schemas[-1][0])

    for name, (prompt, about) in sorted(prompts.items()):
        base = words(name)
        if alike[base] > 1 or not base.isidentifier():
            base = f"Prompt{base}_{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
        text, response = f"Variables of {name}.\n{about}", response_schema(prompt)
        inputs = member("variables", f"{base}Variables", text, variables_schema(prompt.template))
        output = Property("output", language.any)
        if response is not None:
            output = member("output", f"{base}Output", f"Response of {name}.", response)
        tools = [
            member(tool, f"{base}{words(tool)}Arguments", f"Arguments of {tool}, a tool of {name}.", schema)
            for tool, schema in sorted(tools_of(prompt).items())
            if schema is not None
        ]
        types[name] = [inputs, output], tools
    # By now, the types of all prompts have their names, and parts of one cannot take that of another.
    code = [
        part for name, text, schema in schemas for part in Schema(language, schema, taken).declare(name, text)
    ]
    return "\n".join([*comment(language, header), "", language.module(code, types)])


def variables_schema(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of the variables of a template, as far as its texts show what they are."""
    ways: dict[str, set[str]] = {}
    for text in texts_of(template):
        if text.template_format == JINJA2:
            used = jinja.ways(text.text)
        else:
            used = {name: {"text"} for name in variables(text.text, text.template_format)}
        for name, more in used.items():
            ways.setdefault(name, set()).update(more - {"test"})
    required: set[str] = set()
    for use in variable_uses(template):
        ways.setdefault(use.name, set()).update({use.kind} - {"text"})
        required |= {use.name} if use.required else set()
    properties: dict[str, Any] = {}
    for name, shown in ways.items():
        schema = _SHOWN.get(shown.pop(), {}) if len(shown) == 1 else {}
        properties[name] = schema if name in required else {"anyOf": [schema, {"type": "null"}]}
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(required),
        "additionalProperties": False,
    }
