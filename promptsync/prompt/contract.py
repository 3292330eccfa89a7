"""What an application relies on in its prompt: variables, tools and responses, and what changes about that.

Inputs may widen, outputs may narrow: an application has to send every variable, and to read every answer.
Of two JSON Schemas, the properties of objects and the items of lists are compared one by one, to name the
place of a change. What else is allowed at a place is compared by ``jsonschema_rs``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from promptsync.prompt.canonical import comparable, encode
from promptsync.prompt.prompt import Prompt, as_mapping, function_name, kind_of, mappings, plain, readable
from promptsync.prompt.shapes import CHAT_COMPLETIONS, OTHER_APIS, words
from promptsync.prompt.template import variable_uses

JsonSchema = Mapping[str, Any] | bool
Verdict = Literal["breaking", "unknown"]


class ContractChange(Struct, frozen=True):
    """A change that breaks an application, or may; ``where`` and ``what`` form a sentence.

    ``unknown`` means that the prompts do not say whether it breaks the application.
    """

    what: str
    where: str
    verdict: Verdict

    def __str__(self) -> str:
        return f"{self.where} {self.what}"


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
    api = model.get("api_type")
    return {
        "type": kind_of(prompt.template),
        "provider": model.get("provider"),
        # A registry may name the API that it calls for chats anyway.
        "api_type": api if api in OTHER_APIS else CHAT_COMPLETIONS,
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


# -- JSON Schemas -------------------------------------------------------------------------------------------


_LONGEST_SCHEMA: Final = 500_000
_LONGEST_CHAIN: Final = 100
_MOST_SHOWN: Final = 60

_ANNOTATIONS: Final = words(
    "title description default example examples deprecated readOnly writeOnly propertyOrdering discriminator "
    "$comment $schema $id"
)
_DEFINITIONS: Final = words("$defs definitions")
_FOLLOWED: Final = words("properties required additionalProperties items")
_WHOLE: Final = words(
    "$ref allOf anyOf oneOf not if prefixItems patternProperties unevaluatedProperties unevaluatedItems"
)
"""A place with such a keyword is compared as a whole."""
_LOGIC: Final = words("not if contains dependentSchemas propertyNames")
_MOST_COMBINED: Final = 6
_VALUES: Final = words("const enum")
_NULL: Final = {"type": "null"}


def schema_changes(
    old: JsonSchema, new: JsonSchema, where: str, *, is_closed: bool = False
) -> list[ContractChange]:
    """Return which documents of a new schema a reader of the old one may be unable to read.

    A new property breaks only a closed schema, such as the arguments of a function: other readers ignore what
    they do not know.
    """
    try:
        old, new = plain(old), plain(new)
        texts = encode(old), encode(new)
        if texts[0] == texts[1]:
            return []
        if max(map(len, texts)) > _LONGEST_SCHEMA:
            raise RecursionError
        old, new = (_normal(side, is_open=not is_closed) for side in (old, new))
        return [*_Comparison(old, new, is_closed).changes(old, new, where)]
    except RecursionError:
        what = "changed, and is too large or too deep to compare"
    except (AttributeError, KeyError, TypeError, ValueError):
        what = "changed, and is not a valid JSON Schema"
    return [ContractChange(what, where, "unknown")]


class _Comparison:
    def __init__(self, old: JsonSchema, new: JsonSchema, is_closed: bool) -> None:
        self.roots, self.is_closed = (old, new), is_closed
        self.compared: set[tuple[str, str]] = set()

    def changes(self, old: JsonSchema, new: JsonSchema, where: str) -> Iterator[ContractChange]:
        """Yield the changes at and below one place; those of a definition once, wherever it is used."""
        pair = encode(old), encode(new)
        if any('"$ref"' in text for text in pair):
            if pair in self.compared:
                return
            self.compared.add(pair)
        before, after = map(_resolved, (old, new), self.roots)
        followed = words("") if _WHOLE & (before.keys() | after.keys()) else _FOLLOWED
        was, now = ({key: side[key] for key in side if key not in followed} for side in (before, after))
        verdict = self._verdict(was, now)
        if verdict is not None:
            keys = [key for key in {**was, **now} if encode(was.get(key)) != encode(now.get(key))]
            what = "; ".join(f"{key} was {_shown(was, key)}, is {_shown(now, key)}" for key in keys)
            yield ContractChange(what or "refers to a definition that changed", where, verdict)
        if followed and (verdict is None or before.get("type") == after.get("type")):
            yield from self._properties(before, after, where)
            if "items" in before:
                yield from self.changes(before["items"], after.get("items", True), f"{where}[]")

    def _properties(
        self, old: Mapping[str, Any], new: Mapping[str, Any], where: str
    ) -> Iterator[ContractChange]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed = dict.fromkeys(old.get("required", ()))
        others, others_now = (side.get("additionalProperties", True) for side in (old, new))
        for name in {**before, **after, **needed}:
            place = f"{where}{'.' if where else ''}{readable((name,))}"
            if name in before and name not in after:
                yield ContractChange("is gone", place, "breaking")
            elif name in needed and name not in new.get("required", ()):
                yield ContractChange("is no longer required", place, "breaking")
            elif name in after and name not in before and self.is_closed:
                yield ContractChange("is new", place, "breaking")
            if name in after:
                # A dictionary says what each of its values is.
                schema = before.get(name, others if isinstance(others, Mapping) else {})
                yield from self.changes(schema, after[name], place)
        if isinstance(others, Mapping) and others_now is not False:
            yield from self.changes(others, others_now, f"{where}.*")
        elif others is False and others_now is not False:
            yield ContractChange("can have other properties now", where, "breaking")

    def _verdict(self, old: dict[str, Any], new: dict[str, Any]) -> Verdict | None:
        """Return ``None`` if an old schema allows everything that a new one allows."""
        import jsonschema_rs as rs

        # The definitions are needed where a schema refers to one.
        wide, narrow = (
            {**{key: part for key, part in as_mapping(root).items() if key in _DEFINITIONS}, **schema}
            if '"$ref"' in encode(schema)
            else schema
            for schema, root in zip((old, new), self.roots, strict=True)
        )
        texts = encode(wide), encode(narrow)
        if texts[0] == texts[1] or not old:
            return None
        # It may need very long for combinations and logic.
        for text in texts:
            is_combined = '"allOf":' in text and text.count('Of":') > _MOST_COMBINED
            if is_combined or any(f'"{key}":' in text for key in _LOGIC):
                return "unknown"
        try:
            sides = (
                rs.canonicalize(side, draft=rs.Draft202012, validate_formats=True, offline=True)
                for side in (wide, narrow)
            )
            answer = next(sides).covers(next(sides)).value
            # It does not decide between integers and numbers.
            is_wider = rs.is_valid(narrow, 0.5, offline=True) and not rs.is_valid(wide, 0.5, offline=True)
        except Exception:  # whatever is not a schema, such as a variable in place of one
            return "unknown"
        return None if answer == "yes" else "breaking" if answer == "no" or is_wider else "unknown"


def _normal(value: Any, *, is_open: bool) -> Any:
    """Return a schema without annotations and needless wrappers; an open one allows unknown properties."""
    if isinstance(value, list):
        return [_normal(item, is_open=is_open) for item in value]
    if not isinstance(value, Mapping):
        return value
    schema = {
        key: part if key in _VALUES else _normal(part, is_open=is_open)
        for key, part in value.items()
        # A mapping is the schema of a property with such a name.
        if isinstance(part, Mapping) or key not in _ANNOTATIONS
    }
    if is_open and schema.get("additionalProperties") is False:
        del schema["additionalProperties"]
    if isinstance(kind := schema.get("type"), str):  # Gemini has capitals, and nullable
        schema["type"] = [kind.lower(), "null"] if schema.pop("nullable", False) is True else kind.lower()
    for key in ("allOf", "anyOf", "oneOf"):
        if schema.keys() - _DEFINITIONS == {key} and isinstance(schema[key], list) and len(schema[key]) == 1:
            return schema | schema.pop(key)[0]
    return schema


def _resolved(schema: JsonSchema, root: JsonSchema) -> dict[str, Any]:
    """Return a schema, or the one to which it does nothing but refer; an object or null has two types."""
    for _ in range(_LONGEST_CHAIN):
        if isinstance(schema, bool):
            schema = {} if schema else {"enum": []}
        schema = {key: schema[key] for key in schema if key not in _DEFINITIONS}
        parts = schema["anyOf"] if schema.keys() == {"anyOf"} else []
        if len(parts) == 2 and _NULL in parts:
            other = _resolved(parts[parts[0] == _NULL], root)
            is_typed = isinstance(other.get("type"), str) and not other.keys() & (_WHOLE | _VALUES)
            return {**other, "type": [other["type"], "null"]} if is_typed else schema
        part = target(schema["$ref"], root) if schema.keys() == {"$ref"} else None
        if part is None:
            return schema
        schema = part
    raise RecursionError


def target(reference: Any, root: Any) -> JsonSchema | None:
    """Return the schema in the same document that a reference means, if there is one."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    for part in reference.split("/")[1:]:
        root = as_mapping(root).get(part.replace("~1", "/").replace("~0", "~"))
    return root if isinstance(root, dict | bool) else None


def _shown(schema: Mapping[str, Any], keyword: str) -> str:
    value = schema.get(keyword, "any" if keyword == "type" else "none")
    return value if isinstance(value, str) else encode(value)[:_MOST_SHOWN]
