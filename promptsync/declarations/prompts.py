"""The declarations for prompts: their variables, their responses and the arguments of their tools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Final

from promptsync.declarations.language import Language, Property, TypeScript, interface, literal, module
from promptsync.declarations.schema import declare, unique, words
from promptsync.prompt.outputs import response_schema, tools_of
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.template import variable_uses
from promptsync.prompt.texts import JINJA2

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
        for tool, schema in sorted(tools_of(prompt).items()):
            if schema is not None:
                text = f"Arguments of {tool}, a tool of {name}."
                roots.append((unique(f"{base}{words(tool)}Arguments", taken), schema, text))
    # By now, the types of all prompts have their names, and parts of one cannot take that of another.
    code = [part for root in roots for part in declare(language, *root, taken)]
    if language is TypeScript:
        code.append(interface(language, "Prompts", by_name))
    names = literal(language, [prompt.name for prompt in prompts]) if prompts else language.never
    return module(language, header, [*code, language.alias.format("PromptName", names)])


def variables_schema(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of the variables of a template; those of jinja2 texts can be anything."""
    uses = [*variable_uses(template)]
    properties: dict[str, Any] = {}
    for use in uses:
        schema = {} if use.template_format == JINJA2 else _SCHEMAS.get(use.kind, {"type": "array"})
        properties[use.name] = schema if properties.get(use.name, schema) == schema else {}
    required = sorted({use.name for use in uses if use.required})
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
