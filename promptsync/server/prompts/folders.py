"""Folders: creating, resolving, listing; and archiving, which the API does through them."""

from __future__ import annotations

from typing import Any

from promptsync.server.http.answer import ApiError, Response, malformed, not_found
from promptsync.server.http.fields import Fields
from promptsync.server.http.listing import Listing
from promptsync.server.http.request import Request
from promptsync.server.prompts import find
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, decoded, encoded, insert

TEMPLATE_TYPES = ("PROMPT", "SNIPPET")
TYPES = ("FOLDER", *TEMPLATE_TYPES, "WORKFLOW", "DATASET", "REPORT", "AB_TEST", "INPUT_VARIABLE_SET")
MAX_NAME = 255


def create_folder(request: Request) -> Response:
    """Create a folder: 400 if the parent has a folder of that name, 404 without the parent."""
    body = request.body()
    name = body.text("name", least=1, most=MAX_NAME)
    parent_id = body.optional_id("parent_id")
    moment = now()
    with request.store.write() as db:
        if parent_id is not None:
            folder_by_id(db, parent_id)
        _check_free(db, parent_id, name)
        folder_id = insert(
            db, "folders", parent_id=parent_id, name=name, created_at=moment, updated_at=moment
        )
        return Response(_folder(request, folder_by_id(db, folder_id)), 201)


def _folder(request: Request, row: Row) -> dict[str, Any]:
    ids, names = decoded(row["ids"]), decoded(row["names"])
    parents = [{"id": each, "name": name} for each, name in zip(ids[:-1], names[:-1], strict=True)]
    folder = {key: row[key] for key in ("id", "name", "created_at", "updated_at", "parent_id")}
    folder |= {"path": parents or None, "workspace_id": request.store.workspace_id, "external_ids": []}
    return {"success": True, "folder": folder}


def resolve_folder(request: Request) -> Response:
    """Return the id of a folder from its path: names joined by dots or slashes, if only one folder fits."""
    wanted = request.query.text("path")
    if wanted is None:
        raise malformed("path is required.")
    with request.store.read() as db:
        found = db.execute(
            "SELECT id FROM folder_paths WHERE :path IN (slashed, dotted)", {"path": wanted.strip("/")}
        ).fetchall()
    if not found:
        raise not_found(f"There is no folder at {wanted!r}.")
    if len(found) > 1:
        raise malformed(f"{wanted!r} names several folders; walk them by id instead.")
    return Response({"id": found[0]["id"]})


_ENTITIES = (
    "(SELECT id, name, 'FOLDER' AS type, parent_id AS folder_id, created_at, updated_at, '[]' AS tags,"
    " '{}' AS metadata FROM folders"
    " UNION ALL SELECT id, name, 'WORKFLOW', NULL, created_at, updated_at, '[]', json_object("
    " 'latest_version_number', (SELECT max(number) FROM workflow_versions WHERE workflow_id = w.id))"
    " FROM workflows w WHERE NOT deleted"
    " UNION ALL SELECT id, name, 'DATASET', NULL, created_at, updated_at, '[]', json_object('isDraft',"
    " json('false'), 'latest_version_number', (SELECT max(number) FROM datasets WHERE group_id = g.id))"
    " FROM dataset_groups g WHERE NOT deleted"
    " UNION ALL SELECT id, name, 'REPORT', NULL, created_at, updated_at, '[]', '{}'"
    " FROM runs WHERE NOT deleted AND kind = 'evaluation'"
    " UNION ALL SELECT t.id, t.name, CASE v.type WHEN 'chat' THEN 'PROMPT' ELSE 'SNIPPET' END, t.folder_id,"
    " t.created_at, t.updated_at, t.tags,"
    " json_object('type', v.type, 'latest_version_number', t.latest)"
    " FROM templates t JOIN versions v ON v.template_id = t.id AND v.number = t.latest WHERE NOT t.deleted) i"
    " LEFT JOIN folder_paths f ON f.id = i.folder_id"
)
_ENTITY = (
    "i.id, i.name, i.type, i.folder_id, i.created_at, i.updated_at,"
    ' coalesce(f.names, \'[]\') AS "path [json]", i.tags AS "tags [json]",'
    ' \'[]\' AS "external_ids [json]", i.metadata AS "metadata [json]"'
)


def list_entities(request: Request) -> Response:
    """List what is directly in ``folder_id`` or the root; with ``flatten``, also what is further down.

    What the fixtures file declares is in the root. A completion template has the type SNIPPET in this list,
    as in the vendor's folder API.
    """
    query = request.query
    folder_id, flatten = query.integer("folder_id"), query.flag("flatten")
    types = query.texts("filter_type")
    if unknown := [name for name in types if name not in TYPES]:
        raise query.fault("filter_type", f"has no type {unknown[0]!r}")
    if query.flag("semantic_search"):
        raise query.fault("semantic_search", "is not supported by this registry; search_query searches names")
    listing = Listing(query)
    listing.by_name("search_query")
    listing.by_tags()
    if types:
        marks = {f"type{index}": name for index, name in enumerate(types)}
        listing.where(f"i.type IN ({', '.join(f':{mark}' for mark in marks)})", **marks)
    if not flatten:
        listing.where("i.folder_id IS :folder", folder=folder_id)
    elif folder_id is not None:
        listing.where("EXISTS (SELECT 1 FROM json_each(f.ids) WHERE value = :folder)", folder=folder_id)
    with request.store.read() as db:
        if folder_id is not None:
            folder_by_id(db, folder_id)
        entities = [dict(row) for row in listing.rows(db, _ENTITY, _ENTITIES)]
    for entity in entities:
        if not query.flag("include_metadata"):
            del entity["metadata"]
    return Response({"entities": entities})


def delete_entities(request: Request) -> Response:
    """Archive templates; publishing the name again restores one."""
    body = request.body()
    body.flag("cascade")
    with request.store.write() as db:
        templates = [find.by_id(db, template_id)["id"] for template_id in _templates(body)]
        db.execute(
            "UPDATE templates SET deleted = 1, updated_at = ? WHERE id IN (SELECT value FROM json_each(?))",
            (now(), encoded(templates)),
        )
    return Response({"moved_count": len(templates)})


def _templates(body: Fields) -> list[int]:
    """Return the ids of the entities, each once; 400 for anything but a template."""
    if body.get("entities") is None:
        raise malformed("entities must be a list of objects with id and type.")
    templates = []
    for entity in body.objects("entities"):
        kind = entity.text("type")
        if kind not in TYPES:
            raise entity.fault("type", f"must be one of {', '.join(TYPES)}")
        if kind not in TEMPLATE_TYPES:
            raise malformed(f"This registry does not delete a {kind}, only prompts and snippets.")
        templates.append(entity.id("id"))
    return list(dict.fromkeys(templates))


def folder_by_id(db: Database, folder_id: int, *, status: int = 404) -> Row:
    """Return the folder with this id and its ``ids`` and ``names`` from the root; an error otherwise."""
    row: Row | None = db.execute(
        "SELECT f.*, p.ids, p.names FROM folders f JOIN folder_paths p ON p.id = f.id WHERE f.id = ?",
        (folder_id,),
    ).fetchone()
    if row is None:
        raise ApiError(status, f"There is no folder with the id {folder_id}.")
    return row


def _check_free(db: Database, parent_id: int | None, name: str) -> None:
    if db.execute("SELECT 1 FROM folders WHERE parent_id IS ? AND name = ?", (parent_id, name)).fetchone():
        raise malformed(f"A folder called {name!r} exists there already.")
