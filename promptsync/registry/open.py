"""Opens a registry. A second kind of registry is a folder next to ``promptlayer`` and a line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from promptsync.registry.address import LOCAL
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.promptlayer.http import local_transport
from promptsync.registry.timeouts import Timeouts

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry, RegistryMemory, VersionCache


def open_registry(
    url: str,
    api_key: str | None,
    *,
    database: str | None = None,
    fixtures: str | None = None,
    model: Any = None,
    cache: VersionCache | None = None,
    memory: RegistryMemory | None = None,
    timeouts: Timeouts | None = None,
    jobs: int | None = None,
    on_wait: Callable[[str], None] | None = None,
    examining: bool = False,
) -> Registry:
    """Return the registry at an http(s) URL, or the embedded one of ``local:DATABASE``, in this process.

    The embedded one takes ``database``, another file than the one in its URL, ``fixtures``, the path of a
    ``registry.yaml``, and ``model``, which responds in evaluations and agents instead of an echo. ``jobs`` is
    the most requests at once. While ``examining``, nothing is sent again, except once after a rate limit.
    Raises ``UsageError`` and ``MissingKey``.
    """
    transport = None
    if url.startswith(LOCAL):
        transport = local_transport(database or url.removeprefix(LOCAL), fixtures=fixtures, model=model)
    return PromptLayer(
        url,
        api_key,
        transport=transport,
        cache=cache,
        memory=memory,
        timeouts=timeouts,
        connections=jobs,
        on_wait=on_wait,
        examining=examining,
    )
