"""Skill collections over HTTP: list, read, create, rename, save a version."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

from msgspec import Struct, field

from promptsync.server.http.answer import Response, malformed
from promptsync.server.http.fields import Id, Name
from promptsync.server.http.listing import ItemQuery, Listing
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
    listing = Listing.of_kind(request.parameters(ItemQuery), SKILL)
    columns = "i.*, json_extract(v.body, '$.provider') AS provider"
    source = "items i JOIN versions v ON v.item_id = i.id AND v.number = i.latest"
    with request.store.read() as db:
        rows = listing.rows(db, columns, source)
    collections = [_collection(request, row, row["provider"]) for row in rows]
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
        contents = _contents(db, version["body"])
        shown = _version(request, db, skill, version, label)
    if as_archive:
        headers = {"Content-Disposition": 'attachment; filename="skills.zip"'}
        return Response(write_archive(contents), headers=headers, content_type="application/zip")
    texts = {}
    for path, content in contents.items():
        with suppress(UnicodeDecodeError):
            texts[path] = content.decode()
    about = _collection(request, skill, shown["provider"])
    return Response({"success": True, "skill_collection": about, "files": texts, "version": shown})


def create_collection(request: Request) -> Response:
    """Create a collection with its first version; 400 if the name is taken."""
    body, uploaded = request.read(SentCollection), read_archive(request.attached)
    with request.store.write() as db:
        _check_name(db, body.name)
        if body.folder_id is not None:
            folder_by_id(db, body.folder_id, status=400)
        skill = items.save(db, SKILL, body.name, uid=str(uuid.uuid4()), folder_id=body.folder_id)
        version = _save(db, skill, {"files": {}, "provider": None}, body, uploaded)
        shown = _version(request, db, skill, version)
        about = _collection(request, items.find(db, body.name, SKILL), body.provider)
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
        provider = items.version(db, skill)["body"]["provider"]
        about = _collection(request, items.find(db, name, SKILL), provider)
    return Response({"success": True, "skill_collection": about})


def save_version(request: Request) -> Response:
    """Add a version that changes the files of the latest one, and point a label at it."""
    body, uploaded = request.read(SentVersion), read_archive(request.attached)
    with request.store.write() as db:
        skill = _find(db, request)
        version = _save(db, skill, items.version(db, skill)["body"], body, uploaded)
        shown = _version(request, db, skill, version, body.release_label)
    return Response({"success": True, "version": shown}, 201)


def _find(db: Database, request: Request) -> Row:
    # A collection is also known by its root path, which is a slash and its name.
    return items.find(db, request.path["identifier"].removeprefix("/"), SKILL)


def _check_name(db: Database, name: str) -> None:
    if name.startswith("/"):
        raise malformed("The name of a skill collection cannot start with a slash.")
    if items.by_name(db, name, SKILL) is not None:
        raise malformed(f"A skill collection called {name!r} already exists.")


def _save(
    db: Database, skill: Row, latest: Mapping[str, Any], new: SentVersion, uploaded: Mapping[str, bytes]
) -> Row:
    """Store the files of ``latest`` with the changes of ``new`` as the next version; it may get a label."""
    provider = new.provider or latest["provider"]
    files, contents = changed_files(latest["files"], new, uploaded, provider)
    db.executemany(
        "INSERT INTO skill_contents (digest, content) VALUES (?, ?) ON CONFLICT DO NOTHING", contents.items()
    )
    body = {"id": str(uuid.uuid4()), "root_path": f"/{skill['name']}", "provider": provider, "files": files}
    if sum(map(len, _contents(db, body).values())) > MAX_TOTAL:
        raise malformed(f"The files of the collection have more than {MAX_TOTAL:,} bytes in total.")
    version = items.add_version(db, skill, body, message=new.commit_message)
    if new.release_label is not None:
        items.point_labels(db, version, [new.release_label])
    return version


def _contents(db: Database, body: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of a version by their exported paths."""
    rows = db.execute(
        "SELECT f.key AS path, c.content FROM json_each(?) f JOIN skill_contents c ON c.digest = f.value"
        " ORDER BY f.key",
        (encoded(body["files"]),),
    )
    return {exported_path(row["path"], body["provider"]): row["content"] for row in rows}


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
