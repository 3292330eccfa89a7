"""Publishes one prompt, and reads back what was published.

Each publish creates a version, so after a lost response the registry is read before anything is sent again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from promptsync.compare.content import content_of, has_text
from promptsync.compare.present_state import read_now
from promptsync.errors import RemoteError
from promptsync.parallel import for_each
from promptsync.project.project import Project
from promptsync.prompt.fields import changes
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.tags import tag_set
from promptsync.prompt.version import Version
from promptsync.push.actions import Action, Kind
from promptsync.push.receipt import PushReceipt
from promptsync.registry.errors import (
    FateUnknown,
    NotFound,
    NotSent,
    Rejected,
    RenamedRemotely,
    TimedOut,
    Unsupported,
)

if TYPE_CHECKING:  # completion loads this module, and must not wait for an HTTP library
    from promptsync.registry.protocol import Registry

_READINGS: Final = 3
"""How often the list is read before single reads decide."""


class WriteResult(Struct, frozen=True):
    """What became of one prompt: its new version, or why there is none.

    ``is_unknown`` says that the registry may have done it or not.
    """

    version: int | None = None
    template_id: int = 0
    reason: str = ""
    is_unknown: bool = False
    error: RemoteError | None = None

    @property
    def of_registry(self) -> bool:
        """Whether the reason has nothing to do with the prompt: no connection, no key, no such operation."""
        if isinstance(self.error, Rejected):
            return self.error.status in (401, 403, 429)
        return isinstance(self.error, NotSent | Unsupported)


def publish(
    registry: Registry,
    action: Action,
    prompt: Prompt,
    template_id: int | None,
    stop: threading.Event,
    labels: Sequence[str] = (),
) -> WriteResult:
    """Publish a new version of the prompt with ``template_id``, if it exists. ``stop`` ends all waiting.

    After a connection that ended without a response the registry is read twice, and the publish is repeated
    once if it has no new version. After a time-out the registry is read for as long again and the publish is
    never repeated, because the first request may still be running.
    """
    for times in ("once", "twice"):
        try:
            version = registry.prompts.publish(prompt, message=action.message or "", labels=labels)
            return WriteResult(version.version, version.template_id)
        except FateUnknown as error:
            is_late = isinstance(error, TimedOut)
            try:
                latest = _new_version(registry, action, template_id, stop, is_late=is_late)
            except RemoteError as unread:
                reason = "it may have been published, and the registry cannot be read to check: "
                return WriteResult(reason=f"{reason}{unread.message}", is_unknown=True, error=unread)
            if latest is not None and latest.message == action.message and has_text(latest, prompt):
                return WriteResult(latest.version, latest.template_id)
            if latest is not None:
                reason = (
                    f"no response, and v{latest.version} was published: by this push, or by somebody else"
                )
                return WriteResult(reason=reason, is_unknown=True, error=error)
            if is_late or times == "twice" or stop.is_set():
                reason = f"sent {times} without a response: {error.message}"
                return WriteResult(reason=reason, is_unknown=True, error=error)
        except RemoteError as error:
            return WriteResult(reason=error.message, error=error)
    raise AssertionError("unreachable")


def _new_version(
    registry: Registry, action: Action, template_id: int | None, stop: threading.Event, *, is_late: bool
) -> Version | None:
    """Return the latest version if it is newer than the plan's. Raises ``RemoteError`` if it cannot be read.

    It is read at least twice, and after a time-out for as long as the publish may take.
    """
    # What number a restored version gets differs from registry to registry.
    planned = 0 if action.kind is Kind.RESTORE else action.current or 0
    pause, seconds = registry.timeouts.read_back, registry.timeouts.answer if is_late else 0
    failure: RemoteError | None = None
    for look in range(max(2, int(seconds / pause) + 1)):
        if look and stop.wait(pause):
            break
        failure = None
        try:
            latest = registry.prompts.get(template_id, action.name)
        except NotFound:
            continue
        except RemoteError as error:
            failure = error
            continue
        if latest.version > planned:
            return latest
    if failure is not None:
        raise failure
    return None


def list_again(
    project: Project, names: Collection[str], published: Mapping[str, WriteResult], archived: Collection[str]
) -> dict[str, Version]:
    """Return the prompts of a push as they are listed now; again for a while if the list lags behind it."""
    listing: dict[str, Version] = {}
    for reading in range(_READINGS):
        if reading:
            time.sleep(project.registry.timeouts.read_back)
        listing = read_now(project, names)
        is_old = any(
            (outcome.version or 0) > (listing[name].version if name in listing else 0)
            for name, outcome in published.items()
        )
        if not is_old and not any(name in listing for name in archived):
            break
    return listing


def read_back(
    project: Project,
    published: Mapping[str, WriteResult],
    prompts: Mapping[str, Prompt],
    listing: Mapping[str, Version],
    receipt: PushReceipt,
) -> None:
    """Compare what was published with a list that was read afterwards, and add what differs to ``receipt``.

    The list can only confirm equality; a difference is confirmed with a raw read, because the list may have
    expanded snippets, or lag behind.
    """

    def is_confirmed(name: str) -> bool:
        listed = listing.get(name)
        is_latest = listed is not None and listed.version == published[name].version
        return is_latest and listed is not None and _is_unchanged(prompts[name], listed)

    def confirm(name: str) -> None:
        outcome = published[name]
        try:
            latest = project.registry.prompts.get(outcome.template_id, name)
            if latest.version < (outcome.version or 0):  # reads lag behind
                latest = project.registry.prompts.get(outcome.template_id, name, version=outcome.version)
        except (NotFound, RenamedRemotely):
            why = f"published as v{outcome.version}, but somebody archived or renamed the prompt"
            receipt.raced.setdefault(name, why)
        except RemoteError as error:
            receipt.unverified[name] = f"published, but could not be read back: {error.message}"
        else:
            if latest.version != outcome.version:
                why = (
                    f"published as v{outcome.version}, but somebody else published v{latest.version} after it"
                )
                receipt.raced.setdefault(name, why)
            elif not _is_unchanged(prompts[name], latest):
                stored = content_of(latest, prompts[name])
                paths = dict.fromkeys(change.path for change in changes(prompts[name], stored))
                receipt.altered[name] = tuple(paths) or ("content",)

    for_each(confirm, [name for name in sorted(published) if not is_confirmed(name)])


def _is_unchanged(sent: Prompt, stored: Version) -> bool:
    return tag_set(sent) == tag_set(stored.prompt) and has_text(stored, sent)
