"""Publishing: every call adds a version, with its labels, tags and folder, or nothing."""

from __future__ import annotations

from typing import Any

from promptsync.prompt.snippets import rendered_in
from promptsync.server.http.answer import Response, malformed
from promptsync.server.http.request import Request
from promptsync.server.prompts import find, snippets, tools
from promptsync.server.prompts.draft import Draft, patched, read_draft
from promptsync.server.prompts.folders import folder_by_id
from promptsync.server.prompts.labels import unprotected
from promptsync.server.store.clock import now
from promptsync.server.store.database import Database, Row, decoded, encoded, insert


def publish(request: Request) -> Response:
    """Add a version: 201, also for a known name.

    Tags and folder that are not given stay as they are. An archived name is restored under its old id, with
    the new version after its old ones: the API has no other way to restore it.
    """
    draft = read_draft(request.body())
    with request.store.write() as db:
        answer = add_version(db, draft)
    return Response(answer, 201)


def patch(request: Request) -> Response:
    """Add a version that changes another one, the latest unless the body names one: 201."""
    body = request.body()
    number, label = body.version()
    if number is not None and label is not None:
        raise malformed("Specify version or label, not both.")
    with request.store.write() as db:
        template = find.find(db, request.path["identifier"])
        base = find.version(db, template, number, label)
        answer = add_version(db, patched(template["name"], base, body))
    return Response(answer, 201)


def add_version(db: Database, draft: Draft) -> dict[str, Any]:
    """Store ``draft`` as the next version of its template, creating it if necessary; return the response."""
    snippets.check(db, draft.name, draft.template, draft.labels or ())
    tools.check(draft.template)
    if draft.folder_id is not None:
        folder_by_id(db, draft.folder_id, status=400)
    # This comes before anything is stored, because a refused label refuses the whole publish.
    labels = None if draft.labels is None else unprotected(db, draft.name, draft.labels)
    moment = now()
    template = _save_template(db, draft, moment)
    version_id = _save_version(db, template, draft, moment)
    db.executemany(
        "INSERT INTO labels (template_id, name, version_id, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (template_id, name) DO UPDATE SET version_id = excluded.version_id",
        [(template["id"], label, version_id, moment) for label in labels or ()],
    )
    return {
        "id": template["id"],
        "prompt_name": draft.name,
        "prompt_version_id": version_id,
        "version_number": template["latest"],
        "tags": decoded(template["tags"]),
        "release_labels": labels,
        "prompt_template": draft.template,
        "metadata": draft.metadata,
        "commit_message": draft.message,
        "external_ids": [],
    }


def _save_template(db: Database, draft: Draft, moment: str) -> Row:
    """Return the row of the template, whose ``latest`` is the number of the version to be saved."""
    db.execute(
        "INSERT INTO templates (name, tags, folder_id, latest, created_at, updated_at)"
        " VALUES (:name, coalesce(:tags, '[]'), :folder, 1, :now, :now)"
        " ON CONFLICT (name) DO UPDATE SET latest = latest + 1, deleted = 0, updated_at = :now,"
        " tags = coalesce(:tags, tags), folder_id = coalesce(:folder, folder_id)",
        {
            "name": draft.name,
            "tags": None if draft.tags is None else encoded(draft.tags),
            "folder": draft.folder_id,
            "now": moment,
        },
    )
    row: Row = db.execute("SELECT * FROM templates WHERE name = ?", (draft.name,)).fetchone()
    return row


def _save_version(db: Database, template: Row, draft: Draft, moment: str) -> int:
    version_id = insert(
        db,
        "versions",
        template_id=template["id"],
        number=template["latest"],
        type=draft.template["type"],
        template=encoded(draft.template),
        metadata=encoded(draft.metadata),
        message=draft.message,
        created_at=moment,
    )
    db.executemany(
        "INSERT INTO snippet_uses (version_id, name, number, label) VALUES (?, ?, ?, ?)",
        [(version_id, use.name, use.version, use.label) for use in rendered_in(draft.template)],
    )
    return version_id
