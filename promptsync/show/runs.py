"""How single runs of evaluations and agents look, for people and programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from promptsync.checks.agents import AgentRun, NodeOutput
from promptsync.checks.outcome import Status
from promptsync.checks.reports import EvaluationRun, FailedCell
from promptsync.terminal import output

MOST_CELLS: Final = 10
"""Failed cells that a text names; the JSON document has all."""

_LONG: Final = 200
_MEANINGS: Final = {
    Status.COMPLETED: "good",
    Status.RUNNING: "remote",
    Status.TIMED_OUT: "warn",
    Status.UNREADABLE: "warn",
    Status.MAYBE_STARTED: "warn",
    Status.NOT_STARTED: "bad",
    Status.FAILED: "bad",
}


def state(status: Status, passed: bool) -> str:
    """A run's state in its colour; a run that completed without passing is not a good one."""
    meaning = "bad" if status is Status.COMPLETED and not passed else _MEANINGS[status]
    return output.style(str(status), meaning)


def score_text(score: float | None) -> str:
    """A score as a table has it."""
    return "-" if score is None else f"{score:g}"


def id_text(number: int | None) -> str:
    """An id as a table has it."""
    return "-" if number is None else str(number)


def cut(text: str, most: int = _LONG) -> str:
    """One safe line of a text, not longer than ``most``."""
    line = output.name(text)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def cell_lines(run: EvaluationRun) -> list[str]:
    """The first cells that say why a run did not pass, with their rows and reasons."""
    told = run.told_cells
    name = cut(run.evaluation)
    lines = [f"{name}: {_cell(cell)}" for cell in told[:MOST_CELLS]]
    if len(told) > MOST_CELLS:
        lines.append(f"{name}: {len(told) - MOST_CELLS} more failed cells; --json has all")
    return lines


def _cell(cell: FailedCell) -> str:
    column = "" if cell.column is None else f", {cut(cell.column)}"
    return f"row {cell.row}{column}: {cut(cell.reason or 'no reason given')}"


def model_lines(runs: Iterable[EvaluationRun]) -> list[str]:
    """Who answered, where an embedded registry tells it."""
    told = [run for run in runs if run.model is not None]
    return [
        output.style(f"{cut(run.evaluation)}: answered by {cut(run.model or '')}", "faint") for run in told
    ]


def output_lines(runs: Iterable[AgentRun]) -> list[str]:
    """What each node of each run put out."""
    lines: list[str] = []
    for run in runs:
        for name, node in run.outputs.items():
            lines += ["", output.style(f"--- {output.name(run.agent)}: {output.name(name)} ---", "strong")]
            lines += _node_lines(node)
    return lines


def _node_lines(node: NodeOutput) -> list[str]:
    if node.failed:
        return [output.style(f"{node.status.lower()}: {output.safe(node.error or 'no reason given')}", "bad")]
    text = node.value if isinstance(node.value, str) else json.dumps(node.value, ensure_ascii=False, indent=2)
    return output.safe(text).split("\n")


def still_running(runs: Iterable[object]) -> list[str]:
    """What goes on in the registry after Ctrl-C, and how to see it."""
    lines = []
    for run in runs:
        if isinstance(run, EvaluationRun) and run.is_under_way:
            follow = f"promptsync eval show {run.report_id} --wait follows it"
            lines.append(f"{run.evaluation}: report {run.report_id}; {follow}")
        elif isinstance(run, AgentRun) and run.is_under_way:
            lines.append(f"{run.agent}: execution {run.execution_id}")
    return lines


def evaluation_run_body(run: EvaluationRun, verdict: str) -> dict[str, Any]:
    """A run of an evaluation for programs; ``verdict`` is why it does not pass, empty when it does."""
    return {
        "evaluation": run.evaluation,
        "evaluation_id": run.evaluation_id,
        "report_id": run.report_id,
        "status": str(run.status),
        "score": run.score,
        "previous_score": run.previous_score,
        "passed": None if run.is_under_way else not verdict,
        "reason": None if run.is_under_way else verdict or None,
        "failed_cells": [_cell_body(cell) for cell in run.failed_cells],
        "missed_cells": [_cell_body(cell) for cell in run.missed_cells],
        "version": run.version,
        "model": run.model,
    }


def _cell_body(cell: FailedCell) -> dict[str, Any]:
    return {"row": cell.row, "column": cell.column, "reason": cell.reason}


def agent_run_body(run: AgentRun, verdict: str) -> dict[str, Any]:
    """A run of an agent for programs; ``verdict`` is why it does not pass, empty when it does."""
    return {
        "agent": run.agent,
        "agent_id": run.agent_id,
        "execution_id": run.execution_id,
        "status": str(run.status),
        "outputs": {
            name: {"value": node.value, "status": node.status, "error": node.error or None}
            for name, node in run.outputs.items()
        },
        "passed": None if run.is_under_way else not verdict,
        "reason": None if run.is_under_way else verdict or None,
        "warning": run.warning or None,
        "request_ids": list(run.request_ids),
    }


def outline(value: Any) -> Iterator[str]:
    """Yield a value key by key and item by item; a text of several lines keeps its lines."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _entry(f"{key}:", item)
    elif isinstance(value, list) and value:
        for item in value:
            yield from _entry("-", item)
    else:
        yield json.dumps(value, ensure_ascii=False, default=str)


def _entry(head: str, item: Any) -> Iterator[str]:
    if isinstance(item, str) and "\n" in item:
        yield f"{head} |" if item.endswith("\n") else f"{head} |-"  # as in YAML
        yield from (f"  {line}" for line in item.removesuffix("\n").split("\n"))
    elif item and isinstance(item, Mapping | list):
        yield head
        yield from (f"  {line}" for line in outline(item))
    else:
        yield f"{head} {json.dumps(item, ensure_ascii=False, default=str)}"
