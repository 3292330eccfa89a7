"""What changed since this working copy last pushed or pulled. Sends no request."""

from __future__ import annotations

from promptsync.compare.conflict import has_conflict
from promptsync.compare.snapshot import Item, Snapshot
from promptsync.compare.state import State
from promptsync.files.cache import Cache
from promptsync.files.names import broken_names
from promptsync.files.worktree import scan
from promptsync.project.project import Project
from promptsync.prompt.canonical import digest
from promptsync.prompt.tags import tag_set


def offline_snapshot(project: Project) -> Snapshot:
    """Return a snapshot that compares the files with the record of the last pushes and pulls.

    A prompt without an entry is ``new`` if the registry's last list lacked it, and otherwise ``unknown``.
    """
    worktree = scan(project.root, project.config.prompts)
    entries = project.record().entries(project.record_url, None)
    seen = {*entries, *Cache(project.root).names(project.record_url).versions}
    items = []
    broken = broken_names(worktree)
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
    return Snapshot(tuple(items), worktree, {}, has_history=False)
