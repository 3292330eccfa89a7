"""Reads back what was published: whether it is the latest version, and whether the text is unchanged."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping
from typing import Final

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
from promptsync.push.publish import Landed
from promptsync.push.receipt import PushReceipt
from promptsync.registry.errors import RenamedRemotely

_READINGS: Final = 3
"""How often the list is read before single reads decide."""

_GONE: Final = "somebody archived or renamed the prompt"
_OTHERS: Final = "somebody else published too"


def is_published(project: Project, action: Action, sent: Prompt, now: Version) -> bool:
    """Whether somebody else published, as the next version, exactly what ``action`` would send."""
    if action.kind not in (Kind.CREATE, Kind.UPDATE) or now.version != action.next:
        return False
    found = project.registry.prompts.get(now.template_id, action.name, version=now.version)
    return has_text(found, sent) and tag_set(sent) == tag_set(now.prompt)


def verify(
    project: Project,
    landed: Mapping[str, Landed],
    prompts: Mapping[str, Prompt],
    listing: Mapping[str, Version],
    receipt: PushReceipt,
    same: Mapping[str, frozenset[int]],
) -> None:
    """Compare ``landed`` with a list that was read afterwards, and add what differs to ``receipt``.

    The list can only confirm equality; a difference is confirmed with a raw read, because the list may have
    expanded snippets, or lag behind. ``same`` are versions of others with the same text.
    """
    doubtful = []
    archived = _archived(project) if landed.keys() - listing.keys() else set()
    for name, version in sorted(landed.items()):
        listed, done = listing.get(name), f"published as v{version.version}"
        if name in archived:
            receipt.raced.setdefault(name, f"{done}, but not listed: {_GONE}")
        elif listed is not None and listed.version in same.get(name, ()):
            continue
        elif listed is not None and listed.version > version.version:
            receipt.raced.setdefault(name, f"{done}, but the latest is v{listed.version}: {_OTHERS}")
        elif (
            listed is None
            or listed.version < version.version
            or tag_set(prompts[name]) != tag_set(listed.prompt)
            or not has_text(listed, prompts[name])
        ):
            doubtful.append(name)

    def one(name: str) -> None:
        _confirm(project, name, landed[name], prompts[name], listing.get(name), receipt)

    for_each(one, doubtful)


def _archived(project: Project) -> set[str]:
    try:
        return {one.name for one in project.registry.prompts.list(status="deleted")}
    except RemoteError:
        return set()  # then single reads decide


def list_after(
    project: Project, names: Collection[str], landed: Mapping[str, Landed], archived: Collection[str]
) -> dict[str, Version]:
    """Return the prompts of a push as they are listed now.

    They are read again for a while if the list lags behind the push.
    """
    listing: dict[str, Version] = {}
    for attempt in range(_READINGS):
        if attempt:
            time.sleep(project.registry.timeouts.read_back)
        listing = read_now(project, names)
        numbers = {name: listing[name].version if name in listing else 0 for name in landed}
        is_old = any(numbers[name] < version.version for name, version in landed.items())
        if not is_old and not any(name in listing for name in archived):
            break
    return listing


def with_same_text(
    project: Project,
    landed: Mapping[str, Landed],
    prompts: Mapping[str, Prompt],
    listing: Mapping[str, Version],
    came_first: Mapping[str, frozenset[int]],
) -> dict[str, frozenset[int]]:
    """Return by name the versions that others published in the meantime with the very same text.

    Costs one request for each version that came first. A version that cannot be read counts as another text.
    """
    found: dict[str, frozenset[int]] = {}
    for name, version in landed.items():
        listed = listing.get(name)
        same = set()
        if listed is not None and listed.version > version.version:
            same |= {listed.version} if has_text(listed, prompts[name]) else set()
        for number in came_first[name]:
            with contextlib.suppress(RemoteError):
                other = project.registry.prompts.get(version.template_id, name, version=number)
                same |= {number} if has_text(other, prompts[name]) else set()
        if same:
            found[name] = frozenset(same)
    return found


def _confirm(
    project: Project, name: str, landed: Landed, prompt: Prompt, listed: Version | None, receipt: PushReceipt
) -> None:
    found = listed if listed is not None and listed.version == landed.version else None
    if found is None or not has_text(found, prompt):
        try:
            latest = _latest(project, name, landed) if found is None else landed.version
            if latest > landed.version:
                done = f"published as v{landed.version}"
                receipt.raced.setdefault(name, f"{done}, but the latest is v{latest}: {_OTHERS}")
                return
            found = project.registry.prompts.get(landed.template_id, name, version=landed.version)
        except RenamedRemotely:
            receipt.raced.setdefault(name, f"published as v{landed.version}, but not listed: {_GONE}")
            return
        except RemoteError as error:
            receipt.unverified[name] = f"published, but could not be read back: {error.message}"
            return
    if tag_set(prompt) != tag_set(found.prompt) or not has_text(found, prompt):
        paths = dict.fromkeys(change.path for change in changes(prompt, content_of(found, prompt)))
        receipt.altered[name] = tuple(paths) or ("content",)


def _latest(project: Project, name: str, landed: Landed) -> int:
    """Return the latest version of a prompt for which the list lags behind."""
    return project.registry.prompts.get(landed.template_id, name).version
