"""Runs of agents: start one, and read the output of each node."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from promptsync.checks.catalog import Use
from promptsync.checks.run import Run, Status
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


class NodeOutput(Struct, frozen=True):
    """The output of one node. ``status`` is the registry's own; ``error`` is empty unless it failed."""

    value: Any
    status: str
    error: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.error) or self.status.upper() in _NODE_FAILED


class AgentRun(Run, frozen=True, kw_only=True):
    """One run of an agent with its variables, at ``label`` or ``version``, by default at its latest version.

    ``id`` is the execution to poll, ``None`` if the outputs came at once. ``uses`` are the prompts in its
    nodes, if somebody looked.
    """

    place = "execution"
    verb = "agent"

    variables: Mapping[str, Any] = {}
    label: str | None = None
    version: int | None = None
    uses: tuple[Use, ...] = ()
    outputs: Mapping[str, NodeOutput] = {}
    warning: str = ""

    @property
    def progress(self) -> tuple[int, int]:
        return int(not self.is_under_way), 1

    def start(self, registry: Registry) -> AgentRun:
        started = registry.checks.run_agent(
            self.item_id or 0, self.variables, label=self.label, version=self.version
        )
        run = replace(self, id=started.execution_id, warning=text(started.raw, "warning") or "")
        key = next((key for key in _OUTPUTS if started.raw.get(key) is not None), None)
        return run.ended(started.raw[key]) if key is not None else replace(run, status=Status.RUNNING)

    def poll(self, registry: Registry) -> AgentRun:
        try:
            # A registry that returned no execution id lacks this operation, and the error says so.
            is_over, result = registry.checks.agent_result(self.id or 0)
        except Unsupported as error:
            command = f"promptsync agent run {shlex.quote(self.name)} --no-wait"
            hint = command if self.item_id is not None else ""
            raise RemoteError(error.message, hint=hint, code=error.code) from None
        except RemoteError:
            if self.id is not None:
                raise
            message = f"the registry returned no id by which to read the result of {self.name!r}"
            return self.start_failed(FateUnknown(message))
        return self.ended(result) if is_over else self

    def ended(self, result: object) -> AgentRun:
        """Return the run with what the registry returned as its result."""
        outputs = result if isinstance(result, dict) else {"output": result}
        # A registry may return other keys beside the nodes.
        outputs = {name: value for name, value in outputs.items() if _is_node(value)} or outputs
        nodes = {str(name): _node(value) for name, value in outputs.items()}
        status = Status.FAILED if any(node.failed for node in nodes.values()) else Status.COMPLETED
        return replace(self, status=status, outputs=nodes)


def _is_node(raw: object) -> bool:
    return isinstance(raw, dict) and isinstance(raw.get("status"), str)


def _node(raw: Any) -> NodeOutput:
    if not _is_node(raw):
        return NodeOutput(raw, "SUCCESS")
    return NodeOutput(raw.get("value"), raw["status"], text(raw, "error_message", "raw_error_message") or "")
