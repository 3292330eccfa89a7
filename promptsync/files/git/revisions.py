"""The git revisions of prompts by name, so that a file that was moved keeps its history."""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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
        self._chains = _Chains(log[::-1])
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
        blobs = {one.blob: one for one in lineage.revisions if one.blob is not None}
        found = {}
        for blob, data in self._history.blobs(blobs).items():
            one = blobs[blob]
            with contextlib.suppress(InvalidFile):
                found[one.digest or ""] = parse(data, one.path, self._name(blob, one.path) or "").prompt
        return found

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
        found: set[int] = set()
        queue, seen = [path], {path}
        while queue:
            indexes = by_path.get(queue.pop(), ())
            found.update(indexes)
            self._read_names(old for index in indexes if (old := changes[index].old))
            for index in indexes:
                # A commit that found the prompt at this path did not move it there.
                if self._name(changes[index].old, changes[index].path) == name:
                    continue
                sources = replaced.get(changes[index].commit, ())
                self._read_names(change.old for change in sources if change.old)
                for change in sources:
                    if change.path not in seen and self._name(change.old, change.path) == name:
                        seen.add(change.path)
                        queue.append(change.path)
        return sorted(found)

    def _lineages(self, wanted: Mapping[str, Iterable[int]]) -> dict[str, Lineage]:
        picked = {name: [self._changes[index] for index in indexes] for name, indexes in wanted.items()}
        found = [change for changes in picked.values() for change in changes]
        self._read(found)
        # HEAD itself need not have touched the prompts: this is the newest commit that did.
        head = self._history.commits[0].id if self._history.commits else None
        marked = {
            short: self._history.newest_of(full) if full else None for short, full in self._marked.items()
        }
        lineages = {}
        for name, changes in picked.items():
            revisions: list[Revision] = []
            nearest = self._chains.nearest(self._of_name(name, changes), revisions)
            places = {
                one: next(iter(nearest(one)), None) if one else None for one in {head, *marked.values()}
            }
            by_mark = {short: places[newest] for short, newest in marked.items()}
            lineages[name] = Lineage(tuple(revisions), places[head], by_mark)
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
        return self._blobs.names.get(blob) or self._name_for(path)

    def _name_for(self, path: str) -> str:
        return name_for(path.removeprefix(f"{self._prompts}/"))

    def _read(self, changes: Sequence[FileChange]) -> None:
        """Read the names before and after some changes, and the texts after them."""
        self._read_names((blob for c in changes for blob in (c.old, c.new) if blob), texts=changes)

    def _read_names(self, blobs: Iterable[str], texts: Iterable[FileChange] = ()) -> None:
        """Read the names in ``blobs``, and the texts that changes added."""
        names = {blob for blob in blobs if blob not in self._blobs.names}
        paths = {one.new: one.path for one in texts if one.new and one.new not in self._blobs.texts}
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


class _Chains:
    """Commits, oldest first, as runs in which each has the one before it as its only parent.

    This finds the revisions of a prompt without walking through every commit for each prompt.
    """

    def __init__(self, commits: Sequence[Commit]) -> None:
        self._ids = [commit.id for commit in commits]
        self._index = {id_: index for index, id_ in enumerate(self._ids)}
        self._chain: list[int] = []
        self._starts: list[tuple[int, tuple[int, ...]]] = []
        ends: dict[int, int] = {}
        for index, commit in enumerate(commits):
            parents = tuple(self._index[one] for one in commit.parents if one in self._index)
            # A chain goes on in one child only. Each other child starts a chain of its own.
            chain = ends.pop(parents[0], None) if len(parents) == 1 else None
            if chain is None:
                chain = len(self._starts)
                self._starts.append((index, parents))
            self._chain.append(chain)
            ends[index] = chain

    def nearest(
        self, made: Mapping[str, Revision], found: list[Revision]
    ) -> Callable[[str], tuple[int, ...]]:
        """Append revisions to ``found``, each after its parents, and merges of different ones.

        The function that is returned gives the indexes of the newest revisions that a commit reaches.
        """
        by_chain: dict[int, list[int]] = defaultdict(list)
        for commit in made:
            by_chain[self._chain[self._index[commit]]].append(self._index[commit])
        # What the first commit of each chain has from its parents, and where each commit's revision is.
        entries: list[tuple[int, ...]] = []
        places: dict[int, int] = {}

        def at(index: int) -> tuple[int, ...]:
            chain = self._chain[index]
            own = by_chain.get(chain, ())
            before = bisect_right(own, index)
            return (places[own[before - 1]],) if before else entries[chain]

        def add(index: int, revision: Revision, parents: tuple[int, ...]) -> tuple[int, ...]:
            found.append(structs.replace(revision, commit=self._ids[index], parents=parents))
            places[index] = len(found) - 1
            return (places[index],)

        # Chains are in the order of their first commits, so those of the parents are done.
        for chain, (start, parents) in enumerate(self._starts):
            near = tuple(dict.fromkeys(place for parent in parents for place in at(parent)))
            own = by_chain[chain] = sorted(by_chain.get(chain, ()))
            if len(near) > 1 and own[:1] != [start]:
                near = add(start, found[near[0]], near)  # a merge that changed nothing
            entries.append(near)
            for index in own:
                near = add(index, made[self._ids[index]], near)
        return lambda commit: at(self._index[commit]) if commit in self._index else ()
