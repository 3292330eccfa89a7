"""The working copy: configuration, prompt files, and what promptsync keeps for itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from promptsync.errors import PromptsyncError, UsageError
from promptsync.files.config import FILE_NAME, Config, find, load
from promptsync.files.private import DIRECTORY, is_locked, read_json
from promptsync.files.problems import text_of
from promptsync.files.worktree import Worktree, scan
from promptsync.health.finding import Finding, counted, error, failed, ok, warning

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
