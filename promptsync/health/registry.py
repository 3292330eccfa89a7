"""The registry: whether it answers, how it speaks, and whether it holds what the files name."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from promptsync.checks.finding import find_checks
from promptsync.checks.selection import Selection, select_checks
from promptsync.core.prompt import Listed
from promptsync.errors import PromptsyncError, RemoteError
from promptsync.files.worktree import Worktree
from promptsync.health.finding import Finding, counted, error, failed, ok, warning
from promptsync.remote.errors import Unsupported
from promptsync.sync.project import LOCAL, Project

if TYPE_CHECKING:
    from promptsync.remote.probe import Probe, Speech

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
    from promptsync.remote.probe import TIMEOUT, Probe

    if not project.url.startswith(LOCAL):
        with Probe(project.url, project.api_key, timeout=TIMEOUT) as probe:
            yield probe
        return
    from promptsync.remote.transport import local_transport

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
    prompts = probe.list()
    seconds = probe.seconds or 0.0
    yield from _clock(probe.skew)
    if project.api_key and not project.url.startswith(LOCAL):
        yield ok("key-accepted", "the registry takes the key")
    speech = probe.speech(prompts)
    yield _reached(probe, prompts, seconds)
    yield _dialect(speech)
    yield from _labels(speech)
    if worktree is not None:
        yield from _checks(probe, project, worktree)


def _reached(probe: Probe, prompts: Sequence[Listed], seconds: float) -> Finding:
    workspace = f", workspace {probe.workspace_id}" if probe.workspace_id is not None else ""
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


def _checks(probe: Probe, project: Project, worktree: Worktree) -> Iterator[Finding]:
    names = [name for name in worktree.files if project.config.in_scope(name)]
    selection = select_checks(names, worktree.files, project.config)
    if not selection.evaluations and not selection.agents:
        return
    try:
        find_checks(probe, selection)
    except Unsupported as problem:
        yield warning("proof", problem.message, "use a registry that can run evaluations and agents")
    except RemoteError:
        raise
    except PromptsyncError as problem:
        fix = "promptsync eval list and promptsync agent list tell the names that there are"
        yield error("proof", problem.message, problem.hint or fix, problem.details)
    else:
        yield ok("proof", _proof(selection), selection.unproven)


def _proof(selection: Selection) -> str:
    agents = {check.agent for check in selection.agents}
    named = f"{counted(len(selection.evaluations), 'evaluation')} and {counted(len(agents), 'agent')}"
    text = f"the registry has what files name: {named}"
    if selection.unproven:
        return f"{text}; none for {counted(len(selection.unproven), 'prompt')}"
    return text
