"""Bringing the database in line with a fixtures file, and listing its datasets.

A changed item gets a new version; an item that is no longer in the file is marked as deleted.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from promptsync.server.checks.fixtures import Declared, Fixtures, parse_fixtures, read_fixtures
from promptsync.server.checks.runs import EVALUATION
from promptsync.server.http.answer import Response
from promptsync.server.http.fields import Id
from promptsync.server.http.listing import ItemQuery, Listing, PageQuery
from promptsync.server.http.request import Request
from promptsync.server.prompts import items
from promptsync.server.prompts.items import DATASET, TOOL
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Store, encoded

_OK = {"success": True, "message": "success"}


def load_fixtures(store: Store, path: str | Path) -> None:
    """Apply what the file at ``path`` declares, unless the database has done so already.

    Raises ``FixtureError`` if the file cannot be read, is invalid, or does not fit the database.
    """
    data = read_fixtures(path)
    digest = hashlib.sha256(data).hexdigest()
    with store.read() as db:
        known = db.execute("SELECT fixtures FROM registry").fetchone()["fixtures"]
    if known != digest:
        fixtures = parse_fixtures(data, path)
        with store.write() as db:
            apply_fixtures(db, fixtures)
            db.execute("UPDATE registry SET fixtures = ?", (digest,))


def apply_fixtures(db: Database, fixtures: Fixtures) -> None:
    """Make the active datasets, evaluations, agents, tools and protected labels those of ``fixtures``."""
    # A tool is known by its name, so that another one can have its id.
    db.execute("UPDATE items SET uid = NULL WHERE kind = ?", (TOOL,))
    for kind, declared in fixtures.items.items():
        for item in declared:
            (_save_evaluation if kind == EVALUATION else _save_item)(db, kind, item)
        # Items are marked and not deleted, because runs and old versions refer to them.
        db.execute(
            f"UPDATE {'runs' if kind == EVALUATION else 'items'} SET deleted = 1, updated_at = ?"
            " WHERE kind = ? AND NOT deleted AND name NOT IN (SELECT value FROM json_each(?))",
            (now(), kind, encoded([item.name for item in declared])),
        )
    db.execute("UPDATE registry SET protected_labels = ?", (encoded(fixtures.protected_labels),))


def _save_item(db: Database, kind: str, declared: Declared) -> None:
    """Store a version if it differs from the newest one or has a number, and point the labels at it."""
    item = items.save(db, kind, declared.name, uid=declared.uid)
    version = None if declared.number or not item["latest"] else items.version(db, item)
    # Compared as text, because 1 and true are equal in Python.
    if version is None or encoded(version["body"]) != encoded(declared.body):
        version = items.add_version(db, item, declared.body, number=declared.number)
    db.execute("DELETE FROM labels WHERE item_id = ?", (item["id"],))
    items.point_labels(db, version, dict.fromkeys(declared.labels))


def _save_evaluation(db: Database, kind: str, declared: Declared) -> None:
    db.execute(
        "INSERT INTO runs (kind, name, spec, created_at, updated_at) VALUES (:kind, :name, :spec, :now, :now)"
        " ON CONFLICT (name) WHERE kind = 'evaluation' DO UPDATE SET spec = :spec, deleted = 0,"
        " updated_at = CASE WHEN spec = :spec AND NOT deleted THEN updated_at ELSE :now END",
        {"kind": kind, "name": declared.name, "spec": encoded(declared.body), "now": now()},
    )


# -- the list of datasets -----------------------------------------------------------------------------------


class DatasetsQuery(ItemQuery, frozen=True):
    """The parameters of the list of datasets."""

    dataset_group_id: Id | None = None
    report_id: Id | None = None
    prompt_id: Id | None = None
    prompt_version_id: Id | None = None
    prompt_label_id: Id | None = None


class RowsQuery(PageQuery, frozen=True):
    """The parameters of the rows of a dataset."""

    q: str = ""


def list_datasets(request: Request) -> Response:
    """List every version of every dataset, newest first; ``name`` is that of the group."""
    query = request.parameters(DatasetsQuery)
    listing = Listing.of_kind(query, DATASET)
    if query.dataset_group_id is not None:
        listing.where("i.item_id = :group", group=query.dataset_group_id)
    if query.report_id is not None:
        condition = "i.id IN (SELECT dataset_id FROM runs WHERE :report IN (id, parent_id))"
        listing.where(condition, report=query.report_id)
    if query.prompt_id or query.prompt_version_id or query.prompt_label_id:
        # These select datasets that were made from logged requests; a fixtures file has none.
        listing.where("0")
    columns = (
        "i.id, i.item_id AS dataset_group_id, i.number AS version_number, NULL AS filter_params,"
        " 1 AS user_id,"
        ' json_extract(i.body, \'$.columns\') AS "column_names [json]", i.deleted AS "is_deleted [flag]",'
        " json_object('id', i.item_id, 'name', i.name, 'workspace_id', (SELECT workspace_id FROM registry),"
        " 'is_deleted', json(iif(i.deleted, 'true', 'false'))) AS \"dataset_group [json]\","
        " '[]' AS \"external_ids [json]\""
    )
    source = (
        "(SELECT v.*, v.created_at AS updated_at, t.kind, t.name, t.deleted"
        " FROM versions v JOIN items t ON t.id = v.item_id) i"
    )
    with request.store.read() as db:
        page, rows = listing.page(db, columns, source)
    return Response({**_OK, "datasets": [dict(row) for row in rows], **page.counts})


def get_dataset_rows(request: Request) -> Response:
    """Return a page of a dataset's rows; ``q`` selects rows with a value that contains it."""
    query = request.parameters(RowsQuery)
    dataset_id, part = request.id("dataset_id"), query.q.casefold()
    with request.store.read() as db:
        dataset = items.version_by_id(db, dataset_id, DATASET)["body"]
    columns = dataset["columns"]
    rows = [[row.get(name) for name in columns] for row in dataset["rows"]]
    rows = [row for row in rows if any(part in _as_text(value).casefold() for value in row) or not part]
    page = query.of(len(rows))
    cells = [
        [{"type": "dataset", "value": value} for value in row]
        for row in rows[page.offset : page.offset + page.per_page]
    ]
    return Response({**_OK, "columns": columns, "rows": cells, **page.counts})


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else encoded(value)
