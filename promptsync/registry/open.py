"""Opens a registry. A second kind of registry is a folder next to ``promptlayer`` and a line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from promptsync.registry.address import LOCAL
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.promptlayer.transport import local_transport
from promptsync.registry.timeouts import Timeouts

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry, RegistryMemory, VersionCache


def open_registry(
    url: str,
    api_key: str | None,
    *,
    fixtures: str | None,
    model: Any,
    cache: VersionCache | None,
    memory: RegistryMemory | None,
    timeouts: Timeouts | None,
    jobs: int | None,
    on_wait: Callable[[str], None] | None,
) -> Registry:
    """Return the registry at an http(s) URL, or the embedded one of ``local:DATABASE``, in this process.

    The embedded one takes ``fixtures``, the path of a ``registry.yaml``, and ``model``, which responds in
    evaluations and agents instead of an echo. ``jobs`` is the most requests at once. Raises ``UsageError``
    and ``MissingKey``.
    """
    transport = None
    if url.startswith(LOCAL):
        transport = local_transport(url.removeprefix(LOCAL), fixtures=fixtures, model=model)
    return PromptLayer(
        url,
        api_key,
        transport=transport,
        cache=cache,
        memory=memory,
        timeouts=timeouts,
        connections=jobs,
        on_wait=on_wait,
    )
