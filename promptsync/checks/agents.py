"""Running agents: start, wait, and what each node put out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from promptsync.checks.catalogue import Agent
from promptsync.checks.outcome import Interrupted, Status, failure, start_failed
from promptsync.checks.waiting import Patience, Progress, wait
from promptsync.errors import PromptsyncError, RemoteError
from promptsync.remote.errors import Unsupported
from promptsync.remote.parse import text
from promptsync.sync.parallel import for_each

if TYPE_CHECKING:
    from promptsync.remote.client import Registry

_NODE_FAILED: Final = frozenset({"FAILED", "FAILURE", "ERROR", "CANCELLED", "CANCELED", "TIMEOUT"})
_OUTPUTS: Final = ("outputs", "output", "results", "result", "final_output")
_OUTPUT: Final = "output"


@dataclass(frozen=True, slots=True)
class NodeOutput:
    """What one node put out. ``status`` is the registry's own word; ``error`` is empty unless it failed."""

    value: Any
    status: str
    error: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.error) or self.status.upper() in _NODE_FAILED


@dataclass(frozen=True, slots=True)
class AgentRun:
    """One run of an agent. ``execution_id`` is what to ask for it by, ``None`` where outputs came at once."""

    agent: str
    agent_id: int
    execution_id: int | None = None
    status: Status = Status.NOT_STARTED
    outputs: Mapping[str, NodeOutput] = field(default_factory=dict)
    warning: str = ""
    error: RemoteError | None = None

    @property
    def is_under_way(self) -> bool:
        return self.status is Status.RUNNING

    @property
    def verdict(self) -> str:
        """Why the run does not pass; empty when it does."""
        if self.error is not None:
            return self.error.message
        if self.status is Status.TIMED_OUT:
            return f"still running when the time was up; execution {self.execution_id}"
        broken = [name for name, node in self.outputs.items() if node.failed]
        if broken:
            first = self.outputs[broken[0]]
            return f"node {broken[0]} failed: {first.error or first.status}"
        return "" if self.status is Status.COMPLETED else f"did not complete: {self.status}"


def failure_of(runs: Sequence[AgentRun]) -> PromptsyncError | None:
    """The error in which runs that should have completed end, ``None`` when all of them pass."""
    errors = [(run.agent, run.status, run.error) for run in runs if run.error is not None]
    reasons = [f"{run.agent}: {run.verdict}" for run in runs if run.error is None and run.verdict]
    return failure(errors, reasons, "agent")


def run_agents(
    registry: Registry,
    agents: Sequence[Agent],
    variables: Mapping[str, Any],
    *,
    label: str | None = None,
    version: int | None = None,
    patience: Patience | None,
    progress: Progress,
) -> list[AgentRun]:
    """Run each agent once with ``variables``, all at the same time, and wait until they have ended.

    Without ``patience`` they are only started. What the registry fails at is in the run that it concerns.
    Raises ``Interrupted`` with the runs as they are.
    """
    runs = [AgentRun(one.name, one.id) for one in agents]

    def start(index: int) -> None:
        runs[index] = _started(registry, runs[index], variables, label, version)

    def ask(index: int) -> None:
        runs[index] = _asked(registry, runs[index])

    def look() -> bool:
        for_each(ask, [index for index, run in enumerate(runs) if run.is_under_way])
        ended = sum(not run.is_under_way for run in runs)
        progress("running agents", ended, len(runs))
        return ended == len(runs)

    try:
        for_each(start, range(len(runs)))
        if patience is not None and not wait(look, patience):
            runs[:] = [replace(run, status=Status.TIMED_OUT) if run.is_under_way else run for run in runs]
    except KeyboardInterrupt:
        raise Interrupted(runs) from None
    return runs


def _started(
    registry: Registry, run: AgentRun, variables: Mapping[str, Any], label: str | None, version: int | None
) -> AgentRun:
    try:
        made = registry.run_agent(run.agent_id, variables, label=label, version=version)
    except RemoteError as error:
        return replace(run, status=start_failed(error), error=error)
    run = replace(run, execution_id=made.execution_id, warning=text(made.raw, "warning") or "")
    key = next((key for key in _OUTPUTS if made.raw.get(key) is not None), None)
    if key is not None:
        return _ended(run, made.raw[key])
    return replace(run, status=Status.RUNNING)


def _asked(registry: Registry, run: AgentRun) -> AgentRun:
    try:
        # a registry that gave no id has said all that it will say; asking names what it lacks
        done, found = registry.agent_result(run.execution_id or 0)
    except Unsupported as error:
        told = RemoteError(
            error.message, hint="--no-wait starts an agent without asking for its outputs", code=error.code
        )
        return replace(run, error=told, status=Status.UNREADABLE)
    except RemoteError as error:
        return replace(run, error=error, status=Status.UNREADABLE)
    return _ended(run, found) if done else run


def _ended(run: AgentRun, found: object) -> AgentRun:
    outputs = found if isinstance(found, dict) else {_OUTPUT: found}
    nodes = {str(name): _node(value) for name, value in outputs.items()}
    status = Status.FAILED if any(node.failed for node in nodes.values()) else Status.COMPLETED
    return replace(run, status=status, outputs=nodes)


def _node(raw: object) -> NodeOutput:
    if isinstance(raw, dict) and isinstance(raw.get("status"), str):
        error = text(raw, "error_message", "raw_error_message") or ""
        return NodeOutput(raw.get("value"), raw["status"], error)
    return NodeOutput(raw, "SUCCESS")
