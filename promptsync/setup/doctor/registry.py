"""Examines the registry: which one it is, the key, proxies and certificates, and what it can do."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from promptsync.checks.assignment import find_checks, select_checks
from promptsync.errors import PromptsyncError, Refused, RemoteError, UsageError
from promptsync.files.config import FILE_NAME, Config
from promptsync.files.worktree import Worktree
from promptsync.project.pointers import list_labels
from promptsync.project.project import Project, open_project
from promptsync.prompt.additions import unknown_fields
from promptsync.prompt.version import Version
from promptsync.registry.address import LOCAL, Address, address, checked_key
from promptsync.registry.errors import MissingKey, Unsupported
from promptsync.setup.doctor.finding import (
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

PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
"""Variables that name a proxy for https; the first one that is set is used."""

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that name the certificates to trust."""

VARIABLES = (*PROXIES, *CERTIFICATES, "NO_PROXY", "no_proxy")

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
    if not place.offline and all(one.status is not FindingStatus.ERROR for one in way):
        yield from _requests(project, worktree)


def _way(project: Project, place: FindingPlace) -> Iterator[Finding]:
    """Check what a connection needs beside the registry."""
    if project.url.startswith(LOCAL):
        return
    where = address(project.url)
    yield _key(place.api_key, where)
    if where.scheme == "https":
        yield from _proxy(place.variables, where)
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


def _proxy(variables: Mapping[str, str], where: Address) -> Iterator[Finding]:
    name = next((one for one in PROXIES if variables.get(one)), None)
    if name is None:
        return
    # The URL of a proxy may contain a password.
    proxy = re.sub(r"//[^/@]*@", "//…@", variables[name])
    listed = (variables.get("NO_PROXY") or variables.get("no_proxy") or "").lower().split(",")
    # NO_PROXY has the ends of host names, with or without a dot in front.
    excluded = [part.strip().lstrip(".") for part in listed]
    if "*" in excluded or any(f".{where.host}".endswith(f".{one}") for one in excluded if one):
        yield ok("proxy", f"{name} is {proxy}, but NO_PROXY excludes {where.host}")
    else:
        yield ok("proxy", f"requests go through {proxy} ({name}); NO_PROXY={where.host} avoids it")


def _certificates(variables: Mapping[str, str]) -> Iterator[Finding]:
    named = {name: variables[name] for name in CERTIFICATES if variables.get(name)}
    missing = [name for name, path in named.items() if not Path(path).exists()]
    if missing:
        message = f"{missing[0]} names {named[missing[0]]}, which does not exist"
        yield error("certificates", message, f"unset {missing[0]}")
    elif named:
        places = ", ".join(f"{path} ({name})" for name, path in named.items())
        yield ok("certificates", f"trusting those in {places}")


def _requests(project: Project, worktree: Worktree | None) -> Iterator[Finding]:
    """Check the registry itself, with requests that only read."""
    if project.url.startswith(LOCAL) and project.fixtures is not None and not project.fixtures.is_file():
        fix = f"fix or remove fixtures: in {project.config.path.name}"
        yield error("registry", f"the fixtures file {project.fixtures} does not exist", fix)
        return
    if project.url.startswith(LOCAL) and not project.database.is_file():
        yield ok("registry", f"there is no embedded registry yet; the first push creates {project.database}")
        return
    try:
        with _opened(project) as registry:
            yield from _examine(registry, project, worktree)
    except PromptsyncError as problem:
        is_refused = problem.code in ("unauthorized", "forbidden")
        found = failed("key-accepted" if is_refused else "registry", problem)
        if problem.code == "rate-limited":
            found = replace(found, message=f"{found.message}; promptsync waited once and gave up")
        yield found


@contextmanager
def _opened(project: Project) -> Iterator[Registry]:
    """Connect to the registry. An embedded one is copied first, because opening it may write."""
    from promptsync.registry.open import open_registry

    if not project.url.startswith(LOCAL):
        with open_registry(
            project.url,
            project.api_key,
            timeouts=project.timeouts,
            jobs=project.jobs,
            on_wait=project.on_wait,
            examining=True,
        ) as registry:
            yield registry
        return
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "registry.db"
        # Recent changes may still be in the write-ahead log beside the database.
        for end in ("", "-wal"):
            source = Path(f"{project.database}{end}")
            if source.is_file():
                shutil.copyfile(source, f"{copy}{end}")
        fixtures = str(project.fixtures) if project.fixtures else None
        with open_registry(
            project.record_url, None, database=str(copy), fixtures=fixtures, examining=True
        ) as registry:
            yield registry


