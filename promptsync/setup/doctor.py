"""Examines a setup: the configuration, the prompt files, git, then the registry.

No prompt changes. An embedded registry is opened as by ``status``, which takes in what its fixtures declare.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from promptsync.compare.conflict import conflict_of
from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.files.config import FILE_NAME, Config, find, load
from promptsync.files.disk import DIRECTORY
from promptsync.files.git.repository import Repository
from promptsync.files.worktree import scan
from promptsync.files.yaml.load import text_of
from promptsync.project.project import Project, connect
from promptsync.registry.address import LOCAL, address, checked_key
from promptsync.registry.protocol import Capabilities, Timeouts

_KEY_NAME = "PROMPTLAYER_API_KEY"
_VENDOR = "promptlayer.com"
_PREFIX = "pl_"


class FindingStatus(StrEnum):
    """Fine, worth attention, or serious enough to stop all work."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


OK, WARNING, ERROR = FindingStatus


class Finding(Struct, frozen=True):
    """``name`` is a stable word; ``fix`` is the command or change that fixes it, ``""`` if none is needed."""

    name: str
    status: FindingStatus
    message: str
    fix: str = ""
    details: tuple[str, ...] = ()


def _failed(name: str, problem: PromptsyncError) -> Finding:
    return Finding(name, ERROR, problem.message, problem.hint, problem.details)


def examine(directory: Path, opened: Callable[[], Project], *, offline: bool) -> Iterator[Finding]:
    """Yield what is found, local things first; checks that depend on something broken are skipped.

    ``opened`` returns the project. Raises no ``PromptsyncError``.
    """
    config, finding = _config(directory)
    yield finding
    if config is not None:
        yield _files(config)
        yield from _git(config)
    try:
        project = opened()
        if not project.url.startswith(LOCAL):
            address(project.url)
    except Refused as problem:
        yield _failed("private", problem)
    except PromptsyncError as problem:
        if config is not None:
            yield _failed("remote", problem)
    else:
        with project:
            yield from _registry(project, offline)


def _config(directory: Path) -> tuple[Config | None, Finding]:
    """Return the configuration, ``None`` if there is none that can be used."""
    path = find(directory)
    if path is None:
        message = f"there is no {FILE_NAME} in {directory} or any directory above it"
        return None, Finding("config", ERROR, message, "promptsync init")
    try:
        config = load(path)
    except UsageError as problem:
        return None, _failed("config", problem)
    return config, Finding("config", OK, f"{path}, default remote {config.default_remote}")


def _files(config: Config) -> Finding:
    try:
        worktree = scan(config.root, config.prompts)
    except PromptsyncError as problem:
        return _failed("prompts", problem)
    files = worktree.files.values()
    details = [text_of(problem) for problem in worktree.problems]
    details += [text_of(conflict) for file in files if (conflict := conflict_of(file))]
    if details:
        message = f"{_counted(len(details), 'problem')} in the prompt files of {config.prompts}/"
        return Finding(
            "prompts", ERROR, f"{message}, so a push would be refused", "promptsync lint", tuple(details)
        )
    if not files:
        return Finding(
            "prompts", WARNING, f"there are no prompt files in {config.prompts}/", "promptsync pull"
        )
    return Finding("prompts", OK, f"{_counted(len(files), 'prompt file')} in {config.prompts}/")


def _git(config: Config) -> Iterator[Finding]:
    """Check the repository, and what it tracks."""
    try:
        history = Repository.find(config.root, config.prompts)
        if history is None:
            message = "this is not a git repository, so versions name no commit"
            fix = "git init && git add --all && git commit"
            yield Finding("git", WARNING, f"{message} and less is known about changes", fix)
            return
        history.check_index()
        if history.born:
            where = f"branch {history.branch}" if history.branch else "no branch checked out"
            yield Finding(
                "git", OK, f"{where}, HEAD {(history.head_commit or '')[:7]}, {history.line('version')}"
            )
        else:
            yield Finding("git", WARNING, "the repository has no commit yet", "git add --all && git commit")
        if history.shallow:
            message = "the clone is shallow, so promptsync cannot always tell who changed a prompt"
            fix = "git fetch --unshallow\nin GitHub Actions, set fetch-depth: 0, in GitLab GIT_DEPTH: 0"
            yield Finding("git-history", WARNING, f"{message}; such prompts are refused", fix)
        if history.listed(DIRECTORY):
            message = f"git tracks {DIRECTORY}/, which is private to a working copy"
            fix = f"git rm -r --cached {DIRECTORY} && echo {DIRECTORY}/ >> .gitignore"
            yield Finding("git-ignored", ERROR, message, fix)
        if history.ignores(f"{config.prompts}/prompt.yaml"):
            fix = f"git check-ignore -v {shlex.quote(f'{config.prompts}/prompt.yaml')}"
            yield Finding("git-tracked", WARNING, f"git ignores prompt files in {config.prompts}/", fix)
    except PromptsyncError as problem:
        yield _failed("git", problem)


