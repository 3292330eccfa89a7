"""The history of one prompt in the registry, tied to that in git."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from promptsync.compare.equal import digest_beside
from promptsync.compare.histories import Histories, History
from promptsync.compare.project import Project
from promptsync.compare.select import find_prompt
from promptsync.compare.versions import labels_at, read_labels, read_versions
from promptsync.files.git.revisions import Lineage
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import load_paths, scan
from promptsync.history.message import parse_mark, without_mark
from promptsync.prompt.canonical import digest
from promptsync.prompt.names import path_for
from promptsync.prompt.prompt import RemoteVersion


@dataclass(frozen=True, slots=True)
class LoggedVersion:
    """A version; ``message`` is without its mark.

    ``commit`` is the full id of the git commit whose file holds the same content, ``abbreviated`` the same in
    short. ``is_base`` marks the newest version that the working file includes. ``parents`` are the versions
    that this one was made from, ``is_passed_over`` says that the latest one does not include it. ``labels``
    is ``None`` where the registry cannot be asked for them.
    """

    version: int
    message: str
    created_at: str | None
    digest: str
    labels: tuple[str, ...] | None = None
    commit: str | None = None
    abbreviated: str | None = None
    is_base: bool = False
    parents: tuple[int, ...] = ()
    is_passed_over: bool = False


@dataclass(frozen=True, slots=True)
class Log:
    """Versions of one prompt, newest first. ``is_whole`` says that there are no older ones."""

    name: str
    versions: tuple[LoggedVersion, ...]
    is_whole: bool


def read_log(project: Project, name: str, *, limit: int | None = 20) -> Log:
    """Return the newest ``limit`` versions of a prompt, all with ``None``. Raises ``NoSuchPrompt``.

    A version that the registry no longer has is left out.
    """
    listed = find_prompt(project, name)
    labels = read_labels(project, listed)
    found = read_versions(project, listed, limit)
    file = _file(project, name)
    lineage = _lineage(project, name, file)
    content = digest(file.prompt) if file is not None else None
    history = History(name, file, content, listed, listed.version, lineage)
    for one in found:
        history.add(one.version, one)
    histories = Histories(project, {name: history})
    outline = histories.outline(name, min((one.version for one in found), default=1))
    digests = {one.version: _digest(one, file) for one in found}
    commits = {one.version: _commit(one, digests[one.version], lineage) for one in found}
    short = _abbreviated(project, commits.values())
    base = _base(histories, name)
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
            parents=tuple(parent for parent in outline.parents[one.version] if parent > 0),
            is_passed_over=one.version in outline.passed_over,
        )
        for one in found
    )
    return Log(name, versions, is_whole=not versions or versions[-1].version == 1)


def _digest(version: RemoteVersion, file: PromptFile | None) -> str:
    return digest_beside(file.prompt, version.prompt) if file is not None else digest(version.prompt)


def _file(project: Project, name: str) -> PromptFile | None:
    """Return the file of a prompt; where it is at its usual place, no other file is read."""
    root, prompts = project.root, project.config.prompts
    usual = project.config.prompts_path / path_for(name)
    if usual.is_file():
        found = load_paths(root, prompts, [usual])
        if name in found.files:
            return found.files[name]
    return scan(root, prompts).files.get(name)


def _lineage(project: Project, name: str, file: PromptFile | None) -> Lineage:
    revisions = project.revisions()
    if revisions is None:
        return Lineage()
    path = file.path if file is not None else f"{project.config.prompts}/{path_for(name)}"
    found = revisions.of({name: path})[name]
    revisions.save()
    return found


def _commit(version: RemoteVersion, content: str, lineage: Lineage) -> str | None:
    """Return the commit that a version's mark names, else the newest one whose file holds the same."""
    mark = parse_mark(version.message)
    if mark is not None and mark.commit is not None and not mark.dirty and mark.version == version.version:
        marked = [one.commit for one in lineage.back() if one.commit.startswith(mark.commit)]
        if len(marked) == 1:
            return marked[0]
    return next((one.commit for one in lineage.back() if one.digest == content), None)


def _abbreviated(project: Project, commits: Iterable[str | None]) -> dict[str, str]:
    history = project.history
    known = {commit for commit in commits if commit is not None}
    if history is None or not known:
        return {}
    return {full: short for full, (short, _) in history.described(known).items()}


def _base(histories: Histories, name: str) -> int | None:
    """Return the newest version that the working file includes, as ``status`` sees it."""
    history = histories.by_name[name]
    if history.file is None:
        return None
    histories.decide()
    return history.decision.base.version if history.decision is not None and history.decision.base else None
