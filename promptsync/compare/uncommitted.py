"""Compares files with HEAD: the commit that wrote them, and uncommitted changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

from promptsync.compare.snapshot import Origin
from promptsync.files.evaluation import FOLDER
from promptsync.files.prompt_file import PromptFile
from promptsync.history.lineage import Lineage, Revision
from promptsync.history.synced_key import Key
from promptsync.project.project import Project
from promptsync.prompt.names import SUFFIXES
from promptsync.prompt.prompt import tag_set

if TYPE_CHECKING:
    from promptsync.files.git.repository import Repository
    from promptsync.files.worktree import Worktree


def origin_of(project: Project, file: PromptFile | None, content: str | None, lineage: Lineage) -> Origin:
    """Return the commit that wrote a prompt, or the newest one below an uncommitted edit.

    ``content`` is the digest of the file. Of successive commits with the same content, the first counts.
    """
    history, newest = project.history, lineage.newest
    if history is None:
        return Origin(None, True)
    keys = project.keys_in(file.local.synced) if file is not None else ()
    if newest is None or file is None or not _has_text(newest, file, content, keys):
        return Origin(newest.commit if newest is not None else history.head_commit, True)
    # Walk back over commits that did not change the content, only comments for example.
    first = newest
    while True:
        before = (lineage.revisions[place] for place in first.parents)
        same = next((revision for revision in before if _has_text(revision, file, content, keys)), None)
        if same is None:
            return Origin(first.commit, False)
        first = same


def is_uncommitted(project: Project, file: PromptFile) -> bool:
    """Whether ``HEAD`` has the file differently, comments and local keys included."""
    history = project.history
    return history is None or history.head.get(file.path) != history.blob_of(file.text.encode())


def uncommitted_paths(project: Project, worktree: Worktree) -> list[str]:
    """Return the configuration, evaluation and prompt files that ``HEAD`` has differently, or not at all.

    Local keys and comments count too, and so do deleted files. Outside of git there are none.
    """
    history = project.history
    if history is None:
        return []
    return [*uncommitted_config(project), *_uncommitted(history, {*worktree.paths})]


def uncommitted_config(project: Project) -> list[str]:
    """Return the paths of the configuration and of evaluation files that ``HEAD`` has differently."""
    from promptsync.files.git.repository import Repository

    root, name = project.root, project.config.path.name
    below = {path.relative_to(root).as_posix() for path in (root / FOLDER).rglob("*") if path.is_file()}
    places = []
    for top, paths in (name, {name}), (FOLDER, below):
        history = Repository.find(root, top)
        if history is None:
            return [name]
        history.check_index()
        places += _uncommitted(history, paths)
    return places


def _uncommitted(history: Repository, paths: Set[str]) -> list[str]:
    """Return the paths that differ from ``HEAD``."""
    if not history.born:
        return sorted(paths)
    edited = {path for path in history.differing("HEAD") if path.endswith(SUFFIXES) or path in paths}
    return sorted((paths - history.head.keys()) | edited)


def needs_backup(project: Project, path: str, old: str, new: str | None) -> bool:
    """Whether a file has to be copied before ``new`` replaces it, or before it is deleted (``None``).

    Comments and examples count too: no registry has them. git must have the file byte for byte, unless every
    line of it stays.
    """
    if new is not None:
        lost = Counter(old.splitlines()) - Counter(new.splitlines())
        # The old ``synced:`` line is not needed any more once it names a later version.
        if all(line.startswith("synced:") for line in lost):
            return False
    history = project.history
    return history is None or not history.has_text(path, old.encode())


def _has_text(revision: Revision, file: PromptFile, content: str | None, keys: Sequence[Key]) -> bool:
    """Whether a revision has the content, tags and keys of a file."""
    return (revision.digest, revision.tags, revision.keys) == (content, tag_set(file.prompt), keys)
