"""The history of one prompt in the registry, tied to that in git."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from promptsync.core.canonical import digest
from promptsync.core.message import parse_mark, without_mark
from promptsync.core.names import path_for
from promptsync.core.prompt import Listed, RemoteVersion
from promptsync.errors import Refused
from promptsync.files.promptfile import PromptFile
from promptsync.files.revisions import FileRevision
from promptsync.files.worktree import Worktree, load_paths, scan
from promptsync.sync.decide import Decider
from promptsync.sync.lookup import find_prompt
from promptsync.sync.project import Project
from promptsync.sync.proof import Proof, digest_beside
from promptsync.sync.versions import labels_at, read_labels, read_versions


@dataclass(frozen=True, slots=True)
class LoggedVersion:
    """A version; ``message`` is without its mark.

    ``commit`` is the full id of the git commit whose file holds the same content, ``abbreviated`` the same in
    short. ``is_base`` tells the version that the working file includes. ``labels`` is ``None`` where the
    registry cannot be asked for them.
    """

    version: int
    message: str
    created_at: str | None
    digest: str
    labels: tuple[str, ...] | None = None
    commit: str | None = None
    abbreviated: str | None = None
    is_base: bool = False


@dataclass(frozen=True, slots=True)
class Log:
    """Versions of one prompt, newest first. ``is_whole`` says that there are no older ones."""

    name: str
    versions: tuple[LoggedVersion, ...]
    is_whole: bool


def log(project: Project, name: str, *, limit: int | None = 20) -> Log:
    """Return the newest ``limit`` versions of a prompt, all with ``None``. Raises ``NoSuchPrompt``.

    A version that the registry no longer has is left out.
    """
    listed = find_prompt(project, name)
    labels = read_labels(project, listed)
    found = read_versions(project, listed, limit)
    worktree, file = _local(project, name)
    digests = {one.version: _digest(one, file) for one in found}
    revisions = _revisions(project, name, file)
    commits = {one.version: _commit(one, digests[one.version], revisions) for one in found}
    short = _abbreviated(project, commits.values())
    base = _base(project, listed, worktree, file, digests.get(listed.version))
    versions = tuple(
        LoggedVersion(
            version=one.version,
            message=without_mark(one.message),
            created_at=one.created_at,
            digest=digests[one.version],
            labels=labels_at(labels, one.version),
            commit=commits[one.version],
            abbreviated=short.get(commits[one.version] or ""),
            is_base=one.version == base,
        )
        for one in found
    )
    return Log(name, versions, is_whole=not versions or versions[-1].version == 1)


def _digest(version: RemoteVersion, file: PromptFile | None) -> str:
    return digest_beside(file.prompt, version.prompt) if file is not None else digest(version.prompt)


def _local(project: Project, name: str) -> tuple[Worktree, PromptFile | None]:
    """Return the file of a prompt; where it is at its usual place, no other file is read."""
    root, prompts = project.root, project.config.prompts
    usual = project.config.prompts_path / path_for(name)
    if usual.is_file():
        found = load_paths(root, prompts, [usual])
        if name in found.files:
            return found, found.files[name]
    found = scan(root, prompts)
    return found, found.files.get(name)


def _revisions(project: Project, name: str, file: PromptFile | None) -> Sequence[FileRevision]:
    revisions = project.revisions()
    if revisions is None:
        return ()
    path = file.path if file is not None else f"{project.config.prompts}/{path_for(name)}"
    found = revisions.of({name: path})[name]
    revisions.save()
    return found


def _commit(version: RemoteVersion, content: str, revisions: Sequence[FileRevision]) -> str | None:
    """Return the commit that a version's mark names, else the newest one whose file holds the same."""
    mark = parse_mark(version.message)
    if mark is not None and mark.commit is not None and not mark.dirty and mark.version == version.version:
        marked = [one.commit for one in revisions if one.commit.startswith(mark.commit)]
        if len(marked) == 1:
            return marked[0]
    return next((one.commit for one in revisions if one.digest == content), None)


def _abbreviated(project: Project, commits: Iterable[str | None]) -> dict[str, str]:
    history = project.history
    known = {commit for commit in commits if commit is not None}
    if history is None or not known:
        return {}
    return {full: short for full, (short, _) in history.described(known).items()}


def _base(
    project: Project, listed: Listed, worktree: Worktree, file: PromptFile | None, latest: str | None
) -> int | None:
    """Return the version that the working file includes, as ``status`` sees it."""
    if file is None:
        return None
    if latest == digest(file.prompt):
        return listed.version
    proof = Proof(project, [listed], whole=False)
    decider = Decider(project, worktree, {listed.name: listed}, proof, label=None)
    try:
        items = decider.decide([listed.name])
    except Refused:  # a shallow clone; what the versions are is known all the same
        return None
    return next((item.base.version for item in items if item.base is not None), None)
