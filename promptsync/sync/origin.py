"""The git commit that the text of a working file comes from."""

from __future__ import annotations

from promptsync.core.canonical import tag_set
from promptsync.files.promptfile import PromptFile
from promptsync.files.revisions import FileRevision, Lineage
from promptsync.sync.project import Project
from promptsync.sync.snapshot import Origin
from promptsync.sync.synced import keys_in


def origin_of(project: Project, file: PromptFile | None, content: str | None, lineage: Lineage) -> Origin:
    """Return the commit that a text was made in; one that is not committed was made on top of it.

    ``content`` is the digest of the file. Of several commits in a row that say the same, the first counts.
    """
    history, newest = project.history, lineage.newest
    if history is None:
        return Origin(None, True)
    if newest is None or file is None or not _says(project, newest, file, content):
        return Origin(newest.commit if newest is not None else history.head_commit, True)
    first = newest
    while True:
        before = (lineage.revisions[place] for place in first.parents)
        same = next((one for one in before if _says(project, one, file, content)), None)
        if same is None:
            return Origin(first.commit, False)
        first = same


def is_uncommitted(project: Project, file: PromptFile) -> bool:
    """Whether no commit holds a file as it is, comments and local keys included."""
    history = project.history
    return history is None or history.head.get(file.path) != history.blob_of(file.text.encode())


def _says(project: Project, revision: FileRevision, file: PromptFile, content: str | None) -> bool:
    """Whether a revision has the text, the tags and the keys of a file."""
    told = (revision.digest, revision.tags, keys_in(revision.synced, project))
    return told == (content, tag_set(file.prompt), keys_in(file.local.synced, project))
