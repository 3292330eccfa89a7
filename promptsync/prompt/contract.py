"""What an application relies on in its prompt: variables, tools and responses, and what changes about that.

Inputs may widen, outputs may narrow: an application has to send every variable, and to read every answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from promptsync.prompt.canonical import comparable
from promptsync.prompt.prompt import Prompt, as_mapping, function_name, kind_of, mappings
from promptsync.prompt.schema_changes import ContractChange, JsonSchema, Verdict, schema_changes
from promptsync.prompt.shapes import CHAT_COMPLETIONS, CHAT_COMPLETIONS_PROVIDERS
from promptsync.prompt.template import variable_uses

__all__ = ["ContractChange", "contract_changes", "new_needs"]


def contract_changes(live: Prompt, new: Prompt) -> tuple[ContractChange, ...]:
    """Return what a new version changes for the applications of a live one; both with snippets in place."""
    live = comparable(new, live)
    return (*_calls(live, new), *_variables(live, new), *_tools(live, new), *_responses(live, new))


def new_needs(live: Prompt, new: Prompt) -> str | None:
    """Return what a new version says that the application must have, unless the live one says the same.

    Blanks and capital letters make no difference.
    """
    before, after = ("".join((prompt.needs or "").split()).casefold() for prompt in (live, new))
    return new.needs if after not in ("", before) else None


def _calls(live: Prompt, new: Prompt) -> Iterator[ContractChange]:
    """Compare what decides how an application calls the model, and what it gets back."""
    before, after = _called(live), _called(new)
    for key, was in before.items():
        now = after[key]
        # Another provider has other APIs.
        if was != now and (key != "api_type" or before["provider"] == after["provider"]):
            # Without a model, the application chooses one itself.
            verdict: Verdict = "breaking" if was else "unknown"
            yield ContractChange(f"was {was or 'none'}, is {now or 'none'}", key, verdict)


def _called(prompt: Prompt) -> dict[str, Any]:
    model = as_mapping(prompt.metadata.get("model"))
    provider = model.get("provider")
    default = CHAT_COMPLETIONS if str(provider) in CHAT_COMPLETIONS_PROVIDERS else None
    return {
        "type": kind_of(prompt.template),
        "provider": provider,
        "api_type": model.get("api_type") or default,
    }


def _variables(live: Prompt, new: Prompt) -> Iterator[ContractChange]:
    uses, uses_now = ([*variable_uses(prompt.template)] for prompt in (live, new))
    formats, formats_now = ({use.template_format for use in side} - {""} for side in (uses, uses_now))
    if formats and formats_now - formats:
        what = f"was {' and '.join(sorted(formats))}, is {' and '.join(sorted(formats_now))}"
        yield ContractChange(what, "template_format", "breaking")
    before = {use.name for use in uses}
    needed, needed_now = ({use.name for use in side if use.required} for side in (uses, uses_now))
    kinds, kinds_now = ({(use.name, use.kind): use for use in side} for side in (uses, uses_now))
    for name in sorted(needed_now - before):
        yield ContractChange("is new: the application does not send it", f"variable {name}", "breaking")
    for name, kind in kinds_now:
        if name in before and (name, kind) not in kinds:
            yield ContractChange(f"is used as {kind} now", f"variable {name}", "breaking")
    for name in sorted((needed_now - needed) & before):
        what = "is no longer optional: the application may leave it out"
        yield ContractChange(what, f"variable {name}", "breaking")


def _tools(live: Prompt, new: Prompt) -> Iterator[ContractChange]:
    before, after = tools_of(live), tools_of(new)
    # A reference to the registry's tools can be any of the functions that only the other side has.
    is_sure = not any(name.startswith(REGISTRY_TOOL) for name in before.keys() ^ after.keys())
    for name in {**before, **after}:
        where = name if name.startswith(REGISTRY_TOOL) else f"tool {name}"
        schema, schema_now = before.get(name), after.get(name)
        if name in before and name in after:
            if schema is not None and schema_now is not None:
                yield from schema_changes(schema, schema_now, where, is_closed=True)
            elif schema is not schema_now:
                yield ContractChange("has other parameters", where, "unknown")
        else:
            what = "is gone" if name in before else "is new: the application may have no code for it"
            is_known = is_sure and (schema is not None or schema_now is not None)
            yield ContractChange(what, where, "breaking" if is_known else "unknown")


def _responses(live: Prompt, new: Prompt) -> Iterator[ContractChange]:
    schema, schema_now = response_schema(live), response_schema(new)
    if schema is not None and schema_now is not None:
        yield from schema_changes(schema, schema_now, "response")
    elif schema is not None:
        yield ContractChange("was JSON, can be any text", "response", "breaking")
    elif schema_now is not None:
        yield ContractChange("was any text, is JSON", "response", "unknown")


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
