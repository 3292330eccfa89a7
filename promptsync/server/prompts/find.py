"""Finding templates, workflows, tools and skill collections, and adding versions to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from promptsync.server.http.answer import not_found
from promptsync.server.http.fields import read_id
from promptsync.server.store.clock import now
from promptsync.server.store.database import MAX_INTEGER, Database, Row, insert


@dataclass(frozen=True, slots=True)
class StoredKind:
    """A kind of item that has versions and labels, by its tables; ``key`` is the column that refers to it.

    An identifier is a name or matches the SQL condition ``otherwise``. The condition can use ``:name``, the
    identifier as text, and ``:id``, the identifier as a number.
    """

    noun: str
    table: str
    versions: str
    labels: str
    key: str
    otherwise: str = "id = :id"


TEMPLATE = StoredKind("prompt template", "templates", "versions", "labels", "template_id")
WORKFLOW = StoredKind("workflow", "workflows", "workflow_versions", "workflow_labels", "workflow_id")
TOOL = StoredKind("tool", "tools", "tool_versions", "tool_labels", "tool_id")
SKILL = StoredKind(
    "skill collection", "skills", "skill_versions", "skill_labels", "skill_id", ":name IN (id, root_path)"
)


def find(db: Database, identifier: str, kind: StoredKind = TEMPLATE) -> Row:
    """Return the active item with this name or, failing that, another identifier; 404 otherwise."""
    # A name of digits may be another item's id. Then the name wins.
    row: Row | None = db.execute(
        f"SELECT * FROM {kind.table} WHERE NOT deleted AND (name = :name OR {kind.otherwise})"
        " ORDER BY name = :name DESC LIMIT 1",
        {"name": identifier, "id": read_id(identifier)},
    ).fetchone()
    if row is None:
        raise not_found(f"There is no {kind.noun} called {identifier!r}.")
    return row


def by_id(db: Database, template_id: int) -> Row:
    """Return the active template with this id; 404 otherwise."""
    row: Row | None = db.execute(
        "SELECT * FROM templates WHERE id = ? AND NOT deleted", (template_id,)
    ).fetchone()
    if row is None:
        raise not_found(f"There is no prompt template with the id {template_id}.")
    return row


def by_name(db: Database, name: str, *, archived: bool = False) -> Row | None:
    """Return the template with exactly this name, an archived one only if ``archived`` is set."""
    row: Row | None = db.execute(
        "SELECT * FROM templates WHERE name = ? AND deleted <= ?", (name, archived)
    ).fetchone()
    return row


def version(
    db: Database, item: Row, number: int | None = None, label: str | None = None, kind: StoredKind = TEMPLATE
) -> Row:
    """Return one version of an item: the one under ``label``, or ``number``, or the latest; 404 otherwise."""
    found = f"SELECT v.* FROM {kind.versions} v WHERE v.{kind.key} = :item"
    if label is not None:
        found += (
            f" AND v.id = (SELECT version_id FROM {kind.labels} WHERE {kind.key} = :item AND name = :label)"
        )
    elif number is not None:
        found += " AND v.number = :number"
    # SQLite refuses larger integers, and no version has such a number.
    values = {"item": item["id"], "number": min(number or 0, MAX_INTEGER), "label": label}
    row: Row | None = db.execute(f"{found} ORDER BY v.number DESC LIMIT 1", values).fetchone()
    if row is None:
        what = f"version {number}" if label is None else f"release label {label!r}"
        raise not_found(f"The {kind.noun} {item['name']!r} has no {what}.")
    return row


def is_taken(db: Database, name: str, kind: StoredKind) -> bool:
    """Return whether an active item has this name."""
    return bool(db.execute(f"SELECT 1 FROM {kind.table} WHERE name = ? AND NOT deleted", (name,)).fetchone())


def next_version(db: Database, item_id: Any, kind: StoredKind, **content: Any) -> Row:
    """Store ``content`` as the next version of an item, and return its row."""
    moment = now()
    db.execute(f"UPDATE {kind.table} SET updated_at = ? WHERE id = ?", (moment, item_id))
    newest = f"SELECT max(number) FROM {kind.versions} WHERE {kind.key} = ?"
    number = (db.execute(newest, (item_id,)).fetchone()[0] or 0) + 1
    insert(db, kind.versions, **{kind.key: item_id}, number=number, **content, created_at=moment)
    row: Row = db.execute(
        f"SELECT * FROM {kind.versions} WHERE {kind.key} = ? AND number = ?", (item_id, number)
    ).fetchone()
    return row


def point_labels(db: Database, version: Row, labels: Iterable[str], kind: StoredKind) -> None:
    """Point labels at a version. Labels that its item does not have are created."""
    db.executemany(
        f"INSERT INTO {kind.labels} ({kind.key}, name, version_id) VALUES (?, ?, ?)"
        f" ON CONFLICT ({kind.key}, name) DO UPDATE SET version_id = excluded.version_id",
        [(version[kind.key], label, version["id"]) for label in labels],
    )
