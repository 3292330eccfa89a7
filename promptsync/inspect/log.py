"""The versions of a prompt, with the git commits that have the same content."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from promptsync.compare.difference import Step, step
from promptsync.compare.histories import Histories
from promptsync.compare.history import History
from promptsync.compare.labels import read_labels
from promptsync.compare.versions import find_number, labels_at, read_versions
from promptsync.files.git.revisions import Lineage
from promptsync.files.prompt_file import PromptFile
from promptsync.files.worktree import load_paths, scan
from promptsync.history.message import parse_mark, without_mark
from promptsync.project.project import Project
from promptsync.project.target import LATEST, At
from promptsync.prompt.canonical import digest
from promptsync.prompt.names import path_for
from promptsync.prompt.version import Version
from promptsync.registry.errors import NotFound, UnusablePrompt


@dataclass(frozen=True, slots=True)
class LoggedVersion:
    """A version; ``message`` is without its mark.

    ``author`` is that of the commit that it was published from; for any other version it is who saved it, if
    the registry says so.
    ``commit`` is the full id of the git commit whose file has the same content, ``abbreviated`` its short
    form. ``is_base`` marks the newest version that the working file includes. ``parents`` are the versions
    that this one was made from; ``is_passed_over`` says that neither the latest version nor the file
    includes it. ``labels`` is ``None`` where the registry cannot list them. ``patch`` is the difference to
    the version before, where it was requested.
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
    patch: Step | None = None
    author: str | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """Versions of one prompt, newest first. ``is_whole`` says that there are no older ones."""

    name: str
    versions: tuple[LoggedVersion, ...]
    is_whole: bool


def read_log(
    project: Project, listed: Version, at: At = LATEST, *, limit: int | None = 20, patches: bool = False
) -> Log:
    """Return ``limit`` versions of a prompt (all with ``None``) from a chosen one down.

    Versions that the registry has lost are left out. Raises ``NoSuchVersion``, and ``NotFound`` if it has
    none.
    """
    name = listed.name
    if listed.problem:
        raise UnusablePrompt(f"v{listed.version} of {name!r} {listed.problem}")
    labels = read_labels(project, listed)
    newest = find_number(project, listed, at, labels)
    # The difference of the oldest version needs the version before it as well.
    wanted = limit + 1 if patches and limit is not None else limit
    found = read_versions(project, listed, wanted, newest=newest)
    shown = found[:limit]
    if not shown:
        raise NotFound(
            f"{project.registry.url} lists {name!r} at v{listed.version}, but has none of its versions "
            f"from v{newest} down",
            status=404,
            hint="promptsync doctor",
        )
    file = _file(project, name)
    lineage = _lineage(project, name, file)
    content = digest(file.prompt) if file is not None else None
    history = History(name, file, content, listed, listed.version, lineage)
    for one in found:
        history.add(one.version, one)
    histories = Histories(project, {name: history})
    outline = histories.outline(name, min((one.version for one in shown), default=1))
    passed_over = _left_out(histories, name, outline.passed_over) if file is not None else outline.passed_over
    digests = {one.version: history.versions[one.version].digest or "" for one in shown}
    commits = {one.version: _commit(one, digests[one.version], lineage) for one in shown}
    described = project.history.described(set(filter(None, commits.values()))) if project.history else {}
    authors = {
        one.version: described[marked][2] if (marked := _marked(one, lineage)) in described else one.author
        for one in shown
    }
    base = _base(histories, history)
    before = dict(zip((one.version for one in found), [*found[1:], None], strict=True))
    versions = tuple(
        LoggedVersion(
            version=one.version,
            message=without_mark(one.message),
            created_at=one.created_at,
            digest=digests[one.version],
            labels=labels_at(labels, one.version),
            commit=commits[one.version],
            abbreviated=described.get(commits[one.version] or "", (None,))[0],
            is_base=one.version == base,
            parents=tuple(parent for parent in outline.parents[one.version] if parent > 0),
            is_passed_over=one.version in passed_over,
            patch=_patch(history, before[one.version], one) if patches else None,
            author=authors[one.version],
        )
        for one in shown
    )
    return Log(name, versions, is_whole=not versions or versions[-1].version == 1)


def _left_out(histories: Histories, name: str, numbers: frozenset[int]) -> frozenset[int]:
    """Return those of the passed-over versions that the file does not include either."""
    return numbers - histories.included({name: sorted(numbers)})[name] if numbers else numbers


def _patch(history: History, old: Version | None, new: Version) -> Step:
    """Return what a version changed; tags belong to the prompt and not to a version."""
    title = f"v{old.version} -> v{new.version}" if old is not None else f"nothing -> v{new.version}"
    before = replace(history.prompts[old.version], tags=()) if old is not None else None
    return step(title, before, replace(history.prompts[new.version], tags=()))


def _file(project: Project, name: str) -> PromptFile | None:
    """Return the file of a prompt. Where it has its default path, no other file is read."""
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


def _commit(version: Version, content: str, lineage: Lineage) -> str | None:
    """Return the commit that a version's mark names, or the newest one whose file has its content."""
    found = _marked(version, lineage)
    return found or next((one.commit for one in lineage.back() if one.digest == content), None)


def _marked(version: Version, lineage: Lineage) -> str | None:
    """Return the commit that a version was published from, by its mark."""
    mark = parse_mark(version.message)
    # A dirty mark names the commit below an uncommitted text, and a copied mark has another number.
    if mark is None or mark.commit is None or mark.dirty or mark.version != version.version:
        return None
    found = [one.commit for one in lineage.back() if one.commit.startswith(mark.commit)]
    return found[0] if len(found) == 1 else None


def _base(histories: Histories, history: History) -> int | None:
    """Return the newest version that the working file includes, as ``status`` sees it."""
    if history.file is None:
        return None
    histories.decide()
    return history.decision.base.version if history.decision is not None and history.decision.base else None
