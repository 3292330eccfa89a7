"""``GET /api/public/v2/folders/entities``: what a folder holds, as one list."""

from __future__ import annotations

import sqlite3
from typing import Any

from promptsync.server import query, records
from promptsync.server.errors import invalid
from promptsync.server.folders import TYPES, by_id, check_workspace
from promptsync.server.http import Request, Response

Entity = dict[str, Any]


def list_entities(request: Request) -> Response:
    """Folders and templates directly in ``folder_id`` or the root; with ``flatten`` further down, too.

    A completion template is of the type SNIPPET here, as the vendor's folder API has it.
    """
    asked = request.query
    check_workspace(request, query.integer(asked, "workspace_id"))
    folder_id = query.integer(asked, "folder_id")
    kinds = query.texts(asked, "filter_type")
    if unknown := [kind for kind in kinds if kind not in TYPES]:
        raise invalid(
            f"There is no entity type {unknown[0]!r}.", "query", "filter_type", kind="type_error.enum"
        )
    flatten = query.boolean(asked, "flatten") or False
    with request.context.store.read() as db:
        if folder_id is not None:
            by_id(db, folder_id)
        found = [*_folders(db), *_templates(db, bool(query.boolean(asked, "include_metadata")))]
        paths = {
            holder: [row["id"] for row in records.folder_path(db, holder)]
            for holder in {entity["folder_id"] for entity in found}
        }
    inside = [
        entity
        for entity in found
        if (entity["folder_id"] == folder_id)
        or (flatten and (folder_id is None or folder_id in paths[entity["folder_id"]]))
    ]
    return Response(
        {"entities": _sorted(asked, [entity for entity in inside if _fits(asked, kinds, entity)])}
    )


def _folders(db: sqlite3.Connection) -> list[Entity]:
    rows = db.execute("SELECT *, parent_id AS folder_id, 'FOLDER' AS kind, '[]' AS tags FROM folders")
    return [_entity(db, row) for row in rows.fetchall()]


def _templates(db: sqlite3.Connection, with_metadata: bool) -> list[Entity]:
    rows = db.execute(
        "SELECT t.*, v.type, CASE v.type WHEN 'chat' THEN 'PROMPT' ELSE 'SNIPPET' END AS kind"
        " FROM templates t JOIN versions v ON v.template_id = t.id AND v.number = t.latest"
        " WHERE NOT t.deleted"
    ).fetchall()
    entities = []
    for row in rows:
        entity = _entity(db, row) | {"external_ids": records.external_ids(db, row["id"])}
        if with_metadata:
            entity["metadata"] = {"type": row["type"], "latest_version_number": row["latest"]}
        entities.append(entity)
    return entities


def _entity(db: sqlite3.Connection, row: records.Row) -> Entity:
    return {
        "id": row["id"],
        "name": row["name"],
        "type": row["kind"],
        "folder_id": row["folder_id"],
        "path": [folder["name"] for folder in records.folder_path(db, row["folder_id"])],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "tags": records.decoded(row["tags"]),
        "external_ids": [],
    }


def _fits(asked: query.Query, kinds: list[str], entity: Entity) -> bool:
    search = query.text(asked, "search_query")
    if kinds and entity["type"] not in kinds:
        return False
    if search is not None and search.casefold() not in entity["name"].casefold():
        return False
    if not set(query.texts(asked, "tags")) <= set(entity["tags"]):
        return False
    return all(_in_time(asked, entity, field) for field in ("created_at", "updated_at"))


def _in_time(asked: query.Query, entity: Entity, field: str) -> bool:
    stem = field.removesuffix("_at")
    after, before = query.moment(asked, f"{stem}_after"), query.moment(asked, f"{stem}_before")
    return (after is None or entity[field] > after) and (before is None or entity[field] < before)


def _sorted(asked: query.Query, entities: list[Entity]) -> list[Entity]:
    key = query.choice(asked, "sort_by", ("created_at", "updated_at", "name", "id"), "created_at")
    newest_first = query.choice(asked, "sort_order", ("asc", "desc"), "desc") == "desc"
    return sorted(entities, key=lambda entity: (entity[key], entity["id"]), reverse=newest_first)
