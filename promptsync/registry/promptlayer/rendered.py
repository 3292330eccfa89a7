"""Registries without a raw read: may the form in which they do give a prompt be taken for its source?

The customer's document knows only a read that expands snippets and may fill in variables. Taking that for the
source would inline a snippet into its parent, so a prompt is refused when it could have happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from promptsync.prompt.canonical import canonical
from promptsync.prompt.prompt import Listed, Prompt
from promptsync.prompt.snippets import snippet_text, strings
from promptsync.prompt.template import template_variables

Versions = Callable[[Listed], Iterable[Prompt]]
"""All versions of a prompt up to the listed one, as this registry gives them."""


def completed(raw: Mapping[str, Any], listing: Iterable[Listed]) -> dict[str, Any]:
    """``raw`` with what the customer's document leaves out of this answer and the list holds."""
    item = next((one for one in listing if one.name == raw.get("prompt_name")), None)
    if item is None:
        return dict(raw)
    known: dict[str, Any] = {"id": item.template_id, "tags": list(item.prompt.tags)}
    if item.version == raw.get("version"):
        known["commit_message"] = item.message
    return {**known, **raw}


def placeholders(prompt: Prompt) -> dict[str, str]:
    """Values that stand for themselves, for the variables which a registry filled in without being given any.

    Rendered with them, an f-string is its own source. What jinja2 was cannot be had in this way.
    """
    template = prompt.template
    messages = template.get("messages")
    parts = [template, *(messages if isinstance(messages, list) else [])]
    formats = {part.get("template_format") or "f-string" for part in parts if isinstance(part, dict)}
    if formats != {"f-string"}:
        return {}
    missing = _named_variables(template) - template_variables(template)
    return {name: f"{{{name}}}" for name in sorted(missing)}


def doubt(raw: Mapping[str, Any], prompt: Prompt, listing: list[Listed], versions: Versions) -> str | None:
    """Why ``prompt``, read from the answer ``raw``, may not be its source; ``None`` when it is."""
    if raw.get("snippets"):
        return (
            f"it uses the snippets {_names(raw['snippets'])}, whose references are gone in what can be read"
        )
    named, used = _named_variables(prompt.template), template_variables(prompt.template)
    if unnamed := named - used:
        return f"its variables {', '.join(sorted(unnamed))} are already filled in in what can be read"
    if named and used - named:
        return f"its braces around {', '.join(sorted(used - named))} may have been doubled"
    twin = next(
        (one for one in listing if one.name == prompt.name and one.version == raw.get("version")), None
    )
    if twin is not None and canonical(twin.prompt) != canonical(prompt):
        return "the registry gives it in two different forms, at most one of which is its source"
    if "snippets" not in raw:
        found = _contained(prompt, listing, versions)
        if found is not None:
            return f"it holds the text of {found!r}, which may be a snippet whose reference is gone"
    return None


def _names(snippets: Any) -> str:
    items = snippets if isinstance(snippets, list) else [snippets]
    return ", ".join(repr(item.get("prompt_name") if isinstance(item, dict) else item) for item in items)


def _named_variables(template: Mapping[str, Any]) -> set[str]:
    """The variables that the registry says the template has."""
    messages = template.get("messages")
    parts = [template, *(messages if isinstance(messages, list) else [])]
    lists = (part.get("input_variables") for part in parts if isinstance(part, dict))
    return {name for names in lists if isinstance(names, list) for name in names if isinstance(name, str)}


def _contained(prompt: Prompt, listing: Iterable[Listed], versions: Versions) -> str | None:
    """The name of another completion prompt, any version of which stands in ``prompt``."""
    haystack = list(strings(prompt.template))
    for item in listing:
        if item.prompt.template.get("type") != "completion" or item.name == prompt.name:
            continue
        for version in versions(item):
            needle = snippet_text(version.template).strip()
            if needle and any(needle in text for text in haystack):
                return item.name
    return None
