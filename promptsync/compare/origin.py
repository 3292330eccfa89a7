"""Where a text comes from: the versions in ``synced:``, and the commit that it was made in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING

from msgspec.structs import replace

from promptsync.compare.snapshot import Origin
from promptsync.files.prompt_file import PromptFile
from promptsync.history.synced_key import Key, parse_key
from promptsync.project.project import Project
from promptsync.prompt.names import SUFFIXES
from promptsync.prompt.prompt import Local
from promptsync.prompt.tags import tag_set

if TYPE_CHECKING:
    from promptsync.files.git.history import GitHistory
    from promptsync.files.git.revisions import FileRevision, Lineage
    from promptsync.files.worktree import Worktree


def keys_in(synced: Mapping[str, Sequence[str]], project: Project) -> tuple[Key, ...]:
    """Return the versions of the project's remote that a file includes, by its ``synced:``."""
    # ``synced: 7-3fa9c1a`` without a remote means the default one; it is read under the key "".
    plain = synced.get("", ()) if project.is_default_remote else ()
    spelled = synced.get(project.remote, plain)
    return tuple(key for one in spelled if (key := parse_key(one)) is not None)


def with_keys(local: Local, project: Project, keys: Sequence[Key]) -> Local:
    """Return the local part of a file, with ``keys`` for the project's remote."""
    synced = dict(local.synced)
    spelled = tuple(str(key) for key in sorted(keys, key=lambda key: -key.version))
    if project.is_default_remote and set(synced) <= {""}:
        return replace(local, synced={"": spelled})
    # With a second remote, the plain keys move under the name of the default one.
    plain = synced.pop("", None)
    if plain is not None:
        synced.setdefault(project.config.default_remote, plain)
    synced[project.remote] = spelled
    return replace(local, synced=synced)


def origin_of(project: Project, file: PromptFile | None, content: str | None, lineage: Lineage) -> Origin:
    """Return the commit that a text was made in, or the newest one below an uncommitted text.

    ``content`` is the digest of the file. Of several commits in a row with the same text, the first counts.
    """
    history, newest = project.history, lineage.newest
    if history is None:
        return Origin(None, True)
    if newest is None or file is None or not _has_text(project, newest, file, content):
        return Origin(newest.commit if newest is not None else history.head_commit, True)
    # Walk back over commits that did not change the text, such as a change of comments.
    first = newest
    while True:
        before = (lineage.revisions[place] for place in first.parents)
        same = next((one for one in before if _has_text(project, one, file, content)), None)
        if same is None:
            return Origin(first.commit, False)
        first = same


def is_uncommitted(project: Project, file: PromptFile) -> bool:
    """Whether ``HEAD`` has the file differently, comments and local keys included."""
    history = project.history
    return history is None or history.head.get(file.path) != history.blob_of(file.text.encode())


def uncommitted_paths(project: Project, worktree: Worktree) -> list[str]:
    """Return the configuration and the prompt files that ``HEAD`` has differently, or not at all.

    Local keys and comments count too, and so do deleted files. Outside of git there are none.
    """
    history = project.history
    if history is None:
        return []
    return [*uncommitted_config(project), *_uncommitted(history, {*worktree.paths})]


def uncommitted_config(project: Project) -> list[str]:
    """Return the path of the configuration if ``HEAD`` has it differently."""
    from promptsync.files.git.history import GitHistory

    name = project.config.path.name
    history = GitHistory.find(project.root, name)
    if history is None:
        return [name]
    history.check_index()
    return _uncommitted(history, {name})


def _uncommitted(history: GitHistory, paths: Set[str]) -> list[str]:
    """Return the paths that differ from ``HEAD``."""
    if not history.born:
        return sorted(paths)
    edited = {path for path in history.differing("HEAD") if path.endswith(SUFFIXES) or path in paths}
    return sorted((paths - history.head.keys()) | edited)


def needs_backup(project: Project, path: str, old: str, new: str | None) -> bool:
    """Whether a file has to be copied before it gets the text ``new``, or is deleted if that is ``None``.

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


def _has_text(project: Project, revision: FileRevision, file: PromptFile, content: str | None) -> bool:
    """Whether a revision has the text, tags and keys of a file."""
    then = (revision.digest, revision.tags, keys_in(revision.synced, project))
    return then == (content, tag_set(file.prompt), keys_in(file.local.synced, project))
