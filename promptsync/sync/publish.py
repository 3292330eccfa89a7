"""Publishes one prompt. That is not idempotent, so what is in doubt is read back before it is decided."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from promptsync.core.message import parse_mark
from promptsync.core.plan import Action
from promptsync.core.prompt import Prompt, RemoteVersion
from promptsync.errors import RemoteError
from promptsync.remote.client import Registry
from promptsync.remote.errors import FateUnknown, NotFound, TimedOut
from promptsync.sync.proof import digest_beside

PAUSE = 1.0
"""Seconds between two looks at what became of a publish."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A version that is in the registry because of us."""

    template_id: int
    version: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing was published, or nobody knows (``unknown``)."""

    reason: str
    unknown: bool = False
    error: RemoteError | None = None


def publish_one(
    registry: Registry,
    action: Action,
    prompt: Prompt,
    template_id: int | None,
    *,
    labels: tuple[str, ...] = (),
    pause: float = PAUSE,
    patience: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Landed | Lost:
    """Publish ``prompt`` once, as ``action`` says.

    A connection that ended without an answer is read back twice, then the publish is repeated once. After a
    time-out it is read back for ``patience`` seconds and never repeated. ``labels`` go into the same request.
    """
    for attempt in (1, 2):
        try:
            done = registry.publish(prompt, message=action.message or "", labels=labels)
        except TimedOut as error:
            found = _look(registry, action, prompt, template_id, patience, pause, sleep)
            reason = f"no answer in time, and no new version to see: {error.message}"
            return found or Lost(reason, True, error)
        except FateUnknown as error:
            found = _look(registry, action, prompt, template_id, pause, pause, sleep)
            if found is not None:
                return found
            if attempt == 2:
                return Lost(f"sent twice without an answer: {error.message}", True, error)
        except RemoteError as error:
            return Lost(error.message, False, error)
        else:
            return Landed(done.template_id, done.version)
    raise AssertionError("unreachable")


def _look(
    registry: Registry,
    action: Action,
    prompt: Prompt,
    template_id: int | None,
    seconds: float,
    pause: float,
    sleep: Callable[[float], None],
) -> Landed | Lost | None:
    """Look for our version, at least twice and for ``seconds``; ``None`` when the registry lacks it."""
    reached: RemoteError | None = None
    looks = max(2, int(seconds / pause) + 1) if pause > 0 else 2
    for look in range(looks):
        if look:
            sleep(pause)
        try:
            found = registry.get(template_id, action.name)
        except NotFound:
            reached = None
            continue
        except RemoteError as error:
            reached = error
            continue
        reached = None
        if _is_ours(found, action, prompt):
            return Landed(found.template_id, found.version)
        older = _older(registry, found, action, prompt)
        if older is not None:
            return older
    if reached is not None:
        return Lost(f"the registry cannot be asked what became of it: {reached.message}", True, reached)
    return None


def _older(registry: Registry, latest: RemoteVersion, action: Action, prompt: Prompt) -> Landed | None:
    """Look for our version below a newer one that somebody else published right after it."""
    for number in range(latest.version - 1, action.current or 0, -1):
        try:
            found = registry.get(latest.template_id, action.name, version=number)
        except NotFound:
            continue
        if _is_ours(found, action, prompt):
            return Landed(found.template_id, found.version)
    return None


def _is_ours(found: RemoteVersion, action: Action, prompt: Prompt) -> bool:
    if found.version <= (action.current or 0) or found.message != action.message:
        return False
    mark = parse_mark(found.message)
    if mark is not None and mark.version == found.version:
        return True
    return digest_beside(prompt, found.prompt) == action.local
