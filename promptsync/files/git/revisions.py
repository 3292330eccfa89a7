"""The git revisions of prompts by name, and the blobs of the prompt files of a commit."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain

from msgspec import structs

from promptsync.files.config import FILE_NAME
from promptsync.files.git.repository import Commit, FileChange, Repository
from promptsync.files.prompt_file import PromptFile, is_skipped, name_in, parse
from promptsync.files.yaml import load
from promptsync.files.yaml.load import InvalidFile
from promptsync.history.graph import Lineage, Revision
from promptsync.history.mark import Key
from promptsync.prompt.canonical import digest
from promptsync.prompt.names import SUFFIXES, name_for
from promptsync.prompt.prompt import tag_set


class Revisions:
    """The revisions of prompts by name, each blob read once. ``keys`` reads a ``synced:`` for one remote."""

    def __init__(
        self,
        history: Repository,
        prompts: str,
        keys: Callable[[Mapping[str, Sequence[str]]], tuple[Key, ...]],
    ) -> None:
        self._history = history
        self._prompts = prompts
        self._keys = keys
        self._log = history.commits
        self._tips: set[str] = set()
        self._marked: dict[str, str | None] = {}
        self._names: dict[str, str] = {}
        self._files: dict[str, PromptFile | None] = {}

    def of(self, names: Collection[str], marked: Iterable[str] = ()) -> dict[str, Lineage]:
        """Return the revisions of the prompts with these names, wherever their files were.

        ``marked`` are the commits in marks whose history counts beside that of ``HEAD``, from now on.
        """
        self._look_at({*marked} - self._marked.keys())
        files = [
            change for commit in self._log for change in commit.changes if change.path.endswith(SUFFIXES)
        ]
        blobs = {blob for change in files for blob in (change.old, change.new) if blob}
        contents = self._history.blobs(blobs - self._names.keys())
        self._names.update((blob, name_in(data)) for blob, data in contents.items())
        by_name: dict[str, list[FileChange]] = {name: [] for name in names}
        for change in files:
            for name in {self._name(change.old, change.path), self._name(change.new, change.path)}:
                if name in by_name:
                    by_name[name].append(change)
        self._parse(chain.from_iterable(by_name.values()))
        # HEAD itself need not have touched the prompts: this is the newest commit that did.
        head = self._history.commits[0].id if self._history.commits else ""
        lineages = {}
        for name, changes in by_name.items():
            revisions, newest = linked(reversed(self._log), self._of_name(name, changes))
            places = {
                commit: (*newest.get(commit or "", ()), None)[0] for commit in (head, *self._marked.values())
            }
            by_mark = {short: places[commit] for short, commit in self._marked.items()}
            lineages[name] = Lineage(revisions, places[head], by_mark)
        return lineages

    def _look_at(self, marked: set[str]) -> None:
        """Add the histories of some commits in marks. This clone may lack them."""
        full = self._history.existing(marked)
        self._marked |= {short: None for short in marked}
        self._marked |= {short: self._history.newest_of(commit) for short, commit in full.items()}
        self._tips |= {*full.values()}
        if full and self._history.born:
            self._log = self._history.commits_of(["HEAD", *sorted(self._tips)])

    def _parse(self, changes: Iterable[FileChange]) -> None:
        """Read the files after some changes."""
        paths = {
            change.new: change.path for change in changes if change.new and change.new not in self._files
        }
        for blob, data in self._history.blobs(paths).items():
            self._files[blob] = None  # a broken file says nothing about the prompt
            with contextlib.suppress(InvalidFile):
                self._files[blob] = parse(data, paths[blob], self._name(blob, paths[blob]) or "")

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
        commit, path, blob = change.commit, change.path, change.new
        if self._name(blob, path) != name:
            return Revision(commit, (), None, path=path)
        if (file := self._files.get(blob or "")) is None:
            return None
        text, keys = digest(file.prompt), self._keys(file.local.synced)
        return Revision(commit, (), text, tag_set(file.prompt), keys, path, file)

    def _name(self, blob: str | None, path: str) -> str | None:
        """Return the name of a prompt, without ``name:`` that of the path that it had in that commit."""
        return self._names.get(blob) or name_for(path.removeprefix(f"{self._prompts}/")) if blob else None


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
