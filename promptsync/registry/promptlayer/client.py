"""PromptLayer as a registry: one object for each part of the protocol, all on one connection."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

from promptsync.registry.errors import NotFound, NotReadableRaw, UnusablePrompt
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.checks import Checks, Tables, Tracking
from promptsync.registry.promptlayer.connection import Connection
from promptsync.registry.promptlayer.labels import PromptLayerLabels
from promptsync.registry.promptlayer.prompts import PromptLayerPrompts
from promptsync.registry.protocol import Capabilities

if TYPE_CHECKING:
    from promptsync.prompt.prompt import Version


class PromptLayer:
    """A registry with PromptLayer's API. ``Connection`` has the ``options``."""

    def __init__(self, url: str, api_key: str | None, **options: Any) -> None:
        self.connection = Connection(url, api_key, **options)
        self.url = self.connection.url
        self.timeouts = self.connection.timeouts
        self.prompts = PromptLayerPrompts(self.connection)
        self.labels = PromptLayerLabels(self.connection, self.prompts)
        self.checks = Checks(self.connection)
        self.tables = Tables(self.connection)
        self.tracking = Tracking(self.connection)

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

    def page(self, prompt: Version) -> str:
        # No source documents this path. The SDKs link tables as /workspace/ID/smart-tables/ID, and links to
        # prompts from before the dashboard had its own host were /prompt/ID.
        dashboard = self.connection.dashboard
        if not dashboard or self.workspace_id is None:
            return ""
        return f"{dashboard}/workspace/{self.workspace_id}/prompt/{prompt.template_id}"

    def capabilities(self, prompt: Version) -> Capabilities:
        with contextlib.suppress(NotReadableRaw, UnusablePrompt):
            self.prompts.get(prompt.template_id, prompt.name)
        return Capabilities(
            raw=self.connection.has_route(endpoints.READ),
            lists_all_labels=self.labels.all() is not None,
            changes_labels=self.labels.can_change(prompt.template_id, prompt.name),
        )

    @property
    def width(self) -> int:
        return self.connection.sender.throttle.width

    @property
    def requests(self) -> int:
        return self.connection.sender.requests

    def close(self) -> None:
        """Close the connections, and the transport that was passed in."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
