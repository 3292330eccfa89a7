"""Gathers both sides and decides the state of each prompt. Reads only."""

from __future__ import annotations

from collections.abc import Collection

from promptsync.compare.conflict import has_conflict
from promptsync.compare.content import ListComparison
from promptsync.compare.snapshot import Item, Snapshot, State
from promptsync.files.cache import Cache
from promptsync.files.worktree import scan
from promptsync.parallel import together
from promptsync.project.project import Project
from promptsync.project.versions import labels_by_prompt, list_all, list_labels
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import tag_set


def gather(
    project: Project,
    *,
    label: str | None = None,
    labels: Collection[str] | None = None,
    latest: Snapshot | None = None,
    merge_keys: bool = False,
) -> Snapshot:
    """Return both sides, and the state of every prompt in scope.

    ``label`` tracks the versions under that label; ``latest`` is the snapshot without it, if there is one,
    whose files and list are not read again. ``labels`` are those to read, ``None`` for none; where the
    registry can list all, all are read. ``merge_keys`` reads files in which git could not merge ``synced:``
    alone, with the keys of both sides. Raises ``RemoteError`` if any part of the registry cannot be read,
    and ``Refused`` if the visible git history cannot settle who changed what.
    """
    registry, prompts = project.registry, project.config.prompts  # opened before several threads ask for it
    # If several fail, the error of the first is raised: what the registry says comes before the files.
    listed, everything, worktree = together(
        lambda: list_all(project, label=label),
        lambda: list_labels(registry, labels) if labels is not None else None,
        lambda: latest.worktree if latest else scan(project.root, prompts, merge_keys=merge_keys),
    )
    comparison = ListComparison(project, listed, whole=label is None)
    files, listing = worktree.files, {version.name: version for version in listed}
    there = labels_by_prompt(everything, listed) if everything is not None else None
    if label is None:  # for shell completion, which sends no request
        numbers = {version.name: version.version for version in listed}
        names = None if there is None else {name for own in there.values() for name in own}
        Cache(project.root).keep_names(project.record_url, numbers, names)
    broken = {*worktree.broken.values()}
    items, undecided = [], []
    for name in sorted({*files, *listing, *broken}):
        file, version = files.get(name), listing.get(name)
        content = digest(file.prompt) if file is not None and version is not None else ""
        # An unreadable file must never look like a deletion or like a prompt to pull.
        if name in broken or (version is not None and version.problem and project.config.in_scope(name)):
            items.append(Item(name, State.INVALID, None if name in broken else file, version))
        elif not project.config.in_scope(name):
            continue
        elif file is not None and version is not None and comparison.equal(file, content, version):
            items.append(Item(name, State.IN_SYNC, file, version, digest=content))
        else:
            undecided.append(name)
    if undecided:  # a tree in sync needs neither git nor a base
        from promptsync.compare.states import Undecided

        items += Undecided(project, files, listing, comparison, label, latest).decide(undecided)
    return Snapshot(
        items=tuple(sorted(items, key=lambda item: item.name)),
        worktree=worktree,
        listing=listing,
        label=label,
        labels=there,
    )


def offline_snapshot(project: Project) -> Snapshot:
    """Return a snapshot that compares the files with the record of the last pushes and pulls.

    A prompt without an entry is ``new`` if the registry's last list lacked it, and otherwise ``unknown``.
    """
    worktree = scan(project.root, project.config.prompts)
    entries = project.record().entries(project.record_url, None)
    seen = {*entries, *Cache(project.root).names(project.record_url).versions}
    items = []
    broken = {*worktree.broken.values()}
    for name in sorted({*worktree.files, *entries, *broken}):
        if not project.config.in_scope(name):
            continue
        file, entry = worktree.files.get(name), entries.get(name)
        if name in broken:
            items.append(Item(name, State.INVALID))
            continue
        if file is None:
            items.append(Item(name, State.DELETED_LOCALLY))
            continue
        content = digest(file.prompt)
        if entry is None:
            state = State.NEW if seen and name not in seen else State.UNKNOWN
        elif (content, tag_set(file.prompt)) == (entry.digest, entry.tags):
            state = State.IN_SYNC
        else:
            state = State.AHEAD
        if has_conflict(file, state):
            state = State.CONFLICT
        items.append(Item(name, state, file, digest=content))
    return Snapshot(tuple(items), worktree, {})
