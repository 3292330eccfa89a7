"""What a working copy remembers about registries: a cache, which saves requests and decides nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from promptsync.errors import PromptsyncError
from promptsync.files.state.disk import private_directory, read_json, write_json, write_mapping


@dataclass(frozen=True, slots=True)
class Entry:
    """The last version of one prompt that this working copy pushed or pulled, as the registry stores it."""

    template_id: int
    version: int
    digest: str
    tags: frozenset[str] = frozenset()


class _Remotes:
    """A private JSON file with one value for each registry URL."""

    def __init__(self, root: Path, path: str, version: int) -> None:
        self._root = root
        self._path = path
        self._format = version
        data = read_json(root, path)
        usable = isinstance(data, dict) and data.get("format") == version
        remotes = data.get("remotes") if usable else None
        self.values: dict[str, Any] = remotes if isinstance(remotes, dict) else {}

    def of(self, url: str) -> dict[str, Any]:
        """Return the value for a registry, ``{}`` if there is none."""
        value = self.values.get(url)
        return value if isinstance(value, dict) else {}

    def save(self) -> None:
        """Write the values. Raises ``OSError`` and ``PromptsyncError``."""
        private_directory(self._root)
        write_json(self._root, self._path, {"format": self._format, "remotes": self.values})


class Record:
    """Entries by registry URL, workspace and prompt name."""

    def __init__(self, root: Path) -> None:
        self._remotes = _Remotes(root, "record.json", 2)

    def entries(self, url: str, workspace_id: int | None) -> dict[str, Entry]:
        """Return the entries of a workspace by prompt name; ``None`` means the workspace seen last."""
        remote = self._remotes.of(url)
        if workspace_id is not None and remote.get("workspace") != workspace_id:
            return {}
        prompts = remote.get("prompts")
        read = {name: _entry(raw) for name, raw in prompts.items()} if isinstance(prompts, dict) else {}
        return {name: entry for name, entry in read.items() if entry is not None}

    def workspace(self, url: str) -> int | None:
        """Return the workspace seen last at a URL, if any."""
        found = self._remotes.of(url).get("workspace")
        return found if isinstance(found, int) else None

    def update(
        self, url: str, workspace_id: int | None, entries: Mapping[str, Entry], *, gone: Iterable[str] = ()
    ) -> None:
        """Remember ``entries``, forget ``gone``, and write the file.

        Entries of other workspaces at this URL are dropped.
        """
        gone = set(gone)
        if not entries and not gone:
            return
        known = {**self.entries(url, workspace_id), **entries}
        kept = {name: entry for name, entry in known.items() if name not in gone}
        self._remotes.values[url] = {
            "workspace": workspace_id,
            "prompts": {
                name: {
                    "id": entry.template_id,
                    "version": entry.version,
                    "digest": entry.digest,
                    "tags": sorted(entry.tags),
                }
                for name, entry in sorted(kept.items())
            },
        }
        self._remotes.save()


def _entry(raw: Any) -> Entry | None:
    """Return an entry, or ``None`` for a value that promptsync cannot have written."""
    try:
        if not isinstance(raw["tags"], list):
            return None
        return Entry(int(raw["id"]), int(raw["version"]), str(raw["digest"]), frozenset(raw["tags"]))
    except (KeyError, TypeError, ValueError):
        return None


class FileCache:
    """Raw versions by URL, workspace, template and version number, each in a file of the cache."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._is_made = False

    def get(self, url: str, workspace_id: int, template_id: int, version: int) -> dict[str, Any] | None:
        raw = read_json(self._root, self._path(url, workspace_id, template_id, version))
        return raw if isinstance(raw, dict) else None

    def put(
        self, url: str, workspace_id: int, template_id: int, version: int, raw: Mapping[str, Any]
    ) -> None:
        # A cache that cannot be written costs requests and changes no result.
        with contextlib.suppress(OSError, PromptsyncError):
            if not self._is_made:
                private_directory(self._root)
                self._is_made = True
            write_mapping(self._root, self._path(url, workspace_id, template_id, version), raw)

    def _path(self, url: str, workspace_id: int, template_id: int, version: int) -> str:
        remote = f"{sha256(url.encode()).hexdigest()[:16]}-{workspace_id}"
        return f"cache/{remote}/{template_id}-{version}.json"


@dataclass(frozen=True, slots=True)
class SeenNames:
    """What shell completion offers: prompts with their latest versions, and the labels of any of them."""

    versions: Mapping[str, int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


_SEEN: Final = ("cache/seen.json", 1)


def names_seen(root: Path, url: str) -> SeenNames:
    """Return the names that a registry had when it was last listed; none when it never was."""
    return _seen(_Remotes(root, *_SEEN).of(url))


def remember_names(root: Path, url: str, versions: Mapping[str, int], labels: Iterable[str] | None) -> None:
    """Keep the names in a registry if they are new; ``labels`` is ``None`` when they were not read."""
    remotes = _Remotes(root, *_SEEN)
    known = _seen(remotes.of(url))
    kept = known.labels if labels is None else tuple(sorted(set(labels)))
    if (known.versions, known.labels) == (versions, kept) and url in remotes.values:
        return
    remotes.values[url] = {"versions": dict(versions), "labels": list(kept)}
    # A failure costs completion a few names.
    with contextlib.suppress(OSError, PromptsyncError):
        remotes.save()


def _seen(raw: Mapping[str, Any]) -> SeenNames:
    """Return names from a private file, without those that promptsync cannot have written."""
    versions, labels = raw.get("versions"), raw.get("labels")
    if not isinstance(versions, dict) or not all(isinstance(one, int) for one in versions.values()):
        versions = {}
    if not isinstance(labels, list) or not all(isinstance(one, str) for one in labels):
        labels = []
    return SeenNames(versions, tuple(labels))
