"""Prompts that are not released: their latest version differs from the one under a label."""

from __future__ import annotations

from msgspec import Struct

from promptsync.compare.content import read_content
from promptsync.compare.snapshot import Item, Snapshot, State
from promptsync.project.project import Project
from promptsync.project.versions import labels_by_prompt, list_labels, read_labels, read_version
from promptsync.prompt.canonical import digest
from promptsync.prompt.labels import RELEASED, is_own, position_of


class Unreleased(Struct, frozen=True):
    """The latest version of a prompt, which is not released to a label that the configuration governs.

    ``released`` is the version under the label, ``None`` without one. ``is_rolled_back`` says that the latest
    version was live before. ``reason`` is why it failed its checks, if it did: ``refund quality 50 < 90``.
    """

    name: str
    label: str
    version: int
    released: int | None
    is_rolled_back: bool
    reason: str | None = None


def release_labels(project: Project) -> list[str]:
    """Return the label that the current branch is released to, or all in ``labels:`` if it has none."""
    governed = project.config.labels
    wanted = sorted({*governed.values()})
    if len(wanted) > 1 and project.history is not None and project.history.branch in governed:
        wanted = [governed[project.history.branch]]
    return wanted


def unreleased(project: Project, snapshot: Snapshot) -> tuple[Unreleased, ...]:
    """Return the latest versions that the files include and that are not released. Reads only.

    What counts are the ``release_labels``. Without anything to release this costs no request, and git is not
    opened. Returns nothing if the labels of the snapshot were not read.
    """
    labels, governed = snapshot.labels, project.config.labels
    if labels is None:
        return ()
    lacking = [
        item
        for item in snapshot.of(State.IN_SYNC, State.AHEAD)
        if any(labels.get(item.name, {}).get(label) != item.version for label in governed.values())
    ]
    if not lacking:
        return ()
    wanted = release_labels(project)
    if not project.registry.labels.may_list_all:  # a list under a label may cost a request for each prompt
        beside = list_labels(project.registry, [f"{label}{RELEASED}" for label in wanted])
        more = labels_by_prompt(beside or (), snapshot.listing.values())
        labels = {name: {**labels.get(name, {}), **there} for name, there in more.items()}
    pairs = []
    for label in wanted:
        for item in lacking:
            there, version = labels.get(item.name, {}), item.version or 0
            if (now := there.get(label)) != version:
                is_rolled_back = position_of(label, there).holds(version)
                pairs.append((item, Unreleased(item.name, label, version, now, is_rolled_back)))

    def says_the_same(pair: tuple[Item, Unreleased]) -> bool:
        """Whether the version under a label has the content of the latest one."""
        item, prompt = pair
        if item.file is None or item.listed is None or prompt.released is None:
            return False
        released = read_version(project, item.listed, prompt.released)
        latest = item.digest if item.state is State.IN_SYNC else item.remote_digest
        return released is not None and digest(read_content(project, released, item.file.prompt)) == latest

    alike = project.mapped("Reading versions", says_the_same, pairs)
    return tuple(prompt for (_, prompt), is_same in zip(pairs, alike, strict=True) if not is_same)


def rolled_back_from(project: Project, snapshot: Snapshot, name: str, version: int) -> str | None:
    """Return the governed label from which a version was rolled back, ``None`` if none is known."""
    there, listed = (snapshot.labels or {}).get(name, {}), snapshot.listing.get(name)
    if not project.registry.labels.may_list_all and listed is not None:  # of others none or some were read
        there = read_labels(project, listed) or {}
    governed = (label for label in there if is_own(label) and project.config.governs(label))
    return next((label for label in governed if position_of(label, there).holds(version)), None)
