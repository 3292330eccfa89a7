"""Bringing the database in line with a fixtures file: changed items get a new version, removed ones go."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from promptsync.server import records
from promptsync.server.clock import now
from promptsync.server.fixtures import FixtureError, Fixtures, Spec, parse_fixtures
from promptsync.server.store import Store


def load_fixtures(store: Store, path: str | Path) -> None:
    """Take over what the file at ``path`` declares, unless that has been done already.

    Raises ``FixtureError`` when the file cannot be read or is faulty.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FixtureError(
            f"Cannot read the fixtures file {path}: {error.strerror}.",
            hint="Create it, or remove `fixtures` from the remote in promptsync.yaml.",
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    with store.read() as db:
        known = db.execute("SELECT digest FROM catalogue").fetchone()
    if known is None or known["digest"] != digest:
        fixtures = parse_fixtures(data, path)
        with store.write() as db:
            take_over(db, fixtures)
            db.execute("DELETE FROM catalogue")
            db.execute("INSERT INTO catalogue VALUES (?)", (digest,))


def take_over(db: sqlite3.Connection, fixtures: Fixtures) -> None:
    """Make the active datasets, evaluations, agents and protected labels exactly those of ``fixtures``."""
    for dataset in fixtures.datasets:
        _dataset(db, dataset)
    for evaluation in fixtures.evaluations:
        _evaluation(db, evaluation)
    for agent in fixtures.agents:
        _agent(db, agent)
    _retire(db, "dataset_groups", fixtures.datasets)
    _retire(db, "reports", fixtures.evaluations, "AND parent_id IS NULL")
    _retire(db, "workflows", fixtures.agents)
    db.execute("DELETE FROM protected_labels")
    db.executemany(
        "INSERT INTO protected_labels (name, prompts, answer) VALUES (?, ?, ?)",
        [
            (spec["name"], records.encoded(spec["prompts"]), spec["answer"])
            for spec in fixtures.protected_labels
        ],
    )


def _retire(db: sqlite3.Connection, table: str, kept: Sequence[Spec], condition: str = "") -> None:
    names = [spec["name"] for spec in kept]
    db.execute(
        f"UPDATE {table} SET deleted = 1, updated_at = ?"
        f" WHERE NOT deleted AND name NOT IN ({records.marks(names)}) {condition}",
        (now(), *names),
    )


def _named(db: sqlite3.Connection, table: str, name: str, condition: str = "") -> int:
    """The id of the active item of that name, made or brought back where need be."""
    moment = now()
    row = db.execute(f"SELECT id, deleted FROM {table} WHERE name = ? {condition}", (name,)).fetchone()
    if row is None:
        created = db.execute(
            f"INSERT INTO {table} (name, created_at, updated_at) VALUES (?, ?, ?)", (name, moment, moment)
        )
        return int(created.lastrowid or 0)
    if row["deleted"]:
        db.execute(f"UPDATE {table} SET deleted = 0, updated_at = ? WHERE id = ?", (moment, row["id"]))
    return int(row["id"])


def _dataset(db: sqlite3.Connection, spec: Spec) -> None:
    group_id = _named(db, "dataset_groups", spec["name"])
    content = records.encoded(spec["columns"]), records.encoded(spec["rows"])
    latest = db.execute(
        "SELECT * FROM datasets WHERE group_id = ? ORDER BY number DESC LIMIT 1", (group_id,)
    ).fetchone()
    if latest is None or (latest["columns"], latest["rows"]) != content:
        number = 1 if latest is None else latest["number"] + 1
        db.execute(
            'INSERT INTO datasets (group_id, number, "columns", "rows", created_at) VALUES (?, ?, ?, ?, ?)',
            (group_id, number, *content, now()),
        )


def _evaluation(db: sqlite3.Connection, spec: Spec) -> None:
    report_id = _named(db, "reports", spec["name"], "AND parent_id IS NULL")
    db.execute(
        "UPDATE reports SET spec = :spec, updated_at = CASE spec WHEN :spec THEN updated_at ELSE :now END"
        " WHERE id = :id",
        {"spec": records.encoded(spec), "now": now(), "id": report_id},
    )


def _agent(db: sqlite3.Connection, spec: Spec) -> None:
    workflow_id = _named(db, "workflows", spec["name"])
    content = records.encoded({"nodes": spec["nodes"]})
    latest = db.execute(
        "SELECT * FROM workflow_versions WHERE workflow_id = ? ORDER BY number DESC LIMIT 1", (workflow_id,)
    ).fetchone()
    if latest is not None and latest["spec"] == content:
        version_id = int(latest["id"])
    else:
        number = 1 if latest is None else latest["number"] + 1
        created = db.execute(
            "INSERT INTO workflow_versions (workflow_id, number, spec, created_at) VALUES (?, ?, ?, ?)",
            (workflow_id, number, content, now()),
        )
        version_id = int(created.lastrowid or 0)
    _agent_labels(db, workflow_id, version_id, spec["labels"])


def _agent_labels(db: sqlite3.Connection, workflow_id: int, version_id: int, labels: Iterable[str]) -> None:
    names = list(labels)
    db.execute(
        f"DELETE FROM workflow_labels WHERE workflow_id = ? AND name NOT IN ({records.marks(names)})",
        (workflow_id, *names),
    )
    db.executemany(
        "INSERT INTO workflow_labels (workflow_id, name, version_id) VALUES (?, ?, ?)"
        " ON CONFLICT (workflow_id, name) DO UPDATE SET version_id = excluded.version_id",
        [(workflow_id, name, version_id) for name in names],
    )
