"""Lists of evaluations, agents and datasets, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from promptsync.checks.catalogue import Agent, Dataset, Evaluation
from promptsync.show.view import number_text
from promptsync.terminal import output

_DRAFT = -1
"""The version number of a dataset that is still a draft."""


def evaluation_lines(found: Sequence[Evaluation]) -> list[str]:
    """Return evaluations as a table, nothing for none."""
    rows = [
        (
            str(one.id),
            output.name(one.name),
            number_text(None if one.runs is None else len(one.runs)),
            number_text(one.last.score if one.last is not None else None),
        )
        for one in found
    ]
    return _table(("ID", "NAME", "RUNS", "LAST SCORE"), rows)


def evaluations_body(found: Sequence[Evaluation]) -> dict[str, Any]:
    """Return the ``eval list`` document."""
    return {
        "evaluations": [
            {
                "id": one.id,
                "name": one.name,
                "dataset_id": one.dataset_id,
                "created_at": one.created_at,
                "runs": None
                if one.runs is None
                else [
                    {"report_id": run.id, "name": run.name, "status": run.status.lower(), "score": run.score}
                    for run in one.runs
                ],
            }
            for one in found
        ]
    }


def agent_lines(found: Sequence[Agent]) -> list[str]:
    """Return agents as a table, nothing for none."""
    rows = [
        (str(one.id), output.name(one.name), _version(one.version), output.name(" ".join(one.labels)))
        for one in found
    ]
    return _table(("ID", "NAME", "VERSION", "LABELS"), rows)


def agents_body(found: Sequence[Agent]) -> dict[str, Any]:
    """Return the ``agent list`` document."""
    return {"agents": [asdict(one) for one in found]}


def dataset_lines(found: Sequence[Dataset]) -> list[str]:
    """Return versions of datasets as a table, nothing for none."""
    rows = [
        (
            str(one.id),
            output.name(one.name) + (" (deleted)" if one.deleted else ""),
            _version(one.version),
            output.name(", ".join(one.columns)),
        )
        for one in found
    ]
    return _table(("ID", "NAME", "VERSION", "COLUMNS"), rows)


def datasets_body(found: Sequence[Dataset]) -> dict[str, Any]:
    """Return the ``dataset list`` document."""
    return {
        "datasets": [
            {
                "id": one.id,
                "name": one.name,
                "dataset_group_id": one.group_id,
                "version": one.version,
                "columns": list(one.columns),
                "deleted": one.deleted,
            }
            for one in found
        ]
    }


def _version(number: int | None) -> str:
    return "draft" if number == _DRAFT else "-" if number is None else f"v{number}"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return output.table([head, *rows]) if rows else []
