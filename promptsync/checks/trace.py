"""``agent run --track``: attach the git commit, the branch and the prompt versions to a run's requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from promptsync.checks.agents import AgentOrder, AgentRun
from promptsync.checks.catalogue import Use, uses_of_agent
from promptsync.errors import RemoteError
from promptsync.parallel import for_each, mapped

if TYPE_CHECKING:
    from promptsync.compare.project import Project
    from promptsync.registry.protocol import Registry

COMMIT: Final = "git_commit"
BRANCH: Final = "git_branch"
PROMPT: Final = "prompt_version:"
"""The key of each prompt starts with this; its value is a number, or ``label NAME`` if a label decides."""


@dataclass(frozen=True, slots=True)
class Traced:
    """The trace of one run: its metadata, and the requests that hold it now.

    ``with_run`` says that the registry accepted it with the run. ``error`` is why a request does not hold it.
    """

    agent: str
    metadata: Mapping[str, str]
    requests: tuple[int | str, ...] = ()
    with_run: bool = False
    error: RemoteError | None = None

    @property
    def is_lost(self) -> bool:
        """Whether the registry kept the metadata nowhere, without reporting an error."""
        return not self.requests and not self.with_run and self.error is None


def git_trace(project: Project, branch: str | None) -> dict[str, str]:
    """Return the commit and the branch that the files are at, or ``branch`` if none is checked out.

    The commit ends in ``+`` if the files differ from it.
    """
    history = project.history
    commit = history.head_commit if history is not None else None
    if history is None or commit is None:
        return {}
    commit += "+" if history.differing(commit) else ""
    found = {COMMIT: commit, BRANCH: history.branch or branch}
    return {key: value for key, value in found.items() if value}


def with_trace(
    registry: Registry, order: AgentOrder, prompts: Iterable[str], git: Mapping[str, str]
) -> AgentOrder:
    """Return an order with its trace as metadata. Call it before the run starts.

    The trace has the version of each prompt in the nodes of the agent, if the registry names them, and of
    each of ``prompts``.
    """
    uses = uses_of_agent(registry, order.agent.id, label=order.label, version=order.version)
    pinned = {use.prompt: use for use in uses}
    names = list(dict.fromkeys([*pinned, *prompts]))
    open_names = [name for name in names if name not in pinned or _is_open(pinned[name])]
    latest = dict(zip(open_names, mapped(lambda name: _latest(registry, name), open_names), strict=True))
    versions = {name: _version(pinned.get(name), latest.get(name)) for name in names}
    prompts_trace = {f"{PROMPT}{name}": version for name, version in versions.items() if version}
    return replace(order, metadata={**git, **prompts_trace})


def attach_traces(registry: Registry, runs: Sequence[AgentRun], orders: Sequence[AgentOrder]) -> list[Traced]:
    """Attach the metadata of each order to the requests that the registry names for its run."""
    done: dict[tuple[int, int | str], RemoteError | None] = {}

    def attach(place: tuple[int, int | str]) -> None:
        index, request = place
        try:
            registry.tracking.track_metadata(request, orders[index].metadata or {})
        except RemoteError as error:
            done[place] = error
        else:
            done[place] = None

    for_each(attach, [(index, one) for index, run in enumerate(runs) for one in run.request_ids])
    return [
        _traced(run, order, {request: done[index, request] for request in run.request_ids})
        for index, (run, order) in enumerate(zip(runs, orders, strict=True))
    ]


def _traced(run: AgentRun, order: AgentOrder, done: Mapping[int | str, RemoteError | None]) -> Traced:
    return Traced(
        run.name,
        order.metadata or {},
        tuple(request for request, error in done.items() if error is None),
        run.has_metadata,
        next((error for error in done.values() if error is not None), run.error),
    )


def _is_open(use: Use) -> bool:
    return use.version is None and use.label is None


def _latest(registry: Registry, name: str) -> int | None:
    return next((one.version for one in registry.prompts.list(name=name) if one.name == name), None)


def _version(use: Use | None, latest: int | None) -> str:
    if use is not None and use.label is not None:
        return f"label {use.label}"
    version = use.version if use is not None and use.version is not None else latest
    return "" if version is None else str(version)
