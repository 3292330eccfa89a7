"""Looks at everything, as far as one thing does not need another that is broken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from promptsync.files.config import FILE_NAME, Config
from promptsync.files.worktree import Worktree
from promptsync.setup.doctor.files import look_at_config, look_at_git, look_at_private, look_at_prompts
from promptsync.setup.doctor.finding import Finding, Place, Status
from promptsync.setup.doctor.registry import look_at_registry, look_at_remote, look_at_way


def examine(place: Place) -> Iterator[Finding]:
    """Yield what is found, the near things first. Raises nothing that the library raises."""
    config, finding = look_at_config(place.directory)
    yield finding
    worktree: Worktree | None = None
    if config is not None:
        worktree, findings = look_at_prompts(config)
        yield from findings
        yield from look_at_git(config, worktree, place.variables)
        yield from look_at_private(config)
    yield from _registry(config, worktree, place)


def _registry(config: Config | None, worktree: Worktree | None, place: Place) -> Iterator[Finding]:
    wanted = place.remote or place.base_url or ""
    if config is None:
        if ":" not in wanted:
            return
        config = _without_file(place.directory)
    project, finding = look_at_remote(config, place)
    yield finding
    if project is None:
        return
    way = list(look_at_way(project, place))
    yield from way
    if not place.offline and all(one.status is not Status.ERROR for one in way):
        yield from look_at_registry(project, worktree)


def _without_file(directory: Path) -> Config:
    return Config(directory, directory / FILE_NAME)
