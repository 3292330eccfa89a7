"""Reads back what was published: whether it is the latest version, and whether the text is unchanged."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from promptsync.compare.list_equality import came_back
from promptsync.compare.project import Project
from promptsync.errors import RemoteError
from promptsync.parallel import for_each
from promptsync.prompt.additions import without_additions
from promptsync.prompt.fields import changes
from promptsync.prompt.prompt import Listed, Prompt
from promptsync.prompt.tags import tag_set
from promptsync.push.actions import Action, Kind
from promptsync.push.publish import Landed
from promptsync.push.receipt import PushReceipt


def is_published(project: Project, action: Action, sent: Prompt, now: Listed) -> bool:
    """Whether somebody else published, as the next version, exactly what ``action`` would send."""
    if action.kind not in (Kind.CREATE, Kind.UPDATE) or now.version != action.next:
        return False
    found = project.registry.prompts.get(now.template_id, action.name, version=now.version).prompt
    return came_back(sent, found) and tag_set(sent) == tag_set(now.prompt)


def verify(
    project: Project,
    landed: Mapping[str, Landed],
    prompts: Mapping[str, Prompt],
    listing: Mapping[str, Listed],
    receipt: PushReceipt,
    same: Mapping[str, frozenset[int]],
) -> None:
    """Compare ``landed`` with a list that was read afterwards, and add what differs to ``receipt``.

    The list can only confirm equality; a difference is confirmed with a raw read, because the list may have
    expanded snippets. ``same`` are versions of others with the same text.
    """
    doubtful = []
    for name, version in sorted(landed.items()):
        listed, done = listing.get(name), f"published as v{version.version}"
        if listed is None:
            reason = f"{done}, but not listed: somebody archived or renamed the prompt"
            receipt.raced.setdefault(name, reason)
        elif listed.version in same.get(name, ()):
            continue
        elif listed.version != version.version:
            reason = f"{done}, but the latest is v{listed.version}: somebody else published too"
            receipt.raced.setdefault(name, reason)
        elif not _is_unchanged(prompts[name], listed.prompt):
            doubtful.append(name)

    def one(name: str) -> None:
        _confirm(project, name, landed[name], prompts[name], listing[name], receipt)

    for_each(one, doubtful)


def with_same_text(
    project: Project,
    landed: Mapping[str, Landed],
    prompts: Mapping[str, Prompt],
    listing: Mapping[str, Listed],
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
            same |= {listed.version} if came_back(prompts[name], listed.prompt) else set()
        for number in came_first[name]:
            with contextlib.suppress(RemoteError):
                other = project.registry.prompts.get(version.template_id, name, version=number)
                same |= {number} if came_back(prompts[name], other.prompt) else set()
        if same:
            found[name] = frozenset(same)
    return found


def _confirm(
    project: Project, name: str, landed: Landed, prompt: Prompt, listed: Listed, receipt: PushReceipt
) -> None:
    found = listed.prompt
    if not came_back(prompt, found):
        try:
            found = project.registry.prompts.get(landed.template_id, name, version=landed.version).prompt
        except RemoteError as error:
            receipt.unverified[name] = f"published, but could not be read back: {error.message}"
            return
    if not _is_unchanged(prompt, found):
        stored, _ = without_additions(prompt, found, is_exact=True)
        paths = dict.fromkeys(change.path for change in changes(prompt, stored))
        receipt.altered[name] = tuple(paths) or ("content",)


def _is_unchanged(sent: Prompt, found: Prompt) -> bool:
    return tag_set(sent) == tag_set(found) and came_back(sent, found)
