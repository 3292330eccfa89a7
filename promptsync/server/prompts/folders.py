"""Folders: creating, resolving, listing; and archiving, which the API does through them."""

from __future__ import annotations

from typing import Any, Literal, get_args

from msgspec import Struct, field

from promptsync.server.http.answer import ApiError, Response, invalid, malformed, not_found
from promptsync.server.http.fields import Fields, Id
from promptsync.server.http.listing import Listing, ListQuery
from promptsync.server.http.request import Request
from promptsync.server.prompts import items
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, encoded, insert

TEMPLATE_TYPES = ("PROMPT", "SNIPPET")
Type = Literal[
    "FOLDER", "PROMPT", "SNIPPET", "WORKFLOW", "DATASET", "REPORT", "AB_TEST", "INPUT_VARIABLE_SET"
]
TYPES = get_args(Type)
MAX_NAME = 255


def create_folder(request: Request) -> Response:
    """Create a folder: 400 if the parent has a folder of that name, 404 without the parent."""
    body = request.body()
    name = body.text("name", least=1, most=MAX_NAME)
    parent_id = body.optional_id("parent_id")
    moment = now()
    if "/" in name:
        raise malformed("The name of a folder cannot contain a slash, which separates the names in a path.")
    with request.store.write() as db:
        path = name if parent_id is None else f"{folder_by_id(db, parent_id)['path']}/{name}"
        if db.execute("SELECT 1 FROM folders WHERE path = ?", (path,)).fetchone():
            raise malformed(f"A folder called {name!r} exists there already.")
        folder_id = insert(
            db, "folders", parent_id=parent_id, name=name, path=path, created_at=moment, updated_at=moment
        )
        above = db.execute(
            f"SELECT f.id, f.name FROM folders f WHERE {_BELOW.format(path=':path', folder='f.path')}"
            " ORDER BY length(f.path)",
            {"path": path},
        )
        parents = [dict(row) for row in above]
    folder = {"id": folder_id, "name": name, "created_at": moment, "updated_at": moment}
    folder |= {"parent_id": parent_id, "path": parents or None, "external_ids": []}
    return Response({"success": True, "folder": folder | {"workspace_id": request.store.workspace_id}}, 201)


_BELOW = "substr({path}, 1, length({folder}) + 1) = {folder} || '/'"
"""SQL: whether a path is that of something below a folder."""


class PathQuery(Struct, frozen=True):
    """The parameter that names a folder."""

    path: str | None = None


class EntitiesQuery(ListQuery, frozen=True):
    """The parameters of a list of entities."""

    folder_id: Id | None = None
    flatten: bool = False
    filter_type: list[Type] = field(default_factory=list)
    search_query: str | None = None
    semantic_search: bool = False
    tags: list[str] = field(default_factory=list)
    include_metadata: bool = False


def resolve_folder(request: Request) -> Response:
    """Return the id of a folder from its path: names joined by dots or slashes, if only one folder fits."""
    wanted = request.parameters(PathQuery).path
    if wanted is None:
        raise malformed("path is required.")
    with request.store.read() as db:
        found = db.execute(
            "SELECT id FROM folders WHERE :path IN (path, replace(path, '/', '.'))",
            {"path": wanted.strip("/")},
        ).fetchall()
    if not found:
        raise not_found(f"There is no folder at {wanted!r}.")
    if len(found) > 1:
        raise malformed(f"{wanted!r} names several folders; walk them by id instead.")
    return Response({"id": found[0]["id"]})


_ENTITIES = (
    "(SELECT id, name, 'FOLDER' AS type, parent_id AS folder_id, created_at, updated_at, '[]' AS tags,"
    " NULL AS latest FROM folders"
    " UNION ALL SELECT id, name, 'REPORT', NULL, created_at, updated_at, '[]', NULL"
    " FROM runs WHERE NOT deleted AND kind = 'evaluation'"
    " UNION ALL SELECT t.id, t.name, CASE t.kind WHEN 'workflow' THEN 'WORKFLOW' WHEN 'dataset'"
    " THEN 'DATASET' ELSE iif(v.type = 'chat', 'PROMPT', 'SNIPPET') END, t.folder_id, t.created_at,"
    " t.updated_at, t.tags, t.latest FROM items t JOIN versions v ON v.item_id = t.id AND v.number = t.latest"
    " WHERE NOT t.deleted AND t.kind IN ('prompt template', 'workflow', 'dataset')) i"
    " LEFT JOIN folders f ON f.id = i.folder_id"
)
_ENTITY = (
    'i.id, i.name, i.type, i.folder_id, i.created_at, i.updated_at, i.tags AS "tags [json]",'
    " '[]' AS \"external_ids [json]\", f.path, i.latest"
)
_METADATA: dict[str, dict[str, Any]] = {
    "PROMPT": {"type": "chat"},
    "SNIPPET": {"type": "completion"},
    "DATASET": {"isDraft": False},
}


def list_entities(request: Request) -> Response:
    """List what is directly in ``folder_id`` or the root; with ``flatten``, also what is further down.

    What the fixtures file declares is in the root. A completion template has the type SNIPPET in this list,
    as in the vendor's folder API.
    """
    query = request.parameters(EntitiesQuery)
    folder_id = query.folder_id
    if query.semantic_search:
        message = "semantic_search is not supported by this registry; search_query searches names."
        raise invalid(message, "query", "semantic_search")
    listing = Listing(query)
    listing.by_name(query.search_query)
    listing.by_tags(query.tags)
    if query.filter_type:
        marks = {f"type{index}": name for index, name in enumerate(query.filter_type)}
        listing.where(f"i.type IN ({', '.join(f':{mark}' for mark in marks)})", **marks)
    if not query.flatten:
        listing.where("i.folder_id IS :folder", folder=folder_id)
    with request.store.read() as db:
        if folder_id is not None:
            path = folder_by_id(db, folder_id)["path"]
            listing.where(f"(f.path = :path OR {_BELOW.format(path='f.path', folder=':path')})", path=path)
        entities = [dict(row) for row in listing.rows(db, _ENTITY, _ENTITIES)]
    for entity in entities:
        entity["path"] = entity["path"].split("/") if entity["path"] else []
        latest = entity.pop("latest")
        if query.include_metadata:
            numbered = {} if latest is None else {"latest_version_number": latest}
            entity["metadata"] = _METADATA.get(entity["type"], {}) | numbered
    return Response({"entities": entities})


def delete_entities(request: Request) -> Response:
    """Archive templates; publishing the name again restores one."""
    body = request.body()
    body.flag("cascade")
    with request.store.write() as db:
        templates = [items.by_id(db, template_id)["id"] for template_id in _templates(body)]
        db.execute(
            "UPDATE items SET deleted = 1, updated_at = ? WHERE id IN (SELECT value FROM json_each(?))",
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
    """Return the folder with this id; an error otherwise."""
    row: Row | None = db.execute("SELECT * FROM folders WHERE id = ?", (folder_id,)).fetchone()
    if row is None:
        raise ApiError(status, f"There is no folder with the id {folder_id}.")
    return row
