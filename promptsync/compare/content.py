"""The content of a version beside a file: the one answer to whether a version has the text of a file.

A vendor can add a field at any time, and it then appears in all versions, old ones included. So a key that
the file lacks and that promptsync does not know never makes a difference to a version that promptsync
published. In a version that was made in the dashboard it counts if it differs from the version below.
"""

from __future__ import annotations

from promptsync.history.mark import parse_mark
from promptsync.project.project import Project
from promptsync.prompt.additions import content_beside, without, without_additions, without_notes
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.version import Version
from promptsync.registry.errors import NotFound, UnusablePrompt


def content_of(version: Version, file: Prompt | None, below: Prompt | None = None) -> Prompt:
    """Return the content of a version, as far as it can be compared with a file.

    ``below`` is the version before it, for a version for which ``needs_below`` holds. Without it, every key
    counts. References to tools of the registry stay as in the file, and notes about a version are left out.
    """
    if file is None:
        return without_notes(version.prompt)
    if not needs_below(version, file):
        return without_additions(file, version.prompt)[0]
    added = without_additions(file, below)[1] if below is not None else frozenset()
    return without(content_beside(file, version.prompt), added)


def needs_below(version: Version, file: Prompt | None) -> bool:
    """Whether a version was made in the dashboard and has unknown keys that the file lacks."""
    mark = parse_mark(version.message)
    if file is None or version.version == 1 or (mark is not None and mark.version <= version.version):
        return False
    return bool(without_additions(file, version.prompt)[1])


def has_text(version: Version, text: Prompt, below: Prompt | None = None) -> bool:
    """Whether a version has a text; the tags do not count."""
    return digest(content_of(version, text, below)) == digest(text)


def read_content(project: Project, version: Version, file: Prompt | None) -> Prompt:
    """Return the content of a version, see ``content_of``. Reads the version below where it matters."""
    if not needs_below(version, file):
        return content_of(version, file)
    # The cached version may be older than the keys that the registry adds now.
    below = read_usable(project, version, version.version - 1, fresh=True)
    return content_of(version, file, below.prompt if below is not None else None)


def has_text_of(project: Project, version: Version | None, file: Prompt) -> bool:
    """Whether a version has the text of a file, see ``read_content``; ``None`` has none."""
    return version is not None and digest(read_content(project, version, file)) == digest(file)


def read_version(project: Project, listed: Version, number: int, *, fresh: bool = False) -> Version | None:
    """Return a version of a prompt, ``None`` when the registry does not have it.

    ``fresh`` reads it again although the cache has it.
    """
    prompts = project.registry.prompts
    try:
        return prompts.get(listed.template_id, listed.name, version=number, fresh=fresh)
    except NotFound:
        return None


def read_usable(project: Project, listed: Version, number: int, *, fresh: bool = False) -> Version | None:
    """Return a version of a prompt, ``None`` if there is none, or no file can hold it."""
    try:
        return read_version(project, listed, number, fresh=fresh)
    except UnusablePrompt:
        return None
