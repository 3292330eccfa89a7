"""The files of a skill collection: paths, limits, and the changes that a new version makes.

Paths are stored relative to the root of the collection, such as ``triage/SKILL.md``. The provider's tool
looks for that file at its exported path, such as ``.claude/skills/triage/SKILL.md``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptsync.server.http.answer import malformed
from promptsync.server.http.fields import Fields
from promptsync.server.skills.archive import check_size

MAX_FILES = 100
MAX_PATH = 512

ROOTS = {"claude_code": ".claude/", "openai": ".agents/", "openclaw": ".openclaw/"}
"""The folder that each provider's tool reads. A collection without a provider is universal."""

_SKILLS = "skills/"
_WITH_SKILLS_FOLDER = ("claude_code", "openai")
_ROOTS = {
    provider: re.compile(
        f"({re.escape(root)}{f'|{_SKILLS}(?=.*/)' if provider in _WITH_SKILLS_FOLDER else ''})+"
    )
    for provider, root in ROOTS.items()
}
"""The prefix removed from a received path, repeatedly, so that no stored path starts with it."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of a version, in this order: moves, deletions, files to write."""

    written: Mapping[str, bytes]
    moves: Sequence[tuple[str, str]] = ()
    deletes: Sequence[str] = ()


def read_changes(body: Fields, key: str, uploaded: Mapping[str, bytes], provider: str | None) -> Changes:
    """Return the changes in a body. Its list ``key`` and ``uploaded`` are the files to write."""
    sent = [*uploaded.items()]
    for item in body.objects(key):
        sent.append((item.text("path"), (item.optional_text("content") or "").encode()))
    written: dict[str, bytes] = {}
    for name, content in sent:
        path = stored_path(name, provider)
        if path in written:
            raise malformed(f"The file {path!r} is sent twice.")
        check_size(path, content)
        written[path] = content
    moves = [
        (stored_path(move.text("old_path"), provider), stored_path(move.text("new_path"), provider))
        for move in body.objects("moves")
    ]
    return Changes(written, moves, [stored_path(path, provider) for path in body.texts("deletes") or ()])


def changed_files(files: Mapping[str, str], changes: Changes, provider: str | None) -> dict[str, str]:
    """Return ``files``, which maps paths to digests, after the changes; 400 if they do not apply."""
    found = {stored_path(path, provider): content for path, content in files.items()}
    if len(found) < len(files):
        raise malformed(f"Two files would have the same path for the provider {provider}; move one first.")
    for old, new in changes.moves:
        if new in found:
            raise malformed(f"{old!r} cannot be moved to {new!r}, which exists.")
        found[new] = _take(found, old)
    for path in changes.deletes:
        _take(found, path)
    found |= {path: digest(content) for path, content in changes.written.items()}
    if len(found) > MAX_FILES:
        raise malformed(f"A collection can have at most {MAX_FILES} files; this one would have {len(found)}.")
    folders = {path[:at] for path in found for at, letter in enumerate(path) if letter == "/"}
    if both := folders & found.keys():
        raise malformed(f"{min(both)!r} cannot be both a file and a folder.")
    return dict(sorted(found.items()))


def digest(content: bytes) -> str:
    """Return the key under which content is stored."""
    return hashlib.sha256(content).hexdigest()


def _take(files: dict[str, str], path: str) -> str:
    if path not in files:
        raise malformed(f"The collection has no file {path!r}.")
    return files.pop(path)


def stored_path(path: str, provider: str | None) -> str:
    """Return the stored form of a received path, which may be exported; 400 if it is unsafe."""
    parts = path.split("/")
    unsafe = any(letter in "\\:\x7f" or letter < " " for letter in path)
    if unsafe or len(path) > MAX_PATH or any(part in ("", ".", "..") for part in parts):
        raise malformed(
            f"{path[:100]!r} is not a valid path: use at most {MAX_PATH} characters, names separated by '/', "
            "and no '.', '..', ':', backslash or control character."
        )
    root = _ROOTS[provider].match(path) if provider else None
    return path[root.end() :] if root else path


def exported_path(path: str, provider: str | None) -> str:
    """Return the path, from the root of a project, where the provider's tool looks for a stored file."""
    in_folder = provider in _WITH_SKILLS_FOLDER and "/" in path and not path.startswith(_SKILLS)
    return ROOTS.get(provider or "", "") + (_SKILLS if in_folder else "") + path
