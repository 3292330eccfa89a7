"""Running agents: start them, wait, and read the output of each node."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from promptsync.checks.batch import Batch, Run, Status, start_failed
from promptsync.checks.catalogue import Agent
from promptsync.errors import RemoteError
from promptsync.registry.errors import FateUnknown, Unsupported
from promptsync.registry.values import text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

# A node that is still queued or running when its agent has ended has no result either.
_NODE_FAILED: Final = frozenset(
    {"FAILED", "FAILURE", "ERROR", "CANCELLED", "CANCELED", "TIMEOUT", "QUEUED", "RUNNING", "PENDING"}
)
# A registry may return the outputs at once, in the response to the start, under one of these keys.
_OUTPUTS: Final = ("outputs", "output", "results", "result", "final_output")


@dataclass(frozen=True, slots=True)
class NodeOutput:
    """The output of one node. ``status`` is the registry's own; ``error`` is empty unless it failed."""

    value: Any
    status: str
    error: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.error) or self.status.upper() in _NODE_FAILED


@dataclass(frozen=True, slots=True)
class AgentOrder:
    """What to run: an agent with its variables, by default at its latest version."""

    agent: Agent
    variables: Mapping[str, Any] = field(default_factory=dict)
    label: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class AgentRun(Run):
    """One run of an agent. ``execution_id`` is the id to poll, ``None`` if the outputs came at once.

    ``agent_id`` is ``None`` if only the execution is known.
    """

    agent_id: int | None = None
    execution_id: int | None = None
    outputs: Mapping[str, NodeOutput] = field(default_factory=dict)
    warning: str = ""

    @property
    def location(self) -> str:
        return f"execution {self.execution_id}"

    @property
    def follow_command(self) -> str:
        return f"promptsync agent show {self.execution_id} --wait" if self.execution_id is not None else ""


class AgentBatch(Batch[AgentRun]):
    """Runs of agents, one for each order."""

    def __init__(self, registry: Registry, orders: Sequence[AgentOrder]) -> None:
        super().__init__([AgentRun(one.agent.name, one.agent.id) for one in orders])
        self._registry = registry
        self._orders = tuple(orders)

    def start(self, index: int) -> AgentRun:
        run, order = self.runs[index], self._orders[index]
        try:
            started = self._registry.checks.run_agent(
                order.agent.id, order.variables, label=order.label, version=order.version
            )
        except RemoteError as error:
            return start_failed(run, error)
        warning = text(started.raw, "warning") or ""
        run = replace(run, execution_id=started.execution_id, warning=warning)
        key = next((key for key in _OUTPUTS if started.raw.get(key) is not None), None)
        if key is not None:
            return _ended(run, started.raw[key])
        return replace(run, status=Status.RUNNING)

    def poll(self, run: AgentRun) -> AgentRun:
        try:
            # A registry that returned no execution id lacks this operation, and the error says so.
            done, found = self._registry.checks.agent_result(run.execution_id or 0)
        except Unsupported as error:
            is_named = run.agent_id is not None
            hint = f"promptsync agent run {shlex.quote(run.name)} --no-wait" if is_named else ""
            unsupported = RemoteError(error.message, hint=hint, code=error.code)
            return replace(run, error=unsupported, status=Status.UNREADABLE)
        except RemoteError as error:
            if run.execution_id is not None:
                return replace(run, error=error, status=Status.UNREADABLE)
            message = f"the registry returned no id by which to read the result of {run.name!r}"
            return start_failed(run, FateUnknown(message))
        return _ended(run, found) if done else run

    def progress(self) -> tuple[int, int]:
        return len(self.ended()), len(self.runs)


def _ended(run: AgentRun, found: object) -> AgentRun:
    outputs = found if isinstance(found, dict) else {"output": found}
    # A registry may return other keys beside the nodes.
    outputs = {name: value for name, value in outputs.items() if _is_node(value)} or outputs
    nodes = {str(name): _node(value) for name, value in outputs.items()}
    status = Status.FAILED if any(node.failed for node in nodes.values()) else Status.COMPLETED
    return replace(run, status=status, outputs=nodes)


def _is_node(raw: object) -> bool:
    return isinstance(raw, dict) and isinstance(raw.get("status"), str)


def _node(raw: object) -> NodeOutput:
    if isinstance(raw, dict) and isinstance(raw.get("status"), str):
        error = text(raw, "error_message", "raw_error_message") or ""
        return NodeOutput(raw.get("value"), raw["status"], error)
    return NodeOutput(raw, "SUCCESS")
