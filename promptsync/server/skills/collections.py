"""Skill collections over HTTP: list, read, create, rename, save a version."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any, Literal

from msgspec import Struct, field

from promptsync.server.http.answer import Response, malformed
from promptsync.server.http.fields import Id, Name
from promptsync.server.http.listing import ItemQuery
from promptsync.server.http.request import Request
from promptsync.server.prompts import items
from promptsync.server.prompts.folders import folder_by_id
from promptsync.server.prompts.items import SKILL
from promptsync.server.skills.archive import read_archive, write_archive
from promptsync.server.skills.files import SentFile, SentVersion, changed_files, exported_path
from promptsync.server.store.database import Database, Row, now

_COLLECTION = """i.uid AS id, i.name, '/' || i.name AS root_path, i.folder_id, i.created_at, i.updated_at,
    json_extract(v.body, '$.provider') AS provider, (SELECT workspace_id FROM registry) AS workspace_id,
    i.deleted AS "is_deleted [flag]", NULL AS created_by, NULL AS updated_by, '[]' AS "external_ids [json]"
"""
_VERSION = """json_extract(v.body, '$.id') AS id, i.uid AS skill_collection_id,
    (SELECT workspace_id FROM registry) AS workspace_id, v.number,
    json_extract(v.body, '$.root_path') AS root_path_at_version,
    json_extract(v.body, '$.provider') AS provider,
    (SELECT json_group_array(path) FROM skill_files WHERE version_id = v.id) AS "file_paths [json]",
    v.message AS commit_message, (SELECT min(name) FROM labels WHERE version_id = v.id) AS release_label,
    0 AS "archived [flag]", NULL AS created_by, NULL AS user_email, v.created_at"""

_LATEST = "items i JOIN versions v ON v.item_id = i.id AND v.number = i.latest"


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
    query = request.parameters(ItemQuery)
    with request.store.read() as db:
        collections = [dict(row) for row in query.select(db, _COLLECTION, _LATEST, f"i.kind = '{SKILL}'")]
    return Response({"success": True, "skill_collections": collections})


class FormatQuery(Struct, frozen=True):
    """The parameter that chooses the form of a collection."""

    format: Literal["json", "zip"] = "json"


def get_collection(request: Request) -> Response:
    """Return a version of a collection, as JSON or as an archive, with its files at their exported paths.

    An archive has all files, JSON only those that are text.
    """
    number, label = request.version()
    as_archive = request.parameters(FormatQuery).format == "zip"
    with request.store.read() as db:
        skill = _find(db, request)
        version = items.version(db, skill, number, label)
        about, shown = _collection(db, skill), _version(db, version, label)
        files = {exported_path(path, shown["provider"]): file for path, file in _files(db, version).items()}
    if as_archive:
        headers = {"Content-Disposition": 'attachment; filename="skills.zip"'}
        return Response(write_archive(files), headers=headers, content_type="application/zip")
    texts = {}
    for path, content in files.items():
        with suppress(UnicodeDecodeError):
            texts[path] = content.decode()
    return Response({"success": True, "skill_collection": about, "files": texts, "version": shown})


def create_collection(request: Request) -> Response:
    """Create a collection with its first version; 400 if the name is taken."""
    body, uploaded = request.read(SentCollection), read_archive(request.attached)
    with request.store.write() as db:
        _check_name(db, body.name)
        if body.folder_id is not None:
            folder_by_id(db, body.folder_id, status=400)
        skill = items.save(db, SKILL, body.name, uid=str(uuid.uuid4()), folder_id=body.folder_id)
        version = _save(db, skill, body, uploaded)
        about, shown = _collection(db, skill), _version(db, version)
    answer = {"success": True, "skill_collection": about, "version": shown, "external_ids": []}
    return Response(answer, 201)


def rename_collection(request: Request) -> Response:
    """Rename a collection; its id stays."""
    name = request.read(SentName).name
    with request.store.write() as db:
        skill = _find(db, request)
        if name != skill["name"]:
            _check_name(db, name)
        db.execute("UPDATE items SET name = ?, updated_at = ? WHERE id = ?", (name, now(), skill["id"]))
        about = _collection(db, skill)
    return Response({"success": True, "skill_collection": about})


def save_version(request: Request) -> Response:
    """Add a version that changes the files of the latest one, and point a label at it."""
    body, uploaded = request.read(SentVersion), read_archive(request.attached)
    with request.store.write() as db:
        skill = _find(db, request)
        shown = _version(db, _save(db, skill, body, uploaded))
    return Response({"success": True, "version": shown}, 201)


def _find(db: Database, request: Request) -> Row:
    # A collection is also known by its root path, which is a slash and its name.
    return items.find(db, request.path["identifier"].removeprefix("/"), SKILL)


def _check_name(db: Database, name: str) -> None:
    if name.startswith("/"):
        raise malformed("The name of a skill collection cannot start with a slash.")
    if db.execute("SELECT 1 FROM items WHERE kind = ? AND name = ?", (SKILL, name)).fetchone():
        raise malformed(f"A skill collection called {name!r} already exists.")


def _save(db: Database, skill: Row, new: SentVersion, uploaded: dict[str, bytes]) -> Row:
    """Store the files of the latest version, if any, with the changes of ``new`` as the next version."""
    latest = items.version(db, skill) if skill["latest"] else None
    provider = new.provider or (latest["body"]["provider"] if latest else None)
    files = _files(db, latest) if latest else {}
    changed = changed_files(files, new, uploaded, provider)
    body = {"id": str(uuid.uuid4()), "root_path": f"/{skill['name']}", "provider": provider}
    version = items.add_version(db, skill, body, message=new.commit_message)
    db.executemany(
        "INSERT INTO skill_files VALUES (?, ?, ?)", [(version["id"], *file) for file in changed.items()]
    )
    if new.release_label is not None:
        items.point_labels(db, version, [new.release_label])
    return version


def _files(db: Database, version: Row) -> dict[str, bytes]:
    """Return the files of a version by their stored paths."""
    return dict(
        db.execute(
            "SELECT path, content FROM skill_files WHERE version_id = ? ORDER BY path", (version["id"],)
        ).fetchall()
    )


def _collection(db: Database, skill: Row) -> dict[str, Any]:
    return dict(db.execute(f"SELECT {_COLLECTION} FROM {_LATEST} WHERE i.id = ?", (skill["id"],)).fetchone())


def _version(db: Database, version: Row, label: str | None = None) -> dict[str, Any]:
    """Return a version for a response, with ``label``, by default the first of its labels."""
    sql = f"SELECT {_VERSION} FROM versions v JOIN items i ON i.id = v.item_id WHERE v.id = ?"
    shown = dict(db.execute(sql, (version["id"],)).fetchone())
    return shown | ({"release_label": label} if label else {})
