"""What is not released: latest versions with another text than the version under a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from promptsync.compare.content import read_content
from promptsync.compare.snapshot import Item, Snapshot, State
from promptsync.project.pointers import Labels, labels_by_prompt, list_labels, read_labels
from promptsync.project.project import Project
from promptsync.project.versions import read_version
from promptsync.prompt.canonical import digest
from promptsync.prompt.labels import is_on_hold, is_own, released_name
from promptsync.prompt.version import Version


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


def release_labels(project: Project) -> tuple[str, ...]:
    """Return the label that the current branch is released to, or all in ``labels:`` if that has none."""
    labels = project.config.labels
    every = tuple(sorted({*labels.values()}))
    if len(every) <= 1:
        return every  # without opening git
    branch = project.history.branch if project.history is not None else None
    return (labels[branch],) if branch is not None and branch in labels else every


def unreleased(project: Project, snapshot: Snapshot) -> tuple[Unreleased, ...]:
    """Return the latest versions that the files include and that are not released. Reads only.

    Without anything to release this costs no request, and git is not opened. Returns nothing if the labels
    of the snapshot were not read.
    """
    if snapshot.labels is None:
        return ()
    labels: _Labels = snapshot.labels
    lacking = [
        (item, item.version)
        for item in snapshot.of(State.IN_SYNC, State.AHEAD)
        if item.version is not None
        and any(_at(labels, item, label) != item.version for label in project.config.labels.values())
    ]
    if not lacking:
        return ()
    wanted = release_labels(project)
    labels = _with_those_beside(project, snapshot, wanted)
    unreleased = (
        prompt
        for label in wanted
        for item, version in lacking
        if (prompt := _unreleased(labels, item, version, label)) is not None
    )
    items = {item.name: item for item, _ in lacking}

    def read(prompt: Unreleased) -> tuple[Unreleased, Version | None]:
        listed = items[prompt.name].listed
        if listed is None or prompt.released is None:
            return prompt, None
        return prompt, read_version(project, listed, prompt.released)

    pairs = project.mapped("Reading versions", read, list(unreleased))
    return tuple(
        prompt for prompt, version in pairs if not _says_the_same(project, items[prompt.name], version)
    )


def rolled_back_from(project: Project, snapshot: Snapshot, name: str, version: int) -> str | None:
    """Return the governed label from which a version was rolled back, ``None`` if none is known."""
    listed = snapshot.listing.get(name)
    if project.registry.labels.may_list_all or listed is None:
        there = (snapshot.labels or {}).get(name, {})
    else:  # only governed labels were read, without those beside them
        there = read_labels(project, listed) or {}
    for label, now in there.items():
        released = there.get(released_name(label) or "")
        if is_own(label) and project.config.governs(label) and is_on_hold(version, now, released):
            return label
    return None


_Labels = Mapping[str, Labels]


def _with_those_beside(project: Project, snapshot: Snapshot, wanted: Sequence[str]) -> _Labels:
    """Return the labels of a snapshot, with those beside ``wanted`` if they were not read yet."""
    labels = snapshot.labels or {}
    if project.registry.labels.may_list_all:
        return labels
    beside = [name for label in wanted if (name := released_name(label)) is not None]
    more = labels_by_prompt(list_labels(project.registry, beside) or (), snapshot.listing.values())
    return {name: {**labels.get(name, {}), **there} for name, there in more.items()}


def _unreleased(labels: _Labels, item: Item, version: int, label: str) -> Unreleased | None:
    released = _at(labels, item, label)
    if released == version:
        return None
    newest = _at(labels, item, released_name(label))
    return Unreleased(item.name, label, version, released, is_on_hold(version, released, newest))


def _at(labels: _Labels, item: Item, label: str | None) -> int | None:
    return labels.get(item.name, {}).get(label or "")


def _says_the_same(project: Project, item: Item, released: Version | None) -> bool:
    """Whether the version under a label has the text of the latest one."""
    if released is None or item.file is None or item.listed is None:
        return False

    latest = item.digest if item.state is State.IN_SYNC else item.remote_digest
    return digest(read_content(project, released, item.file.prompt)) == latest
