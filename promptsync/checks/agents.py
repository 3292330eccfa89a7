"""Runs of agents: start one, and read the output of each node."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from promptsync.checks.run import NodeOutput, Run, Status
from promptsync.errors import RemoteError
from promptsync.prompt.prompt import as_mapping
from promptsync.registry.errors import FateUnknown, Unsupported
from promptsync.registry.protocol import text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

# A registry may return the outputs immediately, in the response to the start, under one of these keys.
_OUTPUTS: Final = ("outputs", "output", "results", "result", "final_output")


def start(registry: Registry, run: Run) -> Run:
    """Start a run, and return its new state. Raises ``RemoteError``."""
    started = registry.checks.run_agent(
        run.item_id or 0, run.variables, label=run.at.label, version=run.at.number
    )
    warning = text(started.raw, "warning")
    run = replace(run, id=started.execution_id, warning=warning, status=Status.RUNNING)
    key = next((key for key in _OUTPUTS if started.raw.get(key) is not None), None)
    return _ended(run, started.raw[key]) if key is not None else run


def poll(registry: Registry, run: Run) -> Run:
    """Return the state of a run. Raises ``RemoteError``."""
    try:
        # A registry that returned no execution id lacks this operation, and the error says so.
        is_over, result = registry.checks.agent_result(run.id or 0)
    except Unsupported as error:
        command = f"promptsync agent run {shlex.quote(run.name)} --no-wait"
        hint = command if run.item_id is not None else ""
        raise RemoteError(error.message, hint=hint, code=error.code) from None
    except RemoteError:
        if run.id is not None:
            raise
        message = f"the registry returned no id for the run of {run.name!r}"
        return run.start_failed(FateUnknown(message))
    return _ended(run, result) if is_over else run


def complete(registry: Registry, run: Run) -> Run:
    """Return the run: all of its result was in the last answer."""
    return run


def _ended(run: Run, result: object) -> Run:
    """Return the run with its result from the registry."""
    outputs = result if isinstance(result, dict) else {"output": result}
    # A registry may return other keys beside the nodes.
    outputs = {name: value for name, value in outputs.items() if _is_node(value)} or outputs
    nodes = {str(name): _node(value) for name, value in outputs.items()}
    status = Status.FAILED if any(node.failed for node in nodes.values()) else Status.COMPLETED
    models = [text(as_mapping(value), "model") for value in outputs.values()]
    return replace(run, status=status, outputs=nodes, model=next(filter(None, models), None))


def _is_node(raw: object) -> bool:
    return isinstance(raw, dict) and isinstance(raw.get("status"), str)


def _node(raw: Any) -> NodeOutput:
    if not _is_node(raw):
        return NodeOutput(raw, "SUCCESS")
    return NodeOutput(raw.get("value"), raw["status"], text(raw, "error_message", "raw_error_message"))
