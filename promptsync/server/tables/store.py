"""The sheets of Tables in the database: their columns and cells, and which cells are stale."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import asdict, replace

from promptsync.server.http import Request, malformed, row_of
from promptsync.server.store.database import Database, Row, encoded, insert, now, storable

TEXT: Final = "TEXT"
"""The type of the columns whose cells are written by people; all others are computed."""

PROMPT: Final = "PROMPT_TEMPLATE"
"""The type of the columns that run a prompt."""

STALE, QUEUED, COMPLETED, FAILED = "STALE", "QUEUED", "COMPLETED", "FAILED"
"""The statuses of cells. The API has two more, which no cell of this registry gets."""

MAX_COLUMNS, MAX_CELLS = 200, 500_000
"""Most columns and cells in a sheet."""


class SheetColumn(msgspec.Struct, frozen=True):
    """A column of a sheet, as in a response. ``dependencies`` are the columns that it reads."""

    sheet_id: str
    title: str
    type: str = TEXT
    config: dict[str, Any] = {}
    dependencies: list[dict[str, Any]] = []
    is_output_column: bool = False
    id: str = ""
    workspace_id: int = 0
    position_rank: int = 0

    @property
    def reads(self) -> set[str]:
        """The ids of the columns that it depends on."""
        return {dependency["column_id"] for dependency in self.dependencies}


class SheetCell(msgspec.Struct, frozen=True):
    """A cell; ``last_computed_version`` is the version of its sheet then, and ``model`` the one it asked."""

    id: str
    sheet_id: str
    column_id: str
    row_index: int
    status: str
    updated_at: str
    value: Any = None
    error: str | None = None
    last_computed_version: int | None = None
    model: str | None = None
    operation_id: str | None = None

    def shown(self) -> dict[str, Any]:
        """Return the cell as in a response, with the model that answered if it is the echo."""
        cell = asdict(self)
        del cell["operation_id"]
        if self.model != "echo":
            del cell["model"]
        shown = self.value if self.value is None or isinstance(self.value, str) else encoded(self.value)
        return cell | {"error_message": self.error, "display_value": shown, "input_hash": None}


TABLE = (
    "id, (SELECT workspace_id FROM registry) AS workspace_id, title, folder_id, created_at, updated_at,"
    " (SELECT count(*) FROM sheets WHERE table_id = t.id) AS sheet_count, (SELECT json_group_object"
    ' (id, row_count) FROM sheets WHERE table_id = t.id) AS "sheet_row_counts [json]"'
)
SHEET = (
    "id, table_id, (SELECT workspace_id FROM registry) AS workspace_id, title, (SELECT count(*)"
    ' FROM sheets o WHERE o.table_id = s.table_id AND o.number < s.number) AS "index",'
    " row_count, version_count, created_at, updated_at"
)
COLUMN = (
    "id, sheet_id, (SELECT workspace_id FROM registry) AS workspace_id, title, type,"
    ' config AS "config [json]", dependencies AS "dependencies [json]", position_rank,'
    ' is_output_column AS "is_output_column [flag]"'
)
"""SQL: what is read of a table ``t`` and a sheet ``s``, as in a response, and for a ``SheetColumn``."""

_CELL = (
    'id, sheet_id, column_id, row_index, status, updated_at, value AS "value [json]", error,'
    " last_computed_version, model, operation_id"
)


def get_table(db: Database, path: Mapping[str, str]) -> Row:
    """Return the table, as in a response, that the parameters of a path name; 404 if there is none."""
    missing = f"There is no table with the id {path['table_id']!r}."
    return row_of(db, f"SELECT {TABLE} FROM smart_tables t WHERE id = ?", (path["table_id"],), missing)


def get_sheet(db: Database, path: Mapping[str, str]) -> Row:
    """Return the sheet, as in a response, that the parameters of a path name; 404 if there is none."""
    table, sheet_id = get_table(db, path), path["sheet_id"]
    sql = f"SELECT {SHEET} FROM sheets s WHERE id = ? AND table_id = ?"
    return row_of(db, sql, (sheet_id, table["id"]), f"The table has no sheet with the id {sheet_id!r}.")


def rows_of_path(request: Request, db: Database) -> list[Row]:
    """Return the sheet or else the table that a path names, if it names one; 404 if there is none.

    Whoever asks about a sheet has it computed, because the process that started this may be gone.
    """
    if "sheet_id" in request.path:
        request.sheets.append(request.path["sheet_id"])
        return [get_sheet(db, request.path)]
    return [get_table(db, request.path)] if "table_id" in request.path else []


def queued_of(db: Database, sheet_ids: Collection[str]) -> list[str]:
    """Return those of the sheets, and of their calculations, of which cells are queued."""
    if not sheet_ids:
        return []
    rows = db.execute(
        "WITH asked AS (SELECT value FROM json_each(?)) SELECT DISTINCT sheet_id FROM cells"
        " WHERE status = 'QUEUED' AND column_id IN (SELECT id FROM columns WHERE sheet_id IN"
        " (SELECT id FROM sheets WHERE id IN asked OR source_id IN asked))",
        (encoded(list(sheet_ids)),),
    )
    return [row["sheet_id"] for row in rows]


def columns_of(db: Database, sheet_id: str) -> list[SheetColumn]:
    """Return the columns of a sheet, in order."""
    rows = db.execute(f"SELECT {COLUMN} FROM columns WHERE sheet_id = ? ORDER BY position_rank", (sheet_id,))
    return [SheetColumn(**row) for row in rows]


def cells_of(
    db: Database,
    sheet_id: str,
    *,
    rows: Collection[int] | None = None,
    columns: Collection[str] | None = None,
    ids: Collection[str] | None = None,
    statuses: Collection[str] | None = None,
    most: int = -1,
) -> Iterator[SheetCell]:
    """Return the cells of a sheet by row; ``None`` selects all rows, columns, ids or statuses."""
    selected = {"row_index": rows, "column_id": columns, "id": ids, "status": statuses}
    values: dict[str, Any] = {name: list(wanted) for name, wanted in selected.items() if wanted is not None}
    # With the plus sign, SQLite looks up the other values instead of reading the whole sheet by row.
    where = ["+sheet_id = :sheet" if ids is not None or (columns and statuses) else "sheet_id = :sheet"]
    for name, wanted in values.items():
        single = len(wanted) == 1
        where.append(f"{name} = :{name}" if single else f"{name} IN (SELECT value FROM json_each(:{name}))")
        values[name] = wanted[0] if single else encoded(wanted)
    sql = f"SELECT {_CELL} FROM cells WHERE {' AND '.join(where)} ORDER BY row_index LIMIT :most"
    for row in db.execute(sql, {"sheet": sheet_id, "most": most, **values}):
        yield SheetCell(**row)


def rows_of(
    db: Database, sheet_id: str, indices: Collection[int] | None = None
) -> dict[int, dict[str, SheetCell]]:
    """Return the cells of all rows, or of some, by the ids of their columns. A deleted row has none."""
    rows: dict[int, dict[str, SheetCell]] = {index: {} for index in indices or ()}
    for cell in cells_of(db, sheet_id, rows=indices):
        rows.setdefault(cell.row_index, {})[cell.column_id] = cell
    return rows


def shown_rows(db: Database, sheet_id: str, indices: Collection[int]) -> list[dict[str, Any]]:
    """Return rows as in a response."""
    return [
        {"row_index": index, "cells": {column_id: cell.shown() for column_id, cell in cells.items()}}
        for index, cells in rows_of(db, sheet_id, indices).items()
    ]


def set_cells(db: Database, cells: Iterable[SheetCell]) -> None:
    """Store what changed in cells: everything but their place. A cell that was deleted stays deleted."""
    moment = now()
    db.executemany(
        "UPDATE cells SET status = ?, value = ?, error = ?, last_computed_version = ?, model = ?,"
        " updated_at = ? WHERE id = ?",
        [
            (
                *(cell.status, storable(encoded(cell.value)), cell.error and storable(cell.error)),
                *(cell.last_computed_version, cell.model, moment, cell.id),
            )
            for cell in cells
        ],
    )


def touch(db: Database, sheet_id: str) -> int:
    """Count a change of a sheet, and return its new version."""
    moment = now()
    sql = "UPDATE sheets SET version_count = version_count + 1, updated_at = ? WHERE id = ?"
    row = db.execute(f"{sql} RETURNING version_count, table_id", (moment, sheet_id)).fetchone()
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
    statuses = [COMPLETED, FAILED, *([QUEUED] if pending else [])]
    below = sorted(dependents(columns_of(db, sheet_id), column_ids))
    values: dict[str, list[Any]] = {"columns": below, "statuses": statuses}
    sql = (
        "UPDATE cells SET status = 'STALE', updated_at = :now WHERE sheet_id = :sheet"
        " AND column_id IN (SELECT value FROM json_each(:columns))"
        " AND status IN (SELECT value FROM json_each(:statuses))"
    )
    if rows is not None:
        values["rows"] = list(rows)
        sql += " AND row_index IN (SELECT value FROM json_each(:rows))"
    texts = {name: encoded(value) for name, value in values.items()}
    return db.execute(sql, {"now": now(), "sheet": sheet_id, **texts}).rowcount


def count_statuses(db: Database, sheet_id: str) -> dict[str, int]:
    """Return how many computed cells of a sheet have each of the statuses."""
    rows = db.execute(
        "SELECT status, count(*) AS cells FROM cells WHERE column_id IN"
        " (SELECT id FROM columns WHERE sheet_id = ? AND type <> 'TEXT') GROUP BY status",
        (sheet_id,),
    )
    names = (STALE, QUEUED, "DISPATCHED", "RUNNING", COMPLETED, FAILED)
    return dict.fromkeys(names, 0) | {row["status"]: row["cells"] for row in rows}


def dependents(columns: Sequence[SheetColumn], column_ids: Iterable[str]) -> set[str]:
    """Return the ids of the columns that depend on ``column_ids``, also through other columns."""
    below: set[str] = set()
    above = set(column_ids)
    while above:
        above = {column.id for column in columns if column.reads & above} - below
        below |= above
    return below


def add_sheet(db: Database, table_id: str | None, title: str | None) -> str:
    """Add a sheet without columns to a table, or to none, and return its id."""
    sheet_id, moment = str(uuid.uuid4()), now()
    count = db.execute("SELECT count(*) FROM sheets WHERE table_id = ?", (table_id,)).fetchone()[0]
    about = {"title": title or f"Sheet {count + 1}", "created_at": moment, "updated_at": moment}
    insert(db, "sheets", id=sheet_id, table_id=table_id, **about)
    return sheet_id


def add_column(db: Database, new: SheetColumn) -> SheetColumn:
    """Add a column at the end of its sheet, with a cell in every row, and return it with its id."""
    columns = columns_of(db, new.sheet_id)
    if len(columns) >= MAX_COLUMNS:
        raise malformed(f"A sheet of this registry has at most {MAX_COLUMNS} columns.")
    last = columns[-1].position_rank if columns else -1
    values = asdict(new) | {"id": str(uuid.uuid4()), "position_rank": last + 1}
    del values["workspace_id"]
    values |= {"config": encoded(new.config), "dependencies": encoded(new.dependencies)}
    insert(db, "columns", **values)
    column = columns_of(db, new.sheet_id)[-1]
    # The columns of a calculation get the rows of its source.
    sheet = "SELECT ifnull(source_id, id) FROM sheets WHERE id = ?"
    sql = f"SELECT DISTINCT row_index FROM cells WHERE sheet_id = ({sheet})"
    indices = db.execute(sql, (new.sheet_id,)).fetchall()
    rows: dict[int, dict[str, Any]] = {row["row_index"]: {} for row in indices}
    _add_cells(db, [column], rows, len(columns) * len(rows))
    return column


def add_rows(db: Database, sheet_id: str, rows: Sequence[Mapping[str, Any]]) -> range:
    """Append rows, which have the values of text columns by their ids; return their indices."""
    last = db.execute("SELECT max(row_index) FROM cells WHERE sheet_id = ?", (sheet_id,)).fetchone()[0]
    start = 0 if last is None else last + 1
    indices, columns = range(start, start + len(rows)), columns_of(db, sheet_id)
    _add_cells(db, columns, dict(zip(indices, rows, strict=True)), len(columns) * start)
    db.execute("UPDATE sheets SET row_count = row_count + ? WHERE id = ?", (len(rows), sheet_id))
    return indices


def queue(db: Database, sheet_id: str) -> None:
    """Queue all cells of a sheet that are stale."""
    db.execute("UPDATE cells SET status = 'QUEUED' WHERE sheet_id = ? AND status = 'STALE'", (sheet_id,))


def _add_cells(
    db: Database, columns: Sequence[SheetColumn], rows: Mapping[int, Mapping[str, Any]], present: int
) -> None:
    if present + len(columns) * len(rows) > MAX_CELLS:
        raise malformed(f"A sheet of this registry has at most {MAX_CELLS:,} cells.")
    moment = now()
    db.executemany(
        "INSERT INTO cells (id, sheet_id, column_id, row_index, status, value, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (
                *(str(uuid.uuid4()), column.sheet_id, column.id, row_index),
                *(COMPLETED if column.type == TEXT else STALE, encoded(values.get(column.id)), moment),
            )
            for row_index, values in rows.items()
            for column in columns
        ),
    )


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
    sheet_id = add_sheet(db, None, about["name"])
    ids = {name: add_column(db, SheetColumn(sheet_id, name)).id for name in inputs}
    earlier = list(ids.values())
    for column in computed:
        dependencies = [{"column_id": column_id} for column_id in earlier]
        new = replace(column, sheet_id=sheet_id, dependencies=dependencies)
        earlier.append(add_column(db, new).id)
    add_rows(db, sheet_id, [{ids[name]: value for name, value in row.items()} for row in rows])
    queue(db, sheet_id)
    about |= {"kind": kind, "version_id": version["id"], "sheet_id": sheet_id}
    return insert(db, "runs", **about, created_at=now(), updated_at=now()), sheet_id
