"""Publishes one prompt, and looks at the registry right before and right after that.

Each publish creates a version, so after a lost response the registry is read before anything is sent again.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from promptsync.compare.content import content_of, has_text
from promptsync.errors import Refused, RemoteError
from promptsync.project.project import Project
from promptsync.prompt.fields import changes
from promptsync.prompt.prompt import Prompt, Version, tag_set
from promptsync.push.actions import Action, Ending, Kind, PushPlan, Result
from promptsync.registry.errors import FateUnknown, NotFound, RenamedRemotely, TimedOut

if TYPE_CHECKING:  # completion loads this module, and must not wait for an HTTP library
    from promptsync.registry.protocol import Registry


def check_unmoved(project: Project, plan: PushPlan) -> None:
    """Raise ``Refused`` if a prompt of the plan was published, archived or replaced since it was made.

    Somebody may have taken minutes to confirm it.
    """
    planned = {action.name: plan.listed(action.name) for action in plan.actions}
    needed = {name for name, version in planned.items() if version is not None}
    now = read_now(project, planned, needed)
    moved = []
    for name, before in planned.items():
        after = now.get(name)
        if _identity(before) != _identity(after):
            was, new = (
                f"v{version.version}" if version is not None else "missing" for version in (before, after)
            )
            moved.append(f"{name}: {was} -> {new}" if was != new else f"{name}: its tags")
    if moved:
        raise Refused(
            f"the registry changed while the plan was made ({moved[0]}); nothing was published",
            hint="promptsync push",
            details=moved,
            code="remote-moved",
        )


def _identity(version: Version | None) -> object:
    return version and (version.template_id, version.version, tag_set(version.prompt))


def read_now(project: Project, names: Collection[str], needed: Collection[str] = ()) -> dict[str, Version]:
    """Return the active prompts among ``names`` at their latest versions, with tags if there are any.

    Costs one request for each name, or those of the whole list if that is fewer. A ``needed`` name counts as
    missing only if the list lacks it.
    """

    def on_page(page: int, pages: int) -> None:
        project.progress("Listing the registry", page, pages)

    prompts = project.registry.prompts.latest(names, needed=needed, on_page=on_page)
    return {version.name: version for version in prompts}


def publish(
    registry: Registry,
    action: Action,
    template_id: int | None,
    stop: threading.Event,
    labels: Sequence[str] = (),
) -> Result:
    """Publish a new version of the prompt with ``template_id``, if it exists. ``stop`` ends all waiting.

    After a connection that ended without a response the registry is read twice, and the publish is repeated
    once if it has no new version. After a time-out the registry is read for as long again and the publish is
    never repeated, because the first request may still be running.
    """
    prompt = action.prompt
    for is_last in (False, True):
        try:
            version = registry.prompts.publish(prompt, message=action.message or "", labels=labels)
            return _published(action, version.version, version.template_id)
        except FateUnknown as error:
            is_late = isinstance(error, TimedOut)
            reason = f"no response, and it may have been published: {error.message}"
            try:
                latest = _new_version(registry, action, template_id, stop, is_late=is_late)
            except RemoteError as unread:
                return Result(action.name, Ending.UNKNOWN, f"{reason}; {unread.message}", error=unread)
            if latest is not None and latest.message == action.message and has_text(latest, prompt):
                return _published(action, latest.version, latest.template_id)
            if latest is not None:
                reason = f"no response; v{latest.version} was published, by this push or by another user"
            if latest is not None or is_late or is_last or stop.is_set():
                return Result(action.name, Ending.UNKNOWN, reason, error=error)
        except RemoteError as error:
            return Result(action.name, Ending.FAILED, error.message, error=error)
    raise AssertionError("unreachable")


def _published(action: Action, version: int, template_id: int) -> Result:
    return Result(
        action.name,
        Ending.PUBLISHED,
        version=version,
        template_id=template_id,
        message=action.message or "",
        passed_over=action.passed_over_by(version),
    )


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


def read_back(registry: Registry, action: Action, result: Result, listed: Version | None) -> Result:
    """Return the result of a publish, given the prompt as it was listed afterwards.

    The list can only confirm equality; a difference is confirmed with a raw read, because the list may have
    expanded snippets, or lag behind.
    """
    number, prompt = result.version or 0, action.prompt
    if listed is None or listed.version != number or not _is_unchanged(prompt, listed):
        result = _read_raw(registry, result, prompt)
    # What number a restored version gets differs from registry to registry.
    if result.ending is Ending.PUBLISHED and action.kind is not Kind.RESTORE and number != action.next:
        others = ", ".join(f"v{other}" for other in range(action.next or 0, number))
        reason = f"published as v{number}, after another user published {others}"
        return replace(result, ending=Ending.RACED, reason=reason)
    return result


def _read_raw(registry: Registry, result: Result, prompt: Prompt) -> Result:
    number, name = result.version or 0, result.name
    try:
        latest = registry.prompts.get(result.template_id, name)
        if latest.version < number:  # reads lag behind
            latest = registry.prompts.get(result.template_id, name, version=number)
    except (NotFound, RenamedRemotely):
        reason = f"published as v{number}, but another user archived or renamed the prompt"
        return replace(result, ending=Ending.RACED, reason=reason)
    except RemoteError as error:
        reason = f"published as v{number}, but could not be read back: {error.message}"
        return replace(result, ending=Ending.UNKNOWN, reason=reason)
    if latest.version != number:
        reason = f"published as v{number}, but another user published v{latest.version} after it"
        return replace(result, ending=Ending.RACED, reason=reason)
    if _is_unchanged(prompt, latest):
        return result
    paths = dict.fromkeys(change.path for change in changes(prompt, content_of(latest, prompt)))
    fields = tuple(paths) or ("content",)
    reason = f"published as v{number}, but the registry returned {', '.join(fields)} differently"
    return replace(result, ending=Ending.ALTERED, reason=reason, fields=fields)


def _is_unchanged(sent: Prompt, stored: Version) -> bool:
    return tag_set(sent) == tag_set(stored.prompt) and has_text(stored, sent)
