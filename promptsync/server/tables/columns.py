"""The columns of a sheet: their types, and which columns each of them reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from promptsync.server.http import Request, malformed, not_found
from promptsync.server.listing import CursorQuery
from promptsync.server.store.database import Database, Row, encoded
from promptsync.server.tables import store
from promptsync.server.tables.compute import check_config
from promptsync.server.tables.primitives import PRIMITIVES, references
from promptsync.server.tables.sheets import Title
from promptsync.server.tables.store import PROMPT, TEXT, Answer, SheetColumn


class _Change(Struct, frozen=True):
    title: Title | None = None
    type: str | None = None
    config: dict[str, Any] | None = None
    dependencies: list[dict[str, Any]] | None = None
    is_output_column: bool | None = None


class _New(_Change, frozen=True, kw_only=True):
    title: Title
    type: str


class _Query(CursorQuery, frozen=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 100


@store.on_sheet("read")
def list_columns(request: Request, db: Database, sheet: Row) -> Answer:
    """List the columns of a sheet in their order."""
    query, source = request.parameters(_Query), "columns WHERE sheet_id = :sheet"
    rows, pagination = query.select(db, store.COLUMN, source, "position_rank", {"sheet": sheet["id"]})
    return store.listed(rows, pagination)


@store.on_sheet("write", 201)
def create_column(request: Request, db: Database, sheet: Row) -> Answer:
    """Add a column at the end, with a cell in every row; the response has the first of these cells."""
    body = request.read(_New)
    draft = SheetColumn(sheet["id"], body.title, _stored_type(body.type))
    column = store.add_column(db, _changed(draft, body, store.columns_of(db, sheet["id"])))
    cells = store.cells_of(db, sheet["id"], columns=[column.id], most=100)
    answer = {"column": asdict(column), "cells": [cell.shown() for cell in cells]}
    return answer | {"version": store.touch(db, sheet["id"])}


@store.on_sheet("write")
def update_column(request: Request, db: Database, sheet: Row) -> Answer:
    """Change a column. Its cells, and what depends on them, get stale if they are now computed otherwise."""
    body = request.read(_Change)
    old, others = _column(db, request, sheet)
    if body.type is not None and _stored_type(body.type) != old.type:
        raise malformed("type: the type of a column cannot be changed; delete it and create another one.")
    new = _changed(old, body, others)
    recalculate = (new.config, new.dependencies) != (old.config, old.dependencies)
    db.execute(
        "UPDATE columns SET title = ?, config = ?, dependencies = ?, is_output_column = ? WHERE id = ?",
        (new.title, encoded(new.config), encoded(new.dependencies), new.is_output_column, new.id),
    )
    affected = set()
    if recalculate:
        affected = {new.id} | store.dependents([*others, new], [new.id])
        db.execute("UPDATE cells SET status = 'STALE' WHERE column_id = ?", (new.id,))
        store.mark_stale(db, new.sheet_id, [new.id])
    answer = {"column": asdict(new), "version": store.touch(db, new.sheet_id)}
    return answer | {"requires_recalculation": recalculate, "affected_column_ids": sorted(affected)}


@store.on_sheet("write")
def delete_column(request: Request, db: Database, sheet: Row) -> Answer:
    """Delete a column and its cells; what depends on it gets stale. A sheet keeps its last column."""
    column, others = _column(db, request, sheet)
    if not others:
        raise malformed("The last column of a sheet cannot be deleted.")
    store.mark_stale(db, sheet["id"], [column.id])
    db.execute("DELETE FROM columns WHERE id = ?", (column.id,))
    stale = store.count_statuses(db, sheet["id"])[store.STALE]
    return {"message": "Column deleted.", "stale_count": stale, "version": store.touch(db, sheet["id"])}


def _stored_type(sent: str) -> str:
    kind, kinds = {"COMPARISON": "COMPARE"}.get(sent.upper(), sent.upper()), (TEXT, PROMPT, *PRIMITIVES)
    if kind not in kinds:
        raise malformed(f"type: {sent[:100]} columns do not run here. These do: {', '.join(kinds)}.")
    return kind


def _changed(old: SheetColumn, change: _Change, others: Sequence[SheetColumn]) -> SheetColumn:
    """Return a column after a change, with all that it reads as dependencies; 400 for an invalid one."""
    new = replace(
        old,
        title=change.title or old.title,
        config=old.config if change.config is None else change.config,
        is_output_column=old.is_output_column if change.is_output_column is None else change.is_output_column,
    )
    if new.title in {other.title for other in others}:
        raise malformed(f"title: the sheet already has a column called {new.title!r}.")
    if new.title != old.title and any(old.title in references(other.config) for other in others):
        raise malformed(f"title: other columns read {old.title!r} under this title.")
    if new.type == TEXT:
        return new
    check_config(new.type, new.config)
    known = {name: other.id for other in others for name in (other.title, other.id)}
    edges = list(change.dependencies or ())
    if change.dependencies is None and change.config is None:
        edges = [edge for edge in old.dependencies if edge["column_id"] in known]
    sources, linked = references(new.config), [str(edge.get("column_id")) for edge in edges]
    for name in (*linked, *sources):
        if name not in known:
            raise malformed(f"The sheet has no other column {name[:100]!r}, which {new.title!r} reads.")
    edges = [edge | {"column_id": known[name]} for edge, name in zip(edges, linked, strict=True)]
    unlinked = {known[name] for name in sources}.difference(edge["column_id"] for edge in edges)
    edges += [{"column_id": column_id} for column_id in sorted(unlinked)]
    new = replace(new, dependencies=edges)
    if new.id in store.dependents([*others, new], [new.id]):
        raise malformed(f"dependencies: the column {new.title!r} would depend on itself.")
    return new


def _column(db: Database, request: Request, sheet: Row) -> tuple[SheetColumn, list[SheetColumn]]:
    """Return the column of a path, and the others of its sheet; 404 if there is none with this id."""
    columns = {column.id: column for column in store.columns_of(db, sheet["id"])}
    column = columns.pop(request.path["column_id"], None)
    if column is None:
        raise not_found(f"The sheet has no column with the id {request.path['column_id']!r}.")
    return column, list(columns.values())