def _examine(registry: Registry, project: Project, worktree: Worktree | None) -> Iterator[Finding]:
    began = time.monotonic()
    prompts = registry.prompts.list()
    seconds = time.monotonic() - began
    if project.api_key and not project.url.startswith(LOCAL):
        yield ok("key-accepted", "the registry accepts the key")
    capabilities = _with_governed(registry, registry.capabilities(prompts), project.config)
    yield _reached(registry, prompts, seconds)
    yield _dialect(capabilities)
    yield from _labels(capabilities)
    if worktree is not None:
        yield from _unknown_fields(worktree, prompts)
        yield from _checks(registry, project, worktree)


def _with_governed(registry: Registry, capabilities: Capabilities, config: Config) -> Capabilities:
    """Return the capabilities with the labels in ``labels:``, where the labels of one prompt were read."""
    if capabilities.lists_all_labels or capabilities.labels is None:
        return capabilities
    missing = {*config.labels.values()} - {*capabilities.labels}
    pointing = list_labels(registry, missing) or ()
    names = {*capabilities.labels, *(label.name for label in pointing)}
    return structs.replace(capabilities, labels=tuple(sorted(names)))


def _reached(registry: Registry, prompts: Sequence[Version], seconds: float) -> Finding:
    seen = registry.workspace_seen
    workspace = f", workspace {seen}" if seen is not None else ""
    listed = counted(len(prompts), "prompt")
    return ok("registry", f"it listed {listed} in {seconds:.2f} s{workspace}")


def _dialect(capabilities: Capabilities) -> Finding:
    if capabilities.raw is None:
        return ok("dialect", "unknown until it has a prompt")
    if capabilities.raw:
        lists = "with" if capabilities.lists_all_labels else "without"
        return ok("dialect", f"the current PromptLayer API, {lists} a list of all labels")
    return warning(
        "dialect",
        "the basic API only, without raw prompts, so prompts that use snippets cannot be read",
        "leave such prompts out with include:, or use a registry with GET /prompt-templates/{id}",
    )


def _labels(capabilities: Capabilities) -> Iterator[Finding]:
    if capabilities.raw is None and not capabilities.labels:
        return
    if capabilities.labels is None:
        message = "its labels cannot be read, so they can be set only while publishing"
        yield warning("label-access", message, "promptsync push --label LABEL")
        return
    known = ", ".join(capabilities.labels) or "none yet"
    if not capabilities.changes_labels:
        message = f"its labels can be read, but promptsync cannot change them: {known}"
        yield warning("label-access", message, "move labels in the dashboard of this registry")
        return
    yield ok("label-access", f"its labels can be read: {known}; whether the key may move them is unknown")


def _unknown_fields(worktree: Worktree, prompts: Sequence[Version]) -> Iterator[Finding]:
    both = [(worktree.files[one.name].prompt, one.prompt) for one in prompts if one.name in worktree.files]
    if unknown := unknown_fields(both):
        message = f"the registry adds {counted(len(unknown), 'field')} that promptsync does not know"
        yield ok("fields", f"{message}: {', '.join(unknown)}; they are not differences", unknown)


def _checks(registry: Registry, project: Project, worktree: Worktree) -> Iterator[Finding]:
    names = [name for name in worktree.files if project.config.in_scope(name)]
    selection = select_checks(names, worktree.files, project.config)
    if not selection.evaluations and not selection.agents:
        return
    try:
        find_checks(registry, selection)
    except Unsupported as problem:
        yield warning("checks", problem.message, "use a registry that can run evaluations and agents")
    except RemoteError:
        raise
    except PromptsyncError as problem:
        fix = "promptsync eval list; promptsync agent list"
        yield error("checks", problem.message, problem.hint or fix, problem.details)
    else:
        agents = {check.name for check in selection.agents}
        named = f"{counted(len(selection.evaluations), 'evaluation')} and {counted(len(agents), 'agent')}"
        lacking = selection.unchecked
        without = f"; {counted(len(lacking), 'prompt')} without checks" if lacking else ""
        yield ok("checks", f"the registry has all that the files name: {named}{without}", lacking)
