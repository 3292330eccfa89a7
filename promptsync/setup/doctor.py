"""Examines a setup: the configuration, the prompt files, git, then the registry. Reads only."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from promptsync.compare.conflict import conflict_of
from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.files.config import FILE_NAME, Config, find, load
from promptsync.files.disk import DIRECTORY, check_private
from promptsync.files.errors import text_of
from promptsync.files.git.repository import Repository
from promptsync.files.worktree import Worktree, scan
from promptsync.setup.doctor_registry import check_registry
from promptsync.setup.finding import Finding, FindingPlace, counted, error, failed, ok, warning


def examine(place: FindingPlace) -> Iterator[Finding]:
    """Yield what is found, local things first; checks that depend on something broken are skipped.

    Raises no ``PromptsyncError``.
    """
    config, finding = _config(place.directory)
    yield finding
    worktree: Worktree | None = None
    if config is not None:
        try:
            worktree = scan(config.root, config.prompts)
        except PromptsyncError as problem:
            yield failed("prompts", problem)
        else:
            yield _files(config, worktree)
        yield from _git(config, worktree, place.variables)
        try:
            check_private(config.root)
        except Refused as problem:
            yield failed("private", problem)
    yield from check_registry(config, worktree, place)


def _git(config: Config, worktree: Worktree | None, variables: Mapping[str, str]) -> Iterator[Finding]:
    """Check the repository, what it tracks and ignores, and the label of its branch."""
    try:
        history = Repository.find(config.root, config.prompts)
        if history is None:
            yield warning(
                "git",
                "this is not a git repository, so versions name no commit and less is known about changes",
                "git init && git add --all && git commit",
            )
            return
        yield from _repository(history)
        yield from _tracked(config, history, worktree)
        yield from _label(config, history, variables)
        history.check_index()
    except PromptsyncError as problem:
        yield failed("git", problem)


def _repository(history: Repository) -> Iterator[Finding]:
    if history.born:
        where = f"branch {history.branch}" if history.branch else "no branch checked out"
        yield ok("git", f"{where}, HEAD {(history.head_commit or '')[:7]}, {history.line('version')}")
    else:
        yield warning("git", "the repository has no commit yet", "git add --all && git commit")
    if history.shallow:
        yield warning(
            "git-history",
            "the clone is shallow, so it is not always known who changed a prompt; such prompts are refused",
            "git fetch --unshallow\nin a GitHub workflow, set fetch-depth: 0 under with: of actions/checkout",
        )


def _tracked(config: Config, history: Repository, worktree: Worktree | None) -> Iterator[Finding]:
    paths = [file.path for file in worktree.files.values()] if worktree else []
    new = [path for path in paths if path not in history.tracked]
    ignored = [path for path in new if history.ignores(path)]
    if ignored:
        message = f"git ignores {counted(len(ignored), 'prompt file')}"
        fix = f"git check-ignore -v {shlex.quote(ignored[0])}"
        yield warning("git-tracked", message, fix, ignored)
    elif new and len(new) == len(paths):
        fix = f"git add {shlex.quote(config.prompts)} && git commit"
        yield warning("git-tracked", f"git tracks none of the files in {config.prompts}/", fix)
    elif paths:
        more = f", {len(new)} not added yet" if new else ""
        yield ok("git-tracked", f"git tracks {len(paths) - len(new)} of {len(paths)} prompt files{more}", new)
    if history.listed(DIRECTORY):
        message = f"git tracks {DIRECTORY}/, which is private to a working copy"
        fix = f"git rm -r --cached {DIRECTORY} && echo {DIRECTORY}/ >> .gitignore"
        yield error("git-ignored", message, fix)


def _label(config: Config, history: Repository, variables: Mapping[str, str]) -> Iterator[Finding]:
    # In a workflow there may be no branch checked out, but GitHub passes the name of its commit's.
    in_workflow = variables.get("GITHUB_ACTIONS") and variables.get("GITHUB_SHA") == history.head_commit
    branch = history.branch or (variables.get("GITHUB_REF_NAME", "") if in_workflow else "")
    if not config.labels:
        yield ok("labels", "labels: is empty, so deploy needs --label")
    elif branch in config.labels:
        yield ok("labels", f"deploy on branch {branch} moves {config.labels[branch]}")
    else:
        known = ", ".join(config.labels)
        yield ok("labels", f"deploy has labels for {known}; on branch {branch or '(none)'} it needs --label")


def _config(directory: Path) -> tuple[Config | None, Finding]:
    """Return the configuration, ``None`` if there is none that can be used."""
    path = find(directory)
    if path is None:
        message = f"there is no {FILE_NAME} in {directory} or any directory above it"
        return None, error("config", message, "promptsync init")
    try:
        config = load(path)
    except UsageError as problem:
        return None, failed("config", problem)
    details = [
        f"remotes: {', '.join(config.remotes) or 'none'}",
        f"prompts in {config.prompts}/",
        f"include: {', '.join(config.include) or 'all'}",
    ]
    return config, ok("config", f"{path}, default remote {config.default_remote}", details)


def _files(config: Config, worktree: Worktree) -> Finding:
    count = len(worktree.files)
    if worktree.problems:
        details = [text_of(problem) for problem in worktree.problems]
        many = counted(len(details), "problem")
        message = f"{many} in the prompt files of {config.prompts}/, so a push would be refused"
        return error("prompts", message, "promptsync lint", details)
    marked = [text_of(conflict) for file in worktree.files.values() if (conflict := conflict_of(file))]
    if marked:
        message = f"{counted(len(marked), 'prompt file')} with conflict markers, so a push would be refused"
        return error("prompts", message, "promptsync lint", marked)
    if not config.prompts_path.is_dir():
        return warning("prompts", f"there is no directory {config.prompts}/", "promptsync pull")
    if not count:
        return warning("prompts", f"there are no prompt files in {config.prompts}/", "promptsync pull")
    return ok("prompts", f"{counted(count, 'prompt file')} in {config.prompts}/")
