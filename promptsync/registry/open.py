"""Opens a registry. A second kind of registry is a folder next to ``promptlayer`` and a line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from promptsync.registry.address import LOCAL
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.promptlayer.http import local_transport
from promptsync.registry.timeouts import Timeouts

if TYPE_CHECKING:
    from promptsync.prompt.version import Version
    from promptsync.registry.protocol import Registry, RegistryMemory, VersionCache
    from promptsync.registry.results import Capabilities


class Probe(Protocol):
    """A registry to examine. Nothing is sent again, except once after a rate limit, and nothing is cached."""

    @property
    def registry(self) -> Registry: ...

    @property
    def seconds(self) -> float | None:
        """How long the last response took."""

    @property
    def skew(self) -> float | None:
        """Seconds that our clock is ahead of the registry's, going by the last response."""

    def capabilities(self, prompts: Sequence[Version]) -> Capabilities:
        """Find out what the registry supports, with the first of its prompts."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


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


def open_probe(
    url: str,
    api_key: str | None,
    *,
    database: str | None = None,
    fixtures: str | None = None,
    timeouts: Timeouts | None = None,
    jobs: int | None = None,
    on_wait: Callable[[str], None] | None = None,
) -> Probe:
    """Return the registry at a URL to examine it; for an embedded one, ``database`` is a copy of its file."""
    from promptsync.registry.promptlayer.probe import PromptLayerProbe

    transport = None if database is None else local_transport(database, fixtures=fixtures)
    return PromptLayerProbe(
        url, api_key, transport=transport, timeouts=timeouts, connections=jobs, on_wait=on_wait
    )
