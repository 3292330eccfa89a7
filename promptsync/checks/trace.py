"""Noting with the requests of an agent's run where it came from: commit, branch, versions of prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from promptsync.checks.agents import AgentOrder, AgentRun
from promptsync.checks.uses import Use, uses_of_agent
from promptsync.errors import RemoteError
from promptsync.parallel import for_each, mapped

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

COMMIT: Final = "git_commit"
BRANCH: Final = "git_branch"
PROMPT: Final = "prompt_version:"
"""Begins the key of each prompt; its value is a number, or ``label NAME`` where a label decides."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What became of the trace of one run: the requests that have it now, and what went wrong."""

    agent: str
    requests: tuple[int | str, ...] = ()
    error: RemoteError | None = None


def trace_of(
    registry: Registry,
    order: AgentOrder,
    prompts: Iterable[str],
    *,
    commit: str | None,
    branch: str | None,
) -> dict[str, str]:
    """Return the metadata for one run; ask before it starts.

    The prompts are those that the agent's nodes say they send, where the registry tells, and ``prompts``.
    """
    uses = uses_of_agent(registry, order.agent.id, label=order.label, version=order.version)
    pinned = {use.prompt: use for use in uses}
    named = dict.fromkeys([*pinned, *prompts])
    open_names = [name for name in named if name not in pinned or _is_open(pinned[name])]
    latest = dict(zip(open_names, mapped(lambda name: _latest(registry, name), open_names), strict=True))
    found = {name: _shown(pinned.get(name), latest.get(name)) for name in named}
    git = {COMMIT: commit, BRANCH: branch}
    return {key: value for key, value in git.items() if value} | {
        f"{PROMPT}{name}": version for name, version in found.items() if version
    }


def note_traces(
    registry: Registry, runs: Iterable[AgentRun], metadata: Iterable[Mapping[str, str]]
) -> list[Noted]:
    """Attach the metadata of each run to the requests that the registry names for it; tell how it went."""
    pairs = list(zip(runs, metadata, strict=True))
    done: dict[tuple[int, int | str], RemoteError | None] = {}

    def note(place: tuple[int, int | str]) -> None:
        number, request = place
        try:
            registry.tracking.track_metadata(request, pairs[number][1])
        except RemoteError as error:
            done[place] = error
        else:
            done[place] = None

    for_each(note, [(number, one) for number, (run, _) in enumerate(pairs) for one in run.request_ids])
    return [
        _noted(run, {one: done[number, one] for one in run.request_ids})
        for number, (run, _) in enumerate(pairs)
    ]


def _noted(run: AgentRun, done: Mapping[int | str, RemoteError | None]) -> Noted:
    error = next((one for one in done.values() if one is not None), None)
    return Noted(run.agent, tuple(one for one, failed in done.items() if failed is None), error)


def _is_open(use: Use) -> bool:
    return use.version is None and use.label is None


def _latest(registry: Registry, name: str) -> int | None:
    return next((one.version for one in registry.prompts.list(name=name) if one.name == name), None)


def _shown(use: Use | None, latest: int | None) -> str:
    if use is not None and use.label is not None:
        return f"label {use.label}"
    version = use.version if use is not None and use.version is not None else latest
    return "" if version is None else str(version)
