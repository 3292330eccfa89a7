"""Publishing: every call adds a version, with its labels, tags, folder and external ids, or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from promptsync.server import expansion, records
from promptsync.server.clock import now
from promptsync.server.draft import Draft, check_external_id, read_draft
from promptsync.server.errors import conflict, malformed
from promptsync.server.http import Request, Response
from promptsync.server.protection import free_labels
from promptsync.server.records import Row


def publish(request: Request) -> Response:
    """``POST /rest/prompt-templates``: 201, also for a new version of a known name.

    Tags and folder that are not given stay as they are. A name that was archived comes back to life under
    its old id, with its old versions below the new one: the API has no other way to restore it.
    """
    draft = read_draft(request.object())
    with request.context.store.write() as db:
        row = records.by_name(db, draft.name, archived=True)
        return Response(add_version(db, row, draft), 201)


def upsert(request: Request) -> Response:
    """``PUT /prompt-templates/by-external-id/{source}/{external_id}``: 200 if the mapping existed, else 201.

    A body with another name than that of the mapped template is a 409; nothing is renamed.
    """
    draft = read_draft(request.object())
    pair = request.args["source"], request.args["external_id"]
    check_external_id(*pair)
    with request.context.store.write() as db:
        row = db.execute(
            "SELECT t.* FROM templates t JOIN external_ids e ON e.template_id = t.id"
            " WHERE e.source = ? AND e.external_id = ?",
            pair,
        ).fetchone()
        if row is None:
            named = records.by_name(db, draft.name, archived=True)
            answer = add_version(db, named, draft)
            attach_external_id(db, answer["id"], *pair)
            answer["external_ids"] = records.external_ids(db, answer["id"])
            return Response(answer, 201)
        if row["name"] != draft.name:
            raise conflict(
                f"The external id belongs to {row['name']!r}; the body names {draft.name!r}. "
                "Send the same name, or detach the external id first."
            )
        return Response(add_version(db, row, draft), 200)


def add_version(db: sqlite3.Connection, row: Row | None, draft: Draft) -> dict[str, Any]:
    """Store ``draft`` as the next version of the template ``row``, or of a new one, and return the answer."""
    expansion.check(db, draft.name, draft.template, draft.labels or ())
    if draft.folder_id is not None:
        check_folder(db, draft.folder_id)
    moment = now()
    # Before anything is stored: a label that is refused refuses the whole publish.
    labels = None if draft.labels is None else free_labels(db, draft.name, draft.labels)
    template_id = _save_template(db, row, draft, moment)
    number = 1 if row is None else row["latest"] + 1
    version_id = _save_version(db, template_id, number, draft, moment)
    set_labels(db, template_id, version_id, labels or (), moment)
    for source, external_id in draft.external_ids:
        attach_external_id(db, template_id, source, external_id)
    saved = records.by_id(db, template_id)
    return {
        "id": template_id,
        "prompt_name": draft.name,
        "prompt_version_id": version_id,
        "version_number": number,
        "tags": records.decoded(saved["tags"]),
        "release_labels": labels,
        "prompt_template": draft.template,
        "metadata": draft.metadata,
        "commit_message": draft.message,
        "external_ids": records.external_ids(db, template_id),
    }


def check_folder(db: sqlite3.Connection, folder_id: int) -> None:
    """400 when there is no such folder."""
    if not db.execute("SELECT 1 FROM folders WHERE id = ?", (folder_id,)).fetchone():
        raise malformed(f"There is no folder with the id {folder_id}.")


def _save_template(db: sqlite3.Connection, row: Row | None, draft: Draft, moment: str) -> int:
    if row is None:
        created = db.execute(
            "INSERT INTO templates (name, tags, folder_id, latest, created_at, updated_at)"
            " VALUES (?, ?, ?, 1, ?, ?)",
            (draft.name, records.encoded(list(draft.tags or ())), draft.folder_id, moment, moment),
        )
        return int(created.lastrowid or 0)
    db.execute(
        "UPDATE templates SET latest = latest + 1, deleted = 0, updated_at = ?, tags = ?,"
        " folder_id = coalesce(?, folder_id) WHERE id = ?",
        (
            moment,
            row["tags"] if draft.tags is None else records.encoded(list(draft.tags)),
            draft.folder_id,
            row["id"],
        ),
    )
    return int(row["id"])


def _save_version(db: sqlite3.Connection, template_id: int, number: int, draft: Draft, moment: str) -> int:
    created = db.execute(
        "INSERT INTO versions (template_id, number, type, template, metadata, message, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            template_id,
            number,
            draft.template["type"],
            records.encoded(draft.template),
            records.encoded(draft.metadata),
            draft.message,
            moment,
        ),
    )
    version_id = int(created.lastrowid or 0)
    db.executemany(
        "INSERT INTO snippet_uses (version_id, name, number, label) VALUES (?, ?, ?, ?)",
        [(version_id, use.name, use.version, use.label) for use in expansion.used_by(draft.template)],
    )
    return version_id


def set_labels(
    db: sqlite3.Connection, template_id: int, version_id: int, labels: Iterable[str], moment: str
) -> None:
    """Create these labels of a template, or move them, to one of its versions."""
    db.executemany(
        "INSERT INTO labels (template_id, name, version_id, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (template_id, name) DO UPDATE SET version_id = excluded.version_id",
        [(template_id, label, version_id, moment) for label in labels],
    )


def attach_external_id(db: sqlite3.Connection, template_id: int, source: str, external_id: str) -> None:
    """Attach the pair; again to the same template is fine, to a second one is a 409."""
    pair = source, external_id
    owner = db.execute(
        "SELECT template_id FROM external_ids WHERE source = ? AND external_id = ?", pair
    ).fetchone()
    if owner is None:
        db.execute("INSERT INTO external_ids VALUES (?, ?, ?)", (*pair, template_id))
    elif owner["template_id"] != template_id:
        raise conflict(f"The external id {external_id!r} of {source!r} belongs to another prompt template.")
