"""Finds out what a registry supports. Repeats a request only after a rate limit, and caches nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

import httpx

from promptsync.errors import RemoteError
from promptsync.prompt.version import Version
from promptsync.registry.errors import NotFound, NotReadableRaw, Unsupported
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.client import PromptLayer
from promptsync.registry.results import Capabilities
from promptsync.registry.timeouts import Timeouts

_ANSWER = 10.0
"""Seconds within which a registry should begin to respond."""


class PromptLayerProbe:
    """See ``promptsync.registry.protocol.Probe``."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        *,
        transport: httpx.BaseTransport | None = None,
        timeouts: Timeouts | None = None,
        connections: int | None = None,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        timeouts = timeouts or Timeouts()
        self.registry = PromptLayer(
            url,
            api_key,
            transport=transport,
            timeouts=replace(timeouts, answer=min(timeouts.answer, _ANSWER)),
            connections=connections,
            on_wait=on_wait,
            observe=self._observe,
        )
        self.seconds: float | None = None
        """How long the last response took."""
        self.skew: float | None = None
        """Seconds that our clock is ahead of the registry's, going by the last response."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.registry.close()

    def _observe(self, response: httpx.Response, seconds: float) -> None:
        self.seconds = seconds
        self.skew = _skew(response.headers.get("Date", ""))

    def capabilities(self, prompts: Sequence[Version]) -> Capabilities:
        """Find out what the registry supports, with the first of its prompts."""
        first = prompts[0] if prompts else None
        everything = self.registry.labels.all()
        names = None if everything is None else {one.name for one in everything}
        if names is None and first is not None:
            names = self._labels_of(first)
        labels = None if names is None else tuple(sorted(names))
        raw = None if first is None else self._returns_raw(first)
        place = (first.template_id, first.name) if first is not None else (0, "")
        return Capabilities(raw, labels, everything is not None, self.registry.labels.can_change(*place))

    def _labels_of(self, prompt: Version) -> set[str] | None:
        try:
            return {one.name for one in self.registry.labels.of(prompt.template_id, prompt.name)}
        except (Unsupported, NotFound):
            return None

    def _returns_raw(self, prompt: Version) -> bool:
        try:
            self.registry.prompts.get(prompt.template_id, prompt.name)
        except NotReadableRaw:
            return False
        except RemoteError:
            # After a raw read that worked, an error is about this prompt and not about the registry.
            if not self.registry.connection.has_route(endpoints.READ):
                raise
        return self.registry.connection.has_route(endpoints.READ)


def _skew(date: str) -> float | None:
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return None
    # A date that ends in -0000 has no time zone in Python, and is UTC.
    return (datetime.now(UTC) - theirs.replace(tzinfo=theirs.tzinfo or UTC)).total_seconds()
