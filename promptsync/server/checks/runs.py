"""Runs of evaluations and agents. Each is a sheet, whose cells are computed like those of Tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from promptsync.server.prompts import items
from promptsync.server.store.database import Database, Row, insert, now
from promptsync.server.tables import store
from promptsync.server.tables.compute import PROMPT
from promptsync.server.tables.store import COMPLETED, SheetCell, SheetColumn

EVALUATION, EVALUATION_RUN, AGENT_RUN = "evaluation", "evaluation run", "agent run"
"""The kinds of rows in the table of runs. An evaluation is one, because it shares its ids with its runs."""


def described(cell: SheetCell, success: str) -> dict[str, Any]:
    """Return a cell as in a response. ``success`` is the status of a value."""
    status = success if cell.status == COMPLETED else cell.status
    return {"status": status, "value": cell.value, "error_message": cell.error}


def run_prompt(kind: str, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the prompt of the registry that a column runs."""
    template = config.get("template") if kind == PROMPT else None
    return template if isinstance(template, dict) and "name" in template else None


def chosen_version(db: Database, prompt: Mapping[str, Any]) -> Row:
    """Return the version of a prompt that a fixtures file refers to; 404 otherwise."""
    return items.version(db, items.find(db, prompt["name"]), prompt["version"], prompt["label"])


def create_run(
    db: Database,
    kind: str,
    version: Row,
    inputs: Iterable[str],
    rows: Sequence[Mapping[str, Any]],
    computed: Iterable[SheetColumn],
    **about: Any,
) -> tuple[int, str]:
    """Store a run of a version; return its id and that of its sheet, which is in no table.

    ``inputs`` are the titles of the columns of ``rows``; each computed column reads all columns before it.
    """
    sheet_id = store.add_sheet(db, None, about["name"])
    ids = {name: store.add_column(db, SheetColumn(sheet_id, name)).id for name in inputs}
    earlier = list(ids.values())
    for column in computed:
        dependencies = [{"column_id": column_id} for column_id in earlier]
        new = replace(column, sheet_id=sheet_id, dependencies=dependencies)
        earlier.append(store.add_column(db, new).id)
    store.add_rows(db, sheet_id, [{ids[name]: value for name, value in row.items()} for row in rows])
    store.queue(db, sheet_id)
    about |= {"kind": kind, "version_id": version["id"], "sheet_id": sheet_id}
    return insert(db, "runs", **about, created_at=now(), updated_at=now()), sheet_id
