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
from promptsync.server.prompts import find
from promptsync.server.prompts.find import SKILL
from promptsync.server.prompts.folders import folder_by_id
from promptsync.server.skills.archive import MAX_TOTAL, read_archive, write_archive
from promptsync.server.skills.files import SentFile, SentVersion, changed_files, exported_path
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, decoded, encoded, insert


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
    with request.store.read() as db:
        rows = listing.rows(db, "i.*", "skills i")
    return Response({"success": True, "skill_collections": [_collection(request, row) for row in rows]})


def get_collection(request: Request) -> Response:
    """Return a version of a collection, as JSON or as an archive, with its files at their exported paths.

    An archive has all files, JSON only those that are text.
    """
    number, label = request.query.version()
    as_archive = request.query.choice("format", ("json", "zip"), "json") == "zip"
    with request.store.read() as db:
        skill = find.find(db, request.path["identifier"], SKILL)
        version = find.version(db, skill, number, label, SKILL)
        contents = _contents(db, version)
        shown = _version(request, db, version, label)
    if as_archive:
        return Download(write_archive(contents), "application/zip", "skills.zip")
    texts = {path: text for path, content in contents.items() if (text := _text(content)) is not None}
    about = {"skill_collection": _collection(request, skill), "files": texts, "version": shown}
    return Response({"success": True, **about})


def create_collection(request: Request) -> Response:
    """Create a collection with its first version; 400 if the name is taken."""
    body, uploaded, moment = request.read(SentCollection), read_archive(request.attached), now()
    with request.store.write() as db:
        _check_free(db, body.name)
        if body.folder_id is not None:
            folder_by_id(db, body.folder_id, status=400)
        about = {"name": body.name, "root_path": f"/{body.name}", "folder_id": body.folder_id}
        insert(db, "skills", id=str(uuid.uuid4()), **about, created_at=moment, updated_at=moment)
        version = _save(db, find.find(db, body.name, SKILL), {}, body, uploaded)
        answer = {
            "skill_collection": _collection(request, find.find(db, body.name, SKILL)),
            "version": _version(request, db, version),
            "external_ids": [],
        }
    return Response({"success": True, **answer}, 201)


def rename_collection(request: Request) -> Response:
    """Rename a collection; its id stays."""
    name = request.read(SentName).name
    with request.store.write() as db:
        skill = find.find(db, request.path["identifier"], SKILL)
        if name != skill["name"]:
            _check_free(db, name)
        db.execute(
            "UPDATE skills SET name = ?, root_path = ?, updated_at = ? WHERE id = ?",
            (name, f"/{name}", now(), skill["id"]),
        )
        renamed = _collection(request, find.find(db, name, SKILL))
    return Response({"success": True, "skill_collection": renamed})


def save_version(request: Request) -> Response:
    """Add a version that changes the files of the latest one, and point a label at it."""
    body, uploaded = request.read(SentVersion), read_archive(request.attached)
    with request.store.write() as db:
        skill = find.find(db, request.path["identifier"], SKILL)
        files = decoded(find.version(db, skill, kind=SKILL)["files"])
        saved = _version(request, db, _save(db, skill, files, body, uploaded), body.release_label)
    return Response({"success": True, "version": saved}, 201)


def _check_free(db: Database, name: str) -> None:
    if find.is_taken(db, name, SKILL):
        raise malformed(f"A skill collection called {name!r} already exists.")


def _save(
    db: Database, skill: Row, files: Mapping[str, str], new: SentVersion, uploaded: Mapping[str, bytes]
) -> Row:
    """Store ``files`` with the changes of ``new`` as the next version, and point a label at it."""
    provider = new.provider or skill["provider"]
    changed, contents = changed_files(files, new, uploaded, provider)
    kept = encoded(changed)
    db.executemany(
        "INSERT INTO skill_contents (digest, content) VALUES (?, ?) ON CONFLICT DO NOTHING", contents.items()
    )
    size = db.execute(f"SELECT sum(length(content)) {_FILES}", (kept,)).fetchone()[0] or 0
    if size > MAX_TOTAL:
        raise malformed(f"The files of the collection have more than {MAX_TOTAL:,} bytes in total.")
    db.execute("UPDATE skills SET provider = ? WHERE id = ?", (provider, skill["id"]))
    about = {"root_path": skill["root_path"], "provider": provider, "message": new.commit_message}
    version = find.next_version(db, skill["id"], SKILL, id=str(uuid.uuid4()), files=kept, **about)
    if new.release_label is not None:
        find.point_labels(db, version, [new.release_label], SKILL)
    return version


_FILES = "FROM json_each(?) f JOIN skill_contents c ON c.digest = f.value"


def _contents(db: Database, version: Row) -> dict[str, bytes]:
    rows = db.execute(f"SELECT f.key AS path, c.content {_FILES} ORDER BY f.key", (version["files"],))
    return {exported_path(row["path"], version["provider"]): row["content"] for row in rows}


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _collection(request: Request, row: Row) -> dict[str, Any]:
    keys = ("id", "name", "root_path", "folder_id", "provider", "created_at", "updated_at")
    unknown: dict[str, Any] = {"created_by": None, "updated_by": None, "external_ids": []}
    about = {"workspace_id": request.store.workspace_id, "is_deleted": bool(row["deleted"])}
    return {key: row[key] for key in keys} | about | unknown


def _version(request: Request, db: Database, row: Row, label: str | None = None) -> dict[str, Any]:
    """Return a version for a response, with ``label``, by default the first of its labels."""
    first = "SELECT min(name) FROM skill_labels WHERE version_id = ?"
    return {
        "id": row["id"],
        "skill_collection_id": row["skill_id"],
        "workspace_id": request.store.workspace_id,
        "number": row["number"],
        "root_path_at_version": row["root_path"],
        "provider": row["provider"],
        "file_paths": list(decoded(row["files"])),
        "commit_message": row["message"],
        "release_label": label or db.execute(first, (row["id"],)).fetchone()[0],
        "archived": False,
        "created_by": None,
        "user_email": None,
        "created_at": row["created_at"],
    }
