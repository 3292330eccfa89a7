"""Skill collections over HTTP: versions of files, with labels.

Paths are stored relative to the root of the collection, such as ``triage/SKILL.md``. The provider's tool
looks for that file at its exported path, such as ``.claude/skills/triage/SKILL.md``.
"""

from __future__ import annotations

import io
import re
import stat
import uuid
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal

from msgspec import Struct, field

from promptsync.server.http import Answer, ApiError, Id, Name, Request, Response, malformed
from promptsync.server.prompts import items
from promptsync.server.prompts.folders import folder_by_id
from promptsync.server.store.database import Database, Row, now

MAX_FILES = 100
MAX_FILE = 5 * 1024 * 1024
MAX_TOTAL = 32 * 1024 * 1024
MAX_PATH = 512
MAX_ENTRIES = 1000
"""Most entries in an archive."""

Provider = Literal["claude_code", "openai", "openclaw"]

_ROOTS = {
    "claude_code": (".claude/", "skills/"),
    "openai": (".agents/", "skills/"),
    "openclaw": (".openclaw/", ""),
    None: ("", ""),
}
"""The folder that each provider's tool reads, and the one below it for files that are in a folder.

A collection without a provider is universal.
"""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

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


class _SentFile(Struct, frozen=True):
    path: str
    content: str | None = None


class _SentMove(Struct, frozen=True):
    old_path: str
    new_path: str


class SentVersion(Struct, frozen=True):
    """A version in a request. Its changes happen in this order: moves, deletions, files to write."""

    provider: Provider | None = None
    commit_message: str | None = None
    release_label: Name | None = None
    moves: list[_SentMove] | None = None
    deletes: list[str] | None = None
    file_updates: list[_SentFile] | None = None


class _SentName(Struct, frozen=True):
    name: Name


class _CollectionQuery(items.VersionChoice, frozen=True):
    format: Literal["json", "zip"] = "json"


class _SentCollection(SentVersion, frozen=True, kw_only=True):
    name: Name
    folder_id: Id | None = None
    file_updates: list[_SentFile] | None = field(default=None, name="files")


def get_collection(request: Request, db: Database) -> Answer | Response:
    """Return a version of a collection, as JSON or as an archive, with its files at their exported paths.

    An archive has all files, JSON only those that are text.
    """
    query = request.parameters(_CollectionQuery)
    skill = _find(db, request)
    version = items.version(db, skill, query.version, query.label)
    provider = version["body"]["provider"]
    files = {exported_path(path, provider): file for path, file in _files(db, version).items()}
    if query.format == "zip":
        headers = {"Content-Disposition": 'attachment; filename="skills.zip"'}
        return Response(write_archive(files), headers=headers, content_type="application/zip")
    texts = {}
    for path, content in files.items():
        with suppress(UnicodeDecodeError):
            texts[path] = content.decode()
    return {**_shown(db, version, query.label), "files": texts}


def create_collection(request: Request, db: Database) -> Answer:
    """Create a collection with its first version; 400 if the name is taken."""
    body, uploaded = request.read(_SentCollection), read_archive(request.attached)
    _check_name(db, body.name)
    if body.folder_id is not None:
        folder_by_id(db, body.folder_id, status=400)
    skill = items.save(db, items.SKILL, body.name, uid=str(uuid.uuid4()), folder_id=body.folder_id)
    return {**_shown(db, _save(db, skill, body, uploaded)), "external_ids": []}


def rename_collection(request: Request, db: Database) -> Answer:
    """Rename a collection; its id stays."""
    name = request.read(_SentName).name
    skill = _find(db, request)
    if name != skill["name"]:
        _check_name(db, name)
    db.execute("UPDATE items SET name = ?, updated_at = ? WHERE id = ?", (name, now(), skill["id"]))
    return _shown(db, items.version(db, skill))


def save_version(request: Request, db: Database) -> Answer:
    """Add a version that changes the files of the latest one, and point a label at it."""
    body, uploaded = request.read(SentVersion), read_archive(request.attached)
    return _shown(db, _save(db, _find(db, request), body, uploaded))


def _find(db: Database, request: Request) -> Row:
    # A collection is also known by its root path, which is a slash and its name.
    return items.find(db, request.path["identifier"].removeprefix("/"), items.SKILL)


def _check_name(db: Database, name: str) -> None:
    if name.startswith("/"):
        raise malformed("The name of a skill collection cannot start with a slash.")
    if db.execute("SELECT 1 FROM items WHERE kind = ? AND name = ?", (items.SKILL, name)).fetchone():
        raise malformed(f"A skill collection called {name!r} already exists.")


def _save(db: Database, skill: Row, new: SentVersion, uploaded: dict[str, bytes]) -> Row:
    """Store the files of the latest version, if any, with the changes of ``new`` as the next version."""
    latest = items.version(db, skill) if skill["latest"] else None
    provider = new.provider or (latest["body"]["provider"] if latest else None)
    files = _files(db, latest) if latest else {}
    changed = changed_files(files, new, uploaded, provider)
    body = {"id": str(uuid.uuid4()), "root_path": f"/{skill['name']}", "provider": provider}
    version = items.add_version(db, skill, body, message=new.commit_message)
    rows = [(version["id"], *file) for file in changed.items()]
    db.executemany("INSERT INTO skill_files VALUES (?, ?, ?)", rows)
    if new.release_label is not None:
        items.point_labels(db, version, [new.release_label])
    return version


