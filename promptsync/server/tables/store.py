"""The sheets of Tables in the database: their columns and cells, and which cells are stale."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from promptsync.server.http.answer import not_found
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, encoded

TEXT: Final = "TEXT"
"""The type of the columns whose cells are written by people; all others are computed."""

STALE, QUEUED, RUNNING = "STALE", "QUEUED", "RUNNING"
COMPLETED, FAILED = "COMPLETED", "FAILED"
STATUSES: Final = (STALE, QUEUED, "DISPATCHED", RUNNING, COMPLETED, FAILED)
"""The statuses that a cell can have in the API."""


class SheetColumn(msgspec.Struct, frozen=True):
    """A column of a sheet. ``dependencies`` are the columns that it reads, as in the API."""

    id: str
    sheet_id: str
    title: str
    type: str
    config: dict[str, Any]
    dependencies: list[dict[str, Any]]
    rank: float
    is_output: bool

    @property
    def reads(self) -> set[str]:
        """The ids of the columns that it depends on."""
        return {dependency["column_id"] for dependency in self.dependencies}


class SheetCell(msgspec.Struct, frozen=True):
    """A cell. ``computed_version`` is the version of its sheet when it was computed."""

    id: str
    sheet_id: str
    column_id: str
    row_index: int
    status: str
    updated_at: str
    value: Any = None
    display_value: str | None = None
    error: str | None = None
    input_hash: str | None = None
    computed_version: int | None = None
    metrics: dict[str, Any] | None = None


_COLUMN = (
    'id, sheet_id, title, type, config AS "config [json]", dependencies AS "dependencies [json]", rank,'
    ' is_output AS "is_output [flag]"'
)
_CELL = (
    'id, sheet_id, column_id, row_index, status, updated_at, value AS "value [json]", display_value, error,'
    ' input_hash, computed_version, metrics AS "metrics [json]"'
)


def get_table(db: Database, table_id: str) -> Row:
    """Return a table; 404 if there is none with this id."""
    row: Row | None = db.execute("SELECT * FROM smart_tables WHERE id = ?", (table_id,)).fetchone()
    if row is None:
        raise not_found(f"There is no table with the id {table_id!r}.")
    return row


def get_sheet(db: Database, path: Mapping[str, str]) -> Row:
    """Return the sheet that the parameters of a path name; 404 if its table has none with this id."""
    sql = "SELECT * FROM sheets WHERE id = :sheet_id AND table_id = :table_id"
    row: Row | None = db.execute(sql, dict(path)).fetchone()
    if row is None:
        get_table(db, path["table_id"])
        raise not_found(f"The table has no sheet with the id {path['sheet_id']!r}.")
    return row


def columns_of(db: Database, sheet_id: str) -> list[SheetColumn]:
    """Return the columns of a sheet, in order."""
    rows = db.execute(f"SELECT {_COLUMN} FROM columns WHERE sheet_id = ? ORDER BY rank", (sheet_id,))
    return [SheetColumn(**row) for row in rows]


def cells_of(
    db: Database,
    sheet_id: str,
    *,
    rows: Collection[int] | None = None,
    columns: Collection[str] | None = None,
    ids: Collection[str] | None = None,
    statuses: Collection[str] | None = None,
) -> Iterator[SheetCell]:
    """Return the cells of a sheet by row; ``None`` selects all rows, columns, ids or statuses."""
    where = ["sheet_id = :sheet"]
    selected = {"row_index": rows, "column_id": columns, "id": ids, "status": statuses}
    values = {name: encoded(list(wanted)) for name, wanted in selected.items() if wanted is not None}
    where += [f"{name} IN (SELECT value FROM json_each(:{name}))" for name in values]
    sql = f"SELECT {_CELL} FROM cells WHERE {' AND '.join(where)} ORDER BY row_index"
    for row in db.execute(sql, {"sheet": sheet_id, **values}):
        yield SheetCell(**row)


def set_cells(db: Database, cells: Iterable[SheetCell]) -> None:
    """Store what changed in cells: everything but their place. A cell that was deleted stays deleted."""
    moment = now()
    db.executemany(
        "UPDATE cells SET status = ?, value = ?, display_value = ?, error = ?, input_hash = ?,"
        " computed_version = ?, metrics = ?, updated_at = ? WHERE id = ?",
        [
            (
                *(cell.status, _text(cell.value), _clean(cell.display_value), _clean(cell.error)),
                *(cell.input_hash, cell.computed_version, _text(cell.metrics), moment, cell.id),
            )
            for cell in cells
        ],
    )


def touch(db: Database, sheet_id: str) -> int:
    """Count a change of a sheet, and return its new version; 0 if it was deleted."""
    moment = now()
    sql = "UPDATE sheets SET version_count = version_count + 1, updated_at = ? WHERE id = ?"
    row = db.execute(f"{sql} RETURNING version_count, table_id", (moment, sheet_id)).fetchone()
    if row is None:
        return 0
    db.execute("UPDATE smart_tables SET updated_at = ? WHERE id = ?", (moment, row["table_id"]))
    return int(row["version_count"])


def mark_stale(
    db: Database,
    sheet_id: str,
    column_ids: Iterable[str],
    rows: Collection[int] | None = None,
    *,
    pending: bool = True,
) -> int:
    """Mark the cells as stale that depend on ``column_ids``, in all rows or some; return how many.

    Without ``pending``, cells that wait for their computation go on waiting for it.
    """
    below = dependents(columns_of(db, sheet_id), column_ids)
    statuses = [status for status in STATUSES if status != STALE] if pending else [COMPLETED, FAILED]
    sql = (
        "UPDATE cells SET status = 'STALE', updated_at = :now WHERE sheet_id = :sheet"
        " AND column_id IN (SELECT value FROM json_each(:columns))"
        " AND status IN (SELECT value FROM json_each(:statuses))"
    )
    if rows is not None:
        sql += " AND row_index IN (SELECT value FROM json_each(:rows))"
    values = {
        "columns": encoded(sorted(below)),
        "statuses": encoded(statuses),
        "rows": encoded(list(rows or ())),
    }
    return db.execute(sql, {"now": now(), "sheet": sheet_id, **values}).rowcount


def dependents(columns: Sequence[SheetColumn], column_ids: Iterable[str]) -> set[str]:
    """Return the ids of the columns that depend on ``column_ids``, also through other columns."""
    below: set[str] = set()
    above = set(column_ids)
    while above:
        above = {column.id for column in columns if column.reads & above} - below
        below |= above
    return below


def add_cells(
    db: Database, sheet_id: str, columns: Sequence[SheetColumn], rows: Mapping[int, Mapping[str, Any]]
) -> None:
    """Add a cell for every column to each of ``rows``, which have the values of text columns by their ids."""
    moment = now()
    db.executemany(
        "INSERT INTO cells (id, sheet_id, column_id, row_index, status, value, display_value, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                *(str(uuid.uuid4()), sheet_id, column.id, row_index),
                *(COMPLETED if column.type == TEXT else STALE, encoded(values.get(column.id))),
                *(display(values.get(column.id)), moment),
            )
            for row_index, values in rows.items()
            for column in columns
        ),
    )


def display(value: Any) -> str | None:
    """Return a value as it is shown in a cell."""
    if value is None or isinstance(value, str):
        return value
    return encoded(value)


def _text(value: Any) -> str:
    # A model can answer with half a character, which SQLite does not store.
    return encoded(value).encode(errors="replace").decode()


def _clean(text: str | None) -> str | None:
    return None if text is None else text.encode(errors="replace").decode()
