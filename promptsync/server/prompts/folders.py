"""Folders: creating, resolving, listing; and archiving, which the API does through them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from msgspec import Struct, field

from promptsync.server.http import Answer, Id, Name, Request, invalid, malformed, row_of
from promptsync.server.listing import HAS_TAGS, ListQuery
from promptsync.server.prompts import items
from promptsync.server.store.database import Database, Row, insert, now

EntityType = Literal[
    "FOLDER", "PROMPT", "SNIPPET", "WORKFLOW", "DATASET", "REPORT", "AB_TEST", "INPUT_VARIABLE_SET"
]


class _NewFolder(Struct, frozen=True):
    name: Name
    parent_id: Id | None = None


class _EntityQuery(ListQuery, frozen=True):
    folder_id: Id | None = None
    flatten: bool = False
    filter_type: list[EntityType] = field(default_factory=list)
    search_query: str | None = None
    semantic_search: bool = False
    tags: list[str] = field(default_factory=list)
    include_metadata: bool = False

    filters: ClassVar = {
        "search_query": "instr(casefold(i.name), casefold(:search_query))",
        "tags": HAS_TAGS,
        "filter_type": "i.type IN (SELECT value FROM json_each(:filter_type))",
        "flatten": ":flatten OR i.folder_id IS :folder_id",
        # Directly in the folder, or further down.
        "folder_id": "instr(f.path || '/', (SELECT path FROM folders WHERE id = :folder_id) || '/') = 1",
    }


class _Entity(Struct, frozen=True):
    id: Id
    type: EntityType


class _DeleteBody(Struct, frozen=True):
    entities: list[_Entity]


def create_folder(request: Request, db: Database) -> Answer:
    """Create a folder: 400 if the parent has a folder of that name, 404 without the parent."""
    body, moment = request.read(_NewFolder), now()
    if "/" in body.name:
        raise malformed("The name of a folder cannot contain a slash, which separates the names in a path.")
    path = body.name
    if body.parent_id is not None:
        path = f"{folder_by_id(db, body.parent_id)['path']}/{body.name}"
    if db.execute("SELECT 1 FROM folders WHERE path = ?", (path,)).fetchone():
        raise malformed(f"A folder called {body.name!r} exists there already.")
    parents = db.execute(
        "SELECT id, name FROM folders WHERE instr(?, path || '/') = 1 ORDER BY length(path)", (path,)
    ).fetchall()
    about = {"name": body.name, "parent_id": body.parent_id, "created_at": moment}
    folder_id = insert(db, "folders", **about, path=path)
    above = [dict(row) for row in parents] or None
    # Nothing changes a folder.
    common = {"updated_at": moment, "workspace_id": request.workspace_id, "external_ids": []}
    return {"folder": {"id": folder_id, **about, "path": above, **common}}


def resolve_folder(request: Request, db: Database) -> Answer:
    """Return the id of a folder from its path: names joined by slashes or, if no folder fits, by dots."""
    path = request.query.get("path", [""])[-1]
    if not path:
        raise malformed("path is required.")
    sql = "SELECT id FROM folders WHERE :path IN (path, replace(path, '/', '.')) ORDER BY path <> :path, id"
    return {"id": row_of(db, sql, {"path": path.strip("/")}, f"There is no folder at {path!r}.")["id"]}


_ENTITIES = """(
    SELECT id, name, 'FOLDER' AS type, parent_id AS folder_id, created_at, created_at AS updated_at,
        '[]' AS tags, NULL AS latest FROM folders
    UNION ALL SELECT id, name, 'REPORT', NULL, created_at, updated_at, '[]', NULL
        FROM runs WHERE NOT deleted AND kind = 'evaluation'
    UNION ALL SELECT t.id, t.name, CASE t.kind WHEN 'workflow' THEN 'WORKFLOW' WHEN 'dataset' THEN 'DATASET'
        ELSE iif(v.type = 'chat', 'PROMPT', 'SNIPPET') END,
        t.folder_id, t.created_at, t.updated_at, t.tags, t.latest
        FROM items t JOIN versions v ON v.item_id = t.id AND v.number = t.latest
        WHERE NOT t.deleted AND t.kind IN ('prompt template', 'workflow', 'dataset')) i
    LEFT JOIN folders f ON f.id = i.folder_id"""
_ENTITY = """i.id, i.name, i.type, i.folder_id, i.created_at, i.updated_at, i.tags AS "tags [json]",
    '[]' AS "external_ids [json]", f.path, i.latest"""
_METADATA: dict[str, dict[str, Any]] = {
    "PROMPT": {"type": "chat"},
    "SNIPPET": {"type": "completion"},
    "DATASET": {"isDraft": False},
}


def list_entities(request: Request, db: Database) -> Answer:
    """List what is directly in ``folder_id`` or the root; with ``flatten``, also what is further down.

    What the fixtures file declares is in the root. A completion template has the type SNIPPET in this list,
    as in the vendor's folder API.
    """
    query = request.parameters(_EntityQuery)
    if query.semantic_search:
        message = "semantic_search is not supported by this registry; search_query searches names."
        raise invalid(message, "query", "semantic_search")
    if query.folder_id is not None:
        folder_by_id(db, query.folder_id)
    entities = [dict(row) for row in query.select(db, _ENTITY, _ENTITIES, "1")]
    for entity in entities:
        entity["path"] = entity["path"].split("/") if entity["path"] else []
        latest = entity.pop("latest")
        if query.include_metadata:
            numbered = {} if latest is None else {"latest_version_number": latest}
            entity["metadata"] = _METADATA.get(entity["type"], {}) | numbered
    return {"entities": entities}


def delete_entities(request: Request, db: Database) -> Answer:
    """Archive templates; publishing the name again restores one."""
    entities = request.read(_DeleteBody).entities
    for entity in entities:
        if entity.type not in ("PROMPT", "SNIPPET"):
            raise malformed(f"This registry does not delete a {entity.type}, only prompts and snippets.")
    templates = {items.get(db, items.TEMPLATE, "id", entity.id)["id"] for entity in entities}
    archived = [(now(), template_id) for template_id in templates]
    db.executemany("UPDATE items SET deleted = 1, updated_at = ? WHERE id = ?", archived)
    return {"moved_count": len(templates)}


def folder_by_id(db: Database, folder_id: int, *, status: int = 404) -> Row:
    """Return the folder with this id; an error otherwise."""
    missing = f"There is no folder with the id {folder_id}."
    return row_of(db, "SELECT * FROM folders WHERE id = ?", (folder_id,), missing, status=status)