def _registry(project: Project, offline: bool) -> Iterator[Finding]:
    is_local = project.url.startswith(LOCAL)
    named = project.url if project.remote == project.url else f"{project.remote}, {project.url}"
    yield Finding("remote", OK, named)
    key = None if is_local else _key(project)
    if key is not None:
        yield key
    if offline or (key is not None and key.status is FindingStatus.ERROR):
        return
    if is_local and project.fixtures is not None and not project.fixtures.is_file():
        message = f"the fixtures file {project.fixtures} does not exist"
        yield Finding("registry", ERROR, message, f"fix or remove fixtures: in {FILE_NAME}")
        return
    if is_local and not project.database.exists():
        yield Finding("registry", OK, f"there is none yet; the first push creates {project.database}")
        return
    try:
        timeouts = (project.timeouts or Timeouts()).shortened()
        with connect(project, memory=None, timeouts=timeouts) as registry:
            began = time.monotonic()
            prompts = registry.prompts.list()
            seconds = time.monotonic() - began
            if project.api_key and not is_local:
                yield Finding("key-accepted", OK, "the registry accepts the key")
            seen = registry.workspace_seen
            workspace = f", workspace {seen}" if seen is not None else ""
            yield Finding(
                "registry", OK, f"it listed {_counted(len(prompts), 'prompt')} in {seconds:.2f} s{workspace}"
            )
            yield _dialect(registry.capabilities(prompts[0]) if prompts else None)
    except PromptsyncError as problem:
        is_key = problem.code in ("unauthorized", "forbidden")
        waited = "; promptsync waited once and gave up" if problem.code == "rate-limited" else ""
        name = "key-accepted" if is_key else "registry"
        yield Finding(name, ERROR, problem.message + waited, problem.hint, problem.details)


def _key(project: Project) -> Finding:
    where = address(project.url)
    try:
        sent = checked_key(project.api_key, where.base)
    except PromptsyncError as problem:
        return _failed("key", problem)
    if where.host.endswith(_VENDOR) and not sent.startswith(_PREFIX):
        message = f"{_KEY_NAME} is set, but PromptLayer's keys begin with {_PREFIX}"
        return Finding(
            "key", WARNING, f"{message}; see the workspace's settings", f"export {_KEY_NAME}={_PREFIX}…"
        )
    return Finding("key", OK, f"{_KEY_NAME} is set")


def _dialect(capabilities: Capabilities | None) -> Finding:
    if capabilities is None:
        return Finding("dialect", OK, "unknown until it has a prompt")
    if not capabilities.raw:
        return Finding(
            "dialect",
            WARNING,
            "only the basic API, without raw prompts, so prompts with snippets cannot be read",
            "leave such prompts out with include:, or use a registry with GET /prompt-templates/{id}",
        )
    if not capabilities.lists_all_labels and not capabilities.changes_labels:
        message = "its labels cannot be read, so they can only be set while publishing"
        return Finding("dialect", WARNING, message, "promptsync push --label LABEL")
    if not capabilities.changes_labels:
        message = "its labels can be read, but promptsync cannot change them"
        return Finding("dialect", WARNING, message, "move labels in the dashboard of this registry")
    lists = "with" if capabilities.lists_all_labels else "without"
    return Finding("dialect", OK, f"the current PromptLayer API, {lists} a list of all labels")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
