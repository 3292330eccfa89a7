"""The files of a skill collection: paths, limits, and the changes that a new version makes.

Paths are stored relative to the root of the collection, such as ``triage/SKILL.md``. The provider's tool
looks for that file at its exported path, such as ``.claude/skills/triage/SKILL.md``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from promptsync.server.http.answer import malformed
from promptsync.server.http.fields import Name

MAX_FILES = 100
MAX_FILE = 5 * 1024 * 1024
MAX_TOTAL = 32 * 1024 * 1024
MAX_PATH = 512

Provider = Literal["claude_code", "openai", "openclaw"]

_ROOTS = {
    "claude_code": (".claude/", "skills/"),
    "openai": (".agents/", "skills/"),
    "openclaw": (".openclaw/", ""),
    None: ("", ""),
}
"""The folder that each provider's tool reads, and the one below it for files that are in a folder.

A collection without a provider is universal.
"""

_PREFIXES = {
    provider: re.compile(f"^({re.escape(root)}{f'|{folder}(?=.*/)' if folder else ''})+")
    for provider, (root, folder) in _ROOTS.items()
}
"""The prefix removed from a received path, repeatedly, so that no stored path starts with it."""


class SentFile(Struct, frozen=True):
    """A text file in a request."""

    path: str
    content: str | None = None


class SentMove(Struct, frozen=True):
    """A file that gets another path."""

    old_path: str
    new_path: str


class SentVersion(Struct, frozen=True):
    """A version in a request. Its changes happen in this order: moves, deletions, files to write."""

    provider: Provider | None = None
    commit_message: str | None = None
    release_label: Name | None = None
    moves: list[SentMove] | None = None
    deletes: list[str] | None = None
    file_updates: list[SentFile] | None = None


def changed_files(
    files: Mapping[str, bytes], new: SentVersion, uploaded: Mapping[str, bytes], provider: str | None
) -> dict[str, bytes]:
    """Return the files of a new version; 400 if its changes do not apply.

    ``uploaded`` are the files to write that came in an archive.
    """
    changed = {stored_path(path, provider): content for path, content in files.items()}
    if len(changed) < len(files):
        raise malformed(f"Two files would have the same path for the provider {provider}; move one first.")
    for move in new.moves or ():
        old, path = stored_path(move.old_path, provider), stored_path(move.new_path, provider)
        if path in changed:
            raise malformed(f"{old!r} cannot be moved to {path!r}, which exists.")
        changed[path] = _take(changed, old)
    for path in {stored_path(path, provider) for path in new.deletes or ()}:
        _take(changed, path)
    written: dict[str, bytes] = {}
    texts = ((file.path, (file.content or "").encode()) for file in new.file_updates or ())
    for name, content in (*uploaded.items(), *texts):
        path = stored_path(name, provider)
        if path in written:
            raise malformed(f"The file {path!r} is sent twice.")
        if len(content) > MAX_FILE:
            raise malformed(f"The file {path!r} is larger than {MAX_FILE:,} bytes.")
        written[path] = content
    changed |= written
    if len(changed) > MAX_FILES:
        raise malformed(f"A collection has at most {MAX_FILES} files; this one would have {len(changed)}.")
    if sum(map(len, changed.values())) > MAX_TOTAL:
        raise malformed(f"The files of the collection have more than {MAX_TOTAL:,} bytes in total.")
    folders = {path[:at] for path in changed for at, letter in enumerate(path) if letter == "/"}
    if both := folders & changed.keys():
        raise malformed(f"{min(both)!r} cannot be both a file and a folder.")
    return changed


def _take(files: dict[str, bytes], path: str) -> bytes:
    if path not in files:
        raise malformed(f"The collection has no file {path!r}.")
    return files.pop(path)


def stored_path(path: str, provider: str | None) -> str:
    """Return the stored form of a received path, which may be exported; 400 if it is unsafe."""
    unsafe = any(letter in "\\:\x7f" or letter < " " for letter in path)
    if unsafe or len(path) > MAX_PATH or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise malformed(
            f"{path[:100]!r} is not a valid path: use at most {MAX_PATH} characters, names separated by '/', "
            "and no '.', '..', ':', backslash or control character."
        )
    return _PREFIXES[provider].sub("", path)


def exported_path(path: str, provider: str | None) -> str:
    """Return the path, from the root of a project, where the provider's tool looks for a stored file."""
    root, folder = _ROOTS[provider]
    return root + (folder if "/" in path and not path.startswith(folder) else "") + path
