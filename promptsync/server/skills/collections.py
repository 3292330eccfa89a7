"""Skill collections over HTTP: list, read, create, rename, save a version."""

from __future__ import annotations

import uuid
from typing import Any

from promptsync.server.http.answer import Download, Response, malformed
from promptsync.server.http.listing import Listing
from promptsync.server.http.request import Request
from promptsync.server.prompts import find
from promptsync.server.prompts.draft import MAX_LABEL
from promptsync.server.prompts.find import SKILL
from promptsync.server.prompts.folders import folder_by_id
from promptsync.server.skills.archive import MAX_TOTAL, read_archive, too_much, write_archive
from promptsync.server.skills.files import (
    ROOTS,
    Changes,
    changed_files,
    digest,
    exported_path,
    read_changes,
)
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, decoded, encoded, insert

MAX_NAME = 255


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
    body = request.body()
    name = body.text("name", least=1, most=MAX_NAME)
    folder_id = body.optional_id("folder_id")
    provider = body.choice("provider", ROOTS)
    message = body.optional_text("commit_message")
    changes = read_changes(body, "files", read_archive(request.attached), provider)
    skill_id, moment = str(uuid.uuid4()), now()
    with request.store.write() as db:
        _check_free(db, name)
        if folder_id is not None:
            folder_by_id(db, folder_id, status=400)
        about = {"name": name, "root_path": f"/{name}", "folder_id": folder_id}
        insert(db, "skills", id=skill_id, **about, created_at=moment, updated_at=moment)
        version = _save(db, find.find(db, name, SKILL), {}, changes, provider, message)
        answer = {
            "skill_collection": _collection(request, find.find(db, name, SKILL)),
            "version": _version(request, db, version),
            "external_ids": [],
        }
    return Response({"success": True, **answer}, 201)


def rename_collection(request: Request) -> Response:
    """Rename a collection; its id stays."""
    name = request.body().text("name", least=1, most=MAX_NAME)
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
    body = request.body()
    label = body.optional_text("release_label", least=1, most=MAX_LABEL)
    message = body.optional_text("commit_message")
    chosen = body.choice("provider", ROOTS)
    uploaded = read_archive(request.attached)
    with request.store.write() as db:
        skill = find.find(db, request.path["identifier"], SKILL)
        provider = chosen or skill["provider"]
        changes = read_changes(body, "file_updates", uploaded, provider)
        files = decoded(find.version(db, skill, kind=SKILL)["files"])
        version = _save(db, skill, files, changes, provider, message)
        if label is not None:
            find.point_labels(db, version, [label], SKILL)
        saved = _version(request, db, version, label)
    return Response({"success": True, "version": saved}, 201)


def _check_free(db: Database, name: str) -> None:
    if find.is_taken(db, name, SKILL):
        raise malformed(f"A skill collection called {name!r} already exists.")


def _save(
    db: Database,
    skill: Row,
    files: dict[str, str],
    changes: Changes,
    provider: str | None,
    message: str | None,
) -> Row:
    """Store ``files`` with ``changes`` as the next version."""
    kept = encoded(changed_files(files, changes, provider))
    db.executemany(
        "INSERT INTO skill_contents (digest, content) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(digest(content), content) for content in changes.written.values()],
    )
    size = db.execute(f"SELECT sum(length(content)) {_FILES}", (kept,)).fetchone()[0] or 0
    if size > MAX_TOTAL:
        raise too_much()
    db.execute("UPDATE skills SET provider = ? WHERE id = ?", (provider, skill["id"]))
    about = {"root_path": skill["root_path"], "provider": provider, "files": kept, "message": message}
    return find.next_version(db, skill["id"], SKILL, id=str(uuid.uuid4()), **about)


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
