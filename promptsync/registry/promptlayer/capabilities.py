"""Finds out what a registry supports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptsync.errors import RemoteError
from promptsync.prompt.version import Version
from promptsync.registry.errors import NotFound, NotReadableRaw, Unsupported
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.values import Capabilities

if TYPE_CHECKING:
    from promptsync.registry.promptlayer.client import PromptLayer


def find_capabilities(registry: PromptLayer, prompts: Sequence[Version]) -> Capabilities:
    """Find out what a registry supports, with the first of its prompts."""
    first = prompts[0] if prompts else None
    labels = everything = registry.labels.all()
    if everything is None and first is not None:
        try:
            labels = registry.labels.of(first.template_id, first.name)
        except (Unsupported, NotFound):
            labels = None
    place = (first.template_id, first.name) if first is not None else (0, "")
    return Capabilities(
        raw=None if first is None else _returns_raw(registry, first),
        labels=None if labels is None else tuple(sorted({label.name for label in labels})),
        lists_all_labels=everything is not None,
        changes_labels=registry.labels.can_change(*place),
    )


def _returns_raw(registry: PromptLayer, prompt: Version) -> bool:
    try:
        registry.prompts.get(prompt.template_id, prompt.name)
    except NotReadableRaw:
        return False
    except RemoteError:
        # After a raw read that worked, an error is about this prompt and not about the registry.
        if not registry.connection.has_route(endpoints.READ):
            raise
    return registry.connection.has_route(endpoints.READ)
