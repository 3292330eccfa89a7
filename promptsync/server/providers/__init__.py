"""The providers: how to build the request for each, and how a request replaces the stored provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from promptsync.server.prompts.template import stored_model
from promptsync.server.providers import forms
from promptsync.server.providers.parts import Arguments, ModelRequest

Form = Callable[[ModelRequest], Arguments]
Metadata = Mapping[str, Any]

FORMS: Final[Mapping[str, Form]] = {
    "openai": forms.chat,
    "openai.azure": forms.chat,
    "openrouter": partial(
        forms.compatible,
        own=("max_tokens", "max_completion_tokens", "top_p", "top_k", "stop", "seed"),
        takes_files=True,
    ),
    "mistral": partial(forms.compatible, own=("max_tokens", "top_p", "stop", "random_seed")),
    "huggingface": partial(forms.compatible, own=("max_tokens", "top_p", "top_k", "stop", "seed")),
    "cohere": forms.cohere,
    "anthropic": forms.messages,
    "anthropic.bedrock": forms.messages,
    "google": forms.gemini,
    "vertexai": forms.gemini,
    "amazon.bedrock": forms.converse,
}
"""The form for each provider, unless its ``api_type`` or its model requires another."""

_OTHER_FORMS: Final[Mapping[str, Form]] = {
    "openai responses": forms.responses,
    "openai.azure responses": forms.responses,
    "openai images": forms.media_generation,
    "openai.azure images": forms.media_generation,
    "openrouter images": forms.media_generation,
    "openrouter video": forms.media_generation,
    "openrouter speech": partial(forms.media_generation, argument="input"),
}
"""The form for a provider and an ``api_type``."""


def llm_kwargs(
    template: Mapping[str, Any],
    metadata: Metadata | None,
    provider: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Arguments | None:
    """Return the arguments, ``None`` without a known provider.

    ``provider`` applies to a template without a model; its arguments have no ``model`` key. The stored
    parameters override what is built, and ``overrides`` override the stored parameters.
    """
    model = (metadata or {}).get("model") or {}
    name = model.get("provider") or provider
    form = _OTHER_FORMS.get(f"{name} {model.get('api_type')}") or FORMS.get(str(name))
    if name == "vertexai" and "claude" in str(model.get("name")):
        form = forms.messages
    if form is None:
        return None
    return form(ModelRequest(template, model.get("name"), model.get("parameters") or {}, overrides or {}))


def with_override(
    metadata: Metadata | None, provider: str | None, name: str | None
) -> tuple[Metadata | None, list[str]]:
    """Return the metadata for a request with a provider and a model, and warnings.

    A model among the stored parameters stays, as recorded. Another provider drops the stored parameters,
    because only the stored provider understands them.
    """
    stored = (metadata or {}).get("model")
    if not metadata or not stored:
        return metadata, []
    if provider in (None, stored["provider"]):
        keeps_name = name is None or "model" in (stored.get("parameters") or {})
        return {**metadata, "model": stored if keeps_name else {**stored, "name": name}}, []
    model = {"provider": provider, "name": name or stored["name"]}
    warning = (
        f"No model was passed for {provider}, so {stored['name']} is used, "
        f"the prompt's model of {stored['provider']}."
    )
    return {**metadata, "model": stored_model(model)}, [] if name else [warning]
