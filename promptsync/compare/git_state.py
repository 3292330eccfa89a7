"""Finds the git state to compare with, or explains what must be fetched first."""

from __future__ import annotations

import re
import shlex
from typing import Final

from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.files.git.repository import Repository

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
        raise UsageError(
            f"{option} {given}: this repository has no commit yet", hint="git commit", code="no-commit"
        )
    revision, shared = _read(given, option)
    commit = history.commit(revision)
    if commit is None:
        raise _missing(history, revision, option)
    if not shared:
        return commit
    base = history.merge_base(commit)
    if base is None:
        raise _no_base(history, revision, option)
    return base


def _read(given: str, option: str) -> tuple[str, bool]:
    """Return the revision that an option specifies, and whether it means the last shared commit."""
    revision, dots, end = given.partition("..")
    shared = dots != "" and end.startswith(".")
    if dots and end.removeprefix(".") not in ("", "HEAD"):
        raise UsageError(
            f"{option} {given}: the other side is always the working tree",
            hint=f"{option} {shlex.quote(revision)}",
            code="revision",
        )
    if not revision.strip() or revision.startswith("-") or not revision.isprintable():
        raise UsageError(
            f"{option} {given!r} is not a commit",
            hint="use a revision such as origin/main or HEAD~1",
            code="revision",
        )
    return revision, shared


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


def _no_base(history: Repository, revision: str, option: str) -> PromptsyncError:
    if history.shallow:
        return too_shallow(f"where {revision} and HEAD parted")
    return UsageError(
        f"{revision} and HEAD share no commit",
        hint=f"{option} {shlex.quote(revision)}",
        code="no-merge-base",
    )


def too_shallow(question: str) -> Refused:
    """Return the error for a question that the history in this clone cannot decide."""
    return Refused(
        f"this clone is too shallow to find out {question}",
        hint=f"git fetch --unshallow\n{_WHOLE_HISTORY}",
        code="shallow-clone",
    )
