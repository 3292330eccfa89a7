"""Release labels: one pointer per name and template."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from promptsync.server import records
from promptsync.server.clock import now
from promptsync.server.draft import MAX_LABEL
from promptsync.server.errors import conflict, invalid, not_found
from promptsync.server.http import MAX_INTEGER, NO_CONTENT, Request, Response, required_id
from promptsync.server.protection import held_back, waiting
from promptsync.server.records import Row

_LABELS = (
    "SELECT l.id, l.name, l.version_id, l.template_id, l.created_at, v.number, t.name AS prompt_name"
    " FROM labels l JOIN versions v ON v.id = l.version_id JOIN templates t ON t.id = l.template_id"
    " WHERE NOT t.deleted"
)


def all_labels(request: Request) -> Response:
    """``GET /prompt-templates/labels``: every label of every active template."""
    with request.context.store.read() as db:
        rows = db.execute(f"{_LABELS} ORDER BY l.template_id, l.name").fetchall()
    labels = [
        {**_label(row), "prompt_id": row["template_id"], "prompt_name": row["prompt_name"]} for row in rows
    ]
    return Response({"success": True, "release_labels": labels})


def template_labels(request: Request) -> Response:
    """``GET /prompt-templates/{identifier}/labels``."""
    with request.context.store.read() as db:
        template = records.find(db, request.args["identifier"])
        rows = db.execute(f"{_LABELS} AND l.template_id = ? ORDER BY l.name", (template["id"],)).fetchall()
    return Response({"success": True, "release_labels": [_label(row) for row in rows]})


def _label(row: Row) -> dict[str, Any]:
    return {
        "release_label": row["name"],
        "release_label_id": row["id"],
        "prompt_version_id": row["version_id"],
        "prompt_version_number": row["number"],
    }


def create_label(request: Request) -> Response:
    """``POST /prompts/{prompt_id}/label``: 409 for a name that the template has; PATCH moves that one.

    200 without a label, and a message, where the label is protected and waits for approval.
    """
    template_id = required_id(request, "prompt_id")
    body = request.object()
    name = body.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_LABEL:
        raise invalid(f"name has to be a string of 1 to {MAX_LABEL} characters.", "body", "name")
    with request.context.store.write() as db:
        template = records.by_id(db, template_id)
        version = _wanted_version(db, template, body)
        known = db.execute(
            "SELECT id FROM labels WHERE template_id = ? AND name = ?", (template_id, name)
        ).fetchone()
        if known is not None:
            raise conflict(
                f"{template['name']!r} has the label {name!r} already; move it with "
                f"PATCH /prompt-labels/{known['id']}."
            )
        if held_back(db, template["name"], name):
            return Response(waiting(name))
        created = db.execute(
            "INSERT INTO labels (template_id, name, version_id, created_at) VALUES (?, ?, ?, ?)",
            (template_id, name, version["id"], now()),
        )
        return Response(_pointer(_by_id(db, int(created.lastrowid or 0))))


def move_label(request: Request) -> Response:
    """``PATCH /prompt-labels/{prompt_label_id}``: the label as it is then, or still is without approval."""
    label_id = required_id(request, "prompt_label_id")
    with request.context.store.write() as db:
        label = _by_id(db, label_id)
        version = _wanted_version(db, records.by_id(db, label["template_id"]), request.object())
        if held_back(db, label["prompt_name"], label["name"]):
            return Response(_pointer(label) | waiting(label["name"]))
        db.execute("UPDATE labels SET version_id = ? WHERE id = ?", (version["id"], label_id))
        return Response(_pointer(_by_id(db, label_id)))


def delete_label(request: Request) -> Response:
    """``DELETE /prompt-labels/{prompt_label_id}``: 204, or 200 where it waits for approval."""
    label_id = required_id(request, "prompt_label_id")
    with request.context.store.write() as db:
        label = _by_id(db, label_id)
        if held_back(db, label["prompt_name"], label["name"]):
            return Response(waiting(label["name"]))
        db.execute("DELETE FROM labels WHERE id = ?", (label_id,))
    return Response(NO_CONTENT, 204)


def _by_id(db: sqlite3.Connection, label_id: int) -> Row:
    row: Row | None = db.execute(f"{_LABELS} AND l.id = ?", (label_id,)).fetchone()
    if row is None:
        raise not_found(f"There is no release label with the id {label_id}.")
    return row


def _pointer(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "prompt_id": row["template_id"],
        "prompt_version_id": row["version_id"],
        "created_at": row["created_at"],
    }


def _wanted_version(db: sqlite3.Connection, template: Row, body: Mapping[str, Any]) -> Row:
    for key, column in (("prompt_version_number", "number"), ("prompt_version_id", "id")):
        value = body.get(key)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_INTEGER:
            raise invalid(f"{key} has to be a positive integer.", "body", key, kind="type_error.integer")
        row: Row | None = db.execute(
            f"SELECT * FROM versions WHERE template_id = ? AND {column} = ?", (template["id"], value)
        ).fetchone()
        if row is None:
            raise not_found(f"The prompt template {template['name']!r} has no {key} {value}.")
        return row
    raise invalid("prompt_version_number is required.", "body", "prompt_version_number", kind="missing")
