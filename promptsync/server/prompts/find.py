"""Finding a template or a workflow, and one of its versions."""

from __future__ import annotations

from dataclasses import dataclass

from promptsync.server.http.answer import not_found
from promptsync.server.http.fields import read_id
from promptsync.server.store.database import MAX_INTEGER, Database, Row


@dataclass(frozen=True, slots=True)
class StoredKind:
    """A kind of item that has versions and labels, by its tables; ``key`` is the column that refers to it."""

    noun: str
    table: str
    versions: str
    labels: str
    key: str


TEMPLATE = StoredKind("prompt template", "templates", "versions", "labels", "template_id")
WORKFLOW = StoredKind("workflow", "workflows", "workflow_versions", "workflow_labels", "workflow_id")


def find(db: Database, identifier: str, kind: StoredKind = TEMPLATE) -> Row:
    """Return the active item with this name or, failing that, this id; 404 otherwise."""
    # A name of digits may be another item's id. Then the name wins.
    row: Row | None = db.execute(
        f"SELECT * FROM {kind.table} WHERE NOT deleted AND (name = :name OR id = :id)"
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
