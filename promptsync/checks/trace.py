"""``agent run --track``: attach the git commit, the branch and the prompt versions to a run's requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from promptsync.checks.agents import AgentOrder, AgentRun
from promptsync.checks.catalogue import uses_of_agent
from promptsync.errors import RemoteError
from promptsync.parallel import for_each, mapped

if TYPE_CHECKING:
    from promptsync.project.project import Project
    from promptsync.registry.protocol import Registry

COMMIT: Final = "git_commit"
BRANCH: Final = "git_branch"
PROMPT: Final = "prompt_version:"
"""The key of each prompt starts with this; its value is a number, or ``label NAME`` where a label is used."""


@dataclass(frozen=True, slots=True)
class Traced:
    """The trace of one run: its metadata, and the requests that have it now.

    ``with_run`` says that the registry accepted it with the run. ``error`` is why a request does not have it.
    """

    agent: str
    metadata: Mapping[str, str]
    requests: tuple[int | str, ...] = ()
    with_run: bool = False
    error: RemoteError | None = None


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

    def version(name: str) -> str | int | None:
        use = pinned.get(name)
        if use is not None and use.label is not None:
            return f"label {use.label}"
        if use is not None and use.version is not None:
            return use.version
        # An unpinned prompt runs at its latest version, unless one is published in the meantime.
        return next((one.version for one in registry.prompts.list(name=name) if one.name == name), None)

    versions = zip(names, mapped(version, names), strict=True)
    prompts_trace = {f"{PROMPT}{name}": str(found) for name, found in versions if found is not None}
    return replace(order, metadata={**git, **prompts_trace})


def attach_traces(registry: Registry, runs: Sequence[AgentRun], orders: Sequence[AgentOrder]) -> list[Traced]:
    """Attach the metadata of each order to the requests that the registry names for its run."""
    failed: dict[tuple[int, int | str], RemoteError] = {}

    def attach(place: tuple[int, int | str]) -> None:
        index, request = place
        try:
            registry.tracking.track_metadata(request, orders[index].metadata or {})
        except RemoteError as error:
            failed[place] = error

    for_each(attach, [(index, one) for index, run in enumerate(runs) for one in run.request_ids])
    traces = []
    for index, (run, order) in enumerate(zip(runs, orders, strict=True)):
        attached = tuple(one for one in run.request_ids if (index, one) not in failed)
        errors = (failed[index, one] for one in run.request_ids if (index, one) in failed)
        error = next(errors, run.error)
        traces.append(Traced(run.name, order.metadata or {}, attached, run.has_metadata, error))
    return traces
