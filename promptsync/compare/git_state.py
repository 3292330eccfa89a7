"""What git says about files: the commit to compare with, the one that wrote a file, uncommitted changes."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Set
from typing import Final

from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.files.evaluation import FOLDER
from promptsync.files.git.repository import Repository
from promptsync.files.prompt_file import PromptFile, Worktree
from promptsync.history.graph import Lineage
from promptsync.project.project import Project
from promptsync.prompt.names import SUFFIXES
from promptsync.prompt.prompt import tag_set

_WHOLE_HISTORY: Final = "in GitHub Actions, set fetch-depth: 0, in GitLab GIT_DEPTH: 0"
_ZEROS: Final = re.compile(r"0{40}|0{64}")

_STEPS: Final = re.compile(r"[~^@:]")
"""What follows the name of a commit in a revision such as ``HEAD~3`` or ``main@{1}``."""


def find_state(history: Repository, given: str, option: str = "--since") -> str | None:
    """Return the full id of the commit that an option names, ``None`` for the state before the first one.

    ``REF...`` is the last commit that REF and ``HEAD`` share. Raises a ``PromptsyncError`` with the
    command that fetches it if this clone lacks it.
    """
    # GitHub sends zeros as the commit before the first push of a branch.
    if _ZEROS.fullmatch(given):
        return None
    if not history.born:
        message = f"{option} {given}: this repository has no commit yet"
        raise UsageError(message, hint="git commit", code="no-commit")
    revision, dots, end = given.partition("..")
    is_range = bool(dots) and end.removeprefix(".") not in ("", "HEAD")
    if is_range or not revision.strip() or revision.startswith("-") or not revision.isprintable():
        hint = (
            f"{option} {shlex.quote(revision)}"
            if is_range
            else "use a revision such as origin/main or HEAD~1"
        )
        raise UsageError(
            f"{option} {given!r} is not a commit{', but a range' * is_range}", hint=hint, code="revision"
        )
    commit = history.commit(revision)
    if commit is None:
        raise _missing(history, revision, option)
    base = history.merge_base(commit) if end.startswith(".") else commit
    if base is not None:
        return base
    if history.shallow:
        raise too_shallow(f"where {revision} and HEAD parted")
    message = f"{revision} and HEAD share no commit"
    raise UsageError(message, hint=f"{option} {shlex.quote(revision)}", code="no-merge-base")


def too_shallow(question: str) -> Refused:
    """Return the error for a question that the history in this clone cannot decide."""
    return Refused(
        f"this clone is too shallow to find out {question}",
        hint=f"git fetch --unshallow\n{_WHOLE_HISTORY}",
        code="shallow-clone",
    )


def origin_of(
    project: Project, file: PromptFile | None, content: str | None, lineage: Lineage
) -> tuple[str | None, bool]:
    """Return the commit that wrote a prompt, or the newest one below an edit, and whether it is committed.

    ``content`` is the digest of the file. Of successive commits with the same content, the first counts.
    """
    history, newest = project.history, lineage.newest
    if history is None:
        return None, False
    text = file and (content, tag_set(file.prompt), project.keys_in(file.local.synced))
    if newest is None or newest.text != text:
        return newest.commit if newest is not None else history.head_commit, False
    # Walk back over commits that did not change the content, only comments for example.
    first = newest
    while True:
        before = (lineage.revisions[place] for place in first.parents)
        same = next((revision for revision in before if revision.text == text), None)
        if same is None:
            return first.commit, True
        first = same


def uncommitted_paths(project: Project, worktree: Worktree) -> list[str]:
    """Return the configuration, evaluation and prompt files that ``HEAD`` has differently, or not at all.

    Local keys and comments count too, and so do deleted files. Outside of git there are none.
    """
    history = project.history
    if history is None:
        return []
    others = uncommitted_config(project)
    return [*others, *(path for path in _uncommitted(history, {*worktree.paths}) if path not in others)]


def uncommitted_config(project: Project) -> list[str]:
    """Return the paths of the configuration and of evaluation files that ``HEAD`` has differently."""
    history = project.history
    if history is None:
        return []
    root, name = project.root, project.config.path.name
    history.check_index(name, FOLDER)
    paths = {path.relative_to(root).as_posix() for path in (root / FOLDER).rglob("*") if path.is_file()}
    changed = _uncommitted(history, {name, *paths})
    own = [path for path in changed if path == name or path.startswith(f"{FOLDER}/")]
    return sorted(own, key=lambda path: path != name)


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


def _missing(history: Repository, revision: str, option: str) -> PromptsyncError:
    if history.shallow:
        return too_shallow(f"what {revision} contains")
    branch = revision.removeprefix("origin/")
    start = _STEPS.split(revision)[0]
    hint = f"git fetch origin {shlex.quote(branch)}\n{_WHOLE_HISTORY}"
    if start != revision and history.commit(start) is not None:
        hint = f"git log --oneline {shlex.quote(start)}"
    elif branch == revision and history.commit(f"origin/{revision}") is not None:
        hint = f"{option} {shlex.quote(f'origin/{revision}')}"
    return UsageError(f"this clone has no commit {revision}", hint=hint, code="unknown-revision")


def _uncommitted(history: Repository, paths: Set[str]) -> list[str]:
    """Return the paths that differ from ``HEAD``, and all YAML files that do."""
    edited = {path for path in history.edited if path.endswith(SUFFIXES) or path in paths}
    return sorted((paths - history.head.keys()) | edited)
