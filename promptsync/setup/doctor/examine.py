"""Examines a setup: the configuration, the prompt files, git, the private directory, then the registry."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from promptsync.compare.conflict import conflict_of
from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.files.config import FILE_NAME, Config, find, load
from promptsync.files.disk import DIRECTORY, check_private
from promptsync.files.errors import text_of
from promptsync.files.git.repository import Repository
from promptsync.files.lock import is_locked
from promptsync.files.worktree import Worktree, scan
from promptsync.setup.doctor.finding import Finding, FindingPlace, counted, error, failed, ok, warning
from promptsync.setup.doctor.registry import check_registry

_LITTLE_SPACE = 100_000_000
"""Free bytes below which a pull or an embedded registry may soon fail."""


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
            yield from _scope(config, worktree)
        yield from _git(config, worktree, place.variables)
        yield from _private(config)
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
        yield ok("git", f"{where}, HEAD {(history.head_commit or '')[:7]}, {history.version}")
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
    if history.has(DIRECTORY):
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
    marked = [text_of(found) for file in worktree.files.values() if (found := conflict_of(file))]
    if marked:
        message = f"{counted(len(marked), 'prompt file')} with conflict markers, so a push would be refused"
        return error("prompts", message, "promptsync lint", marked)
    if not config.prompts_path.is_dir():
        return warning("prompts", f"there is no directory {config.prompts}/", "promptsync pull")
    if not count:
        return warning("prompts", f"there are no prompt files in {config.prompts}/", "promptsync pull")
    return ok("prompts", f"{counted(count, 'prompt file')} in {config.prompts}/")


def _scope(config: Config, worktree: Worktree) -> Iterator[Finding]:
    outside = [name for name in worktree.files if not config.in_scope(name)]
    if outside:
        message = f"include: does not match {counted(len(outside), 'prompt file')}, which are skipped"
        fix = f"add a pattern to include: in {config.path.name}, or rename the prompts"
        yield warning("include", message, fix, outside)
    unused = [
        str(check["match"])
        for check in config.checks
        if not any(fnmatchcase(name, check["match"]) for name in worktree.files)
    ]
    if unused and worktree.files:
        message = f"{counted(len(unused), 'pattern')} in checks: match no prompt file"
        yield warning("checks", message, f"fix match: in {config.path.name}", unused)


def _private(config: Config) -> Iterator[Finding]:
    """Check the private directory, its lock, and the disk."""
    directory = config.root / DIRECTORY
    try:
        check_private(config.root)
    except Refused as problem:
        yield failed("private", problem)
        return
    try:
        yield _writable(config.root, directory)
        if is_locked(config.root):
            yield warning(
                "lock", "another promptsync is writing here right now", "wait until it has finished"
            )
        elif (directory / "lock").exists():
            # The system frees the lock of a process that dies, so the file alone means nothing.
            yield ok("lock", "no other promptsync is writing here")
        yield _cache(directory)
    except OSError as problem:
        shown = shlex.quote(str(directory))
        yield error("private", f"{directory} cannot be read: {problem.strerror}", f"ls -ld {shown}")


def _writable(root: Path, directory: Path) -> Finding:
    place = directory if directory.exists() else root
    # Creating a file in a directory takes both permissions.
    if not os.access(place, os.W_OK | os.X_OK):
        return error("disk", f"you may not write to {place}", f"ls -ld {shlex.quote(str(place))}")
    free = shutil.disk_usage(place).free
    if free < _LITTLE_SPACE:
        return warning(
            "disk", f"the disk of {place} has {free / 1e6:.0f} MB left", f"df {shlex.quote(str(place))}"
        )
    return ok("disk", f"{place} is writable, {free / 1e9:.1f} GB free")


def _cache(directory: Path) -> Finding:
    sizes = [path.stat().st_size for path in directory.glob("cache/**/*") if path.is_file()]
    if not sizes:
        return ok("cache", "the cache is empty")
    return ok(
        "cache", f"{counted(len(sizes), 'file')}, {sum(sizes) / 1e3:.0f} kB; deleting it is always safe"
    )
