"""Bundles for tests that do not need a registry to make one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry_server import chat

from promptsync.prompt.bundle import Bundle, bundled, encode

MODEL = {"provider": "openai", "name": "gpt-4o-mini", "parameters": {"temperature": 0.2}}


def response(
    name: str = "support/refund",
    template: Mapping[str, Any] | None = None,
    *,
    version: int = 7,
    model: Mapping[str, Any] | None = MODEL,
    **others: Any,
) -> dict[str, Any]:
    """What a registry returns for a prompt, its variables not filled in; ``others`` replaces keys."""
    # A deep copy, because readers of a response may render it in place.
    copy: dict[str, Any] = json.loads(json.dumps(template or chat("Answer {text} politely.")))
    texts = [{"role": each["role"], "content": each.get("content")} for each in copy.get("messages", [])]
    arguments = {"messages": texts, "model": model["name"], **model["parameters"]} if model else None
    unset = dict.fromkeys(("provider_base_url", "provider_id", "custom_provider", "warning"))
    about = {"id": 71, "prompt_name": name, "version": version, "workspace_id": 9}
    return {
        **about,
        **unset,
        "prompt_template": copy,
        "metadata": {"model": dict(model)} if model else None,
        "llm_kwargs": json.loads(json.dumps(arguments)),
        "commit_message": "Be polite (1a2b3c4 v7)",
        "tags": [],
        "snippets": [],
        **others,
    }


def bundle(*responses: Mapping[str, Any], label: str | None = "prod", commit: str | None = None) -> Bundle:
    """A bundle of these responses, of one prompt without any."""
    prompts = {each["prompt_name"]: bundled(each) for each in responses or (response(),)}
    return Bundle(prompts, label, commit)


def write_bundle(path: Path, *responses: Mapping[str, Any], label: str = "prod") -> Path:
    path.write_bytes(encode(bundle(*responses, label=label)))
    return path
