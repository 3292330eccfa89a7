"""A client that finds out what a registry is like: it asks once, does not wait, and keeps nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from promptsync.errors import RemoteError
from promptsync.prompt.prompt import Listed
from promptsync.registry.errors import NotFound, NotReadableRaw, Unsupported
from promptsync.registry.promptlayer import endpoints
from promptsync.registry.promptlayer.client import Registry
from promptsync.registry.promptlayer.endpoints import Operation

TIMEOUT = 10.0
"""Seconds that the registry has for an answer."""


@dataclass(frozen=True, slots=True)
class Speech:
    """How a registry speaks. ``raw`` is ``None`` where there is no prompt to find it out with.

    ``labels`` are those of all prompts, or of the first one where there is no list of all; ``None`` where
    they cannot be read.
    """

    raw: bool | None
    labels: tuple[str, ...] | None
    lists_all_labels: bool


class Probe(Registry):
    """A registry that is looked at. Raises what ``Registry`` does, without trying anything again."""

    seconds: float | None = None
    """How long the last answer took."""
    skew: float | None = None
    """Seconds that our clock is ahead of the registry's, as far as the last answer tells."""

    def _sent(
        self, request: httpx.Request, operation: Operation, before_repeat: Callable[[], None] | None
    ) -> httpx.Response:
        began = time.monotonic()
        response = self._gated.handle_request(request)
        self.seconds = time.monotonic() - began
        self.skew = _skew(response.headers.get("Date"))
        return response

    def speech(self, prompts: Sequence[Listed]) -> Speech:
        """Find out how the registry speaks, with the first of its prompts."""
        first = prompts[0] if prompts else None
        everything = self.all_labels()
        names = None if everything is None else {one.name for one in everything}
        if names is None and first is not None:
            names = self._labels_of(first)
        labels = None if names is None else tuple(sorted(names))
        raw = None if first is None else self._gives_raw(first)
        return Speech(raw, labels, everything is not None)

    def _labels_of(self, prompt: Listed) -> set[str] | None:
        try:
            return {one.name for one in self.labels(prompt.template_id, prompt.name)}
        except (Unsupported, NotFound):
            return None

    def _gives_raw(self, prompt: Listed) -> bool:
        try:
            self.get(prompt.template_id, prompt.name)
        except NotReadableRaw:
            return False
        except RemoteError:
            if not self.knows_route(endpoints.READ):
                raise
        return self.knows_route(endpoints.READ)


def _skew(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return None
    return (datetime.now(UTC) - theirs.replace(tzinfo=theirs.tzinfo or UTC)).total_seconds()
