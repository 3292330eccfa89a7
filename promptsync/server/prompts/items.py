"""Items, which have versions and labels: prompt templates, agents, tools, skill collections and datasets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from promptsync.server.http import ApiError, not_found, read_id, row_of
from promptsync.server.store.database import MAX_INTEGER, Database, Row, encoded, now

TEMPLATE: Final = "prompt template"
WORKFLOW: Final = "workflow"
TOOL: Final = "tool"
SKILL: Final = "skill collection"
DATASET: Final = "dataset"

_VERSION = 'id, item_id, number, type, message, created_at, body AS "body [json]"'


def find(db: Database, identifier: str, kind: str = TEMPLATE) -> Row:
    """Return the active item with this name or, failing that, this ``uid`` or id; 404 otherwise."""
    # A name of digits may be another item's id. Then the name wins.
    for column, value in {"name": identifier, "uid": identifier, "id": read_id(identifier)}.items():
        with suppress(ApiError):
            return get(db, kind, column, value)
    raise not_found(f"There is no {kind} called {identifier!r}.")


def get(db: Database, kind: str, column: str, value: str | int | None, *, archived: bool = False) -> Row:
    """Return the item with exactly this name, ``uid`` or id; 404 otherwise.

    An archived item is returned only if ``archived`` is set.
    """
    sql = f"SELECT * FROM items WHERE kind = ? AND {column} = ? AND deleted <= ?"
    missing = f"There is no {kind} with the {'name' if column == 'name' else 'id'} {value!r}."
    return row_of(db, sql, (kind, value, archived), missing)


def save(
    db: Database,
    kind: str,
    name: str,
    *,
    uid: str | None = None,
    tags: Sequence[str] | None = None,
    folder_id: int | None = None,
) -> Row:
    """Return the item of this kind and name, created or restored if necessary.

    What is ``None`` stays as it is.
    """
    values = {"kind": kind, "name": name, "uid": uid, "folder": folder_id, "now": now()}
    row: Row = db.execute(
        "INSERT INTO items (kind, name, uid, tags, folder_id, created_at, updated_at)"
        " VALUES (:kind, :name, :uid, coalesce(:tags, '[]'), :folder, :now, :now)"
        " ON CONFLICT (kind, name) DO UPDATE SET deleted = 0, uid = coalesce(:uid, uid),"
        " tags = coalesce(:tags, tags), folder_id = coalesce(:folder, folder_id),"
        " updated_at = CASE WHEN deleted THEN :now ELSE updated_at END RETURNING *",
        {**values, "tags": None if tags is None else encoded(tags)},
    ).fetchone()
    return row


def version(db: Database, item: Row, number: int | None = None, label: str | None = None) -> Row:
    """Return one version of an item: the one under ``label``, or ``number``, or the latest; 404 otherwise."""
    if label is not None:
        condition = "id = (SELECT version_id FROM labels WHERE item_id = :item AND name = :label)"
    else:
        condition = "item_id = :item AND number = :number"
    # SQLite refuses larger integers, and no version has such a number.
    wanted = min(number or item["latest"], MAX_INTEGER)
    values = {"item": item["id"], "number": wanted, "label": label}
    what = f"version {number}" if label is None else f"release label {label!r}"
    missing = f"The {item['kind']} {item['name']!r} has no {what}."
    return row_of(db, f"SELECT {_VERSION} FROM versions WHERE {condition}", values, missing)


def version_by_id(db: Database, version_id: int | None, kind: str = TEMPLATE) -> Row:
    """Return the version with this id, whose item may be archived; 404 otherwise."""
    sql = f"SELECT {_VERSION} FROM versions WHERE id = ? AND (SELECT kind FROM items WHERE id = item_id) = ?"
    missing = f"There is no version of a {kind} with the id {version_id}."
    return row_of(db, sql, (version_id, kind), missing)


def add_version(
    db: Database,
    item: Row,
    body: Any,
    *,
    message: str | None = None,
    type: str | None = None,
    number: int | None = None,
) -> Row:
    """Store the next version of an item, or one with a ``number``, which replaces what has that number."""
    moment = now()
    number = number or item["latest"] + 1
    db.execute(
        "UPDATE items SET latest = max(latest, ?), updated_at = ? WHERE id = ?", (number, moment, item["id"])
    )
    row: Row = db.execute(
        "INSERT INTO versions (item_id, number, body, type, message, created_at) VALUES (?, ?, ?, ?, ?, ?)"
        f" ON CONFLICT (item_id, number) DO UPDATE SET body = excluded.body RETURNING {_VERSION}",
        (item["id"], number, encoded(body), type, message, moment),
    ).fetchone()
    return row


def point_labels(db: Database, version: Row, labels: Iterable[str]) -> None:
    """Point labels at a version. Labels that its item does not have are created."""
    db.executemany(
        "INSERT INTO labels (item_id, name, version_id, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (item_id, name) DO UPDATE SET version_id = excluded.version_id",
        [(version["item_id"], label, version["id"], now()) for label in labels],
    )
