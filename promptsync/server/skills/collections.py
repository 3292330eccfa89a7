"""Skill collections over HTTP: list, read, create, rename, save a version."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from promptsync.server.http.answer import Download, Response, malformed
from promptsync.server.http.fields import Id, Name
from promptsync.server.http.listing import Listing
from promptsync.server.http.request import Request
from promptsync.server.prompts import items
from promptsync.server.prompts.folders import folder_by_id
from promptsync.server.prompts.items import SKILL
from promptsync.server.skills.archive import MAX_TOTAL, read_archive, write_archive
from promptsync.server.skills.files import SentFile, SentVersion, changed_files, exported_path
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, encoded


class SentCollection(SentVersion, frozen=True, kw_only=True):
    """A collection with its first version in a request."""

    name: Name
    folder_id: Id | None = None
    file_updates: list[SentFile] | None = field(default=None, name="files")


class SentName(Struct, frozen=True):
    """A request that renames a collection."""

    name: Name


def list_collections(request: Request) -> Response:
    """List the collections, by default the newest first."""
    listing = Listing(request.query)
    listing.by_fixture()
    listing.where("i.kind = :kind", kind=SKILL)
    columns = "i.*, json_extract(v.body, '$.provider') AS provider"
    source = "items i JOIN versions v ON v.item_id = i.id AND v.number = i.latest"
    with request.store.read() as db:
        rows = listing.rows(db, columns, source)
    collections = [_collection(request, row, row["provider"]) for row in rows]
    return Response({"success": True, "skill_collections": collections})


def get_collection(request: Request) -> Response:
    """Return a version of a collection, as JSON or as an archive, with its files at their exported paths.

    An archive has all files, JSON only those that are text.
    """
    number, label = request.query.version()
    as_archive = request.query.choice("format", ("json", "zip"), "json") == "zip"
    with request.store.read() as db:
        skill = _find(db, request)
        version = items.version(db, skill, number, label)
        contents = _contents(db, version)
        shown = _version(request, db, skill, version, label)
    if as_archive:
        return Download(write_archive(contents), "application/zip", "skills.zip")
    texts = {path: text for path, content in contents.items() if (text := _text(content)) is not None}
    about = _collection(request, skill, version["body"]["provider"])
    return Response({"success": True, "skill_collection": about, "files": texts, "version": shown})


def create_collection(request: Request) -> Response:
    """Create a collection with its first version; 400 if the name is taken."""
    body, uploaded = request.read(SentCollection), read_archive(request.attached)
    with request.store.write() as db:
        _check_name(db, body.name)
        if body.folder_id is not None:
            folder_by_id(db, body.folder_id, status=400)
        skill = items.save(db, SKILL, body.name, uid=str(uuid.uuid4()), folder_id=body.folder_id)
        version = _save(db, skill, {}, body, uploaded, body.provider)
        answer = {
            "skill_collection": _collection(request, items.find(db, body.name, SKILL), body.provider),
            "version": _version(request, db, skill, version),
            "external_ids": [],
        }
    return Response({"success": True, **answer}, 201)


def rename_collection(request: Request) -> Response:
    """Rename a collection; its id stays."""
    name = request.read(SentName).name
    with request.store.write() as db:
        skill = _find(db, request)
        if name != skill["name"]:
            _check_name(db, name)
        db.execute("UPDATE items SET name = ?, updated_at = ? WHERE id = ?", (name, now(), skill["id"]))
        provider = items.version(db, skill)["body"]["provider"]
        renamed = _collection(request, items.find(db, name, SKILL), provider)
    return Response({"success": True, "skill_collection": renamed})


def save_version(request: Request) -> Response:
    """Add a version that changes the files of the latest one, and point a label at it."""
    body, uploaded = request.read(SentVersion), read_archive(request.attached)
    with request.store.write() as db:
        skill = _find(db, request)
        latest = items.version(db, skill)["body"]
        version = _save(db, skill, latest["files"], body, uploaded, body.provider or latest["provider"])
        saved = _version(request, db, skill, version, body.release_label)
    return Response({"success": True, "version": saved}, 201)


def _find(db: Database, request: Request) -> Row:
    # A collection is also known by its root path, which is a slash and its name.
    return items.find(db, request.path["identifier"].removeprefix("/"), SKILL)


def _check_name(db: Database, name: str) -> None:
    if name.startswith("/"):
        raise malformed("The name of a skill collection cannot start with a slash.")
    if items.by_name(db, name, SKILL) is not None:
        raise malformed(f"A skill collection called {name!r} already exists.")


def _save(
    db: Database,
    skill: Row,
    files: Mapping[str, str],
    new: SentVersion,
    uploaded: Mapping[str, bytes],
    provider: str | None,
) -> Row:
    """Store ``files`` with the changes of ``new`` as the next version, and point a label at it."""
    changed, contents = changed_files(files, new, uploaded, provider)
    db.executemany(
        "INSERT INTO skill_contents (digest, content) VALUES (?, ?) ON CONFLICT DO NOTHING", contents.items()
    )
    size = db.execute(f"SELECT sum(length(content)) {_FILES}", (encoded(changed),)).fetchone()[0] or 0
    if size > MAX_TOTAL:
        raise malformed(f"The files of the collection have more than {MAX_TOTAL:,} bytes in total.")
    about = {"id": str(uuid.uuid4()), "root_path": f"/{skill['name']}", "provider": provider}
    version = items.add_version(db, skill, {**about, "files": changed}, message=new.commit_message)
    if new.release_label is not None:
        items.point_labels(db, version, [new.release_label])
    return version


_FILES = "FROM json_each(?) f JOIN skill_contents c ON c.digest = f.value"


def _contents(db: Database, version: Row) -> dict[str, bytes]:
    files, provider = encoded(version["body"]["files"]), version["body"]["provider"]
    rows = db.execute(f"SELECT f.key AS path, c.content {_FILES} ORDER BY f.key", (files,))
    return {exported_path(row["path"], provider): row["content"] for row in rows}


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _collection(request: Request, skill: Row, provider: str | None) -> dict[str, Any]:
    about = {"id": skill["uid"], "name": skill["name"], "root_path": f"/{skill['name']}"}
    about |= {key: skill[key] for key in ("folder_id", "created_at", "updated_at")}
    unknown: dict[str, Any] = {"created_by": None, "updated_by": None, "external_ids": []}
    workspace_id = request.store.workspace_id
    return {**about, "provider": provider, "workspace_id": workspace_id, "is_deleted": False, **unknown}


def _version(
    request: Request, db: Database, skill: Row, version: Row, label: str | None = None
) -> dict[str, Any]:
    """Return a version for a response, with ``label``, by default the first of its labels."""
    first = "SELECT min(name) FROM labels WHERE version_id = ?"
    body = version["body"]
    return {
        "id": body["id"],
        "skill_collection_id": skill["uid"],
        "workspace_id": request.store.workspace_id,
        "number": version["number"],
        "root_path_at_version": body["root_path"],
        "provider": body["provider"],
        "file_paths": list(body["files"]),
        "commit_message": version["message"],
        "release_label": label or db.execute(first, (version["id"],)).fetchone()[0],
        "archived": False,
        "created_by": None,
        "user_email": None,
        "created_at": version["created_at"],
    }
