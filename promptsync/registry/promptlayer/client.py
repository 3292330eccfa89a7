"""PromptLayer as a registry: one object for each part of the protocol, all on one connection."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from promptsync.errors import RemoteError
from promptsync.registry.errors import NotFound, NotReadableRaw, Unsupported, UnusablePrompt
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.checks import PromptLayerChecks
from promptsync.registry.promptlayer.connection import Connection
from promptsync.registry.promptlayer.labels import PromptLayerLabels
from promptsync.registry.promptlayer.prompts import PromptLayerPrompts
from promptsync.registry.promptlayer.tracking import PromptLayerTracking
from promptsync.registry.values import Capabilities

if TYPE_CHECKING:
    from promptsync.prompt.version import Version


class PromptLayer:
    """A registry with PromptLayer's API. ``Connection`` has the ``options``."""

    def __init__(self, url: str, api_key: str | None, **options: Any) -> None:
        self.connection = Connection(url, api_key, **options)
        self.url = self.connection.url
        self.timeouts = self.connection.timeouts
        self.prompts = PromptLayerPrompts(self.connection)
        self.labels = PromptLayerLabels(self.connection, self.prompts)
        self.checks = PromptLayerChecks(self.connection)
        self.tracking = PromptLayerTracking(self.connection)

    @property
    def workspace_seen(self) -> int | None:
        return self.prompts.versions.workspace_id

    @property
    def workspace_id(self) -> int | None:
        # No request returns the workspace by itself, but every raw read of a prompt does.
        if not self.prompts.versions.has_read:
            if not self.prompts.has_listed:
                self.prompts.list()
            if self.prompts.first is not None:
                with contextlib.suppress(NotReadableRaw, NotFound, UnusablePrompt):
                    self.prompts.get(*self.prompts.first)
        return self.workspace_seen

    def capabilities(self, prompts: Sequence[Version]) -> Capabilities:
        template_id, name = (prompts[0].template_id, prompts[0].name) if prompts else (0, "")
        labels = everything = self.labels.all()
        if everything is None and prompts:
            with contextlib.suppress(Unsupported, NotFound):
                labels = self.labels.of(template_id, name)
        return Capabilities(
            raw=self._returns_raw(template_id, name) if prompts else None,
            labels=None if labels is None else tuple(sorted({label.name for label in labels})),
            lists_all_labels=everything is not None,
            changes_labels=self.labels.can_change(template_id, name),
        )

    def _returns_raw(self, template_id: int, name: str) -> bool:
        try:
            self.prompts.get(template_id, name)
        except NotReadableRaw:
            return False
        except RemoteError:
            # After a raw read that worked, an error is about this prompt and not about the registry.
            if not self.connection.has_route(endpoints.READ):
                raise
        return self.connection.has_route(endpoints.READ)

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
