"""The git repository around the prompts, as far as promptsync needs one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from promptsync.errors import PromptsyncError, UsageError
from promptsync.files.config import FILE_NAME, Config, find, load
from promptsync.files.errors import text_of
from promptsync.files.git.history import History
from promptsync.files.state.disk import DIRECTORY, is_locked, read_json
from promptsync.files.worktree import Worktree, scan
from promptsync.setup.doctor.finding import Finding, counted, error, failed, ok, warning


def look_at_git(config: Config, worktree: Worktree | None, variables: Mapping[str, str]) -> Iterator[Finding]:
    """Look at the repository, what it tracks and ignores, and the label of its branch."""
    try:
        history = History.find(config.root, config.prompts)
        if history is None:
            yield warning(
                "git",
                "this is no git repository: versions carry no commit, and who changed what is harder to tell",
                "git init && git add --all && git commit",
            )
            return
        yield _repository(history)
        yield from _depth(history)
        yield from _tracked(config, history, worktree)
        yield from _private(history)
        yield from _label(config, history, variables)
    except PromptsyncError as problem:
        yield failed("git", problem)


def _repository(history: History) -> Finding:
    if not history.born:
        return warning("git", "the repository has no commit yet", "git add --all && git commit")
    where = f"branch {history.branch}" if history.branch else "no branch is checked out"
    return ok("git", f"{where}, HEAD {(history.head_commit or '')[:7]}, {history.version}")


def _depth(history: History) -> Iterator[Finding]:
    if history.shallow:
        yield warning(
            "git-history",
            "the clone is shallow: who changed what cannot always be told, and is refused then",
            "git fetch --unshallow; in a GitHub workflow: fetch-depth: 0 under with: of actions/checkout",
        )


def _tracked(config: Config, history: History, worktree: Worktree | None) -> Iterator[Finding]:
    paths = [file.path for file in worktree.files.values()] if worktree else []
    new = [path for path in paths if path not in history.tracked]
    ignored = [path for path in new if history.ignores(path)]
    if ignored:
        message = f"git ignores {counted(len(ignored), 'prompt file')}"
        yield warning(
            "git-tracked", message, f"git check-ignore -v {ignored[0]} tells which line to change", ignored
        )
    elif new and len(new) == len(paths):
        fix = f"git add {config.prompts} && git commit"
        yield warning("git-tracked", f"git tracks none of the files in {config.prompts}/", fix)
    elif paths:
        more = f", {len(new)} are not added yet" if new else ""
        yield ok("git-tracked", f"git tracks {len(paths) - len(new)} of {len(paths)} prompt files{more}", new)
    if history.hidden:
        yield ok(
            "git-sparse",
            f"a sparse checkout hides {counted(len(history.hidden), 'prompt file')}; they are left alone",
        )


def _private(history: History) -> Iterator[Finding]:
    if history.has(DIRECTORY):
        message = f"{DIRECTORY}/ is tracked by git, but it belongs to one working copy alone"
        yield error(
            "git-ignored", message, f"git rm -r --cached {DIRECTORY} && echo {DIRECTORY}/ >> .gitignore"
        )


def _label(config: Config, history: History, variables: Mapping[str, str]) -> Iterator[Finding]:
    in_workflow = variables.get("GITHUB_REF_NAME") if variables.get("GITHUB_ACTIONS") else None
    branch = in_workflow or history.branch or ""
    if not config.labels:
        yield ok("labels", "labels: is empty: deploy needs --label")
    elif branch in config.labels:
        yield ok("labels", f"deploy on the branch {branch} moves {config.labels[branch]}")
    else:
        known = ", ".join(config.labels)
        yield ok("labels", f"deploy is for the branches {known}; on {branch or 'none'} it needs --label")


_LITTLE_SPACE = 100_000_000
"""Bytes of free space below which a pull or a registry soon has none."""

_KEPT = ("record.json", "cache/blobs.json", "cache/seen.json")


def look_at_config(directory: Path) -> tuple[Config | None, Finding]:
    """Return the configuration, ``None`` where there is none that can be used."""
    path = find(directory)
    if path is None:
        message = f"there is no {FILE_NAME} in {directory} or above it"
        return None, error("config", message, "promptsync init starts one here; -C DIR looks elsewhere")
    try:
        config = load(path)
    except UsageError as problem:
        return None, failed("config", problem)
    remotes = ", ".join(config.remotes) or "none"
    details = [
        f"remotes: {remotes}",
        f"prompts in {config.prompts}/",
        f"include: {', '.join(config.include) or 'all'}",
    ]
    return config, ok("config", f"{path}, default remote {config.default_remote}", details)


def look_at_prompts(config: Config) -> tuple[Worktree | None, list[Finding]]:
    """Return the prompt files as far as they can be read."""
    try:
        worktree = scan(config.root, config.prompts)
    except PromptsyncError as problem:
        return None, [failed("prompts", problem)]
    return worktree, [_files(config, worktree), *_scope(config, worktree), *_patterns(config, worktree)]


def _files(config: Config, worktree: Worktree) -> Finding:
    count = len(worktree.files)
    if worktree.problems:
        details = [text_of(problem) for problem in worktree.problems]
        many = counted(len(details), "problem")
        message = f"{many} in the prompt files of {config.prompts}/; a push would be refused"
        return error("prompts", message, "promptsync lint tells what is wrong", details)
    if not config.prompts_path.is_dir():
        fix = f"make it, correct prompts: in {config.path.name}, or promptsync pull"
        return warning("prompts", f"there is no directory {config.prompts}/", fix)
    if not count:
        fix = "put a prompt file there, or promptsync pull"
        return warning("prompts", f"there are no prompt files in {config.prompts}/", fix)
    return ok("prompts", f"{counted(count, 'prompt file')} in {config.prompts}/")


def _scope(config: Config, worktree: Worktree) -> Iterator[Finding]:
    outside = [name for name in worktree.files if not config.in_scope(name)]
    if outside:
        message = f"{counted(len(outside), 'prompt')} here outside of include: will be left alone"
        yield warning(
            "include", message, f"add a pattern to include: in {config.path.name}, or rename them", outside
        )


def _patterns(config: Config, worktree: Worktree) -> Iterator[Finding]:
    unused = [
        str(check["match"])
        for check in config.checks
        if not any(fnmatchcase(name, check["match"]) for name in worktree.files)
    ]
    if unused and worktree.files:
        message = f"no prompt here matches {counted(len(unused), 'pattern')} of checks:"
        yield warning("checks", message, f"correct match: in {config.path.name}", unused)


def look_at_private(config: Config) -> Iterator[Finding]:
    """Look at the directory that promptsync keeps for itself, its lock, and the disk."""
    directory = config.root / DIRECTORY
    yield _writable(config.root, directory)
    held = is_locked(config.root)
    if held:
        yield warning("lock", "another promptsync is writing here right now", "wait until it has finished")
    elif (directory / "lock").exists():
        # the system frees the lock of a process that died: the file alone means nothing
        yield ok("lock", "nobody is writing here")
    yield _cache(directory)


def _writable(root: Path, directory: Path) -> Finding:
    place = directory if directory.exists() else root
    if not os.access(place, os.W_OK | os.X_OK):
        fix = f"give yourself the right to write there: ls -ld {place}"
        return error("disk", f"{place} cannot be written to", fix)
    free = shutil.disk_usage(place).free
    if free < _LITTLE_SPACE:
        return warning("disk", f"{free / 1e6:.0f} MB are free on the disk of {place}", "make room there")
    return ok("disk", f"{place} can be written to, {free / 1e9:.1f} GB are free")


def _cache(directory: Path) -> Finding:
    damaged = [name for name in _KEPT if (directory / name).exists() and read_json(directory / name) is None]
    if damaged:
        fix = f"rm {' '.join(str(directory / name) for name in damaged)}   # they are made anew"
        return warning("cache", f"{', '.join(damaged)} in {DIRECTORY}/ cannot be read and is ignored", fix)
    sizes = [path.stat().st_size for path in directory.glob("cache/**/*") if path.is_file()]
    if not sizes:
        return ok("cache", "nothing is cached yet")
    return ok(
        "cache", f"{counted(len(sizes), 'file')}, {sum(sizes) / 1e3:.0f} kB; it may be deleted at any time"
    )
