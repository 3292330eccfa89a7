"""What a prompt makes a model return: the JSON Schema of its response, and the arguments of its tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptsync.prompt.prompt import Prompt, function_name
from promptsync.prompt.texts import as_mapping, mappings

JsonSchema = Mapping[str, Any] | bool

REGISTRY_TOOL: Final = "registry tool "
"""What the name of a tool starts with that only the registry knows."""
_GOOGLE_CONFIGS: Final = ("generation_config", "generationConfig")
_GOOGLE_SCHEMAS: Final = ("response_json_schema", "response_schema", "responseJsonSchema", "responseSchema")


def response_schema(prompt: Prompt) -> JsonSchema | None:
    """Return the JSON Schema of a prompt's responses, wherever its provider has it; ``None`` for plain text.

    JSON without a schema is any object, or any JSON at all for Google.
    """
    parameters = as_mapping(as_mapping(prompt.metadata.get("model")).get("parameters"))
    forms = (
        parameters.get("response_format"),  # most providers; PromptLayer converts it for the others
        as_mapping(parameters.get("text")).get("format"),  # OpenAI's Responses API
        as_mapping(parameters.get("output_config")).get("format"),  # Anthropic
        parameters.get("output_format"),  # Anthropic's beta
    )
    for form in map(as_mapping, forms):
        if form.get("type") in ("json_schema", "json_object"):
            # The schema is below json_schema, or it is json_schema itself (Cohere), or it is beside the type.
            nested = form.get("json_schema", {"schema": form.get("schema")})
            schema = as_mapping(nested).get("schema", nested)
            return schema if isinstance(schema, Mapping | bool) else {"type": "object"}
    for config in (parameters, *(as_mapping(parameters.get(key)) for key in _GOOGLE_CONFIGS)):
        for key in _GOOGLE_SCHEMAS:
            if isinstance(schema := config.get(key), Mapping | bool):
                return schema
        if any(config.get(key) == "application/json" for key in ("response_mime_type", "responseMimeType")):
            return {}
    return None


def tools_of(prompt: Prompt) -> dict[str, JsonSchema | None]:
    """Return the schema of the parameters of each tool by its name, legacy functions included.

    It is ``None`` where the prompt does not have it: for a tool that the provider runs, under its type, and
    for a tool of the registry, as ``registry tool 12``.
    """
    tools: dict[str, JsonSchema | None] = {}
    for tool in mappings(prompt.template.get("tools")):
        if function_name(tool) is not None:
            tools |= _function(tool["function"])
        elif tool.get("type") == "registry":
            tools[f"{REGISTRY_TOOL}{tool.get('tool_registry_id')}"] = None
        elif "function" not in tool and tool.get("type") not in (None, "function", "variable"):
            tools[str(tool["type"])] = None
    for function in mappings(prompt.template.get("functions")):
        if isinstance(function.get("name"), str):
            tools |= _function(function)
    return tools


def _function(function: Mapping[str, Any]) -> dict[str, JsonSchema | None]:
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    return {function["name"]: parameters if isinstance(parameters, Mapping | bool) else None}