def _files(db: Database, version: Row) -> dict[str, bytes]:
    """Return the files of a version by their stored paths."""
    sql = "SELECT path, content FROM skill_files WHERE version_id = ? ORDER BY path"
    return dict(db.execute(sql, (version["id"],)).fetchall())


def _shown(db: Database, version: Row, label: str | None = None) -> Answer:
    """Return a collection and its version as in a response, with ``label`` or the first of its labels."""
    sql = f"SELECT {_COLLECTION} FROM {items.LATEST} WHERE i.id = ?"
    about = db.execute(sql, (version["item_id"],)).fetchone()
    sql = f"SELECT {_VERSION} FROM versions v JOIN items i ON i.id = v.item_id WHERE v.id = ?"
    shown = dict(db.execute(sql, (version["id"],)).fetchone())
    return {"skill_collection": dict(about), "version": shown | ({"release_label": label} if label else {})}


def changed_files(
    files: Mapping[str, bytes], new: SentVersion, uploaded: Mapping[str, bytes], provider: str | None
) -> dict[str, bytes]:
    """Return the files of a new version; 400 if its changes do not apply.

    ``uploaded`` are the files to write that came in an archive.
    """
    changed = {stored_path(path, provider): content for path, content in files.items()}
    if len(changed) < len(files):
        raise malformed(f"Two files would have the same path for the provider {provider}; move one first.")
    for move in new.moves or ():
        old, path = stored_path(move.old_path, provider), stored_path(move.new_path, provider)
        if path in changed:
            raise malformed(f"{old!r} cannot be moved to {path!r}, which exists.")
        changed[path] = _take(changed, old)
    for path in {stored_path(path, provider) for path in new.deletes or ()}:
        _take(changed, path)
    written: dict[str, bytes] = {}
    texts = ((file.path, (file.content or "").encode()) for file in new.file_updates or ())
    for name, content in (*uploaded.items(), *texts):
        path = stored_path(name, provider)
        if path in written:
            raise malformed(f"The file {path!r} is sent twice.")
        if len(content) > MAX_FILE:
            raise malformed(f"The file {path!r} is larger than {MAX_FILE:,} bytes.")
        written[path] = content
    changed |= written
    if len(changed) > MAX_FILES:
        raise malformed(f"A collection has at most {MAX_FILES} files; this one would have {len(changed)}.")
    if sum(map(len, changed.values())) > MAX_TOTAL:
        raise malformed(f"The files of the collection have more than {MAX_TOTAL:,} bytes in total.")
    folders = {path[:at] for path in changed for at, letter in enumerate(path) if letter == "/"}
    if both := folders & changed.keys():
        raise malformed(f"{min(both)!r} cannot be both a file and a folder.")
    return changed


def _take(files: dict[str, bytes], path: str) -> bytes:
    if path not in files:
        raise malformed(f"The collection has no file {path!r}.")
    return files.pop(path)


def stored_path(path: str, provider: str | None) -> str:
    """Return the stored form of a received path, which may be exported; 400 if it is unsafe."""
    unsafe = any(letter in "\\:\x7f" or letter < " " for letter in path)
    if unsafe or len(path) > MAX_PATH or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise malformed(
            f"{path[:100]!r} is not a valid path: use at most {MAX_PATH} characters, names separated by '/', "
            "and no '.', '..', ':', backslash or control character."
        )
    root, folder = _ROOTS[provider]
    # Repeatedly, so that no stored path starts with it.
    return re.sub(f"^({re.escape(root)}{f'|{folder}(?=.*/)' if folder else ''})+", "", path)


def exported_path(path: str, provider: str | None) -> str:
    """Return the path, from the root of a project, where the provider's tool looks for a stored file."""
    root, folder = _ROOTS[provider]
    return root + (folder if "/" in path and not path.startswith(folder) else "") + path


def read_archive(data: bytes | None) -> dict[str, bytes]:
    """Return the files of an archive, if any, by their unchecked names; 400 if it exceeds a limit."""
    if data is None:
        return {}
    # Reading the directory needs much more memory than its size.
    if data.count(b"PK\x01\x02") > MAX_ENTRIES:
        raise malformed(f"The archive has more than {MAX_ENTRIES:,} entries.")
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            # ``zipfile`` never returns more of a file than its size in the directory.
            if sum(entry.file_size for entry in entries) > MAX_TOTAL:
                raise malformed(f"The files of the archive have more than {MAX_TOTAL:,} bytes in total.")
            for entry in entries:
                # ``filename`` ends at the first NUL.
                name, kind = entry.orig_filename, stat.S_IFMT(entry.external_attr >> 16)
                is_plain = kind in (0, stat.S_IFREG) and entry.compress_type in _METHODS
                if name in files or not is_plain:
                    wrong = "is not a plain file that is stored or deflated, or is there twice."
                    raise malformed(f"{name[:100]!r} in the archive {wrong}")
                with archive.open(entry) as file:
                    files[name] = file.read(entry.file_size)
    except ApiError:
        raise
    # For impossible numbers and flags, and for encrypted files, ``zipfile`` raises nearly anything.
    except Exception as error:
        raise malformed(f"The archive cannot be read as a ZIP file: {error}.") from error
    return files


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of the files. The same files always produce the same bytes."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return data.getvalue()
