"""Names that the registry had when it was last listed: for completion in shells, which must ask nobody."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptsync.errors import PromptsyncError
from promptsync.files.private import DIRECTORY, private_directory, read_json, write_json

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """The prompts with their latest versions, and the labels of any of them."""

    versions: Mapping[str, int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


def seen(root: Path, url: str) -> Seen:
    """Return what a registry had, nothing when nobody looked yet."""
    return _read(_all(root).get(url))


def remember(root: Path, url: str, versions: Mapping[str, int], labels: Iterable[str] | None) -> None:
    """Keep what a registry has, when that is news; ``labels`` are ``None`` where they were not read."""
    remotes = _all(root)
    known = _read(remotes.get(url))
    kept = known.labels if labels is None else tuple(sorted(set(labels)))
    if (known.versions, known.labels) == (versions, kept) and url in remotes:
        return
    remotes[url] = {"versions": dict(versions), "labels": list(kept)}
    # Without it completion knows less, and nothing else does.
    with contextlib.suppress(OSError, PromptsyncError):
        private_directory(root)
        write_json(_path(root), {"format": _FORMAT, "remotes": remotes})


def _path(root: Path) -> Path:
    return root / DIRECTORY / "cache" / "seen.json"


def _all(root: Path) -> dict[str, Any]:
    data = read_json(_path(root))
    remotes = data.get("remotes") if isinstance(data, dict) and data.get("format") == _FORMAT else None
    return remotes if isinstance(remotes, dict) else {}


def _read(raw: Any) -> Seen:
    """Return an entry, empty where it is none that anybody here can have written."""
    versions = raw.get("versions") if isinstance(raw, dict) else None
    labels = raw.get("labels") if isinstance(raw, dict) else None
    if not isinstance(versions, dict) or not all(isinstance(one, int) for one in versions.values()):
        versions = {}
    if not isinstance(labels, list) or not all(isinstance(one, str) for one in labels):
        labels = []
    return Seen(versions, tuple(labels))
