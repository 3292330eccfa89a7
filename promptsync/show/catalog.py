"""Lists of evaluations, agents and datasets, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import asdict

from promptsync.checks.catalog import Agent, Dataset, Evaluation
from promptsync.show.outcome import Outcome
from promptsync.show.view import number_text
from promptsync.terminal import output

_DRAFT = -1
"""The version number of a dataset that is still a draft."""

_HEADS = {
    "evaluations": ("ID", "NAME", "RUNS", "LAST SCORE"),
    "agents": ("ID", "NAME", "VERSION", "LABELS"),
    "datasets": ("ID", "NAME", "VERSION", "COLUMNS"),
}


def list_outcome(noun: str, items: Sequence[Evaluation | Agent | Dataset]) -> Outcome:
    """Return items as a table, nothing for none, and as the document of a list; ``noun`` is their plural."""
    rows = [_HEADS[noun], *map(_row, items)]
    return Outcome(output.table(rows) if items else [], {noun: [_body(item) for item in items]})


def _row(item: Evaluation | Agent | Dataset) -> tuple[str, ...]:
    start = (str(item.id), output.name(item.name))
    if isinstance(item, Evaluation):
        runs = None if item.runs is None else len(item.runs)
        return (*start, number_text(runs), number_text(item.last_score))
    version = "draft" if item.version == _DRAFT else "-" if item.version is None else f"v{item.version}"
    if isinstance(item, Agent):
        return (*start, version, output.name(" ".join(item.labels)))
    deleted = " (deleted)" if item.deleted else ""
    return (start[0], start[1] + deleted, version, output.name(", ".join(item.columns)))


def _body(item: Evaluation | Agent | Dataset) -> dict[str, object]:
    body = asdict(item)
    if isinstance(item, Evaluation) and item.runs is not None:
        body["runs"] = [
            {"report_id": run.id, "name": run.name, "status": run.status.lower(), "score": run.score}
            for run in item.runs
        ]
    return body
