"""Folders: creating, resolving, listing, moving; and archiving, which the API does through them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from promptsync.server import query, records
from promptsync.server.clock import now
from promptsync.server.draft import read_external_id, read_id
from promptsync.server.errors import malformed, not_found
from promptsync.server.http import Request, Response
from promptsync.server.records import Row

TEMPLATE_TYPES = ("PROMPT", "SNIPPET")
TYPES = ("FOLDER", *TEMPLATE_TYPES, "WORKFLOW", "DATASET", "REPORT", "AB_TEST", "INPUT_VARIABLE_SET")
MAX_NAME = 255


def create_folder(request: Request) -> Response:
    """``POST /api/public/v2/folders``: 400 when the parent has a folder of that name, 404 without parent."""
    body = request.object()
    check_workspace(request, body.get("workspace_id"))
    name, parent_id = body.get("name"), read_id(body.get("parent_id"), "parent_id")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME:
        raise malformed(f"name has to be a string of 1 to {MAX_NAME} characters.")
    external_ids = body.get("external_ids") or []
    if not isinstance(external_ids, list):
        raise malformed("external_ids has to be a list.")
    for pair in external_ids:
        read_external_id(pair)
    moment = now()
    with request.context.store.write() as db:
        if parent_id is not None:
            by_id(db, parent_id)
        if child(db, parent_id, name) is not None:
            raise malformed(f"A folder called {name!r} exists there already.")
        created = db.execute(
            "INSERT INTO folders (parent_id, name, created_at, updated_at) VALUES (?, ?, ?, ?)",
            (parent_id, name, moment, moment),
        )
        folder = by_id(db, int(created.lastrowid or 0))
        path = [{"id": row["id"], "name": row["name"]} for row in records.folder_path(db, parent_id)]
    answer = {key: folder[key] for key in ("id", "name", "created_at", "updated_at", "parent_id")}
    answer |= {
        "path": path or None,
        "workspace_id": request.context.store.workspace_id,
        "external_ids": external_ids,
    }
    return Response({"success": True, "folder": answer}, 201)


def resolve_folder(request: Request) -> Response:
    """``GET /api/public/v2/folders/resolve-id``: names joined by dots or by slashes, when only one fits."""
    check_workspace(request, query.integer(request.query, "workspace_id"))
    wanted = query.text(request.query, "path")
    if wanted is None:
        raise malformed("path is required.")
    found = set()
    with request.context.store.read() as db:
        for row in db.execute("SELECT id FROM folders").fetchall():
            names = [folder["name"] for folder in records.folder_path(db, row["id"])]
            if wanted.strip("/") in (".".join(names), "/".join(names)):
                found.add(row["id"])
    if not found:
        raise not_found(f"There is no folder at {wanted!r}.")
    if len(found) > 1:
        raise malformed(f"{wanted!r} names several folders; walk them by id instead.")
    return Response({"id": found.pop()})


def move_entities(request: Request) -> Response:
    """``POST /api/public/v2/folders/entities``: into ``folder_id``, or to the root without one."""
    body = request.object()
    check_workspace(request, body.get("workspace_id"))
    folder_id = read_id(body.get("folder_id"), "folder_id")
    with request.context.store.write() as db:
        target = (
            {row["id"] for row in records.folder_path(db, by_id(db, folder_id)["id"])} if folder_id else set()
        )
        moved = 0
        for entity_id, kind in _entities(body):
            if kind == "FOLDER":
                _move_folder(db, by_id(db, entity_id), folder_id, target)
            else:
                _template(db, entity_id, kind)
                db.execute("UPDATE templates SET folder_id = ? WHERE id = ?", (folder_id, entity_id))
            moved += 1
    return Response({"moved_count": moved})


def _move_folder(db: sqlite3.Connection, folder: Row, parent_id: int | None, target: set[int]) -> None:
    if folder["id"] in target:
        raise malformed(f"The folder {folder['name']!r} cannot be moved into itself.")
    twin = child(db, parent_id, folder["name"])
    if twin is not None and twin["id"] != folder["id"]:
        raise malformed(f"A folder called {folder['name']!r} exists there already.")
    db.execute(
        "UPDATE folders SET parent_id = ?, updated_at = ? WHERE id = ?", (parent_id, now(), folder["id"])
    )


def delete_entities(request: Request) -> Response:
    """``DELETE /api/public/v2/folders/entities``: archives templates, deletes folders.

    A folder that is not empty needs ``cascade``. Publishing the name again brings a template back.
    """
    body = request.object()
    check_workspace(request, body.get("workspace_id"))
    cascade = body.get("cascade", False)
    if not isinstance(cascade, bool):
        raise malformed("cascade has to be true or false.")
    gone = 0
    with request.context.store.write() as db:
        for entity_id, kind in _entities(body):
            if kind == "FOLDER":
                gone += _delete_folder(db, by_id(db, entity_id), cascade)
            else:
                _template(db, entity_id, kind)
                gone += _archive(db, "id", entity_id)
    return Response({"moved_count": gone})


def _delete_folder(db: sqlite3.Connection, folder: Row, cascade: bool) -> int:
    children = db.execute("SELECT * FROM folders WHERE parent_id = ?", (folder["id"],)).fetchall()
    templates = db.execute(
        "SELECT count(*) FROM templates WHERE folder_id = ? AND NOT deleted", (folder["id"],)
    ).fetchone()[0]
    if (children or templates) and not cascade:
        raise malformed(f"The folder {folder['name']!r} is not empty; send cascade to delete what it holds.")
    gone = sum(_delete_folder(db, inner, cascade) for inner in children) + _archive(
        db, "folder_id", folder["id"]
    )
    db.execute("DELETE FROM folders WHERE id = ?", (folder["id"],))
    return gone + 1


def _archive(db: sqlite3.Connection, column: str, value: int) -> int:
    archived = db.execute(
        f"UPDATE templates SET deleted = 1, updated_at = ? WHERE {column} = ? AND NOT deleted", (now(), value)
    )
    return archived.rowcount


def _entities(body: Mapping[str, Any]) -> list[tuple[int, str]]:
    entities = body.get("entities")
    if not isinstance(entities, list):
        raise malformed("entities has to be a list of objects with id and type.")
    found: dict[tuple[int, str], None] = {}
    for entity in entities:
        entity_id = read_id(entity.get("id"), "id") if isinstance(entity, Mapping) else None
        if entity_id is None or not isinstance(entity.get("type"), str) or entity["type"] not in TYPES:
            raise malformed(f"An entity needs an id and one of the types {', '.join(TYPES)}.")
        found[entity_id, entity["type"]] = None
    return list(found)


def _template(db: sqlite3.Connection, entity_id: int, kind: str) -> Row:
    if kind not in TEMPLATE_TYPES:
        raise malformed(
            f"Entities of the type {kind} come from the fixtures file and cannot be changed here."
        )
    return records.by_id(db, entity_id)


def by_id(db: sqlite3.Connection, folder_id: int | None) -> Row:
    """The folder with this id; 404 otherwise."""
    row: Row | None = db.execute("SELECT * FROM folders WHERE id = ?", (folder_id,)).fetchone()
    if row is None:
        raise not_found(f"There is no folder with the id {folder_id}.")
    return row


def child(db: sqlite3.Connection, parent_id: int | None, name: str) -> Row | None:
    """The folder called ``name`` directly inside ``parent_id``, or inside the root."""
    row: Row | None = db.execute(
        "SELECT * FROM folders WHERE parent_id IS ? AND name = ?", (parent_id, name)
    ).fetchone()
    return row


def check_workspace(request: Request, workspace_id: Any) -> None:
    """400 for any workspace but the key's own, which is the default."""
    if workspace_id is not None and workspace_id != request.context.store.workspace_id:
        raise malformed("Invalid workspace_id.")
