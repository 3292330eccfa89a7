"""Bringing the database in line with a fixtures file, and listing its datasets.

A changed item gets a new version; an item that is no longer in the file is marked as deleted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptsync.server.checks.fixtures import FixtureError, Fixtures, Spec, parse_fixtures, read_fixtures
from promptsync.server.checks.runs import EVALUATION
from promptsync.server.http.answer import Response, not_found
from promptsync.server.http.listing import Listing, read_page
from promptsync.server.http.request import Request
from promptsync.server.prompts.find import TOOL, WORKFLOW, StoredKind, point_labels
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, Store, decoded, encoded, insert


def load_fixtures(store: Store, path: str | Path) -> None:
    """Apply what the file at ``path`` declares, unless the database has done so already.

    Raises ``FixtureError`` if the file cannot be read, is invalid, or does not fit the database.
    """
    data = read_fixtures(path)
    digest = hashlib.sha256(data).hexdigest()
    with store.read() as db:
        known = db.execute("SELECT digest FROM catalogue").fetchone()
    if known is None or known["digest"] != digest:
        fixtures = parse_fixtures(data, path)
        with store.write() as db:
            apply_fixtures(db, fixtures)
            db.execute("DELETE FROM catalogue")
            insert(db, "catalogue", digest=digest)


def apply_fixtures(db: Database, fixtures: Fixtures) -> None:
    """Make the active datasets, evaluations, agents and protected labels exactly those of ``fixtures``.

    Tools that were created with a request stay.
    """
    for dataset in fixtures.datasets:
        content = {"columns": encoded(dataset["columns"]), "rows": encoded(dataset["rows"])}
        _version(db, "datasets", "group_id", _named(db, "dataset_groups", dataset), content)
    for evaluation in fixtures.evaluations:
        evaluation_id = _named(db, "runs", evaluation, _EVALUATION, kind=EVALUATION)
        db.execute(
            "UPDATE runs SET spec = :spec, updated_at = CASE spec WHEN :spec THEN updated_at ELSE :now END"
            " WHERE id = :id",
            {
                "spec": encoded(evaluation),
                "now": now(),
                "id": evaluation_id,
            },
        )
    for agent in fixtures.agents:
        _agent(db, agent)
    _retire(db, "tools", fixtures.tools, "AND is_fixture")
    for tool in fixtures.tools:
        _tool(db, tool)
    # Items are marked and not deleted, because runs and old versions refer to them.
    _retire(db, "dataset_groups", fixtures.datasets)
    _retire(db, "runs", fixtures.evaluations, _EVALUATION)
    _retire(db, "workflows", fixtures.agents)
    db.execute("DELETE FROM protected_labels")
    for spec in fixtures.protected_labels:
        insert(db, "protected_labels", **{**spec, "prompts": encoded(spec["prompts"])})


_EVALUATION = f"AND kind = '{EVALUATION}'"
"""Selects evaluations only, because their runs are in the same table."""


def _named(db: Database, table: str, spec: Spec, condition: str = "", **columns: str) -> int:
    """Return the id of the item with the name of ``spec``, created or restored if necessary."""
    moment = now()
    row = db.execute(f"SELECT * FROM {table} WHERE name = ? {condition}", (spec["name"],)).fetchone()
    if row is None:
        return insert(db, table, name=spec["name"], created_at=moment, updated_at=moment, **columns)
    if row["deleted"]:
        db.execute(f"UPDATE {table} SET deleted = 0, updated_at = ? WHERE id = ?", (moment, row["id"]))
    return int(row["id"])


def _version(db: Database, table: str, key: str, owner_id: int, content: dict[str, str]) -> int:
    """Return the id of the newest version in ``table``, after adding one if ``content`` is different."""
    latest: Row | None = db.execute(
        f"SELECT * FROM {table} WHERE {key} = ? ORDER BY number DESC LIMIT 1", (owner_id,)
    ).fetchone()
    if latest is not None and all(latest[column] == value for column, value in content.items()):
        return int(latest["id"])
    number = 1 if latest is None else latest["number"] + 1
    return insert(db, table, **{key: owner_id}, number=number, **content, created_at=now())


def _retire(db: Database, table: str, kept: Sequence[Spec], condition: str = "") -> None:
    db.execute(
        f"UPDATE {table} SET deleted = 1, updated_at = ?"
        f" WHERE NOT deleted AND name NOT IN (SELECT value FROM json_each(?)) {condition}",
        (now(), encoded([spec["name"] for spec in kept])),
    )


def _agent(db: Database, spec: Spec) -> None:
    workflow_id = _named(db, "workflows", spec)
    content = {"spec": encoded({"nodes": spec["nodes"]})}
    version_id = _version(db, "workflow_versions", "workflow_id", workflow_id, content)
    _labels(db, version_id, spec, WORKFLOW)


def _tool(db: Database, spec: Spec) -> None:
    """Store the version of a tool that the file declares. It replaces any other tool of that name."""
    values = {**spec, "definition": encoded(spec["definition"]), "now": now()}
    by_request = "SELECT name FROM tools WHERE id = :id AND name != :name AND NOT is_fixture AND NOT deleted"
    if (other := db.execute(by_request, values).fetchone()) is not None:
        raise FixtureError(
            f"The fixtures declare the tool {spec['name']!r} with the id {spec['id']}, which the tool "
            f"{other['name']!r} has, and that one was created by a request.",
            hint="choose another id, or use another database",
        )
    db.execute("UPDATE tools SET deleted = 1 WHERE name = :name AND id != :id", values)
    db.execute(
        "INSERT INTO tools (id, name, is_fixture, created_at, updated_at) VALUES (:id, :name, 1, :now, :now)"
        " ON CONFLICT (id) DO UPDATE SET name = :name, is_fixture = 1, deleted = 0, updated_at = :now",
        values,
    )
    version_id = db.execute(
        "INSERT INTO tool_versions (tool_id, number, definition, created_at)"
        " VALUES (:id, :version, :definition, :now)"
        " ON CONFLICT (tool_id, number) DO UPDATE SET definition = :definition RETURNING id",
        values,
    ).fetchone()["id"]
    _labels(db, version_id, spec, TOOL)


def _labels(db: Database, version_id: int, spec: Spec, kind: StoredKind) -> None:
    """Set the labels of an item to exactly those of ``spec``, all at this version."""
    version = db.execute(f"SELECT * FROM {kind.versions} WHERE id = ?", (version_id,)).fetchone()
    db.execute(f"DELETE FROM {kind.labels} WHERE {kind.key} = ?", (version[kind.key],))
    point_labels(db, version, dict.fromkeys(spec["labels"]), kind)


# -- the list of datasets -----------------------------------------------------------------------------------


def list_datasets(request: Request) -> Response:
    """List every version of every dataset, newest first; ``name`` is that of the group."""
    query = request.query
    listing = Listing(query, created_at="d.created_at", updated_at="d.created_at", key="d.id")
    listing.by_fixture()
    group, report = query.integer("dataset_group_id"), query.integer("report_id")
    if group is not None:
        listing.where("d.group_id = :group", group=group)
    if report is not None:
        listing.where("d.id IN (SELECT dataset_id FROM runs WHERE :report IN (id, parent_id))", report=report)
    if any(query.integer(key) for key in ("prompt_id", "prompt_version_id", "prompt_label_id")):
        # These select datasets that were made from logged requests; a fixtures file has none.
        listing.where("0")
    columns = (
        'd.id, d.group_id, d.number, d."columns" AS "columns [json]", i.name, i.deleted AS "deleted [flag]"'
    )
    source = "datasets d JOIN dataset_groups i ON i.id = d.group_id"
    with request.store.read() as db:
        page, rows = listing.page(db, columns, source, per_page=10)
    datasets = [_dataset(row, request.store.workspace_id) for row in rows]
    return Response({"success": True, "message": "success", "datasets": datasets, **page.counts})


def get_dataset_rows(request: Request) -> Response:
    """Return a page of a dataset's rows; ``q`` selects rows with a value that contains it."""
    dataset_id, part = request.id("dataset_id"), (request.query.text("q") or "").casefold()
    with request.store.read() as db:
        found = db.execute('SELECT "columns", "rows" FROM datasets WHERE id = ?', (dataset_id,)).fetchone()
    if found is None:
        raise not_found(f"There is no dataset with the id {dataset_id}.")
    columns = decoded(found["columns"])
    rows = [[row.get(name) for name in columns] for row in decoded(found["rows"])]
    rows = [row for row in rows if any(part in _as_text(value).casefold() for value in row) or not part]
    page = read_page(request.query, 10, len(rows))
    cells = [
        [{"type": "dataset", "value": value} for value in row]
        for row in rows[page.offset : page.offset + page.per_page]
    ]
    return Response({"success": True, "message": "success", "columns": columns, "rows": cells, **page.counts})


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else encoded(value)


def _dataset(row: Row, workspace_id: int) -> dict[str, Any]:
    return {
        "id": row["id"],
        "dataset_group_id": row["group_id"],
        "version_number": row["number"],
        "column_names": row["columns"],
        "filter_params": None,
        "is_deleted": row["deleted"],
        "user_id": 1,
        "dataset_group": {
            "id": row["group_id"],
            "name": row["name"],
            "workspace_id": workspace_id,
            "is_deleted": row["deleted"],
        },
        "external_ids": [],
    }
