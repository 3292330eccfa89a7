"""Opens a registry. A second kind of registry is a folder next to ``promptlayer`` and a line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from promptsync.registry.address import LOCAL
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.promptlayer.transport import local_transport
from promptsync.registry.protocol import Registry, VersionCache
from promptsync.registry.timeouts import Timeouts


def open_remote(
    url: str,
    api_key: str | None,
    *,
    cache: VersionCache | None = None,
    timeouts: Timeouts | None = None,
    on_wait: Callable[[str], None] | None = None,
) -> Registry:
    """Return the registry at an http(s) URL. Raises ``UsageError`` and ``MissingKey``."""
    return PromptLayer(url, api_key, cache=cache, timeouts=timeouts, on_wait=on_wait)


def open_embedded(
    database: str,
    *,
    fixtures: str | None = None,
    model: Any = None,
    cache: VersionCache | None = None,
    timeouts: Timeouts | None = None,
    on_wait: Callable[[str], None] | None = None,
) -> Registry:
    """Return the embedded registry in a database file, in this process.

    ``fixtures`` is the path of a ``registry.yaml``. ``model`` responds in evaluations and agents, which get
    an echo without one.
    """
    transport = local_transport(database, fixtures=fixtures, model=model)
    return PromptLayer(
        f"{LOCAL}{database}", None, transport=transport, cache=cache, timeouts=timeouts, on_wait=on_wait
    )
