"""What is kept between runs: the record of pushes and pulls, and the cache. Both only save requests."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from promptsync.errors import PromptsyncError
from promptsync.files.disk import DIRECTORY, read_private, write_private
from promptsync.prompt.limits import checked_depth

T = TypeVar("T")


class SeenNames(msgspec.Struct, frozen=True):
    """What shell completion offers: prompts with their latest versions, and the labels of any of them."""

    versions: dict[str, int] = {}
    labels: tuple[str, ...] = ()


class Cache:
    """Values by kind and key, each in a file of ``.promptsync/cache``.

    Damaged files count as none. What cannot be written costs requests and changes no result.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, url: str, workspace_id: int, template_id: int, version: int) -> dict[str, Any] | None:
        """Return a version as a registry returned it."""
        return self.read(dict[str, Any], "version", url, workspace_id, template_id, version)

    def put(
        self, url: str, workspace_id: int, template_id: int, version: int, raw: Mapping[str, Any]
    ) -> None:
        self.write(raw, "version", url, workspace_id, template_id, version)

    def versions(self) -> Iterator[dict[str, Any]]:
        """Yield all versions, whichever registry returned them."""
        for path in (self._root / DIRECTORY / "cache").glob("version-*.json"):
            if (raw := self._decoded(dict[str, Any], f"cache/{path.name}")) is not None:
                yield raw

    def names(self, url: str) -> SeenNames:
        """Return the names that a registry had when it was last listed; none when it never was."""
        return self.read(SeenNames, "names", url) or SeenNames()

    def keep_names(self, url: str, versions: Mapping[str, int], labels: Iterable[str] | None) -> None:
        """Keep the names in a registry if they are new; ``labels`` is ``None`` when they were not read."""
        known = self.read(SeenNames, "names", url)
        before = known.labels if known is not None else ()
        names = SeenNames(dict(versions), before if labels is None else tuple(sorted(set(labels))))
        if names != known:
            self.write(names, "names", url)

    def read(self, type_: type[T], *key: object) -> T | None:
        """Return the value with a key, which begins with what kind of value it is."""
        return self._decoded(type_, _path(key))

    def _decoded(self, type_: type[T], path: str) -> T | None:
        try:
            value = msgspec.json.decode(read_private(self._root, path) or b"", type=type_)
            checked_depth(value if isinstance(value, dict) else None)
        except (ValueError, RecursionError):
            return None
        return value

    def write(self, value: Any, *key: object) -> None:
        with contextlib.suppress(OSError, ValueError, RecursionError, PromptsyncError):
            write_private(self._root, _path(key), msgspec.json.encode(value))


def _path(key: tuple[object, ...]) -> str:
    return f"cache/{key[0]}-{sha256(json.dumps(key).encode()).hexdigest()[:24]}.json"


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
