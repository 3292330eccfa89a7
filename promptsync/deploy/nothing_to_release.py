"""Decides from two lists whether a deploy has nothing to release."""

from __future__ import annotations

from promptsync.compare.gather import gather
from promptsync.compare.labels import Pointers, labels_named, list_labels, pointers_of
from promptsync.compare.snapshot import Snapshot
from promptsync.compare.state import State
from promptsync.errors import RemoteError
from promptsync.parallel import in_background
from promptsync.project.project import Project
from promptsync.prompt.labels import previous_name, released_name, unchecked_name
from promptsync.prompt.prompt import Label


def gather_with_labels(project: Project, label: str) -> tuple[Snapshot, list[Label]]:
    """Return both sides, and all labels, or at least ``label`` and those beside it."""
    beside = (previous_name(label), released_name(label), unchecked_name(label))
    names = [label, *filter(None, beside)]
    registry = project.registry  # opened before two threads need it

    def read() -> list[Label]:
        try:
            return list_labels(registry, names) or []
        except RemoteError:  # the lists of prompts have the same labels
            return labels_named(registry, names)

    with in_background(read) as pointers:
        latest = gather(project)
        return latest, pointers()


def unfinished_moves(label: str, latest: Snapshot, everything: list[Label]) -> frozenset[str]:
    """Return the prompts whose label is above the newest release, or that have the label without a release.

    So it is where a release was stopped right after its move, and after a move in the dashboard.
    """
    listed = [item.listed for item in latest.items if item.listed is not None]
    pointers = pointers_of(everything, listed)
    return frozenset(name for name, there in pointers.items() if _is_unfinished(label, there))


def _is_unfinished(label: str, there: Pointers) -> bool:
    now, released = there.get(label), there.get(released_name(label) or "")
    return now is not None and (released is None or released.version < now.version)


def is_released(label: str, latest: Snapshot, everything: list[Label]) -> bool:
    """Whether every prompt is in sync, and has the label at its latest version, which is not unchecked.

    The list of the prompts under the label would then have the same versions again. A label that moves while
    both lists are read is at another version in one of them, or counts as it was before.
    """
    if not latest.items:
        return False
    listed = [item.listed for item in latest.items if item.state is State.IN_SYNC and item.listed is not None]
    if len(listed) != len(latest.items):
        return False
    there = pointers_of(everything, listed)
    mark = unchecked_name(label)
    for item in listed:
        versions = {one.name: one.version for one in there[item.name].values()}
        if versions.get(label) != item.version or versions.get(mark) == item.version:
            return False
    return True
