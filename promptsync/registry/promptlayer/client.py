"""PromptLayer as a registry: one object for each part of the protocol, all on one connection."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from promptsync.registry.errors import NotFound, NotReadableRaw, UnusablePrompt
from promptsync.registry.promptlayer.capabilities import find_capabilities
from promptsync.registry.promptlayer.checks import PromptLayerChecks
from promptsync.registry.promptlayer.connection import Connection
from promptsync.registry.promptlayer.labels import PromptLayerLabels
from promptsync.registry.promptlayer.prompt_list import PromptList
from promptsync.registry.promptlayer.prompts import PromptLayerPrompts
from promptsync.registry.promptlayer.tracking import PromptLayerTracking
from promptsync.registry.promptlayer.versions import Reading

if TYPE_CHECKING:
    from promptsync.prompt.version import Version
    from promptsync.registry.protocol import VersionCache
    from promptsync.registry.values import Capabilities


class PromptLayer:
    """A registry with PromptLayer's API. ``Connection`` has the ``options``.

    ``cache`` keeps the versions that were read.
    """

    def __init__(
        self, url: str, api_key: str | None, *, cache: VersionCache | None = None, **options: Any
    ) -> None:
        self.connection = Connection(url, api_key, **options)
        self.url = self.connection.url
        self.timeouts = self.connection.timeouts
        self._listing = PromptList(self.connection)
        self._reading = Reading(self.connection, self._listing, cache)
        self.prompts = PromptLayerPrompts(self.connection, self._listing, self._reading)
        self.labels = PromptLayerLabels(self.connection, self._listing)
        self.checks = PromptLayerChecks(self.connection)
        self.tracking = PromptLayerTracking(self.connection)

    @property
    def workspace_seen(self) -> int | None:
        return self._reading.workspace_id

    @property
    def workspace_id(self) -> int | None:
        # No request returns the workspace by itself, but every raw read of a prompt does.
        if not self._reading.has_read:
            if not self._listing.has_listed:
                self.prompts.list()
            if self._listing.first is not None:
                with contextlib.suppress(NotReadableRaw, NotFound, UnusablePrompt):
                    self._reading.get(*self._listing.first)
        return self._reading.workspace_id

    def capabilities(self, prompts: Sequence[Version]) -> Capabilities:
        return find_capabilities(self, prompts)

    @property
    def width(self) -> int:
        return self.connection.width

    @property
    def requests(self) -> int:
        return self.connection.requests

    def close(self) -> None:
        """Close the connections, and the transport that was passed in."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
