"""Tells whether a prompt that a registry rendered is its source: the customer's document has no raw read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from promptsync.prompt.canonical import canonical
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.snippets import snippet_text, strings
from promptsync.prompt.template import named_variables, template_variables
from promptsync.prompt.texts import F_STRING, format_of, mappings
from promptsync.prompt.version import Version
from promptsync.registry.values import number

_Versions = Callable[[Version], Iterable[Prompt]]
"""Returns all versions of a prompt up to the listed one, as this registry returns them."""


def completed(raw: Mapping[str, Any], listing: Iterable[Version]) -> dict[str, Any]:
    """Return a response with the fields that the list has and this response lacks."""
    item = next((listed for listed in listing if listed.name == raw.get("prompt_name")), None)
    if item is None:
        return dict(raw)
    known: dict[str, Any] = {"id": item.template_id, "tags": list(item.prompt.tags)}
    if item.version == number(raw, "version", "version_number"):
        known["commit_message"] = item.message
    return {**known, **raw}


def placeholders(prompt: Prompt) -> dict[str, str]:
    """Return a value for each variable that was filled in although none was passed: ``{name}`` itself.

    Rendered with these values, an f-string becomes its own source again. A jinja2 text does not.
    """
    template = prompt.template
    if any(format_of(part) != F_STRING for part in (template, *mappings(template.get("messages")))):
        return {}
    missing = named_variables(template) - template_variables(template)
    return {name: f"{{{name}}}" for name in sorted(missing)}


def doubt(raw: Mapping[str, Any], prompt: Prompt, listing: list[Version], versions: _Versions) -> str | None:
    """Return why a prompt, read from the response ``raw``, may not be its source; ``None`` if it is."""
    if raw.get("snippets"):
        snippets = raw["snippets"] if isinstance(raw["snippets"], list) else [raw["snippets"]]
        names = [repr(part.get("prompt_name") if isinstance(part, dict) else part) for part in snippets]
        return f"its references to the snippets {', '.join(names)} are expanded"
    named, used = named_variables(prompt.template), template_variables(prompt.template)
    if unnamed := named - used:
        return f"its variables {', '.join(sorted(unnamed))} are already filled in"
    # Rendering turns {{name}} into {name}, which looks like a variable and was none.
    if named and used - named:
        return f"the braces around {', '.join(sorted(used - named))} may have been doubled"
    twins = (twin for twin in listing if twin.name == prompt.name and twin.version == number(raw, "version"))
    if any(canonical(twin.prompt) != canonical(prompt) for twin in twins):
        return "the registry returns it in two forms, and at most one of them is its source"
    # An empty list of snippets says that none was expanded. Without the list, only the texts can show it.
    if "snippets" not in raw:
        expanded = _contained(prompt, listing, versions)
        if expanded is not None:
            return f"it contains the text of {expanded!r}, which may be an expanded snippet"
    return None


def _contained(prompt: Prompt, listing: Iterable[Version], versions: _Versions) -> str | None:
    """Return the name of another completion prompt of which ``prompt`` contains any version."""
    haystack = list(strings(prompt.template))
    for item in listing:
        # Only a completion template can be a snippet.
        if item.prompt.template.get("type") != "completion" or item.name == prompt.name:
            continue
        for version in versions(item):
            needle = snippet_text(version.template).strip()
            if needle and any(needle in text for text in haystack):
                return item.name
    return None
