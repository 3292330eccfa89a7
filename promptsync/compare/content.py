"""The content of a version beside a file: the only place that decides whether a version matches a file.

A vendor can add a field at any time, and it then appears in all versions, old ones included. So a key that
the file lacks and that promptsync does not know never makes a difference to a version that promptsync
published. In a version that was made in the dashboard it counts if it differs from the version below.
"""

from __future__ import annotations

from typing import Final

from promptsync.history.mark import parse_mark
from promptsync.project.project import Project
from promptsync.project.versions import read_usable
from promptsync.prompt.additions import without_additions, without_notes
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Prompt, Version

_NOTHING: Final = Prompt("", {})


def content_of(version: Version, file: Prompt | None, below: Prompt | None = None) -> Prompt:
    """Return the content of a version that can be compared with a file.

    ``below`` is the version before it, for a version for which ``needs_below`` holds. Without it, every key
    counts. References to tools of the registry stay as in the file, and notes about a version are left out.
    """
    if file is None:
        return without_notes(version.prompt)
    limit = (below or _NOTHING) if needs_below(version, file) else None
    return without_additions(file, version.prompt, limit)[0]


def needs_below(version: Version, file: Prompt | None) -> bool:
    """Whether a version was made in the dashboard and has unknown keys that the file lacks."""
    mark = parse_mark(version.message)
    if file is None or version.version == 1 or (mark is not None and mark.version <= version.version):
        return False
    return bool(without_additions(file, version.prompt)[1])


def read_content(project: Project, version: Version, file: Prompt | None) -> Prompt:
    """Return the content of a version, see ``content_of``. Reads the version below where it matters."""
    if not needs_below(version, file):
        return content_of(version, file)
    # The cached version may be older than the keys that the registry adds now.
    below = read_usable(project, version, version.version - 1, fresh=True)
    return content_of(version, file, below.prompt if below is not None else None)


def has_text(project: Project, version: Version | None, text: Prompt) -> bool:
    """Whether a version has the content of a prompt, see ``read_content``; ``None`` has none."""
    return version is not None and digest(read_content(project, version, text)) == digest(text)
