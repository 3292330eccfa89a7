"""The git revisions of prompts, found by name: a file that was moved keeps its history."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptsync.core.base import Tags
from promptsync.core.canonical import digest, tag_set
from promptsync.core.names import SUFFIXES, name_for
from promptsync.errors import PromptsyncError
from promptsync.files.gitoutput import Change
from promptsync.files.history import History
from promptsync.files.private import DIRECTORY, private_directory, read_json, write_json
from promptsync.files.problems import InvalidFile
from promptsync.files.promptfile import parse
from promptsync.files.quickname import name_in

_CACHE_FORMAT = 2


@dataclass(frozen=True, slots=True)
class FileRevision:
    """What one commit made of the file of a prompt; ``digest`` is ``None`` when it deleted or renamed it."""

    commit: str
    path: str
    blob: str | None
    digest: str | None
    tags: Tags = frozenset()
    pulled: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class _BlobText:
    digest: str | None
    tags: Tags
    pulled: Mapping[str, int]


class Revisions:
    """Revisions by prompt name. What a blob says is kept in ``.promptsync/cache`` by its id."""

    def __init__(self, history: History, root: Path, prompts: str) -> None:
        self._history = history
        self._root = root
        self._prompts = prompts
        self._cache_path = root / DIRECTORY / "cache" / "blobs.json"
        self._names, self._texts = _load_cache(self._cache_path)
        self._dirty = False

    def of(self, paths: Mapping[str, str]) -> dict[str, tuple[FileRevision, ...]]:
        """Return the revisions, newest first, of the prompts in ``paths``, which gives their present paths.

        A move is followed where the commit that made the new path took the old one away.
        """
        by_path: dict[str, list[int]] = defaultdict(list)
        removed: dict[str, list[int]] = defaultdict(list)
        for index, change in enumerate(self._history.changes):
            by_path[change.path].append(index)
            if change.new is None:
                removed[change.commit].append(index)
        wanted = {name: self._follow(name, path, by_path, removed) for name, path in paths.items()}
        return self._revisions(wanted)

    def all_names(self) -> dict[str, tuple[FileRevision, ...]]:
        """Return the revisions of every prompt that any commit which ``HEAD`` reaches has known."""
        changes = self._history.changes
        self._read_names(blob for change in changes for blob in (change.old, change.new) if blob)
        indexes: dict[str, list[int]] = defaultdict(list)
        for index, change in enumerate(changes):
            for name in {self._name(change.old, change.path), self._name(change.new, change.path)} - {None}:
                indexes[name or ""].append(index)
        return self._revisions(indexes)

    def save(self) -> None:
        """Keep what was read for the next run."""
        if not self._dirty:
            return
        texts = {
            blob: [text.digest, sorted(text.tags), dict(text.pulled)] for blob, text in self._texts.items()
        }
        value = {"format": _CACHE_FORMAT, "names": self._names, "texts": texts}
        # A cache that cannot be written costs time, never the answer.
        with contextlib.suppress(OSError, PromptsyncError):
            private_directory(self._root)
            write_json(self._cache_path, value)

    def _follow(
        self,
        name: str,
        path: str,
        by_path: Mapping[str, Sequence[int]],
        removed: Mapping[str, Sequence[int]],
    ) -> list[int]:
        changes = self._history.changes
        found: set[int] = set()
        queue, seen = [path], {path}
        while queue:
            indexes = by_path.get(queue.pop(), ())
            found.update(indexes)
            for index in indexes:
                if changes[index].old is not None:
                    continue
                sources = [changes[other] for other in removed.get(changes[index].commit, ())]
                self._read_names(change.old for change in sources if change.old)
                for change in sources:
                    if change.path not in seen and self._name(change.old, change.path) == name:
                        seen.add(change.path)
                        queue.append(change.path)
        return sorted(found)

    def _revisions(self, wanted: Mapping[str, Iterable[int]]) -> dict[str, tuple[FileRevision, ...]]:
        changes = self._history.changes
        picked = {name: [changes[index] for index in indexes] for name, indexes in wanted.items()}
        self._read_names(blob for found in picked.values() for c in found for blob in (c.old, c.new) if blob)
        self._read_texts((c.new, c.path) for found in picked.values() for c in found if c.new)
        return {name: tuple(self._of_name(name, found)) for name, found in picked.items()}

    def _of_name(self, name: str, changes: Iterable[Change]) -> list[FileRevision]:
        by_commit: dict[str, FileRevision] = {}
        for change in changes:
            revision = self._revision(name, change)
            if revision is None:
                continue
            known = by_commit.get(change.commit)
            # a move takes one path away and makes another: the text that is there counts
            if known is None or (known.digest is None and revision.digest is not None):
                by_commit[change.commit] = revision
        return list(by_commit.values())

    def _revision(self, name: str, change: Change) -> FileRevision | None:
        if change.new is not None and self._name(change.new, change.path) == name:
            text = self._texts.get(change.new)
            if text is None or text.digest is None:
                return None  # a commit with a broken file says nothing about the prompt
            return FileRevision(change.commit, change.path, change.new, text.digest, text.tags, text.pulled)
        if change.old is not None and self._name(change.old, change.path) == name:
            return FileRevision(change.commit, change.path, None, None)
        return None

    def _name(self, blob: str | None, path: str) -> str | None:
        if blob is None or not path.endswith(SUFFIXES):
            return None
        return self._names.get(blob) or name_for(path.removeprefix(f"{self._prompts}/"))

    def _read_names(self, blobs: Iterable[str]) -> None:
        missing = {blob for blob in blobs if blob not in self._names}
        for blob, data in self._history.blobs(missing).items():
            self._names[blob] = name_in(data)
            self._dirty = True

    def _read_texts(self, blobs: Iterable[tuple[str, str]]) -> None:
        missing = {blob: path for blob, path in blobs if blob not in self._texts}
        for blob, data in self._history.blobs(missing).items():
            path = missing[blob]
            self._texts[blob] = _read_text(data, path, self._name(blob, path) or "")
            self._dirty = True


def _load_cache(path: Path) -> tuple[dict[str, str], dict[str, _BlobText]]:
    data = read_json(path)
    if not isinstance(data, dict) or data.get("format") != _CACHE_FORMAT:
        return {}, {}
    try:
        texts = {
            blob: _BlobText(text, frozenset(tags), pulled)
            for blob, (text, tags, pulled) in data["texts"].items()
        }
        return dict(data["names"]), texts
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}, {}


def _read_text(data: bytes, path: str, name: str) -> _BlobText:
    try:
        file = parse(data, path, name)
    except InvalidFile:
        return _BlobText(None, frozenset(), {})
    return _BlobText(digest(file.prompt), tag_set(file.prompt), dict(file.local.pulled))
