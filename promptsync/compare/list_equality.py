"""Compares files with the registry's list, which can only show equality: its bodies may be rendered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from promptsync.files.prompt_file import PromptFile
from promptsync.files.record import Entry
from promptsync.history.message import parse_mark
from promptsync.project.project import Project
from promptsync.prompt.additions import content_beside, without_additions
from promptsync.prompt.canonical import digest
from promptsync.prompt.prompt import Prompt
from promptsync.prompt.snippets import of_prompt
from promptsync.prompt.tags import tag_set
from promptsync.prompt.version import Version


class ListComparison:
    """Compares files with list items. Digests are computed once.

    ``whole`` says that the list has every active prompt, so that what it lacks does not exist.
    """

    def __init__(self, project: Project, listing: Sequence[Version], *, whole: bool) -> None:
        self._listing = listing
        self._whole = whole
        self._record: dict[str, Entry] | None = None
        self._workspace_id: int | None = None
        self._project = project
        self._digests: dict[str, str] = {}

    def digest(self, file: PromptFile) -> str:
        """Return the digest of a file's content."""
        name = file.prompt.name
        if name not in self._digests:
            self._digests[name] = digest(file.prompt)
        return self._digests[name]

    def equal(self, file: PromptFile, listed: Version) -> bool:
        """Whether the list alone is enough to be sure that a file equals the tracked version."""
        if tag_set(file.prompt) != tag_set(listed.prompt):
            return False
        content = self.digest(file)
        if digest(content_beside(file.prompt, listed.prompt)) == content:
            # Equal bodies are not enough: the file may contain the text that a reference renders to.
            return self.is_raw or self.recorded(listed, content)
        # A field that only the registry has may be an edit, unless this working copy has read it before.
        return self.recorded(listed, content) and came_back(file.prompt, listed.prompt)

    def recorded(self, listed: Version, body: str) -> bool:
        """Whether this working copy has read or written this version with this content itself."""
        entry = self.entries.get(listed.name)
        return (
            entry is not None
            and entry.template_id == listed.template_id
            and entry.version == listed.version
            and entry.digest == body
        )

    @property
    def entries(self) -> dict[str, Entry]:
        """What this working copy recorded about the remote, by name."""
        registry = self._project.registry
        if self._record is None or registry.workspace_seen != self._workspace_id:
            # Until the first raw read the workspace is unknown, and the last one at this URL is assumed. The
            # record must be read again if that was wrong.
            self._workspace_id = registry.workspace_seen
            self._record = self._project.record().entries(registry.url, registry.workspace_seen)
        return self._record

    @cached_property
    def is_raw(self) -> bool:
        """Whether no body of this list can have an expanded snippet.

        Only completion prompts can be snippets. A list that has a single reference does not expand them.
        """
        if self._whole and all(item.prompt.template.get("type") != "completion" for item in self._listing):
            return True
        return any(of_prompt(item.prompt.template) for item in self._listing)


def digest_beside(local: Prompt, remote: Prompt) -> str:
    """Return the digest of the remote side as far as it can be compared with the local one.

    A registry expands references to its tools when it is read; the local reference counts instead. Unknown
    keys that only the remote side has do not count.
    """
    return digest(without_additions(local, remote)[0])


def came_back(sent: Prompt, stored: Prompt) -> bool:
    """Whether a registry stores all that was sent, in a version that is known to be ours.

    What it has beyond that was added by the registry.
    """
    return digest(sent) == digest(without_additions(sent, stored, is_exact=True)[0])


def has_same_text(sent: Prompt, other: Version) -> bool:
    """Whether a version that somebody else may have published has the text that we send.

    What a version without a mark has beyond that is an edit. To one with a mark, the registry may have added
    unknown keys.
    """
    content = digest(sent)
    if digest(content_beside(sent, other.prompt)) == content:
        return True
    mark = parse_mark(other.message)
    is_marked = mark is not None and mark.version == other.version
    return is_marked and digest_beside(sent, other.prompt) == content
