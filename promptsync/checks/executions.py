"""Runs of evaluations and agents in the registry: started together, their reports and outputs read."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, MutableSequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from promptsync.checks.catalog import score_of, uses_in
from promptsync.checks.runs import Cell, NodeOutput, Poll, Progress, Run, Status, follow
from promptsync.errors import RemoteError
from promptsync.parallel import for_each
from promptsync.prompt.prompt import as_mapping
from promptsync.registry.errors import FateUnknown, NotFound, Unsupported
from promptsync.registry.protocol import number, text

if TYPE_CHECKING:
    from promptsync.registry.protocol import Registry

# A state of a report or of a cell in neither of these sets counts as ended and failed.
_UNFINISHED: Final = frozenset(
    {"RUNNING", "QUEUED", "PENDING", "CREATED", "STARTED", "PROCESSING", "IN_PROGRESS"}
)
_COMPLETED: Final = frozenset({"COMPLETED", "SUCCESS", "SUCCEEDED", "FINISHED"})
_DATASET: Final = "dataset"
_MODEL: Final = "model: "


# A registry may return the outputs immediately, in the response to the start, under one of these keys.
_OUTPUTS: Final = ("outputs", "output", "results", "result", "final_output")


def run_together(
    registry: Registry, runs: MutableSequence[Run], *, timeout: float, progress: Progress
) -> bool:
    """Start runs, and wait until they have ended; with a ``timeout`` of 0 only start them.

    Returns false after Ctrl-C: runs that were started continue in the registry.
    """

    def start(index: int) -> None:
        run = replace(runs[index], begun=time.monotonic())
        try:
            runs[index] = (start_agent if run.kind == "agent" else start_evaluation)(registry, run).timed()
        except RemoteError as error:
            runs[index] = run.start_failed(error)

    try:
        for_each(start, range(len(runs)))
    except KeyboardInterrupt:
        return False
    polls = [poll_of(registry, run) for run in runs]
    return not timeout or follow(runs, polls, timeout=timeout, progress=progress)


def poll_of(registry: Registry, run: Run) -> Poll:
    """Return what polls a run of an evaluation or of an agent."""
    return partial(poll_agent if run.kind == "agent" else poll_evaluation, registry)


def start_evaluation(registry: Registry, run: Run) -> Run:
    """Start a run, and return its new state. Raises ``RemoteError``."""
    name = f"promptsync {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return replace(run, id=registry.checks.run_evaluation(run.item_id or 0, name), status=Status.RUNNING)


def poll_evaluation(registry: Registry, run: Run) -> Run:
    """Return the state of a run. A score that is not in the report is fetched. Raises ``RemoteError``."""
    run = as_reported(run, registry.checks.evaluation(run.id or 0))
    if run.status is not Status.COMPLETED or run.score is not None:
        return run
    try:
        return replace(run, score=score_of(registry.checks.evaluation_score(run.id or 0)))
    except (Unsupported, NotFound) as error:
        return replace(run, no_score=error)
    except RemoteError as error:
        return replace(run, error=error)


def explained(registry: Registry, run: Run) -> Run:
    """Return a run with the cells that explain its failure, if the registry returns them."""
    try:
        table = registry.checks.evaluation_rows(run.id or 0)
    except RemoteError:
        return run  # the reason is known without them
    columns = [str(column) for column in table["columns"]]
    failed, missed = [], []
    for row, line in enumerate(table["rows"], start=1):
        for place, cell in enumerate(line):
            if not isinstance(cell, dict):
                continue
            column = columns[place] if place < len(columns) else None
            if _is_failed(text(cell, "status") or "COMPLETED"):
                failed.append(Cell(row, column, text(cell, "error_message", "status")))
            if cell.get("value") is False and cell.get("type") != _DATASET:
                missed.append(Cell(row, column, "check returned false"))
    return replace(run, failed_cells=tuple(failed), missed_cells=tuple(missed))


def as_reported(run: Run, raw: Mapping[str, Any]) -> Run:
    """Return a run with its report from the registry."""
    report, stated = _object(raw, "report"), _object(_object(raw, "stats"), "status_counts")
    counts = {key.upper(): amount for key in stated if (amount := number(stated, key)) is not None}
    score = score_of(report.get("score"))
    # The embedded registry names its model in the comment of a report.
    comment = text(report, "comment") or ""
    word = str(raw["status"]).upper()
    failed = sum(amount for key, amount in counts.items() if _is_failed(key))
    stopped = "" if word in _UNFINISHED else _stopped(word, counts)
    ended = Status.FAILED if stopped else Status.COMPLETED
    return replace(
        run,
        status=Status.RUNNING if word in _UNFINISHED else ended,
        ended=counts.get("COMPLETED", 0) + failed,
        cells=sum(counts.values()),
        failed=failed,
        score=None if stopped else score_of(raw.get("score")) if score is None else score,
        stopped=stopped,
        version=number(report, "prompt_version_number"),
        prompt_id=number(report, "prompt_registry_id"),
        uses=uses_in(raw.get("report_columns"), "column_type"),
        model=comment.removeprefix(_MODEL) if comment.startswith(_MODEL) else None,
    )


def _object(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _is_failed(status: str) -> bool:
    """Whether a report or a cell with this status ended without a result."""
    return status.upper() not in _UNFINISHED | _COMPLETED


def _stopped(word: str, counts: Mapping[str, int]) -> str:
    """Return why a report that ended did not complete; empty if it did, as far as it says."""
    if _is_failed(word):
        return f"its report ended with the status {word[:40]!r}"
    waiting = sum(amount for key, amount in counts.items() if key in _UNFINISHED)
    if waiting:
        return f"its report ended with {waiting} unfinished {'cell' if waiting == 1 else 'cells'}"
    return "its report has no rows" if counts and not any(counts.values()) else ""


def start_agent(registry: Registry, run: Run) -> Run:
    """Start a run, and return its new state. Raises ``RemoteError``."""
    execution_id, started = registry.checks.run_agent(
        run.item_id or 0, run.variables, label=run.at.label, version=run.at.number
    )
    run = replace(run, id=execution_id, warning=text(started, "warning"), status=Status.RUNNING)
    key = next((key for key in _OUTPUTS if started.get(key) is not None), None)
    return _ended(run, started[key]) if key is not None else run


def poll_agent(registry: Registry, run: Run) -> Run:
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


def _ended(run: Run, result: object) -> Run:
    """Return the run with its result from the registry."""
    outputs = result if isinstance(result, dict) else {"output": result}
    # A registry may return other keys beside the nodes, or only the outputs.
    stated = {name: raw for name, raw in outputs.items() if isinstance(raw, dict) and text(raw, "status")}
    nodes = {
        str(name): NodeOutput(
            node.get("value"), node["status"], text(node, "error_message", "raw_error_message")
        )
        for name, node in stated.items()
    } or {str(name): NodeOutput(value, "SUCCESS") for name, value in outputs.items()}
    status = Status.FAILED if any(node.failed for node in nodes.values()) else Status.COMPLETED
    models = [text(as_mapping(value), "model") for value in outputs.values()]
    return replace(run, status=status, outputs=nodes, model=next(filter(None, models), None))
