"""Folders: creating, renaming, resolving, listing, moving; and archiving, which the API does through them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from promptsync.server.http.answer import ApiError, Response, malformed, not_found
from promptsync.server.http.fields import Fields
from promptsync.server.http.listing import Listing
from promptsync.server.http.request import Request
from promptsync.server.prompts import find
from promptsync.server.prompts.external_ids import EXTERNAL_IDS, HAS_EXTERNAL_ID
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, decoded, insert

TEMPLATE_TYPES = ("PROMPT", "SNIPPET")
TYPES = ("FOLDER", *TEMPLATE_TYPES, "WORKFLOW", "DATASET", "REPORT", "AB_TEST", "INPUT_VARIABLE_SET")
MAX_NAME = 255


def create_folder(request: Request) -> Response:
    """Create a folder: 400 if the parent has a folder of that name, 404 without the parent."""
    body = request.body()
    name = body.text("name", least=1, most=MAX_NAME)
    parent_id = body.optional_id("parent_id")
    if list(body.objects("external_ids")):
        raise malformed("Folders cannot have external ids in this registry.")
    moment = now()
    with request.store.write() as db:
        if parent_id is not None:
            folder_by_id(db, parent_id)
        _check_free(db, parent_id, name)
        folder_id = insert(
            db, "folders", parent_id=parent_id, name=name, created_at=moment, updated_at=moment
        )
        return Response(_folder(request, folder_by_id(db, folder_id)), 201)


def rename_folder(request: Request) -> Response:
    """Rename a folder; 400 if its parent has another folder of that name."""
    name = request.body().text("name", least=1, most=MAX_NAME)
    folder_id = request.id("folder_id")
    with request.store.write() as db:
        folder = folder_by_id(db, folder_id)
        _check_free(db, folder["parent_id"], name, except_id=folder_id)
        db.execute("UPDATE folders SET name = ?, updated_at = ? WHERE id = ?", (name, now(), folder_id))
        return Response(_folder(request, folder_by_id(db, folder_id)))


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
    " '[]' AS external_ids, '{}' AS metadata FROM folders"
    " UNION ALL SELECT id, name, 'WORKFLOW', NULL, created_at, updated_at, '[]', '[]', json_object("
    " 'latest_version_number', (SELECT max(number) FROM workflow_versions WHERE workflow_id = w.id))"
    " FROM workflows w WHERE NOT deleted"
    " UNION ALL SELECT id, name, 'DATASET', NULL, created_at, updated_at, '[]', '[]', json_object('isDraft',"
    " json('false'), 'latest_version_number', (SELECT max(number) FROM datasets WHERE group_id = g.id))"
    " FROM dataset_groups g WHERE NOT deleted"
    " UNION ALL SELECT id, name, 'REPORT', NULL, created_at, updated_at, '[]', '[]', '{}'"
    " FROM reports WHERE NOT deleted AND parent_id IS NULL"
    " UNION ALL SELECT t.id, t.name, CASE v.type WHEN 'chat' THEN 'PROMPT' ELSE 'SNIPPET' END, t.folder_id,"
    f" t.created_at, t.updated_at, t.tags, {EXTERNAL_IDS.format(id='t.id')},"
    " json_object('type', v.type, 'latest_version_number', t.latest)"
    " FROM templates t JOIN versions v ON v.template_id = t.id AND v.number = t.latest WHERE NOT t.deleted) i"
    " LEFT JOIN folder_paths f ON f.id = i.folder_id"
)
_ENTITY = (
    "i.id, i.name, i.type, i.folder_id, i.created_at, i.updated_at,"
    ' coalesce(f.names, \'[]\') AS "path [json]", i.tags AS "tags [json]",'
    ' i.external_ids AS "external_ids [json]", i.metadata AS "metadata [json]"'
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
    listing.by_external_id(f"i.type IN ('PROMPT', 'SNIPPET') AND i.id {HAS_EXTERNAL_ID}")
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


def move_entities(request: Request) -> Response:
    """Move folders and templates into ``folder_id``, or to the root without one."""
    body = request.body()
    folder_id = body.optional_id("folder_id")
    with request.store.write() as db:
        inside = [] if folder_id is None else decoded(folder_by_id(db, folder_id)["ids"])
        moved = 0
        for entity_id, kind in _entities(body):
            if kind == "FOLDER":
                folder = folder_by_id(db, entity_id)
                if entity_id in inside:
                    raise malformed(f"The folder {folder['name']!r} cannot be moved into itself.")
                _check_free(db, folder_id, folder["name"], except_id=entity_id)
                db.execute(
                    "UPDATE folders SET parent_id = ?, updated_at = ? WHERE id = ?",
                    (folder_id, now(), entity_id),
                )
            else:
                template = _template(db, entity_id, kind)
                db.execute("UPDATE templates SET folder_id = ? WHERE id = ?", (folder_id, template["id"]))
            moved += 1
    return Response({"moved_count": moved})


def delete_entities(request: Request) -> Response:
    """Archive templates and delete folders.

    A folder that is not empty requires ``cascade``. Publishing the name again restores a template.
    """
    body = request.body()
    cascade = body.flag("cascade")
    gone = 0
    with request.store.write() as db:
        for entity_id, kind in _entities(body):
            if kind == "FOLDER":
                gone += _delete_folder(db, folder_by_id(db, entity_id), cascade)
            else:
                gone += _archive(db, "id = ?", _template(db, entity_id, kind)["id"])
    return Response({"moved_count": gone})


def _delete_folder(db: Database, folder: Row, cascade: bool) -> int:
    below = "(SELECT p.id FROM folder_paths p, json_each(p.ids) j WHERE j.value = ?)"
    archived = _archive(db, f"folder_id IN {below}", folder["id"])
    # Deleting a folder deletes those inside it and takes its templates out of it.
    inner = db.execute(f"SELECT count(*) FROM folders WHERE id IN {below}", (folder["id"],)).fetchone()[0]
    # The folder itself counts as one. The error rolls back the archiving above.
    if archived + inner > 1 and not cascade:
        raise malformed(f"The folder {folder['name']!r} is not empty; send cascade to delete its content.")
    db.execute("DELETE FROM folders WHERE id = ?", (folder["id"],))
    return int(archived + inner)


def _archive(db: Database, condition: str, value: int) -> int:
    archived = db.execute(
        f"UPDATE templates SET deleted = 1, updated_at = ? WHERE {condition} AND NOT deleted", (now(), value)
    )
    return archived.rowcount


def _entities(body: Fields) -> Iterator[tuple[int, str]]:
    if body.get("entities") is None:
        raise malformed("entities must be a list of objects with id and type.")
    entities = []
    for entity in body.objects("entities"):
        kind = entity.text("type")
        if kind not in TYPES:
            raise entity.fault("type", f"must be one of {', '.join(TYPES)}")
        entities.append((entity.id("id"), kind))
    return iter(dict.fromkeys(entities))


def _template(db: Database, entity_id: int, kind: str) -> Row:
    if kind not in TEMPLATE_TYPES:
        raise malformed(f"A {kind} comes from the fixtures file and cannot be changed by a request.")
    return find.by_id(db, entity_id)


def folder_by_id(db: Database, folder_id: int, *, status: int = 404) -> Row:
    """Return the folder with this id and its ``ids`` and ``names`` from the root; an error otherwise."""
    row: Row | None = db.execute(
        "SELECT f.*, p.ids, p.names FROM folders f JOIN folder_paths p ON p.id = f.id WHERE f.id = ?",
        (folder_id,),
    ).fetchone()
    if row is None:
        raise ApiError(status, f"There is no folder with the id {folder_id}.")
    return row


def _check_free(db: Database, parent_id: int | None, name: str, except_id: int | None = None) -> None:
    taken = db.execute(
        "SELECT 1 FROM folders WHERE parent_id IS ? AND name = ? AND id IS NOT ?",
        (parent_id, name, except_id),
    ).fetchone()
    if taken:
        raise malformed(f"A folder called {name!r} exists there already.")
