"""The record of the last pushes and pulls of a working copy. It saves requests and decides nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from promptsync.files.disk import read_private, write_private

_FILE: Final = "record.json"


class Entry(msgspec.Struct, frozen=True):
    """The last version of one prompt that this working copy pushed or pulled, as the registry stores it."""

    template_id: int
    version: int
    digest: str
    tags: frozenset[str] = frozenset()


class _Workspace(msgspec.Struct, frozen=True):
    workspace: int | None
    prompts: dict[str, Entry]


class Record:
    """Entries by registry URL, workspace and prompt name. A damaged file counts as none."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._remotes: dict[str, _Workspace] = {}
        with contextlib.suppress(ValueError, RecursionError):
            self._remotes = msgspec.json.decode(
                read_private(root, _FILE) or b"{}", type=dict[str, _Workspace]
            )

    def entries(self, url: str, workspace_id: int | None) -> dict[str, Entry]:
        """Return the entries of a workspace by prompt name; ``None`` means the workspace seen last."""
        remote = self._remotes.get(url)
        is_other = remote is None or workspace_id not in (None, remote.workspace)
        return {} if remote is None or is_other else dict(remote.prompts)

    def update(
        self, url: str, workspace_id: int | None, entries: Mapping[str, Entry], *, gone: Iterable[str] = ()
    ) -> None:
        """Remember ``entries``, forget ``gone``, and write the file.

        Entries of other workspaces at this URL are dropped. Raises ``OSError`` and ``PromptsyncError``.
        """
        gone = set(gone)
        if not entries and not gone:
            return
        known = {**self.entries(url, workspace_id), **entries}
        kept = {name: entry for name, entry in sorted(known.items()) if name not in gone}
        self._remotes[url] = _Workspace(workspace_id, kept)
        write_private(self._root, _FILE, msgspec.json.encode(self._remotes, order="sorted"))
