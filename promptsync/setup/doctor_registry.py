"""Examines the registry: which one it is, the key, the certificates, and what it can do."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from promptsync.errors import PromptsyncError, Refused, UsageError
from promptsync.files.config import FILE_NAME, Config
from promptsync.files.worktree import Worktree
from promptsync.project.project import Project, open_project
from promptsync.prompt.additions import unknown_fields
from promptsync.prompt.version import Version
from promptsync.registry.address import LOCAL, Address, address, checked_key
from promptsync.registry.errors import MissingKey
from promptsync.setup.finding import (
    Finding,
    FindingPlace,
    FindingStatus,
    counted,
    error,
    failed,
    ok,
    warning,
)

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry
    from promptsync.registry.results import Capabilities

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that name the certificates to trust."""

_KEY_NAME = "PROMPTLAYER_API_KEY"
_VENDOR = "promptlayer.com"
_PREFIX = "pl_"


def check_registry(
    config: Config | None, worktree: Worktree | None, place: FindingPlace
) -> Iterator[Finding]:
    """Yield what is found about the registry; without a configuration only if ``place`` has its URL."""
    if config is None:
        if ":" not in (place.remote or place.base_url or ""):
            return
        config = Config(place.directory, place.directory / FILE_NAME)
    try:
        project = open_project(
            config,
            remote=place.remote,
            api_key=place.api_key,
            base_url=place.base_url,
            timeouts=place.timeouts,
            jobs=place.jobs,
            on_wait=place.on_wait,
        )
        if not project.url.startswith(LOCAL):
            address(project.url)
    except Refused:  # the private directory is a link, which is a finding of its own
        return
    except UsageError as problem:
        yield failed("remote", problem)
        return
    named = project.url if project.remote == project.url else f"{project.remote}, {project.url}"
    why = " (PROMPTLAYER_BASE_URL)" if place.base_url and not place.remote else ""
    yield ok("remote", f"{named}{why}")
    way = list(_way(project, place))
    yield from way
    if not place.offline and all(finding.status is not FindingStatus.ERROR for finding in way):
        yield from _requests(project, worktree)


def _way(project: Project, place: FindingPlace) -> Iterator[Finding]:
    """Check what a connection needs beside the registry."""
    if project.url.startswith(LOCAL):
        return
    where = address(project.url)
    yield _key(place.api_key, where)
    if where.scheme == "https":
        yield from _certificates(place.variables)


def _key(key: str | None, where: Address) -> Finding:
    try:
        sent = checked_key(key, where.base)
    except MissingKey as problem:
        return failed("key", problem)
    if where.host.endswith(_VENDOR) and not sent.startswith(_PREFIX):
        message = (
            f"{_KEY_NAME} is set, but PromptLayer's keys begin with {_PREFIX}; see the workspace's settings"
        )
        return warning("key", message, f"export {_KEY_NAME}={_PREFIX}…")
    return ok("key", f"{_KEY_NAME} is set")


def _certificates(variables: Mapping[str, str]) -> Iterator[Finding]:
    for name in CERTIFICATES:
        path = variables.get(name)
        if path and not Path(path).exists():
            yield error("certificates", f"{name} names {path}, which does not exist", f"unset {name}")


def _requests(project: Project, worktree: Worktree | None) -> Iterator[Finding]:
    """Check the registry with requests that only read."""
    if project.url.startswith(LOCAL) and (finding := _embedded(project)) is not None:
        yield finding
        return
    try:
        with tempfile.TemporaryDirectory() as directory, _opened(project, Path(directory)) as registry:
            began = time.monotonic()
            prompts = registry.prompts.list()
            seconds = time.monotonic() - began
            if project.api_key and not project.url.startswith(LOCAL):
                yield ok("key-accepted", "the registry accepts the key")
            seen = registry.workspace_seen
            workspace = f", workspace {seen}" if seen is not None else ""
            yield ok("registry", f"it listed {counted(len(prompts), 'prompt')} in {seconds:.2f} s{workspace}")
            yield _dialect(registry.capabilities(prompts))
            if worktree is not None:
                yield from _unknown_fields(worktree, prompts)
    except PromptsyncError as problem:
        finding = failed(
            "key-accepted" if problem.code in ("unauthorized", "forbidden") else "registry", problem
        )
        if problem.code == "rate-limited":
            message = f"{finding.message}; promptsync waited once and gave up"
            finding = structs.replace(finding, message=message)
        yield finding


def _embedded(project: Project) -> Finding | None:
    """Return why the database of an embedded registry is not examined, ``None`` if it is."""
    if project.fixtures is not None and not project.fixtures.is_file():
        fix = f"fix or remove fixtures: in {project.config.path.name}"
        return error("registry", f"the fixtures file {project.fixtures} does not exist", fix)
    if not project.database.exists():
        return ok("registry", f"there is no embedded registry yet; the first push creates {project.database}")
    if not project.database.is_file():
        return error("registry", f"{project.database} is not a file", f"mv {project.database} elsewhere")
    return None


def _opened(project: Project, directory: Path) -> Registry:
    """Connect to the registry. An embedded one is copied first, because opening it may write."""
    from promptsync.registry.open import open_registry

    database = None
    if project.url.startswith(LOCAL):
        database = directory / "registry.db"
        # Recent changes may still be in the write-ahead log beside the database.
        for end in ("", "-wal"):
            source = Path(f"{project.database}{end}")
            if source.is_file():
                shutil.copyfile(source, f"{database}{end}")
    return open_registry(
        project.record_url if database else project.url,
        project.api_key if database is None else None,
        database=str(database) if database else None,
        fixtures=str(project.fixtures) if project.fixtures else None,
        timeouts=project.timeouts,
        jobs=project.jobs,
        on_wait=project.on_wait,
        examining=True,
    )


def _dialect(capabilities: Capabilities) -> Finding:
    if capabilities.raw is None:
        return ok("dialect", "unknown until it has a prompt")
    if not capabilities.raw:
        return warning(
            "dialect",
            "the basic API only, without raw prompts, so prompts that use snippets cannot be read",
            "leave such prompts out with include:, or use a registry with GET /prompt-templates/{id}",
        )
    if capabilities.labels is None:
        message = "its labels cannot be read, so they can be set only while publishing"
        return warning("dialect", message, "promptsync push --label LABEL")
    if not capabilities.changes_labels:
        message = "its labels can be read, but promptsync cannot change them"
        return warning("dialect", message, "move labels in the dashboard of this registry")
    lists = "with" if capabilities.lists_all_labels else "without"
    return ok("dialect", f"the current PromptLayer API, {lists} a list of all labels")


def _unknown_fields(worktree: Worktree, prompts: Sequence[Version]) -> Iterator[Finding]:
    both = [
        (worktree.files[version.name].prompt, version.prompt)
        for version in prompts
        if version.name in worktree.files
    ]
    if unknown := unknown_fields(both):
        message = f"the registry adds {counted(len(unknown), 'field')} that promptsync does not know"
        yield ok("fields", f"{message}: {', '.join(unknown)}; they are not differences", unknown)
