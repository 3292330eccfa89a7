"""What was read from the blobs of a repository, kept in ``.promptsync/cache`` for the next run."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from promptsync.errors import PromptsyncError
from promptsync.files.state.disk import private_directory, read_json, write_json

_CACHE = "cache/blobs.json"
_FORMAT = 3

Synced = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class BlobText:
    """The text of one blob; ``digest`` is ``None`` where it is not a valid prompt file."""

    digest: str | None
    tags: frozenset[str]
    synced: Synced


def save_blobs(root: Path, names: Mapping[str, str], texts: Mapping[str, BlobText]) -> None:
    """Keep names and texts by blob."""
    rows = {
        blob: [text.digest, sorted(text.tags), {remote: [*keys] for remote, keys in text.synced.items()}]
        for blob, text in texts.items()
    }
    # A cache that cannot be written costs time and changes no result.
    with contextlib.suppress(OSError, PromptsyncError):
        private_directory(root)
        write_json(root, _CACHE, {"format": _FORMAT, "names": names, "texts": rows})


def load_blobs(root: Path) -> tuple[dict[str, str], dict[str, BlobText]]:
    """Return the names and the texts by blob, none from a file that promptsync cannot have written."""
    data = read_json(root, _CACHE)
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        return {}, {}
    try:
        texts = {
            blob: BlobText(
                None if text is None else _word(text), frozenset(map(_word, tags)), _synced(synced)
            )
            for blob, (text, tags, synced) in data["texts"].items()
        }
        return {blob: _word(name) for blob, name in data["names"].items()}, texts
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}, {}


def _synced(raw: dict[str, list[str]]) -> Synced:
    return {remote: tuple(map(_word, keys)) for remote, keys in raw.items()}


def _word(raw: str) -> str:
    if not isinstance(raw, str):
        raise TypeError(raw)
    return raw
