"""Running agents: start, wait, and what each node put out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from promptsync.checks.batch import Batch
from promptsync.checks.catalogue import Agent
from promptsync.checks.outcome import Status, start_failed
from promptsync.errors import RemoteError
from promptsync.registry.errors import Rejected, Unsupported
from promptsync.registry.promptlayer.parse import text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry, StartedAgent

_NODE_FAILED: Final = frozenset({"FAILED", "FAILURE", "ERROR", "CANCELLED", "CANCELED", "TIMEOUT"})
_OUTPUTS: Final = ("outputs", "output", "results", "result", "final_output")
_OUTPUT: Final = "output"
_NOT_UNDERSTOOD: Final = frozenset({400, 422})


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
class AgentOrder:
    """What to run: an agent with its variables, at most one of ``label`` and ``version``, else the latest.

    ``metadata`` is noted with the requests that the run makes, where the registry does that.
    """

    agent: Agent
    variables: Mapping[str, Any] = field(default_factory=dict)
    label: str | None = None
    version: int | None = None
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class AgentRun:
    """One run of an agent. ``execution_id`` is what to ask for it by, ``None`` where outputs came at once.

    ``request_ids`` are those of the requests that the registry logged for it, as far as it tells them, and
    ``has_metadata`` says that it took the metadata of the order with the run.
    """

    agent: str
    agent_id: int
    execution_id: int | None = None
    status: Status = Status.NOT_STARTED
    outputs: Mapping[str, NodeOutput] = field(default_factory=dict)
    warning: str = ""
    error: RemoteError | None = None
    request_ids: tuple[int | str, ...] = ()
    has_metadata: bool = False

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


class AgentBatch(Batch[AgentRun]):
    """Runs of agents, one for each order."""

    def __init__(self, registry: Registry, orders: Sequence[AgentOrder]) -> None:
        super().__init__([AgentRun(one.agent.name, one.agent.id) for one in orders])
        self._registry = registry
        self._orders = tuple(orders)

    def started(self, index: int) -> AgentRun:
        run, order = self.runs[index], self._orders[index]
        try:
            run, made = self._start(run, order)
        except RemoteError as error:
            return replace(run, status=start_failed(error), error=error)
        warning = text(made.raw, "warning") or ""
        run = replace(run, execution_id=made.execution_id, warning=warning, request_ids=request_ids(made.raw))
        key = next((key for key in _OUTPUTS if made.raw.get(key) is not None), None)
        if key is not None:
            return _ended(run, made.raw[key])
        return replace(run, status=Status.RUNNING)

    def _start(self, run: AgentRun, order: AgentOrder) -> tuple[AgentRun, StartedAgent]:
        """Start a run, without its metadata where the registry turns that down."""
        label, version = order.label, order.version
        if order.metadata:
            try:
                made = self._registry.checks.run_agent(
                    run.agent_id, order.variables, label=label, version=version, metadata=order.metadata
                )
            except Rejected as error:
                if error.status not in _NOT_UNDERSTOOD:
                    raise
            else:
                return replace(run, has_metadata=True), made
        return run, self._registry.checks.run_agent(
            run.agent_id, order.variables, label=label, version=version
        )

    def looked_at(self, run: AgentRun) -> AgentRun:
        try:
            # a registry that gave no id has said all that it will say; asking names what it lacks
            done, found = self._registry.checks.agent_result(run.execution_id or 0)
        except Unsupported as error:
            told = RemoteError(
                error.message,
                hint="--no-wait starts an agent without asking for its outputs",
                code=error.code,
            )
            return replace(run, error=told, status=Status.UNREADABLE)
        except RemoteError as error:
            return replace(run, error=error, status=Status.UNREADABLE)
        return _ended(run, found) if done else run

    def given_up(self, run: AgentRun) -> AgentRun:
        return replace(run, status=Status.TIMED_OUT)

    def progress(self) -> tuple[int, int]:
        return len(self.ended()), len(self.runs)


def request_ids(raw: object) -> tuple[int | str, ...]:
    """The ids under which the registry logged the requests of a run, where an answer tells them."""
    if not isinstance(raw, Mapping):
        return ()
    several = raw.get("request_ids")
    told = [raw.get("request_id"), *(several if isinstance(several, list) else ())]
    return tuple(
        dict.fromkeys(one for one in told if isinstance(one, int | str) and not isinstance(one, bool) and one)
    )


def _ended(run: AgentRun, found: object) -> AgentRun:
    outputs = found if isinstance(found, dict) else {_OUTPUT: found}
    nodes = {str(name): _node(value) for name, value in outputs.items()}
    told = [one for value in outputs.values() for one in request_ids(value)]
    status = Status.FAILED if any(node.failed for node in nodes.values()) else Status.COMPLETED
    known = tuple(dict.fromkeys([*run.request_ids, *told]))
    return replace(run, status=status, outputs=nodes, request_ids=known)


def _node(raw: object) -> NodeOutput:
    if isinstance(raw, dict) and isinstance(raw.get("status"), str):
        error = text(raw, "error_message", "raw_error_message") or ""
        return NodeOutput(raw.get("value"), raw["status"], error)
    return NodeOutput(raw, "SUCCESS")
