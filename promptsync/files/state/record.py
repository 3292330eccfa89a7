"""What this working copy remembers of its own pushes and pulls: a cache, which decides nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from promptsync.errors import PromptsyncError
from promptsync.files.state.private import DIRECTORY, private_directory, read_json, write_json

_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """The last version of one prompt that went through this working copy, as the registry keeps it."""

    template_id: int
    version: int
    digest: str
    tags: frozenset[str] = frozenset()


class Record:
    """Entries by registry URL, workspace and prompt name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / DIRECTORY / "record.json"
        data = read_json(self._path)
        usable = isinstance(data, dict) and data.get("format") == _FORMAT
        remotes = data.get("remotes") if usable else None
        self._remotes: dict[str, dict[str, Any]] = remotes if isinstance(remotes, dict) else {}

    def entries(self, url: str, workspace_id: int | None) -> dict[str, Entry]:
        """Return the entries of one workspace by name; without ``workspace_id`` of the last one seen."""
        remote = self._remotes.get(url)
        if not isinstance(remote, dict):
            return {}
        if workspace_id is not None and remote.get("workspace") != workspace_id:
            return {}
        prompts = remote.get("prompts")
        read = {name: _entry(raw) for name, raw in prompts.items()} if isinstance(prompts, dict) else {}
        return {name: entry for name, entry in read.items() if entry is not None}

    def workspace(self, url: str) -> int | None:
        """Return the workspace that was last seen at a URL, ``None`` when none was."""
        remote = self._remotes.get(url)
        found = remote.get("workspace") if isinstance(remote, dict) else None
        return found if isinstance(found, int) else None

    def update(
        self,
        url: str,
        workspace_id: int | None,
        entries: Mapping[str, Entry],
        *,
        gone: Iterable[str] = (),
    ) -> None:
        """Record ``entries``, forget ``gone``, and write the file.

        Entries of another workspace at this URL are forgotten.
        """
        gone = set(gone)
        if not entries and not gone:
            return
        known = {**self.entries(url, workspace_id), **entries}
        kept = {name: entry for name, entry in known.items() if name not in gone}
        self._remotes[url] = {
            "workspace": workspace_id,
            "prompts": {name: _raw(entry) for name, entry in sorted(kept.items())},
        }
        private_directory(self._root)
        write_json(self._path, {"format": _FORMAT, "remotes": self._remotes})


def _raw(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.template_id,
        "version": entry.version,
        "digest": entry.digest,
        "tags": sorted(entry.tags),
    }


def _entry(raw: Any) -> Entry | None:
    """Return an entry, or ``None`` for what nobody here can have written."""
    try:
        if not isinstance(raw["tags"], list):
            return None
        return Entry(int(raw["id"]), int(raw["version"]), str(raw["digest"]), frozenset(raw["tags"]))
    except (KeyError, TypeError, ValueError):
        return None


class FileCache:
    """Raw answers by URL, workspace, template and version: one file each, below ``.promptsync/cache``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._directory = root / DIRECTORY / "cache"
        self._is_made = False

    def get(self, url: str, workspace_id: int, template_id: int, version: int) -> dict[str, Any] | None:
        raw = read_json(self._path(url, workspace_id, template_id, version))
        return raw if isinstance(raw, dict) else None

    def put(
        self, url: str, workspace_id: int, template_id: int, version: int, raw: Mapping[str, Any]
    ) -> None:
        # A cache that cannot be written costs requests, never the answer.
        with contextlib.suppress(OSError, PromptsyncError):
            if not self._is_made:
                private_directory(self._root)
                self._is_made = True
            write_json(self._path(url, workspace_id, template_id, version), raw)

    def _path(self, url: str, workspace_id: int, template_id: int, version: int) -> Path:
        remote = f"{sha256(url.encode()).hexdigest()[:16]}-{workspace_id}"
        return self._directory / remote / f"{template_id}-{version}.json"
