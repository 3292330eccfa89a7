"""The git revisions of prompts by name, so that a file that was moved keeps its history."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from msgspec import structs

from promptsync.files.cache import BlobText, Cache, Synced
from promptsync.files.errors import InvalidFile
from promptsync.files.git.log import Commit, FileChange
from promptsync.files.git.repository import Repository
from promptsync.files.names import name_in
from promptsync.files.prompt_file import parse
from promptsync.history.lineage import Lineage, Revision
from promptsync.history.synced_key import Key
from promptsync.prompt.canonical import digest
from promptsync.prompt.names import SUFFIXES, name_for
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.tags import tag_set


class Revisions:
    """Revisions by prompt name. What was read from a blob is cached in ``.promptsync/cache``.

    ``keys`` reads a ``synced:`` for one remote. ``commits`` are commits whose history counts beside that of
    ``HEAD``: their full ids by the abbreviations in marks, ``None`` where git lacks one.
    """

    def __init__(
        self,
        history: Repository,
        root: Path,
        prompts: str,
        keys: Callable[[Synced], tuple[Key, ...]],
        commits: Mapping[str, str | None] | None = None,
    ) -> None:
        self._history = history
        self._prompts = prompts
        self._keys = keys
        self._marked = commits or {}
        tips = sorted({full for full in self._marked.values() if full is not None})
        log = history.commits_of(["HEAD", *tips]) if tips and history.born else history.commits
        self._commits = log
        self._changes: Sequence[FileChange] = [change for commit in log for change in commit.changes]
        self._cache = Cache(root)
        self._blobs = self._cache.blobs()
        self._dirty = False

    def of(self, paths: Mapping[str, str]) -> dict[str, Lineage]:
        """Return the revisions of the prompts in ``paths``, which maps their names to their current paths.

        A move is followed if the commit that gave the file its name took it from the one at the old path, or
        removed that one.
        """
        by_path: dict[str, list[int]] = defaultdict(list)
        replaced: dict[str, list[FileChange]] = defaultdict(list)
        for index, change in enumerate(self._changes):
            by_path[change.path].append(index)
            if change.old is not None:
                replaced[change.commit].append(change)
        self._read([self._changes[index] for path in paths.values() for index in by_path.get(path, ())])
        wanted = {name: self._follow(name, path, by_path, replaced) for name, path in paths.items()}
        return self._lineages(wanted)

    def of_names(self, names: Collection[str]) -> dict[str, Lineage]:
        """Return the revisions of the prompts with these names, wherever their files were."""
        self._read_names(blob for change in self._changes for blob in (change.old, change.new) if blob)
        indexes: dict[str, list[int]] = defaultdict(list)
        for index, change in enumerate(self._changes):
            for name in {self._name(change.old, change.path), self._name(change.new, change.path)}:
                if name is not None and name in names:
                    indexes[name].append(index)
        return self._lineages(indexes)

    def prompts(self, lineage: Lineage) -> dict[str, Prompt]:
        """Return the prompts in the revisions of a lineage, by digest."""
        blobs = {revision.blob: revision for revision in lineage.revisions if revision.blob is not None}
        prompts = {}
        for blob, data in self._history.blobs(blobs).items():
            path, text = blobs[blob].path, blobs[blob].digest or ""
            with contextlib.suppress(InvalidFile):
                prompts[text] = parse(data, path, self._name(blob, path) or "").prompt
        return prompts

    def save(self) -> None:
        """Cache what was read for the next run."""
        if self._dirty:
            self._cache.keep_blobs(self._blobs)

    def _follow(
        self,
        name: str,
        path: str,
        by_path: Mapping[str, Sequence[int]],
        replaced: Mapping[str, Sequence[FileChange]],
    ) -> list[int]:
        changes = self._changes
        followed: set[int] = set()
        queue, seen = [path], {path}
        while queue:
            indexes = by_path.get(queue.pop(), ())
            followed.update(indexes)
            self._read_names(old for index in indexes if (old := changes[index].old))
            for index in indexes:
                # A commit that had the prompt at this path before did not move it there.
                if self._name(changes[index].old, changes[index].path) == name:
                    continue
                sources = replaced.get(changes[index].commit, ())
                self._read_names(change.old for change in sources if change.old)
                for change in sources:
                    if change.path not in seen and self._name(change.old, change.path) == name:
                        seen.add(change.path)
                        queue.append(change.path)
        return sorted(followed)

    def _lineages(self, wanted: Mapping[str, Iterable[int]]) -> dict[str, Lineage]:
        changes = {name: [self._changes[index] for index in indexes] for name, indexes in wanted.items()}
        self._read([*chain.from_iterable(changes.values())])
        # HEAD itself need not have touched the prompts: this is the newest commit that did.
        head = self._history.commits[0].id if self._history.commits else ""
        marked = {
            short: self._history.newest_of(full) if full else None for short, full in self._marked.items()
        }
        lineages = {}
        for name in wanted:
            revisions, newest = linked(reversed(self._commits), self._of_name(name, changes[name]))
            by_mark = {
                short: next(iter(newest.get(commit or "", ())), None) for short, commit in marked.items()
            }
            lineages[name] = Lineage(revisions, next(iter(newest.get(head, ())), None), by_mark)
        return lineages

    def _of_name(self, name: str, changes: Iterable[FileChange]) -> dict[str, Revision]:
        by_commit: dict[str, Revision] = {}
        for change in changes:
            revision = self._revision(name, change)
            if revision is None:
                continue
            known = by_commit.get(change.commit)
            # A move removes one path and adds another: the one that has a text counts.
            if known is None or (known.digest is None and revision.digest is not None):
                by_commit[change.commit] = revision
        return by_commit

    def _revision(self, name: str, change: FileChange) -> Revision | None:
        if change.new is not None and self._name(change.new, change.path) == name:
            text = self._blobs.texts.get(change.new)
            if text is None or text.digest is None:
                return None  # a broken file says nothing about the prompt
            keys = self._keys(text.synced)
            return Revision(change.commit, (), text.digest, text.tags, keys, change.path, change.new)
        if change.old is not None and self._name(change.old, change.path) == name:
            return Revision(change.commit, (), None, path=change.path)
        return None

    def _name(self, blob: str | None, path: str) -> str | None:
        if blob is None or not path.endswith(SUFFIXES):
            return None
        # A file without name: has the name of the path that it had in that commit.
        return self._blobs.names.get(blob) or name_for(path.removeprefix(f"{self._prompts}/"))

    def _read(self, changes: Sequence[FileChange]) -> None:
        """Read the names before and after some changes, and the texts after them."""
        self._read_names((blob for c in changes for blob in (c.old, c.new) if blob), texts=changes)

    def _read_names(self, blobs: Iterable[str], texts: Iterable[FileChange] = ()) -> None:
        """Read the names in ``blobs``, and the texts that changes added."""
        names = {blob for blob in blobs if blob not in self._blobs.names}
        known = self._blobs.texts
        paths = {change.new: change.path for change in texts if change.new and change.new not in known}
        for blob, data in self._history.blobs(names.union(paths)).items():
            self._dirty = True
            if blob in names:
                self._blobs.names[blob] = name_in(data)
            path = paths.get(blob)
            if path is None:
                continue
            try:
                file = parse(data, path, self._name(blob, path) or "")
            except InvalidFile:
                self._blobs.texts[blob] = BlobText(None, frozenset(), {})
            else:
                tags, synced = tag_set(file.prompt), dict(file.local.synced)
                self._blobs.texts[blob] = BlobText(digest(file.prompt), tags, synced)


def linked(
    commits: Iterable[Commit], changed: Mapping[str, Revision]
) -> tuple[list[Revision], dict[str, tuple[int, ...]]]:
    """Return revisions with their parents, and the places of the newest ones that each commit reaches.

    ``commits`` are oldest first, ``changed`` are the revisions by commit. A merge of different revisions that
    changed nothing becomes a revision too.
    """
    revisions: list[Revision] = []
    newest: dict[str, tuple[int, ...]] = {}
    for commit in commits:
        parents = [newest.get(parent, ()) for parent in commit.parents]
        places = parents[0] if len(parents) == 1 else tuple(dict.fromkeys(chain.from_iterable(parents)))
        revision = changed.get(commit.id) or (revisions[places[0]] if len(places) > 1 else None)
        if revision is not None:
            revisions.append(structs.replace(revision, commit=commit.id, parents=places))
            places = (len(revisions) - 1,)
        newest[commit.id] = places
    return revisions, newest
