"""Reading templates, versions and labels: the look-ups that every family of routes shares."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from promptsync.server.errors import not_found
from promptsync.server.http import MAX_INTEGER, path_id

Row = sqlite3.Row


def by_name(db: sqlite3.Connection, name: str, *, archived: bool = False) -> Row | None:
    """The template with exactly this name; archived ones only when asked for."""
    row: Row | None = db.execute("SELECT * FROM templates WHERE name = ?", (name,)).fetchone()
    return row if row is not None and (archived or not row["deleted"]) else None


def by_id(db: sqlite3.Connection, template_id: int | None) -> Row:
    """The active template with this id; 404 otherwise."""
    row: Row | None = None
    if template_id is not None and abs(template_id) <= MAX_INTEGER:
        row = db.execute("SELECT * FROM templates WHERE id = ? AND NOT deleted", (template_id,)).fetchone()
    if row is None:
        raise not_found(f"There is no prompt template with the id {template_id}.")
    return row


def find(db: sqlite3.Connection, identifier: str) -> Row:
    """The active template with this name or else this id; 404 otherwise."""
    named = by_name(db, identifier)
    if named is not None:
        return named
    if path_id(identifier) is not None:
        return by_id(db, path_id(identifier))
    raise not_found(f"There is no prompt template called {identifier!r}.")


def version(
    db: sqlite3.Connection, template: Row, number: int | None = None, label: str | None = None
) -> Row:
    """One version of a template: under ``label``, else ``number``, else the latest; 404 otherwise."""
    if label is not None:
        row: Row | None = db.execute(
            "SELECT v.* FROM versions v JOIN labels l ON l.version_id = v.id"
            " WHERE l.template_id = ? AND l.name = ?",
            (template["id"], label),
        ).fetchone()
        what = f"release label {label!r}"
    else:
        wanted = template["latest"] if number is None else min(number, MAX_INTEGER)
        row = db.execute(
            "SELECT * FROM versions WHERE template_id = ? AND number = ?", (template["id"], wanted)
        ).fetchone()
        what = f"version {wanted}"
    if row is None:
        raise not_found(f"The prompt template {template['name']!r} has no {what}.")
    return row


def external_ids(db: sqlite3.Connection, template_id: int) -> list[dict[str, str]]:
    """The external ids of one template."""
    rows = db.execute(
        "SELECT source, external_id FROM external_ids WHERE template_id = ? ORDER BY source, external_id",
        (template_id,),
    )
    return [{"source": row["source"], "external_id": row["external_id"]} for row in rows]


def is_snippet(db: sqlite3.Connection, template: Row, kind: str) -> bool:
    """True for a completion template that an active template references in one of its versions."""
    if kind != "completion":
        return False
    return bool(db.execute(f"SELECT {USED_AS_SNIPPET}", {"name": template["name"]}).fetchone()[0])


USED_AS_SNIPPET = (
    "EXISTS (SELECT 1 FROM snippet_uses u JOIN versions p ON p.id = u.version_id"
    " JOIN templates pt ON pt.id = p.template_id WHERE u.name = :name AND NOT pt.deleted)"
)


def folder_path(db: sqlite3.Connection, folder_id: int | None) -> list[Row]:
    """The folders from the root down to ``folder_id``, itself included."""
    path: list[Row] = []
    while folder_id is not None:
        row = db.execute("SELECT * FROM folders WHERE id = ?", (folder_id,)).fetchone()
        path.insert(0, row)
        folder_id = row["parent_id"]
    return path


def decoded(text: str) -> Any:
    """A JSON column as a value."""
    return json.loads(text)


def encoded(value: Any) -> str:
    """A value as a JSON column."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def marks(values: Iterable[Any]) -> str:
    """As many SQL parameter marks as there are values."""
    return ", ".join("?" for _ in values)
