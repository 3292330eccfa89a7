"""The way to the registry: which one it is, the key, proxies and certificates."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from promptsync.checks.select import Selection, find_checks, select_checks
from promptsync.compare.project import Project, open_project
from promptsync.errors import PromptsyncError, RemoteError, UsageError
from promptsync.files.config import Config
from promptsync.files.worktree import Worktree
from promptsync.prompt.prompt import Listed
from promptsync.registry.address import LOCAL, Address, address
from promptsync.registry.errors import MissingKey, Unsupported
from promptsync.setup.doctor.finding import Finding, Place, counted, error, failed, ok, warning

if TYPE_CHECKING:
    from promptsync.registry.promptlayer.probe import Probe, Speech
    from promptsync.registry.protocol import Registry

PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
"""Variables that name a proxy for https, the first that is set counts."""

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that name the certificates to trust."""

VARIABLES = (*PROXIES, *CERTIFICATES, "NO_PROXY", "no_proxy")

_KEY_NAME = "PROMPTLAYER_API_KEY"
_VENDOR = "promptlayer.com"
_PREFIX = "pl_"


def look_at_remote(config: Config, place: Place) -> tuple[Project | None, Finding]:
    """Return the working copy with its remote; it is not connected yet."""
    try:
        project = open_project(config, remote=place.remote, api_key=place.api_key, base_url=place.base_url)
        if not project.url.startswith(LOCAL):
            address(project.url)
    except UsageError as problem:
        return None, failed("remote", problem)
    named = project.url if project.remote == project.url else f"{project.remote}, {project.url}"
    why = " (PROMPTLAYER_BASE_URL)" if place.base_url and not place.remote else ""
    return project, ok("remote", f"{named}{why}")


def look_at_way(project: Project, place: Place) -> Iterator[Finding]:
    """Look at what a connection needs beside the registry."""
    if project.url.startswith(LOCAL):
        return
    where = address(project.url)
    yield _key(place.api_key, where)
    if where.scheme == "https":
        yield from _proxy(place.variables, where)
        yield from _certificates(place.variables)


def _key(key: str | None, where: Address) -> Finding:
    from promptsync.registry.promptlayer.connection import checked_key

    try:
        sent = checked_key(key, where.base)
    except MissingKey as problem:
        return failed("key", problem)
    if where.host.endswith(_VENDOR) and not sent.startswith(_PREFIX):
        fix = f"copy the key of the workspace from PromptLayer's settings into {_KEY_NAME}"
        return warning("key", f"{_KEY_NAME} is set, but PromptLayer's keys begin with {_PREFIX}", fix)
    return ok("key", f"{_KEY_NAME} is set")


def _proxy(variables: Mapping[str, str], where: Address) -> Iterator[Finding]:
    name = next((one for one in PROXIES if variables.get(one)), None)
    if name is None:
        return
    proxy = re.sub(r"//[^/@]*@", "//…@", variables[name])
    if _is_excluded(variables.get("NO_PROXY") or variables.get("no_proxy") or "", where.host):
        yield ok("proxy", f"{name} names {proxy}; NO_PROXY takes {where.host} out")
    else:
        yield ok("proxy", f"requests go through {proxy} ({name}); NO_PROXY={where.host} would avoid it")


def _is_excluded(listed: str, host: str) -> bool:
    for one in (part.strip().lower().lstrip(".") for part in listed.split(",")):
        if one == "*" or (one and (host == one or host.endswith(f".{one}"))):
            return True
    return False


def _certificates(variables: Mapping[str, str]) -> Iterator[Finding]:
    named = {name: variables[name] for name in CERTIFICATES if variables.get(name)}
    missing = [name for name, path in named.items() if not Path(path).exists()]
    if missing:
        message = f"{missing[0]} names {named[missing[0]]}, which is not there"
        yield error("certificates", message, f"correct or unset {missing[0]}")
    elif named:
        told = ", ".join(f"{path} ({name})" for name, path in named.items())
        yield ok("certificates", f"those in {told} are trusted")


_SLOW = 3.0
"""Seconds from which an answer is slow."""

_SKEWED = 120.0
"""Seconds between two clocks from which certificates and dates may be taken for wrong."""


def look_at_registry(project: Project, worktree: Worktree | None) -> Iterator[Finding]:
    """Ask the registry, reading only."""
    if project.url.startswith(LOCAL):
        missing = _missing(project)
        if missing is not None:
            yield missing
            return
    try:
        with _opened(project) as probe:
            yield from _answers(probe, project, worktree)
    except PromptsyncError as problem:
        is_refused = problem.code in ("unauthorized", "forbidden")
        yield failed("key-accepted" if is_refused else "registry", problem)


