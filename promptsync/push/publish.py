"""Publishes one prompt.

Each publish creates a version, so after a lost response the registry is read before anything is sent again.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptsync.compare.content import has_text
from promptsync.errors import RemoteError
from promptsync.history.mark import parse_mark
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.version import Version
from promptsync.push.actions import Action
from promptsync.registry.errors import FateUnknown, NotFound, TimedOut

if TYPE_CHECKING:  # completion loads this module, and must not wait for an HTTP library
    from promptsync.registry.protocol import Registry


@dataclass(frozen=True, slots=True)
class Landed:
    """A version that we published."""

    template_id: int
    version: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing was published, or the outcome is ``unknown``.

    ``raced`` says that it was not sent again because somebody else published in the meantime.
    """

    reason: str
    unknown: bool = False
    raced: bool = False
    error: RemoteError | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is published for ``action``, and how. ``labels`` go into the same request.

    ``stop`` ends all waiting.
    """

    registry: Registry
    action: Action
    prompt: Prompt
    template_id: int | None
    stop: threading.Event
    labels: tuple[str, ...] = ()


def publish_one(attempt: Attempt) -> Landed | Lost:
    """Publish once.

    After a connection that ended without a response the registry is read twice, then the publish is repeated
    once, unless somebody else published in the meantime: their text must not be passed over unseen. After a
    time-out the registry is read for as long again and the publish is never repeated, because the first
    request may still be running.
    """
    registry, message = attempt.registry, attempt.action.message or ""
    for last in (False, True):
        try:
            done = registry.prompts.publish(attempt.prompt, message=message, labels=attempt.labels)
        except TimedOut as error:
            found = _look(attempt, registry.timeouts.answer)
            reason = f"no response in time, and no new version appeared: {error.message}"
            return found if isinstance(found, Landed) else Lost(reason, unknown=True, error=error)
        except FateUnknown as error:
            found = _look(attempt, registry.timeouts.read_back)
            if found is not None:
                return found
            if last or attempt.stop.is_set():
                times = "twice" if last else "once"
                return Lost(f"sent {times} without a response: {error.message}", unknown=True, error=error)
        except RemoteError as error:
            return Lost(error.message, error=error)
        else:
            return Landed(done.template_id, done.version)
    raise AssertionError("unreachable")


def _look(attempt: Attempt, seconds: float) -> Landed | Lost | None:
    """Look for our version: at least twice, for ``seconds``. ``None`` when there is no new version at all."""
    action = attempt.action
    found: Version | RemoteError | None = None
    pause = attempt.registry.timeouts.read_back
    for look in range(max(2, int(seconds / pause) + 1)):
        if look and attempt.stop.wait(pause):
            break
        try:
            found = attempt.registry.prompts.get(attempt.template_id, action.name)
        except NotFound:
            found = None
            continue
        except RemoteError as error:
            found = error
            continue
        ours = _ours(attempt, found)
        if ours is not None:
            return ours
    if isinstance(found, RemoteError):
        return Lost(
            f"it may have been published, and the registry cannot be read to check: {found.message}",
            unknown=True,
            error=found,
        )
    if found is None or found.version <= (action.current or 0):
        return None
    return _theirs(attempt, found)


def _ours(attempt: Attempt, latest: Version) -> Landed | None:
    """Return our version: the latest, or one below it if somebody else published right after us."""
    found = latest
    for number in range(latest.version, attempt.action.current or 0, -1):
        if number != latest.version:
            try:
                found = attempt.registry.prompts.get(latest.template_id, attempt.action.name, version=number)
            except RemoteError:
                continue
        if _is_ours(attempt, found):
            return Landed(found.template_id, found.version)
    return None


def _theirs(attempt: Attempt, latest: Version) -> Lost:
    if latest.message == attempt.action.message:
        # Two pushes of uncommitted text may have the same message, and a registry may alter a text. Which of
        # the two this is cannot be known.
        return Lost(f"v{latest.version} has the message of this push but another text", unknown=True)
    return Lost(
        f"somebody else published v{latest.version} in the meantime, so this was not sent again", raced=True
    )


def _is_ours(attempt: Attempt, found: Version) -> bool:
    if found.message != attempt.action.message:
        return False
    if has_text(found, attempt.prompt):
        return True
    # The same commit means the same text, so a difference was made by the registry.
    mark = parse_mark(found.message)
    return mark is not None and mark.commit is not None and not mark.dirty and mark.version == found.version
