"""The git revisions of prompts by name, and the blobs of the prompt files of a commit."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import chain
from pathlib import Path

from msgspec import structs

from promptsync.files.cache import BlobText, Cache, Synced
from promptsync.files.config import FILE_NAME
from promptsync.files.git.repository import Commit, FileChange, Repository
from promptsync.files.prompt_file import is_skipped, name_in, parse
from promptsync.files.yaml import load
from promptsync.files.yaml.load import InvalidFile
from promptsync.history.graph import Lineage, Revision
from promptsync.history.mark import Key
from promptsync.prompt.canonical import digest
from promptsync.prompt.names import SUFFIXES, name_for
from promptsync.prompt.prompt import Prompt, tag_set


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
        self._log = history.commits_of(["HEAD", *tips]) if tips and history.born else history.commits
        self._cache = Cache(root)
        self._blobs = self._cache.blobs()

    def of(self, names: Collection[str]) -> dict[str, Lineage]:
        """Return the revisions of the prompts with these names, wherever their files were."""
        all_changes = [change for commit in self._log for change in commit.changes]
        is_new = self._read_names(all_changes)
        by_name: dict[str, list[FileChange]] = {name: [] for name in names}
        for change in all_changes:
            for name in {self._name(change.old, change.path), self._name(change.new, change.path)}:
                if name in by_name:
                    by_name[name].append(change)
        if self._read_texts(chain.from_iterable(by_name.values())) or is_new:
            self._cache.keep_blobs(self._blobs)
        # HEAD itself need not have touched the prompts: this is the newest commit that did.
        head = self._history.commits[0].id if self._history.commits else ""
        marked = {
            short: self._history.newest_of(full) if full else None for short, full in self._marked.items()
        }
        lineages = {}
        for name, changes in by_name.items():
            revisions, newest = linked(reversed(self._log), self._of_name(name, changes))
            places = {commit: (*newest.get(commit or "", ()), None)[0] for commit in (head, *marked.values())}
            by_mark = {short: places[commit] for short, commit in marked.items()}
            lineages[name] = Lineage(revisions, places[head], by_mark)
        return lineages

    def prompts(self, lineage: Lineage) -> dict[str, Prompt]:
        """Return the prompts in the revisions of a lineage, by digest."""
        blobs = {revision.blob: revision for revision in lineage.revisions if revision.blob is not None}
        prompts = {}
        for blob, data in self._history.blobs(blobs).items():
            path, text = blobs[blob].path, blobs[blob].digest or ""
            with contextlib.suppress(InvalidFile):
                prompts[text] = parse(data, path, self._name(blob, path) or "").prompt
        return prompts

    def _of_name(self, name: str, changes: Iterable[FileChange]) -> dict[str, Revision]:
        by_commit: dict[str, Revision] = {}
        for change in changes:
            revision = self._revision(name, change)
            known = by_commit.get(change.commit)
            # A move removes one path and adds another: the one that has a text counts.
            if revision is not None and (known is None or known.digest is None):
                by_commit[change.commit] = revision
        return by_commit

    def _revision(self, name: str, change: FileChange) -> Revision | None:
        if self._name(change.new, change.path) != name:
            return Revision(change.commit, (), None, path=change.path)
        text = self._blobs.texts.get(change.new or "")
        if text is None or text.digest is None:
            return None  # a broken file says nothing about the prompt
        keys, own_name = self._keys(text.synced), self._blobs.names.get(change.new or "", "")
        return Revision(change.commit, (), text.digest, text.tags, keys, change.path, change.new, own_name)

    def _name(self, blob: str | None, path: str) -> str | None:
        if blob is None or not path.endswith(SUFFIXES):
            return None
        # A file without name: has the name of the path that it had in that commit.
        return self._blobs.names.get(blob) or name_for(path.removeprefix(f"{self._prompts}/"))

    def _read_names(self, changes: Iterable[FileChange]) -> bool:
        """Read the names before and after some changes; returns whether any was not known."""
        files = [change for change in changes if change.path.endswith(SUFFIXES)]
        blobs = {blob for change in files for blob in (change.old, change.new) if blob}
        contents = self._history.blobs(blobs - self._blobs.names.keys())
        self._blobs.names.update((blob, name_in(data)) for blob, data in contents.items())
        return bool(contents)

    def _read_texts(self, changes: Iterable[FileChange]) -> bool:
        """Read the texts after some changes; returns whether any was not known."""
        known = self._blobs.texts
        paths = {change.new: change.path for change in changes if change.new and change.new not in known}
        for blob, data in self._history.blobs(paths).items():
            try:
                file = parse(data, paths[blob], self._name(blob, paths[blob]) or "")
            except InvalidFile:
                known[blob] = BlobText(None, frozenset(), {})
            else:
                known[blob] = BlobText(digest(file.prompt), tag_set(file.prompt), dict(file.local.synced))
        return bool(paths)


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


def tree_at(history: Repository, commit: str, prompts: str) -> dict[str, str]:
    """Return the blobs of the prompt files of a commit by their paths below its prompts directory.

    ``prompts`` is the current one, for a commit whose configuration cannot be read.
    """
    config = history.files(commit, history.prefix + FILE_NAME).values()
    try:
        value = load.load(b"".join(history.blobs(config).values()), FILE_NAME).value
    except InvalidFile:
        value = None  # the commit's configuration is broken, so the current directory has to do
    named = value.get("prompts", "prompts") if isinstance(value, dict) else None
    place = history.prefix + (posixpath.normpath(named) if isinstance(named, str) else prompts)
    blobs = {path.removeprefix(f"{place}/"): blob for path, blob in history.files(commit, place).items()}
    return {
        path: blob
        for path, blob in blobs.items()
        if path.endswith(SUFFIXES) and not any(map(is_skipped, path.split("/")))
    }