def _missing(project: Project) -> Finding | None:
    """What keeps an embedded registry from being looked at, if anything does."""
    if project.fixtures is not None and not project.fixtures.is_file():
        fix = f"write it, or take fixtures: out of {project.config.path.name}"
        return error("registry", f"the fixtures {project.fixtures} are not there", fix)
    if not project.database.is_file():
        return ok("registry", f"there is no embedded registry yet; the first push makes {project.database}")
    return None


@contextmanager
def _opened(project: Project) -> Iterator[Probe]:
    """A client of the registry. An embedded one is copied first, for opening it may write."""
    from promptsync.registry.promptlayer.probe import Probe

    if not project.url.startswith(LOCAL):
        with Probe(project.url, project.api_key) as probe:
            yield probe
        return
    from promptsync.registry.promptlayer.transport import local_transport

    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "registry.db"
        for end in ("", "-wal"):
            source = Path(f"{project.database}{end}")
            if source.is_file():
                shutil.copyfile(source, f"{copy}{end}")
        fixtures = str(project.fixtures) if project.fixtures else None
        with Probe(
            project.record_url, None, transport=local_transport(str(copy), fixtures=fixtures)
        ) as probe:
            yield probe


def _answers(probe: Probe, project: Project, worktree: Worktree | None) -> Iterator[Finding]:
    prompts = probe.registry.prompts.list()
    seconds = probe.seconds or 0.0
    yield from _clock(probe.skew)
    if project.api_key and not project.url.startswith(LOCAL):
        yield ok("key-accepted", "the registry takes the key")
    speech = probe.speech(prompts)
    yield _reached(probe, prompts, seconds)
    yield _dialect(speech)
    yield from _labels(speech)
    if worktree is not None:
        yield from _checks(probe.registry, project, worktree)


def _reached(probe: Probe, prompts: Sequence[Listed], seconds: float) -> Finding:
    workspace = (
        f", workspace {probe.registry.workspace_seen}" if probe.registry.workspace_seen is not None else ""
    )
    message = f"it answers in {seconds:.2f} s and holds {counted(len(prompts), 'prompt')}{workspace}"
    if seconds > _SLOW:
        return warning("registry", message, "that is slow: check the network and any proxy")
    return ok("registry", message)


def _clock(skew: float | None) -> Iterator[Finding]:
    if skew is None:
        return
    if abs(skew) > _SKEWED:
        way = "ahead of" if skew > 0 else "behind"
        message = f"this machine's clock is {abs(skew):.0f} s {way} the registry's"
        yield warning("clock", message, "set the clock: certificates and dates depend on it")
    else:
        yield ok("clock", "this machine's clock agrees with the registry's")


def _dialect(speech: Speech) -> Finding:
    if speech.raw is None:
        return ok("dialect", "it holds no prompt yet, by which to tell how it speaks")
    if speech.raw:
        lists = "with" if speech.lists_all_labels else "without"
        return ok("dialect", f"PromptLayer's present API, {lists} a list of all labels")
    return warning(
        "dialect",
        "the basic API alone, without raw prompts: those that use snippets cannot be read",
        "use a registry that answers GET /prompt-templates/{id}, or leave such prompts out with include:",
    )


def _labels(speech: Speech) -> Iterator[Finding]:
    if speech.raw is None and not speech.labels:
        return
    if speech.labels is None:
        fix = "set labels while publishing: promptsync push --label LABEL"
        yield warning(
            "label-access", "labels cannot be read from it, so they cannot be moved one by one", fix
        )
        return
    known = f"it has {', '.join(speech.labels)}" if speech.labels else "it has none yet"
    yield ok(
        "label-access", f"labels can be read, {known}; whether the key may move them shows when one moves"
    )


def _checks(registry: Registry, project: Project, worktree: Worktree) -> Iterator[Finding]:
    names = [name for name in worktree.files if project.config.in_scope(name)]
    selection = select_checks(names, worktree.files, project.config)
    if not selection.evaluations and not selection.agents:
        return
    try:
        find_checks(registry, selection)
    except Unsupported as problem:
        yield warning("proof", problem.message, "use a registry that can run evaluations and agents")
    except RemoteError:
        raise
    except PromptsyncError as problem:
        fix = "promptsync eval list and promptsync agent list tell the names that there are"
        yield error("proof", problem.message, problem.hint or fix, problem.details)
    else:
        yield ok("proof", _proof(selection), selection.unchecked)


def _proof(selection: Selection) -> str:
    agents = {check.name for check in selection.agents}
    named = f"{counted(len(selection.evaluations), 'evaluation')} and {counted(len(agents), 'agent')}"
    text = f"the registry has what files name: {named}"
    if selection.unchecked:
        return f"{text}; none for {counted(len(selection.unchecked), 'prompt')}"
    return text
